"""Where the shaft stands at each moment: from the pulses of a tacho channel, or from a speed tag.

Duty: pulses to times, times or speeds to a shaft angle in revolutions, and back. Resampling a signal by it is
`dsp.orders`' duty.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

from dsp.errors import DspError
from dsp.samples import Float64Array

# A pulse begins where the signal passes this share of its range upwards, and may begin again only after it
# has fallen below the lower one: noise on a slow edge is no second pulse.
UPPER_SHARE = 0.6
LOWER_SHARE = 0.4
# Neighbouring intervals that differ by more than this factor: a pulse is missing or doubled. No machine that
# turns once between pulses changes its speed so fast.
IRREGULAR_RATIO = 1.6


@dataclass(frozen=True, slots=True)
class ShaftAngle:
    """Revolutions of a shaft since its first known moment, at moments that rise with them."""

    times_s: Float64Array  # (n,), counted like the samples: the first sample is at 0 s
    revolutions: Float64Array  # (n,), strictly rising

    def __post_init__(self) -> None:
        n = len(self.times_s)
        if n < 2 or self.times_s.shape != self.revolutions.shape or self.times_s.ndim != 1:
            raise DspError(f"a shaft angle needs 2 or more moments with one angle each; {n} were given")
        steps = np.concatenate((np.diff(self.times_s), np.diff(self.revolutions)))
        if not (np.isfinite(steps).all() and (steps > 0.0).all()):
            raise DspError(
                "times and revolutions of a shaft angle must rise: the shaft stood, or time jumped"
            )

    def times_at(self, revolutions: npt.ArrayLike) -> Float64Array:
        """Moments, s, at which the shaft stood at these revolutions (within the known range)."""
        at = np.asarray(revolutions, np.float64)
        return np.asarray(PchipInterpolator(self.revolutions, self.times_s)(at), np.float64)

    def revolutions_at(self, times_s: npt.ArrayLike) -> Float64Array:
        """Revolutions at these moments (within the known range)."""
        at = np.asarray(times_s, np.float64)
        return np.asarray(PchipInterpolator(self.times_s, self.revolutions)(at), np.float64)

    @property
    def speed_range_hz(self) -> tuple[float, float]:
        """Slowest and fastest mean speed between two known moments, Hz."""
        speeds = np.diff(self.revolutions) / np.diff(self.times_s)
        return float(speeds.min()), float(speeds.max())


def pulse_times_s(samples: npt.ArrayLike, sample_rate_hz: float) -> Float64Array:
    """Moments, s, at which a tacho signal `(n_samples,)` rises through the middle of its range.

    The range is that of the 1st to the 99th percentile, widened to the extremes where pulses are shorter than
    that; the moment lies between two samples, by a straight line. Empty where the signal does not move.
    Raises DspError for samples that are not finite.
    """
    values = np.asarray(samples, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise DspError("a tacho signal is one row of finite samples")
    if len(values) < 2 or values.min() == values.max():
        return np.zeros(0)
    low, high = np.quantile(values, (0.01, 0.99))
    least, greatest = float(values.min()), float(values.max())
    if high - low < 0.5 * (greatest - least):
        low, high = least, greatest
    level = low + 0.5 * (high - low)
    state = np.zeros(len(values), np.int8)
    state[values > low + UPPER_SHARE * (high - low)] = 1
    state[values < low + LOWER_SHARE * (high - low)] = -1
    known = np.flatnonzero(state)
    rises = np.flatnonzero((state[known][:-1] < 0) & (state[known][1:] > 0))
    times = np.empty(len(rises))
    for i, (before, after) in enumerate(zip(known[rises], known[rises + 1], strict=True)):
        stretch = values[before : after + 1]
        at = int(np.argmax(stretch[1:] >= level))
        times[i] = before + at + (level - stretch[at]) / (stretch[at + 1] - stretch[at])
    return times / sample_rate_hz


def angle_from_pulses(times_s: npt.ArrayLike, pulses_per_revolution: int = 1) -> ShaftAngle:
    """Shaft angle from pulse moments, the first pulse at 0 revolutions.

    Raises DspError for fewer than two pulses, and where a pulse is missing or doubled (an interval 1.6
    times its neighbour), naming the moment: resampled by a wrong angle every order would smear.
    """
    times = np.asarray(times_s, np.float64)
    if pulses_per_revolution < 1:
        raise DspError(f"pulses_per_revolution is {pulses_per_revolution}; 1 or more is needed")
    if times.ndim != 1 or len(times) < 2:
        raise DspError(f"{times.size} tacho pulses; a shaft angle needs 2 or more")
    intervals = np.diff(times)
    ratios = intervals[1:] / intervals[:-1]
    odd = np.flatnonzero((ratios > IRREGULAR_RATIO) | (ratios < 1.0 / IRREGULAR_RATIO))
    if len(odd):
        raise DspError(
            f"tacho pulse missing or doubled near {times[odd[0] + 1]:.4f} s: intervals "
            f"{intervals[odd[0]]:.4g} and {intervals[odd[0] + 1]:.4g} s follow each other"
        )
    return ShaftAngle(times, np.arange(len(times)) / pulses_per_revolution)


def angle_from_speed(times_s: npt.ArrayLike, speed_hz: npt.ArrayLike) -> ShaftAngle:
    """Shaft angle from a speed tag: the integral of speed, taken as straight between its moments.

    `times_s` and `speed_hz` `(n,)`. Raises DspError unless times rise and speeds are above 0.
    """
    times, speeds = np.asarray(times_s, np.float64), np.asarray(speed_hz, np.float64)
    if times.shape != speeds.shape or times.ndim != 1 or len(times) < 2:
        raise DspError("a speed tag needs 2 or more moments with one speed each")
    if not (np.isfinite(speeds).all() and (speeds > 0.0).all()):
        raise DspError("speeds must be finite and above 0: a shaft at rest has no orders")
    # Between two moments the angle is a parabola; 8 points on each keep the interpolation at its curve.
    fine = np.concatenate([np.linspace(a, b, 8, endpoint=False) for a, b in pairwise(times)])
    fine = np.append(fine, times[-1])
    at = np.interp(fine, times, speeds)
    steps = 0.5 * (at[1:] + at[:-1]) * np.diff(fine)
    return ShaftAngle(fine, np.concatenate(([0.0], np.cumsum(steps))))
