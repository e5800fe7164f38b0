"""Spectral kurtosis, line by line: which lines are steady tones, which noise, which impulses.

Duty: one curve over frequency at one resolution. The kurtogram (`dsp.kurtogram`) asks the same of bands of
every width and picks one; this names lines, for a picture or for a filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from dsp.errors import DspError
from dsp.samples import Float64Array


@dataclass(frozen=True, slots=True)
class SpectralKurtosis:
    """`values[k]` stands at `k * step_hz`; 0: noise, -1: a steady tone, above `chance`: it comes and goes."""

    step_hz: float
    n_segments: int
    values: Float64Array  # (segment_samples // 2 + 1,); NaN at 0 Hz, at half the rate, and where silent
    chance: float  # exceeded by one line of noise in a thousand


def spectral_kurtosis(
    samples: npt.ArrayLike, sample_rate_hz: float, segment_samples: int = 512
) -> SpectralKurtosis:
    """K(f) = m / (m - 1) [(m + 1) sum |X|^4 / (sum |X|^2)^2 - 2] over m Hann-windowed segments side by side.

    Unbiased: its mean is 0 for Gaussian noise whatever m, where the plain ratio less 2 leans to below
    (Vrabie, Granjon and Serviere, "Spectral kurtosis: from definition to application", NSIP 2003; Antoni,
    MSSP 20 (2006) 282). Segments do not overlap, so they are independent; each loses its own mean. A record
    of 16 segments is the least. Raises DspError for fewer, for a sample that is no number, or an odd or
    short segment.
    """
    values = np.asarray(samples, dtype=np.float64)
    if segment_samples < 16 or segment_samples % 2:
        raise DspError(f"segment_samples is {segment_samples}; an even number of 16 or more is right")
    if values.ndim != 1 or len(values) < 16 * segment_samples:
        raise DspError(f"samples of shape {values.shape}; 16 segments of {segment_samples} are needed")
    if not np.isfinite(values).all():
        raise DspError("a sample is no finite number; take a record without")
    if not (math.isfinite(sample_rate_hz) and sample_rate_hz > 0.0):
        raise DspError(f"sample_rate_hz is {sample_rate_hz}; a finite figure above 0 is needed")
    m = len(values) // segment_samples
    segments = values[: m * segment_samples].reshape(m, segment_samples)
    segments = segments - segments.mean(axis=1, keepdims=True)
    power = np.abs(scipy.fft.rfft(segments * np.hanning(segment_samples + 1)[:-1], axis=1)) ** 2
    second, fourth = power.sum(axis=0), np.square(power).sum(axis=0)
    silent = second <= 1e-14 * second.max()
    with np.errstate(invalid="ignore", divide="ignore"):
        kurtosis = m / (m - 1.0) * ((m + 1.0) * fourth / second**2 - 2.0)
    kurtosis[silent] = kurtosis[0] = kurtosis[-1] = np.nan
    # 3.1 standard deviations 2 / sqrt(m) of the normal, and the lean to the right of few segments
    chance = 2.0 / math.sqrt(m) * (3.1 + 14.0 / math.sqrt(m))
    return SpectralKurtosis(sample_rate_hz / segment_samples, m, kurtosis, chance)
