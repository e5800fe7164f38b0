"""Which operating state a machine is in: a bin of speed and load, from tag values.

Duty: bins with hysteresis, standstill, run-up and run-down, stale tags. Vibration is only comparable within
one operating state (ISO 20816-1, 4.4), so every baseline is kept per label given here. Pure: values and times
come as arguments; it does not know where tags come from.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

NO_TAGS = "no tags"  # the machine has no speed or load channel: one baseline for all
WAITING = "waiting for tags"  # it has, and none has arrived since the start
TAGS_STALE = "tags stale"  # what arrived is too old to be believed
TRANSIENT = "transient"  # run-up, run-down: not learned, not scored, not rated
STOPPED = "stopped"

UNKNOWN_STATES = frozenset({WAITING, TAGS_STALE})
UNRATED_STATES = frozenset({TRANSIENT, STOPPED})

_REFERENCE_SHAFT_HZ = 25.0  # centre of the grid of bins where the nominal speed is unknown
_HISTORY_NS = 60_000_000_000


@dataclass(frozen=True, slots=True)
class OperatingStateSettings:
    """Figures of the bins. Speeds are relative to nominal, loads are fractions of rated load."""

    speed_bin_width: float = 0.10  # ratio of neighbouring bins' centres, less 1
    speed_hysteresis: float = 0.15  # of a bin's width: how far past its edge before the bin is left
    load_hysteresis: float = 0.12
    stopped_below: float = 0.05
    transient_change: float = 0.04  # of nominal, within `transient_span_s`
    transient_span_s: float = 4.0
    stale_after_s: float = 30.0


@dataclass(frozen=True, slots=True)
class OperatingState:
    """The state at one time: its label, and the fresh values behind it (None where there is none)."""

    label: str  # "1800 rpm, load 75-100 %", "stopped", "transient", "no tags", ...
    shaft_hz: float | None
    load: float | None

    @property
    def learnable(self) -> bool:
        """Whether a baseline may be learned in this state."""
        return self.label not in UNKNOWN_STATES | UNRATED_STATES

    @property
    def rated(self) -> bool:
        """Whether vibration means anything in this state: the machine runs, and its speed is steady."""
        return self.label not in UNRATED_STATES


class OperatingStateTracker:
    """Follows one machine's speed and load tags.

    `has_speed`, `has_load`: whether the machine has such a channel at all. Tags may be given in any order of
    channels; a value older than the newest of its channel is ignored.
    """

    def __init__(
        self,
        nominal_shaft_hz: float | None,
        has_speed: bool,
        has_load: bool,
        settings: OperatingStateSettings | None = None,
    ) -> None:
        self._settings = settings or OperatingStateSettings()
        self._reference_hz = nominal_shaft_hz or _REFERENCE_SHAFT_HZ
        self._has_speed = has_speed
        self._has_load = has_load
        self._speeds: deque[tuple[int, float]] = deque()  # (time_ns, shaft_hz)
        self._load: tuple[int, float] | None = None
        self._speed_lost = False
        self._load_lost = False
        self._speed_bin: int | None = None
        self._load_bin: int | None = None

    def speed(self, time_ns: int, shaft_hz: float) -> None:
        """A speed value, Hz; its sign (direction) does not matter. What is not finite counts as lost."""
        if not math.isfinite(shaft_hz):
            self.speed_lost()
            return
        if self._speeds and time_ns < self._speeds[-1][0]:
            return
        self._speed_lost = False
        self._speeds.append((time_ns, abs(shaft_hz)))
        while time_ns - self._speeds[0][0] > _HISTORY_NS:
            self._speeds.popleft()
        self._speed_bin = self._bin_of_speed(abs(shaft_hz))

    def load(self, time_ns: int, fraction: float) -> None:
        """A load value, fraction of rated load. What is not finite counts as lost."""
        if not math.isfinite(fraction):
            self.load_lost()
            return
        if self._load is not None and time_ns < self._load[0]:
            return
        self._load_lost = False
        self._load = (time_ns, fraction)
        self._load_bin = self._bin_of_load(fraction)

    def speed_lost(self) -> None:
        """The speed tag has bad quality or its server is gone: its value is void until a new one comes."""
        self._speed_lost = True

    def load_lost(self) -> None:
        """The load tag has bad quality or its server is gone: its value is void until a new one comes."""
        self._load_lost = True

    def at(self, time_ns: int) -> OperatingState:
        """State at a time that is not before the last values given."""
        shaft_hz = self._fresh_speed(time_ns)
        load = self._fresh_load(time_ns)
        return OperatingState(self._label(time_ns, shaft_hz, load), shaft_hz, load)

    def bins(self) -> tuple[int | None, int | None]:
        """The present bins of speed and load; what hysteresis needs to go on after a restart."""
        return self._speed_bin, self._load_bin

    def prefer(self, speed_bin: int | None, load_bin: int | None) -> None:
        """Start in these bins: values within their hysteresis stay there, others move on at once."""
        self._speed_bin = speed_bin
        self._load_bin = load_bin if load_bin is not None and 0 <= load_bin < len(_LOAD_LABELS) else None

    def shaft_hz_over(self, start_ns: int, end_ns: int) -> float | None:
        """Mean shaft speed over an interval, from the tags in it or the last one before; None if stale."""
        within = [hz for time_ns, hz in self._speeds if start_ns <= time_ns <= end_ns]
        if self._speed_lost:
            return None
        if within:
            return sum(within) / len(within)
        return self._fresh_speed(end_ns)

    def steady_over(self, start_ns: int, end_ns: int, tolerance: float) -> bool:
        """Whether the speed stayed within +-`tolerance` (relative) of its mean; True where it is unknown."""
        within = [hz for time_ns, hz in self._speeds if start_ns <= time_ns <= end_ns]
        if not within:
            return True
        mean = sum(within) / len(within)
        return max(within) - min(within) <= 2.0 * tolerance * mean

    def _label(self, time_ns: int, shaft_hz: float | None, load: float | None) -> str:
        if not (self._has_speed or self._has_load):
            return NO_TAGS
        if shaft_hz is not None and shaft_hz < self._settings.stopped_below * self._reference_hz:
            return STOPPED
        missing_speed = self._has_speed and shaft_hz is None
        if not missing_speed and self._transient(time_ns):
            return TRANSIENT
        if missing_speed or (self._has_load and load is None):
            never = (missing_speed and not self._speeds) or (not missing_speed and self._load is None)
            return WAITING if never else TAGS_STALE
        parts = []
        if self._speed_bin is not None and shaft_hz is not None:
            parts.append(f"{self._bin_rpm(self._speed_bin):g} rpm")
        if self._load_bin is not None and load is not None:
            parts.append(_LOAD_LABELS[self._load_bin])
        return ", ".join(parts)

    def _transient(self, time_ns: int) -> bool:
        span_ns = self._settings.transient_span_s * 1e9
        seen = [hz for when_ns, hz in self._speeds if time_ns - when_ns <= span_ns]
        if len(seen) < 2:
            return False
        return max(seen) - min(seen) > self._settings.transient_change * self._reference_hz

    def _fresh_speed(self, time_ns: int) -> float | None:
        if self._speed_lost or not self._speeds or self._stale(self._speeds[-1][0], time_ns):
            return None
        return self._speeds[-1][1]

    def _fresh_load(self, time_ns: int) -> float | None:
        if self._load_lost or self._load is None or self._stale(self._load[0], time_ns):
            return None
        return self._load[1]

    def _stale(self, then_ns: int, now_ns: int) -> bool:
        return now_ns - then_ns > self._settings.stale_after_s * 1e9

    def _bin_of_speed(self, shaft_hz: float) -> int | None:
        """Bin whose centre is reference x (1 + width)^k; the present one until its edge is well passed."""
        if shaft_hz <= 0.0:
            return None
        position = math.log(shaft_hz / self._reference_hz) / math.log1p(self._settings.speed_bin_width)
        present = self._speed_bin
        if present is not None and abs(position - present) <= 0.5 + self._settings.speed_hysteresis:
            return present
        return round(position)

    def _bin_rpm(self, speed_bin: int) -> float:
        rpm = 60.0 * self._reference_hz * (1.0 + self._settings.speed_bin_width) ** speed_bin
        return rpm if speed_bin == 0 else float(f"{rpm:.3g}")

    def _bin_of_load(self, fraction: float) -> int:
        """Quarter of rated load; the present one until its edge is well passed."""
        present = self._load_bin
        if present is not None:
            lower, upper = _LOAD_EDGES[present], _LOAD_EDGES[present + 1]
            hysteresis = self._settings.load_hysteresis
            if lower - hysteresis <= fraction <= upper + hysteresis:
                return present
        return next(i for i in range(len(_LOAD_LABELS)) if fraction < _LOAD_EDGES[i + 1])


# A machine run at its rated load hovers about 100 %: that is one state, so the last quarter reaches to 110 %.
_LOAD_EDGES = (-math.inf, 0.25, 0.50, 0.75, 1.10, math.inf)
_LOAD_LABELS = ("load 0-25 %", "load 25-50 %", "load 50-75 %", "load 75-100 %", "load over 110 %")
