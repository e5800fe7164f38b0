"""Vibration severity after ISO 20816: velocity RMS and its evaluation zones.

Duty: broadband velocity RMS of a window, and which zone a machine's velocity falls in. It raises no alarm.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float64Array

VELOCITY_BAND_HZ = (10.0, 1000.0)
VELOCITY_MIN_DURATION_S = 1.0
_USABLE_SHARE_OF_RATE = 0.45
_MM_PER_M = 1000.0
# A tone is spread over two bins on either side by the Hann window; this many beyond each edge keep a tone at
# the very edge whole.
_EDGE_BINS = 2


def velocity_statable(sample_rate_hz: float, window_samples: int) -> bool:
    """Whether a window can state velocity over 10-1000 Hz: 1 s or longer, and 1000 Hz below 0.45 x rate."""
    long_enough = window_samples >= VELOCITY_MIN_DURATION_S * sample_rate_hz * (1.0 - 1e-3)
    return long_enough and VELOCITY_BAND_HZ[1] <= _USABLE_SHARE_OF_RATE * sample_rate_hz


def velocity_rms_mm_s(power: Float64Array, step_hz: Float64Array) -> Float64Array:
    """Velocity RMS over 10-1000 Hz, mm/s `(n_windows,)`.

    `power` `(n_windows, n_bins)` is the one-sided mean square acceleration per bin, (m/s2)^2, of
    Hann-windowed rows; `step_hz` `(n_windows,)` the bins' distance. Integration in the frequency domain:
    v = sqrt(sum over the band of power / (2 pi f)^2) x 1000.
    """
    step = float(np.mean(step_hz))
    first = max(1, int(np.ceil(VELOCITY_BAND_HZ[0] / step)) - _EDGE_BINS)
    last = min(power.shape[1] - 1, int(np.floor(VELOCITY_BAND_HZ[1] / step)) + _EDGE_BINS)
    bins = np.arange(first, last + 1)
    sums = power[:, first : last + 1] @ (1.0 / (2.0 * np.pi * bins) ** 2)
    return np.asarray(_MM_PER_M * np.sqrt(sums) / step_hz, np.float64)
