"""The kurtogram twice more: band by band from the definition's words, and as the paper's filter-bank tree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import signal

Complex = npt.NDArray[np.complex128]
Float = npt.NDArray[np.float64]


def envelope_kurtosis(envelope: Complex) -> float:
    power = np.abs(envelope) ** 2
    return float(np.mean(power**2) / np.mean(power) ** 2 - 2.0)


def kurtosis_by_definition(samples: Float, n_bands: int, which: int, window: int = 8192) -> float:
    """K of band `which` of `n_bands`: each envelope sample is a sum over the band's lines."""
    squares, fourths = [], []
    ends = window // 4
    taper = np.ones(window)
    for i in range(ends):
        c = np.cos(np.pi * (i + 0.5) / ends)
        taper[i] = taper[window - 1 - i] = (2.0 - 3.0 * c + c**3) / 4.0
    for start in range(0, len(samples) - window + 1, window):
        x = samples[start : start + window]
        spectrum = np.fft.fft((x - x.mean()) * taper)
        first, last = round(window / 2 * which / n_bands), round(window / 2 * (which + 1) / n_bands)
        lines = np.arange(first, last)
        lines = lines[lines > 0]
        m = min(n for k in range(13) for n in (2**k, 3 * 2**k) if n >= last - first)
        t = np.arange(m)[:, np.newaxis] / m
        envelope = np.exp(2j * np.pi * t * (lines - first)) @ spectrum[lines]
        squares.append(np.abs(envelope) ** 2)
        fourths.append(np.abs(envelope) ** 4)
    unbias = np.mean(taper**2) ** 2 / np.mean(taper**4)
    return float(np.mean(fourths) / np.mean(squares) ** 2 * unbias - 2.0)


def filter_bank_tree(samples: Float, max_level: int) -> list[tuple[int, list[float]]]:
    """(number of bands, K of each) by iterated quasi-analytic FIR filters and decimation (Antoni 2007).

    A band splits into halves by a low-pass of 17 taps moved to an eighth of the rate and its mirror, into
    thirds by one of 25 taps moved to three places; the first samples, where a filter is not yet full, are
    left out.
    """
    n = 16
    taps = np.arange(n + 1)
    low = signal.firwin(n + 1, 0.4) * np.exp(2j * np.pi * taps * 0.125)
    back = np.arange(2, n + 2)
    high = low[1 + (1 - back) % n] * (-1.0) ** (1 - back)
    m = 24
    third_taps = np.arange(m + 1)
    third = signal.firwin(m + 1, 0.4 * 2.0 / 3.0) * np.exp(2j * np.pi * third_taps * 0.25 / 3.0)
    thirds = [third * np.exp(2j * np.pi * third_taps * shift) for shift in (0.0, 1.0 / 6.0, 1.0 / 3.0)]
    nodes: list[npt.NDArray[np.generic]] = [samples - samples.mean()]
    rows = []
    for level in range(1, max_level + 1):
        halves, of_thirds = [], []
        for node in nodes:
            of_thirds += [envelope_kurtosis(signal.lfilter(h, 1, node)[m::3]) for h in thirds]
            lower = signal.lfilter(low, 1, node)[n::2]
            upper = signal.lfilter(high, 1, node)[n::2]
            upper = upper * (-1.0) ** np.arange(1, len(upper) + 1)
            halves += [lower, upper]
        nodes = halves
        rows.append((2**level, [envelope_kurtosis(node) for node in nodes]))
        rows.append((3 * 2 ** (level - 1), of_thirds))
    return rows
