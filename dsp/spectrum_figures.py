"""Figures of one spectrum: RMS of bands, third octaves, centroid, spread, entropy, highest peaks.

Duty: the definitions, on a one-sided density or amplitude spectrum that `dsp.spectrum` made (bin k at k
steps). Features of a trend are the extractors' duty.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.errors import DspError
from dsp.samples import Float64Array

# IEC 61260-1:2014, 5.2 and 5.4: octave ratio 10^0.3, reference 1000 Hz.
OCTAVE_RATIO = 10.0**0.3
REFERENCE_HZ = 1000.0
# Nominal mid-band frequencies of one decade (IEC 61260-1, annex E; ISO 266).
_NOMINAL = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)


@dataclass(frozen=True, slots=True)
class ThirdOctave:
    """One third-octave band: x is its number from 1000 Hz."""

    nominal_hz: float  # what it is called
    centre_hz: float  # 1000 G^(x / 3)
    lower_hz: float  # centre G^(-1 / 6)
    upper_hz: float


@dataclass(frozen=True, slots=True)
class Peak:
    """One local maximum between three bins."""

    frequency_hz: float
    height: float  # in the unit of the spectrum


def band_rms(density: Float64Array, step_hz: float, bands_hz: Sequence[tuple[float, float]]) -> Float64Array:
    """RMS `(n_bands,)` of bands (lower, upper) of a one-sided density `(n_bins,)`: sqrt of its integral.

    A bin stands for the half step on either side of it; a band's edges cut bins in proportion. Neighbouring
    bands add up to the whole as squares. A band beyond the last bin holds nothing. Raises DspError for a band
    whose edges do not rise.
    """
    edges = np.concatenate(([0.0], (np.arange(len(density)) + 0.5) * step_hz))
    area = np.concatenate(([0.0], np.cumsum(np.asarray(density, np.float64) * np.diff(edges))))
    for lower, upper in bands_hz:
        if not 0.0 <= lower < upper:
            raise DspError(f"band ({lower}, {upper}) Hz: two rising frequencies are needed")
    limits = np.array(bands_hz, np.float64).reshape(-1, 2)
    inside = np.interp(limits[:, 1], edges, area) - np.interp(limits[:, 0], edges, area)
    return np.asarray(np.sqrt(np.maximum(inside, 0.0)), np.float64)


def third_octaves(lower_hz: float, upper_hz: float) -> tuple[ThirdOctave, ...]:
    """Third-octave bands that lie wholly between two frequencies (IEC 61260-1, base ten).

    centre = 1000 G^(x / 3) Hz, edges centre G^(-1/6) and centre G^(1/6), G = 10^0.3.
    """
    if not 0.0 < lower_hz < upper_hz:
        raise DspError(f"{lower_hz} to {upper_hz} Hz: two rising frequencies above 0 are needed")
    first = math.floor(10.0 * math.log10(lower_hz / REFERENCE_HZ))
    last = math.ceil(10.0 * math.log10(upper_hz / REFERENCE_HZ))
    bands = []
    for x in range(first, last + 1):
        centre = REFERENCE_HZ * OCTAVE_RATIO ** (x / 3.0)
        band = ThirdOctave(
            nominal_hz=round(_NOMINAL[x % 10] * 10.0 ** (x // 10) * REFERENCE_HZ, 6),
            centre_hz=centre,
            lower_hz=centre * OCTAVE_RATIO ** (-1.0 / 6.0),
            upper_hz=centre * OCTAVE_RATIO ** (1.0 / 6.0),
        )
        if band.lower_hz >= lower_hz * (1.0 - 1e-9) and band.upper_hz <= upper_hz * (1.0 + 1e-9):
            bands.append(band)
    return tuple(bands)


def third_octave_rms(
    density: Float64Array, step_hz: float, least_bins: float = 2.0
) -> tuple[tuple[ThirdOctave, ...], Float64Array]:
    """Third-octave bands that a density `(n_bins,)` resolves, and their RMS `(n_bands,)`.

    From the first band at least `least_bins` wide to the last below the spectrum's end.
    """
    narrowest = least_bins * step_hz / (OCTAVE_RATIO ** (1.0 / 6.0) - OCTAVE_RATIO ** (-1.0 / 6.0))
    bands = third_octaves(narrowest * OCTAVE_RATIO ** (-1.0 / 6.0), (len(density) - 0.5) * step_hz)
    return bands, band_rms(density, step_hz, [(band.lower_hz, band.upper_hz) for band in bands])


def centroid_hz(density: Float64Array, step_hz: float) -> float:
    """sum f P / sum P: where the power lies, Hz; NaN without any power."""
    share = _shares(density)
    return math.nan if share is None else float(share @ np.arange(len(share))) * step_hz


def spread_hz(density: Float64Array, step_hz: float) -> float:
    """sqrt(sum (f - centroid)^2 P / sum P): how far the power is spread, Hz; NaN without any power."""
    share = _shares(density)
    if share is None:
        return math.nan
    k = np.arange(len(share))
    return math.sqrt(float(share @ (k - float(share @ k)) ** 2)) * step_hz


def spectral_entropy(density: Float64Array) -> float:
    """-sum p ln p / ln n, p = P / sum P over n bins: 1 for white noise, 0 for one line; NaN without any
    power.

    Shannon 1948, normalised as in Inouye et al., Electroenceph. Clin. Neurophysiol. 79 (1991) 204-210.
    """
    share = _shares(density)
    if share is None or len(share) < 2:
        return math.nan
    seen = share[share > 0.0]
    return abs(float(seen @ np.log(seen))) / math.log(len(share))


def highest_peaks(values: Float64Array, step_hz: float, n_peaks: int) -> tuple[Peak, ...]:
    """The highest local maxima, highest first, between bins by a parabola through three logarithms.

    Offset = (l - r) / (2 (l - 2 c + r)) bins of the logarithms left, centre, right; height c - (l - r)
    offset / 4 (Smith and Serra, PARSHL, 1987; exact for a Gaussian line). Hann lines: within 0.02 bins and
    1.5 %.
    """
    values = np.asarray(values, np.float64)
    if len(values) < 3:
        return ()
    inner = values[1:-1]
    at = 1 + np.flatnonzero((inner > values[:-2]) & (inner >= values[2:]))
    at = at[np.argsort(-values[at], kind="stable")][:n_peaks]
    left, centre, right = (np.log(np.maximum(values[at + side], 1e-300)) for side in (-1, 0, 1))
    offset = 0.5 * (left - right) / np.minimum(left - 2.0 * centre + right, -1e-12)
    height = np.exp(centre - 0.25 * (left - right) * offset)
    return tuple(Peak(float(f), float(h)) for f, h in zip((at + offset) * step_hz, height, strict=True))


def _shares(density: Float64Array) -> Float64Array | None:
    total = float(np.sum(density))
    if not (math.isfinite(total) and total > 0.0):
        return None
    return np.asarray(density, np.float64) / total
