"""Impacts of a damaged rolling bearing: when they strike, how hard, and how the structure rings.

Duty: adds the ringing of one fault to blocks of acceleration. Each strike follows the last one by the
nominal interval, a little off (elements slip, and the deviations add up: Randall and Antoni, "Rolling element
bearing diagnostics - a tutorial", MSSP 25, 2011); it excites two resonances that each axis feels with a gain
of its own. Multipliers are those of a 6205 deep-groove ball bearing. Reads no clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

import numpy as np
import numpy.typing as npt

BPFO, BPFI, BSF, FTF = 3.585, 5.415, 2.357, 0.398  # per shaft revolution, 6205


class FaultKind(StrEnum):
    """Which part is damaged, in a technician's words."""

    OUTER_RACE = "outer race"
    INNER_RACE = "inner race"
    ROLLING_ELEMENT = "rolling element"


STRIKES_PER_REVOLUTION = {
    FaultKind.OUTER_RACE: BPFO,
    FaultKind.INNER_RACE: BPFI,
    FaultKind.ROLLING_ELEMENT: 2 * BSF,  # a damaged ball meets both races once per spin
}
_SLIP_MEAN = 0.001  # the cage runs a little late
_SLIP_JITTER = 0.012  # RMS of one interval, as a fraction of it
_STRENGTH_JITTER = 0.12
_FULL_MPS2 = 24.0  # peak of one strike on the axis that feels it most, fully grown, full load
_RING_S = 0.012  # after this long a strike has died away (to under 1 %)


class _Shaft(Protocol):
    def speed_hz(self, t_s: float) -> float: ...

    def load(self, t_s: float) -> float: ...

    def revolutions(self, t_s: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]: ...


class _Resonance:
    def __init__(self, frequency_hz: float, damping: float, gains: tuple[float, float, float]) -> None:
        self.decay_per_s = 2 * np.pi * frequency_hz * damping
        self.ringing_rad_per_s = 2 * np.pi * frequency_hz * np.sqrt(1.0 - damping**2)
        self.gains = np.array(gains, dtype=np.float32)[:, None]


_RESONANCES = (
    _Resonance(3_480.0, 0.022, (1.0, 0.72, 0.35)),
    _Resonance(7_150.0, 0.016, (0.30, 0.42, 0.16)),
)


class BearingImpacts:
    """The strikes of one fault, one after another from the time at which it begins."""

    def __init__(self, kind: FaultKind, rng: np.random.Generator, start_s: float) -> None:
        self._kind = kind
        self._rng = rng
        self._next_s = start_s
        self._strikes: list[tuple[float, float]] = []  # (time, strength) of those that may still ring

    def add_to(
        self,
        block: npt.NDArray[np.float32],
        t_s: npt.NDArray[np.float64],
        rate_hz: float,
        shaft: _Shaft,
        severity: Callable[[float], float],
    ) -> None:
        """Add the ringing to a (3, n) block whose samples were taken at `t_s`."""
        first_s, end_s = float(t_s[0]), float(t_s[-1]) + 1.0 / rate_hz
        if self._next_s < first_s - _RING_S:
            self._next_s = first_s  # the stream was moved forward
        self._strike_until(end_s, shaft, severity)
        self._strikes = [strike for strike in self._strikes if strike[0] > first_s - _RING_S]
        for at_s, strength in self._strikes:
            begin = max(0, int(np.ceil((at_s - first_s) * rate_hz)))
            end = min(len(t_s), int(np.ceil((at_s + _RING_S - first_s) * rate_hz)))
            if begin >= end:
                continue
            since_s = t_s[begin:end] - at_s
            for resonance in _RESONANCES:
                ringing = np.exp(-resonance.decay_per_s * since_s)
                ringing *= np.sin(resonance.ringing_rad_per_s * since_s) * strength
                block[:, begin:end] += resonance.gains * ringing.astype(np.float32)

    def _strike_until(self, end_s: float, shaft: _Shaft, severity: Callable[[float], float]) -> None:
        per_revolution = STRIKES_PER_REVOLUTION[self._kind] * (1.0 - _SLIP_MEAN)
        while self._next_s < end_s:
            at_s = self._next_s
            interval_jitter, strength_jitter = self._rng.standard_normal(2)
            strength = _FULL_MPS2 * severity(at_s) * (0.5 + 0.7 * shaft.load(at_s))
            strength *= self._zone(at_s, shaft) * max(0.2, 1.0 + _STRENGTH_JITTER * strength_jitter)
            self._strikes.append((at_s, strength))
            interval_s = 1.0 / (per_revolution * shaft.speed_hz(at_s))
            self._next_s = at_s + interval_s * max(0.5, 1.0 + _SLIP_JITTER * interval_jitter)

    def _zone(self, at_s: float, shaft: _Shaft) -> float:
        """How much load presses on the damage now: a turning race, or a travelling ball, leaves the zone."""
        if self._kind is FaultKind.OUTER_RACE:
            return 1.0
        turns = float(shaft.revolutions(np.array([at_s]))[0])
        if self._kind is FaultKind.ROLLING_ELEMENT:
            turns *= FTF
        return 0.15 + 0.85 * math.pow(max(0.0, math.cos(2 * math.pi * turns)), 1.5)
