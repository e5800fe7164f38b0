"""Spectra by the definition: one sum per line, no fast transform."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def dft_line(x: Sequence[float], k: int) -> complex:
    n = len(x)
    real = math.fsum(x[j] * math.cos(2.0 * math.pi * ((j * k) % n) / n) for j in range(n))
    imaginary = -math.fsum(x[j] * math.sin(2.0 * math.pi * ((j * k) % n) / n) for j in range(n))
    return complex(real, imaginary)


def hann(n: int) -> list[float]:
    return [0.5 - 0.5 * math.cos(2.0 * math.pi * j / n) for j in range(n)]


def one_sided_factor(k: int, n: int) -> float:
    return 1.0 if k == 0 or 2 * k == n else 2.0


def mean_square_lines(x: Sequence[float], window: Sequence[float]) -> list[float]:
    """Mean square of each one-sided line of the windowed samples less their mean."""
    n = len(x)
    centre = math.fsum(x) / n
    tapered = [(x[j] - centre) * window[j] for j in range(n)]
    energy = math.fsum(w * w for w in window)
    return [one_sided_factor(k, n) * abs(dft_line(tapered, k)) ** 2 / (n * energy) for k in range(n // 2 + 1)]


def welch_density(
    x: Sequence[float], rate_hz: float, length: int, window: Sequence[float], hop: int
) -> list[float]:
    sums = [0.0] * (length // 2 + 1)
    starts = range(0, len(x) - length + 1, hop)
    for start in starts:
        for k, value in enumerate(mean_square_lines(x[start : start + length], window)):
            sums[k] += value * length / rate_hz  # mean square per line, over the line's width rate / length
    return [value / len(starts) for value in sums]


def analytic_band(x: Sequence[float], first: int, after: int) -> list[complex]:
    """The band's analytic signal at every sample: lines first..after-1, summed as rotating phasors."""
    n = len(x)
    lines = {k: dft_line(x, k) for k in range(first, after)}
    return [
        2.0 / n * sum(line * np.exp(2j * math.pi * ((j * k) % n) / n) for k, line in lines.items())
        for j in range(n)
    ]
