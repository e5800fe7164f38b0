"""Every trend feature of one window by SciPy in float64, one window and one feature at a time.

The slow way that the extractor is held against, and the peer of its benchmark.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
from scipy import fft, signal, stats


def trend_features(samples: npt.ArrayLike, rate_hz: float, names: tuple[str, ...]) -> dict[str, float]:
    """Value of each of `names`; what a name means is read from the name, not from the code under test."""
    x = np.asarray(samples, np.float64)
    return {name: feature(x, rate_hz, name) for name in names}


def feature(x: npt.NDArray[np.float64], rate_hz: float, name: str) -> float:
    centred = x - x.mean()
    base = name.removesuffix("_mps2")
    if base == "rms":
        return float(np.sqrt(np.mean(centred**2)))
    if base == "peak":
        return float(np.abs(centred).max())
    if base == "peak_to_peak":
        return float(np.ptp(x))
    if base == "crest_factor":
        return float(np.abs(centred).max() / np.sqrt(np.mean(centred**2)))
    if base == "skewness":
        return float(stats.skew(x))
    if base == "kurtosis":
        return float(stats.kurtosis(x, fisher=False))
    frequency, power = signal.periodogram(x, rate_hz, window="hann", detrend="constant", scaling="density")
    power = power * rate_hz / len(x)
    if base == "velocity_rms_mm_s":
        return velocity_mm_s(frequency, power)
    band = re.fullmatch(r"band_([\d.]+)_([\d.]+)_hz_(rms|db|envelope_kurtosis)", base)
    assert band, f"the oracle knows no feature {name!r}"
    inside = (frequency >= float(band[1])) & (frequency < float(band[2]))
    if band[3] == "rms":
        return float(np.sqrt(power[inside].sum()))
    if band[3] == "db":
        return float(10.0 * np.log10(power[inside].sum()))
    squared = squared_envelope(centred, inside)
    return float(np.mean(squared**2) / np.mean(squared) ** 2 - 2.0)


def velocity_mm_s(frequency: npt.NDArray[np.float64], power: npt.NDArray[np.float64]) -> float:
    step = frequency[1]
    inside = (frequency >= 10.0 - 2.0 * step) & (frequency <= 1000.0 + 2.0 * step)
    return float(1000.0 * np.sqrt(np.sum(power[inside] / (2.0 * np.pi * frequency[inside]) ** 2)))


def squared_envelope(x: npt.NDArray[np.float64], inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    spectrum = np.zeros(len(x), np.complex128)
    spectrum[: len(inside)][inside] = fft.rfft(x)[inside]
    return np.asarray(np.abs(fft.ifft(spectrum)) ** 2)
