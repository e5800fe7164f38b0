"""Figures of a window's waveform: RMS, peak, crest factor, skewness, kurtosis.

Duty: the definitions, on rows of samples, about the row's mean (the bias of a sensor and gravity are no
vibration). Defined for every input: a row that holds NaN or infinity has NaN everywhere; a constant row has
RMS, peak and peak-to-peak 0, and NaN for what divides by them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsp import kernels
from dsp.errors import DspError
from dsp.samples import Float32Array, Float64Array


@dataclass(frozen=True, slots=True)
class TimeFeatures:
    """Waveform figures of `n_windows` windows; every array is float64 `(n_windows,)`."""

    mean: Float64Array  # unit; the bias
    rms: Float64Array  # unit; about the mean
    peak: Float64Array  # unit; largest magnitude about the mean
    peak_to_peak: Float64Array  # unit
    crest_factor: Float64Array  # 1; peak / RMS
    skewness: Float64Array  # 1; m3 / m2^1.5
    kurtosis: Float64Array  # 1; m4 / m2^2 (Pearson: 3 for Gaussian noise)


def time_features(samples: Float32Array) -> TimeFeatures:
    """Waveform figures of each row of `samples` `(n_windows, n_samples)`.

    With deviations d = x - mean(x) and moments m_r = mean(d^r) (population, not corrected for sample size):
    rms = sqrt(m2), peak = max |d|, peak_to_peak = max x - min x, crest_factor = peak / rms,
    skewness = m3 / m2^(3/2), kurtosis = m4 / m2^2. Raises DspError unless there are two axes, neither empty.
    """
    if samples.ndim != 2 or samples.shape[0] == 0 or samples.shape[1] == 0:
        raise DspError(f"samples have shape {samples.shape}; (n_windows, n_samples), neither 0, is needed")
    rows = kernels.float32_rows(samples)
    moments = np.empty((len(rows), 4))
    kernels.central_moments(rows, moments)
    mean, m2, m3, m4 = moments.T
    least = rows.min(axis=1).astype(np.float64)
    greatest = rows.max(axis=1).astype(np.float64)
    finite = np.isfinite(mean)
    varies = finite & (greatest > least)
    nothing = np.where(finite, 0.0, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        rms = np.where(varies, np.sqrt(m2), nothing)
        peak = np.where(varies, np.maximum(greatest - mean, mean - least), nothing)
        return TimeFeatures(
            mean=np.where(finite, mean, np.nan),
            rms=rms,
            peak=peak,
            peak_to_peak=np.where(varies, greatest - least, nothing),
            crest_factor=np.where(varies, peak / rms, np.nan),
            skewness=np.where(varies, m3 / m2**1.5, np.nan),
            kurtosis=np.where(varies, m4 / m2**2, np.nan),
        )
