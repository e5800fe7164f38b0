"""Velocity of a slow machine from the windows of a stream: 2 to 1000 Hz over the last five seconds or more.

Duty: join half-overlapping trend windows, which are too short for 2 Hz, to one stretch, and state velocity
and displacement of it. Which machine is slow, and what a value is worth, is `dsp.severity`'s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from dsp.framing import Window
from dsp.samples import Float32Array
from dsp.severity import SLOW_BAND_HZ, SLOW_MIN_DURATION_S, displacement_rms, velocity_rms

# A clock's fit moves a window's time by less than this part of it; more is a gap.
_TIME_TOLERANCE = 1e-3
_RATE_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class SlowMotion:
    """RMS over 2-1000 Hz of five seconds or more."""

    velocity_mm_s: float
    displacement_um: float


class SlowVelocity:
    """One channel's newest windows, joined: five seconds and one window of samples at most."""

    def __init__(self) -> None:
        self._parts: list[Float32Array] = []
        self._rate_hz = 0.0
        self._end_ns = 0

    @property
    def kept_samples(self) -> int:
        """Samples that are joined."""
        return sum(len(part) for part in self._parts)

    def observe(self, window: Window) -> SlowMotion | None:
        """Take the next window (half of it new, or all); None until five seconds follow each other.

        Samples in m/s2. Begins anew after a gap, and where the sampling rate changed.
        """
        n = len(window.samples)
        overlap = (self._end_ns - window.start_ns) * 1e-9 * window.sample_rate_hz
        near = max(2.0, _TIME_TOLERANCE * n)
        same_rate = abs(window.sample_rate_hz - self._rate_hz) <= _RATE_TOLERANCE * window.sample_rate_hz
        if self._parts and same_rate and abs(overlap - n // 2) <= near:
            new = window.samples[n - (n - n // 2) :]
        elif self._parts and same_rate and abs(overlap) <= near:
            new = window.samples
        else:
            self._parts.clear()
            new = window.samples
        self._parts.append(np.array(new, np.float32))
        self._rate_hz = window.sample_rate_hz
        self._end_ns = window.start_ns + round(n / window.sample_rate_hz * 1e9)
        needed = math.ceil(SLOW_MIN_DURATION_S * self._rate_hz)
        while self.kept_samples - len(self._parts[0]) >= needed:
            self._parts.pop(0)
        if self.kept_samples < needed:
            return None
        joined = np.concatenate(self._parts)
        joined = joined[len(joined) - max(needed, fft.prev_fast_len(len(joined), real=True)) :]
        return SlowMotion(
            velocity_rms(joined, self._rate_hz, SLOW_BAND_HZ),
            displacement_rms(joined, self._rate_hz, SLOW_BAND_HZ),
        )
