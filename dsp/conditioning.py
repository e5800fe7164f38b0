"""Samples made ready for a transform: trends removed, window functions with their gains.

Duty: detrending and window functions. It filters nothing and computes no spectrum.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from dsp.errors import DspError
from dsp.samples import Float64Array


class WindowFunction(StrEnum):
    """Window functions by their usual names."""

    RECTANGULAR = "rectangular"
    HANN = "hann"
    HAMMING = "hamming"
    BLACKMAN = "blackman"
    KAISER_BESSEL = "kaiser-bessel"  # beta 3 pi: side lobes 69 dB down, for a weak line beside a strong one
    FLAT_TOP = "flat top"  # reads a tone's amplitude within 0.01 dB wherever it falls between bins


# Coefficients a_k of sum (-1)^k a_k cos(2 pi k j / n): Harris, Proc. IEEE 66 (1978) 51-83; the flat top is
# HFT70 of Heinzel, Ruediger and Schilling, "Spectrum and spectral density estimation by the DFT" (2002).
_COSINE_TERMS: dict[WindowFunction, tuple[float, ...]] = {
    WindowFunction.RECTANGULAR: (1.0,),
    WindowFunction.HANN: (0.5, 0.5),
    WindowFunction.HAMMING: (0.54, 0.46),
    WindowFunction.BLACKMAN: (0.42, 0.5, 0.08),
    WindowFunction.FLAT_TOP: (1.0, 1.90796, 1.07349, 0.18199),
}
# Kaiser and Schafer, IEEE Trans. Acoust. Speech Signal Process. 28 (1980) 105-107; Harris 1978: alpha = 3.
KAISER_BETA = 3.0 * np.pi


@dataclass(frozen=True, slots=True)
class Taper:
    """A window function at one length, with what it does to amplitudes and to noise."""

    function: WindowFunction
    values: Float64Array  # (n_samples,), periodic ("DFT-even"), not writeable
    coherent_gain: float  # sum(w) / n: a tone's line is lowered by this factor
    noise_bandwidth_bins: float  # n sum(w^2) / sum(w)^2: equivalent noise bandwidth, in bins


@lru_cache(maxsize=32)
def taper(function: WindowFunction, n_samples: int) -> Taper:
    """The window function at `n_samples` samples (periodic form), with coherent gain and noise bandwidth.

    Hann: gain 0.5, bandwidth 1.5 bins; Kaiser-Bessel I0(beta sqrt(1 - u^2)) / I0(beta), u from -1 to 1:
    1.80; rectangular: 1 and 1. Raises DspError below 4 samples, where the cosine terms are not independent.
    """
    if n_samples < 4:
        raise DspError(f"n_samples is {n_samples}; a window function needs 4 or more")
    phase = 2.0 * np.pi * np.arange(n_samples) / n_samples
    values = np.zeros(n_samples)
    if function is WindowFunction.KAISER_BESSEL:
        across = np.clip(1.0 - (phase / np.pi - 1.0) ** 2, 0.0, None)
        values += np.i0(KAISER_BETA * np.sqrt(across)) / np.i0(KAISER_BETA)
    for order, coefficient in enumerate(_COSINE_TERMS.get(function, ())):
        values += (-1.0) ** order * coefficient * np.cos(order * phase)
    values.setflags(write=False)
    total = float(values.sum())
    return Taper(
        function=function,
        values=values,
        coherent_gain=total / n_samples,
        noise_bandwidth_bins=n_samples * float(values @ values) / total**2,
    )


def without_mean(samples: npt.ArrayLike) -> Float64Array:
    """Samples less their mean along the last axis, float64.

    Done before any window function is applied: what a window leaves of a large bias leaks into every low bin,
    and in float32 it drowns the signal (gravity on a MEMS accelerometer is 1000 times a quiet machine).
    """
    values = np.asarray(samples, np.float64)
    if values.size == 0:
        raise DspError("no samples; at least one is needed")
    return np.asarray(values - values.mean(axis=-1, keepdims=True), np.float64)


def without_trend(samples: npt.ArrayLike) -> Float64Array:
    """Samples less the straight line fitted to them by least squares along the last axis, float64.

    With t centred on 0: x - mean(x) - t sum(t x) / sum(t^2). One sample has no slope: its mean is taken off.
    """
    centred = without_mean(samples)
    n_samples = centred.shape[-1]
    if n_samples < 2:
        return centred
    t = np.arange(n_samples) - (n_samples - 1) / 2.0
    slope = centred @ t / (t @ t)
    return np.asarray(centred - np.asarray(slope)[..., np.newaxis] * t, np.float64)
