"""What disturbs a healthy machine in the soak, and how much: the table, and its course over months.

Every figure that makes the soak hard or easy stands here. Courses are functions of the time and a seed
alone, so that a soak can be taken up again anywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

DAY_S = 86_400.0
WEEK_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Disturbances:
    """Sizes. Spans are drawn evenly from the given range, hours."""

    load: tuple[float, float] = (0.20, 1.00)  # of rated load
    load_holds_h: tuple[float, float] = (0.5, 6.0)
    speed: float = 0.10  # +- of nominal
    speed_holds_h: tuple[float, float] = (0.5, 6.0)
    temperature_k: float = 20.0  # +-: half of it the season, a quarter the day, a quarter the weather
    gain_db_per_k: float = -0.03  # sensor and structure together
    noise_rms_mps2: float = 0.30  # of sensor and mount
    noise_wander_db: float = 1.5  # +- over days
    bump_share: float = 0.01  # of the snapshots
    bump_g: float = 10.0
    runs_h: tuple[float, float] = (20.0, 120.0)
    stands_h: tuple[float, float] = (1.0, 12.0)
    run_up_s: float = 600.0  # so slow that snapshots fall into it
    neighbour_h: tuple[float, float] = (6.0, 60.0)  # runs so long, rests so long
    neighbour_mps2: float = 0.25  # peak of its first line, as felt here


TABLE = Disturbances()
CALM = Disturbances(
    load=(0.7, 0.7),
    speed=0.0,
    temperature_k=0.0,
    noise_wander_db=0.0,
    bump_share=0.0,
    runs_h=(1e6, 2e6),
    neighbour_mps2=0.0,
)
"""Nothing disturbs: what the soak is compared with."""


def described(table: Disturbances) -> list[str]:
    """The table in words, a line each."""
    low, high = (100 * part for part in table.load)
    return [
        f"load {low:.0f}-{high:.0f} %, held {table.load_holds_h[0]:g}-{table.load_holds_h[1]:g} h",
        f"speed +-{100 * table.speed:.0f} %, held {table.speed_holds_h[0]:g}-{table.speed_holds_h[1]:g} h",
        f"temperature +-{table.temperature_k:g} K at {table.gain_db_per_k:g} dB/K",
        f"sensor noise {table.noise_rms_mps2:g} m/s2 RMS, +-{table.noise_wander_db:g} dB",
        f"bumps of {table.bump_g:g} g in {100 * table.bump_share:g} % of the snapshots",
        f"runs {table.runs_h[0]:g}-{table.runs_h[1]:g} h, stands {table.stands_h[0]:g}-{table.stands_h[1]:g}"
        f" h, starts over {table.run_up_s:g} s",
        f"a neighbour of {table.neighbour_mps2:g} m/s2 that runs and rests"
        f" {table.neighbour_h[0]:g}-{table.neighbour_h[1]:g} h",
    ]


@dataclass(frozen=True, slots=True)
class Conditions:
    """What holds at one time."""

    speed: float  # of nominal; 0 at rest
    speed_change_per_s: float  # of nominal
    load: float
    temperature_k: float  # from the mean
    noise: float  # factor
    neighbour: bool
    bump: bool


class _Held:
    """A value that is drawn, held for a drawn time, and drawn again."""

    def __init__(self, rng: np.random.Generator, holds_h: tuple[float, float], total_s: float) -> None:
        count = math.ceil(total_s / 3600.0 / holds_h[0]) + 2
        self.ends_s = np.cumsum(rng.uniform(*holds_h, min(count, 200_000))) * 3600.0
        self.draws = rng.uniform(0.0, 1.0, len(self.ends_s))

    def at(self, t_s: float) -> float:
        return float(self.draws[min(int(np.searchsorted(self.ends_s, t_s)), len(self.draws) - 1)])


class Course:
    """The conditions of one machine over `total_s`."""

    def __init__(self, seed: int, table: Disturbances, total_s: float) -> None:
        self._table = table
        self._seed = seed
        rng = np.random.default_rng([seed, 17])
        self._load = _Held(rng, table.load_holds_h, total_s)
        self._speed = _Held(rng, table.speed_holds_h, total_s)
        self._neighbour_ends_s = np.cumsum(
            rng.uniform(*table.neighbour_h, math.ceil(total_s / 3600.0 / table.neighbour_h[0]) + 2) * 3600.0
        )
        turns = math.ceil(total_s / 3600.0 / (table.runs_h[0] + table.stands_h[0])) + 2
        spans_h = np.empty(2 * turns)
        spans_h[0::2] = rng.uniform(*table.runs_h, turns)
        spans_h[1::2] = rng.uniform(*table.stands_h, turns)
        self._run_ends_s = np.cumsum(spans_h) * 3600.0
        self._phases = rng.uniform(0.0, 2 * np.pi, 4)

    def at(self, t_s: float) -> Conditions:
        """Conditions at a time; the same however it is asked for."""
        table = self._table
        rng = np.random.default_rng([self._seed, 23, round(t_s)])
        low, high = table.load
        speed = 1.0 + table.speed * (2.0 * self._speed.at(t_s) - 1.0)
        change = 0.0
        turn = int(np.searchsorted(self._run_ends_s, t_s, side="right"))
        if turn % 2:
            speed = 0.0
        elif turn > 0:
            since_s = t_s - float(self._run_ends_s[turn - 1])
            if since_s < table.run_up_s:
                change = speed / table.run_up_s
                speed *= since_s / table.run_up_s
        day = math.sin(2 * math.pi * t_s / DAY_S + self._phases[0])
        season = math.sin(2 * math.pi * t_s / (52 * WEEK_S) + self._phases[1])
        weather = math.sin(2 * math.pi * t_s / (5.3 * DAY_S) + self._phases[2])
        noise_db = table.noise_wander_db * math.sin(2 * math.pi * t_s / (3.1 * DAY_S) + self._phases[3])
        return Conditions(
            speed=speed,
            speed_change_per_s=change,
            load=low + (high - low) * self._load.at(t_s) + 0.01 * (rng.uniform() - 0.5),
            temperature_k=table.temperature_k * (0.5 * season + 0.25 * day + 0.25 * weather),
            noise=10.0 ** (noise_db / 20.0),
            neighbour=bool(np.searchsorted(self._neighbour_ends_s, t_s) % 2),
            bump=bool(rng.uniform() < table.bump_share),
        )
