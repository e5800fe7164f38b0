"""A stretch of waveform as a row for one-class detectors: any rate, length and number of axes, one setting.

Duty: what is compared, not how. Two descriptions:

- `fine_row`: per axis the peak and the median of the power spectrum in each of up to 64 equal bands, dB:
  lines and noise. Bands are equal, not octaves, because lines of machines stand at equal steps. Where the
  level means nothing (no unit: recordings may be normalised one by one) only their difference is kept: how
  far lines stand out of the noise.
- `coarse_row`: per axis the level and the levels of three bands, and how the axes correlate: what moves
  smoothly with speed, while single lines jump from band to band; and all that few healthy rows can teach.

The mean is never used: it is gravity and mounting.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dsp.errors import DspError
from dsp.samples import Float64Array
from dsp.spectrum import welch_psd
from models.detectors.columns import ScaleRules

_FLOOR = 1e-12  # share of the whole power below which a band is rounding
_TINY = 1e-20
CORRELATION_DB = 10.0  # a correlation of 1 counts like so many dB
_LEVEL_SCALE = ScaleRules(floor=0.5)
# The highest of a few bins of noise scatters by 2 dB and more (exponential powers). Lines that sink into a
# louder noise are a mounting or another session before they are a fault: a fall counts at most one spread.
_SHAPE_SCALE = ScaleRules(floor=2.0, fall_cap=1.0)


@dataclass(frozen=True, slots=True)
class RowRules:
    """One frozen setting for all machines and sensors."""

    max_bands: int = 64
    bins_per_band: int = 4  # at least: a peak of fewer is mostly chance
    segment_samples: int = 4096  # of long stretches the spectrum is a mean over such segments
    coarse_bands: int = 3
    level_scale: ScaleRules = _LEVEL_SCALE
    shape_scale: ScaleRules = _SHAPE_SCALE  # where levels mean nothing

    def scale(self, level_known: bool) -> ScaleRules:
        """How deviations of fine rows are counted."""
        return self.level_scale if level_known else self.shape_scale


MIN_SAMPLES = 32


def fine_row(
    samples: npt.ArrayLike, sample_rate_hz: float, level_known: bool, rules: RowRules
) -> Float64Array:
    """`(n_axes * 2 * n_bands,)` peaks and noise in dB of samples `(n_samples, n_axes)`, axis by axis.

    Where the level means nothing: `(n_axes * n_bands,)` peaks over noise.
    n_bands = min(max_bands, bins / bins_per_band) from the first bin to half the rate. Raises DspError below
    32 samples. Samples that are not finite count as 0.
    """
    power = _power(samples, sample_rate_hz, rules)
    n_bins = power.shape[1]
    edges = _edges(n_bins, max(1, min(rules.max_bands, n_bins // rules.bins_per_band)))
    peak = 10.0 * np.log10(np.maximum.reduceat(power, edges[:-1], axis=1))
    bands = [power[:, first:end] for first, end in pairwise(edges.tolist())]
    noise = 10.0 * np.log10(np.stack([np.median(band, axis=1) for band in bands], axis=1))
    return np.concatenate([peak, noise], axis=1).ravel() if level_known else (peak - noise).ravel()


def coarse_row(
    samples: npt.ArrayLike, sample_rate_hz: float, level_known: bool, rules: RowRules
) -> Float64Array:
    """`(n_axes * (1 + coarse_bands) + pairs of axes,)` level and band levels in dB, correlations in tenths.

    Where the level means nothing, band levels count from the axis' own level, which is left at 0. Raises
    DspError below 32 samples.
    """
    power = _power(samples, sample_rate_hz, rules)
    edges = _edges(power.shape[1], rules.coarse_bands)
    total = 10.0 * np.log10(power.sum(axis=1, keepdims=True))
    bands = 10.0 * np.log10(np.add.reduceat(power, edges[:-1], axis=1))
    if not level_known:
        bands, total = bands - total, np.zeros_like(total)
    x = _clean(samples)
    deviation = x.std(axis=1, keepdims=True)
    unit = (x - x.mean(axis=1, keepdims=True)) / np.where(deviation > 0.0, deviation, 1.0)
    correlation = np.abs(unit @ unit.T)[np.triu_indices(len(x), 1)] / x.shape[1]
    return np.concatenate([total.ravel(), bands.ravel(), CORRELATION_DB * correlation])


def _clean(samples: npt.ArrayLike) -> Float64Array:
    x = np.asarray(samples, dtype=np.float64)
    x = x[:, np.newaxis] if x.ndim == 1 else x
    if x.ndim != 2 or len(x) < MIN_SAMPLES:
        raise DspError(f"samples have shape {x.shape}; expected at least ({MIN_SAMPLES}, n_axes)")
    return np.ascontiguousarray(np.where(np.isfinite(x), x, 0.0).T)


def _power(samples: npt.ArrayLike, sample_rate_hz: float, rules: RowRules) -> Float64Array:
    """`(n_axes, n_bins)` power spectral density without the bin at 0 Hz, floored above 0."""
    x = _clean(samples)
    power = welch_psd(x, sample_rate_hz, min(x.shape[1], rules.segment_samples))[:, 1:]
    floored: Float64Array = power + _FLOOR * power.sum(axis=1, keepdims=True) + _TINY
    return floored


def _edges(n_bins: int, n_bands: int) -> npt.NDArray[np.int64]:
    """`(n_bands + 1,)` first bins of bands of nearly equal width, and the end."""
    edges: npt.NDArray[np.int64] = np.linspace(0, n_bins, n_bands + 1).round().astype(np.int64)
    return edges
