"""Figures of one stretch's waveform, of any length: the complete list of an analyst, as plain functions.

Duty: the definitions. Batches of windows for a trend are `dsp.time_features`' and the extractors' duty. All
but the mean are taken about the mean, since a sensor's bias and gravity are no vibration. d is the samples
less their mean; a stretch that is constant has NaN for every ratio, one with a sample that is no number has
NaN.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import fft

from dsp.errors import DspError
from dsp.samples import Float64Array

# Spike energy: what lies above is bearing and friction, hardly shaft or mesh.
SPIKE_FROM_HZ = 5000.0
SPIKE_FROM_SHARE_OF_RATE = 0.2  # where 5 kHz is beyond what the rate leaves
SPIKE_TO_SHARE_OF_RATE = 0.45
# A held peak falls to 1/e in this time: slower than the ringing of a resonance, faster than impacts follow.
SPIKE_DECAY_S = 0.01


def mean(samples: npt.ArrayLike) -> float:
    """Arithmetic mean, unit of the samples: the sensor's bias."""
    return float(_row(samples).mean())


def rms(samples: npt.ArrayLike) -> float:
    """sqrt(mean d^2), unit of the samples (ISO 13373-2)."""
    return math.sqrt(float(np.mean(_deviations(samples) ** 2)))


def peak(samples: npt.ArrayLike) -> float:
    """max |d|, unit of the samples (ISO 13373-2)."""
    return float(np.abs(_deviations(samples)).max())


def peak_to_peak(samples: npt.ArrayLike) -> float:
    """max x - min x, unit of the samples (ISO 13373-2)."""
    return float(np.ptp(_row(samples)))


def crest_factor(samples: npt.ArrayLike) -> float:
    """peak / RMS, 1; sqrt(2) for a sine (ISO 13373-2)."""
    return _ratio(peak(samples), rms(samples))


def skewness(samples: npt.ArrayLike) -> float:
    """mean d^3 / (mean d^2)^1.5, 1; 0 for a symmetric waveform (Pearson)."""
    d = _scaled(samples)
    return _ratio(float(np.mean(d**3)), float(np.mean(d**2)) ** 1.5)


def kurtosis(samples: npt.ArrayLike) -> float:
    """mean d^4 / (mean d^2)^2, 1; 3 for Gaussian noise, 1.5 for a sine (Dyer and Stewart 1978)."""
    d = _scaled(samples)
    return _ratio(float(np.mean(d**4)), float(np.mean(d**2)) ** 2)


def shape_factor(samples: npt.ArrayLike) -> float:
    """RMS / mean |d|, 1; pi / (2 sqrt 2) = 1.11 for a sine, sqrt(pi / 2) = 1.25 for noise.

    Lei, He and Zi, "A new approach to intelligent fault diagnosis of rotating machinery", Expert Systems with
    Applications 35 (2008) 1593-1600, table 1; the same for the next two.
    """
    d = np.abs(_scaled(samples))
    return _ratio(math.sqrt(float(np.mean(d**2))), float(d.mean()))


def impulse_factor(samples: npt.ArrayLike) -> float:
    """peak / mean |d|, 1; pi / 2 for a sine."""
    d = np.abs(_scaled(samples))
    return _ratio(float(d.max()), float(d.mean()))


def clearance_factor(samples: npt.ArrayLike) -> float:
    """peak / (mean sqrt|d|)^2, 1; 1.72 for a sine. Most sensitive to a few early impacts."""
    d = np.abs(_scaled(samples))
    return _ratio(float(d.max()), float(np.mean(np.sqrt(d))) ** 2)


def zero_crossings(samples: npt.ArrayLike) -> int:
    """How often d changes its sign; a zero counts as what was before it. 2 f T for a sine of T seconds."""
    signs = np.sign(_deviations(samples))
    signs = signs[signs != 0.0]
    return int(np.count_nonzero(signs[1:] != signs[:-1]))


def spike_energy(
    samples: npt.ArrayLike, sample_rate_hz: float, band_hz: tuple[float, float] | None = None
) -> float:
    """High-frequency peak hold: the mean of what a peak detector with decay shows, unit of the samples.

    y is d within `band_hz` (ideal band-pass; 5 kHz, or 0.2 x rate where that is lower, to 0.45 x rate), then
    h[n] = max(|y[n]|, h[n - 1] exp(-1 / (rate 10 ms))), and the value is mean h. After the idea of g/SE,
    "spike energy" (Xu, "Spike energy and its applications", Shock and Vibration Digest 27 (1995) 11-17),
    whose filter and decay are a maker's own and whose figures rest on one sensor's resonance: it is not
    comparable with a g/SE reading, only with itself. Raises DspError for a band that the rate cannot carry.
    """
    if band_hz is None:
        lower_hz = min(SPIKE_FROM_HZ, SPIKE_FROM_SHARE_OF_RATE * sample_rate_hz)
        band_hz = (lower_hz, SPIKE_TO_SHARE_OF_RATE * sample_rate_hz)
    if not 0.0 < band_hz[0] < band_hz[1] <= 0.5 * sample_rate_hz:
        raise DspError(f"band_hz is {band_hz}; two rising frequencies up to half the rate are needed")
    d = _deviations(samples)
    if not np.isfinite(d).all():
        return math.nan
    n = len(d)
    spectrum = fft.rfft(d, workers=1)
    f = np.arange(len(spectrum)) * (sample_rate_hz / n)
    spectrum[(f < band_hz[0]) | (f > band_hz[1])] = 0.0
    size = np.abs(fft.irfft(spectrum, n, workers=1))
    return float(peak_hold(size, SPIKE_DECAY_S * sample_rate_hz).mean())


def peak_hold(size: Float64Array, decay_samples: float) -> Float64Array:
    """h[n] = max(size[n], h[n - 1] exp(-1 / decay_samples)) of magnitudes `(n,)`.

    As a running maximum: log h[n] + n / decay = max over m <= n of log size[m] + m / decay.
    """
    ramp = np.arange(len(size)) / decay_samples
    with np.errstate(divide="ignore"):
        lifted = np.log(size) + ramp
    return np.asarray(np.exp(np.maximum.accumulate(lifted) - ramp), np.float64)


def _row(samples: npt.ArrayLike) -> Float64Array:
    values = np.asarray(samples, np.float64)
    if values.ndim != 1 or len(values) == 0:
        raise DspError(f"samples have shape {values.shape}; (n_samples,), not empty, is needed")
    return values


def _deviations(samples: npt.ArrayLike) -> Float64Array:
    values = _row(samples)
    if np.ptp(values) == 0.0:
        return np.zeros(len(values))
    return np.asarray(values - values.mean(), np.float64)


def _scaled(samples: npt.ArrayLike) -> Float64Array:
    """Deviations by their largest magnitude: ratios of powers then neither over- nor underflow."""
    d = _deviations(samples)
    largest = float(np.abs(d).max())
    return d / largest if largest > 0.0 else d


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0.0 and math.isfinite(below) else math.nan
