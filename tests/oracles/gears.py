"""Gear indicators by their definitions: one cosine sum per order, plain loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tests.oracles.fourier import dft_line


def amplitude(x: Sequence[float], order: int) -> float:
    return 2.0 * abs(dft_line(x, order)) / len(x)


def without(x: Sequence[float], teeth: int, sidebands: int) -> list[float]:
    n = len(x)
    removed = {0, 1, 2}
    for m in range(teeth, (n + 1) // 2, teeth):
        removed |= set(range(m - sidebands, m + sidebands + 1))
    left = list(map(float, x))
    for k in removed:
        line = dft_line(x, k)
        factor = 1.0 if k == 0 else 2.0
        for j in range(n):
            angle = 2.0 * math.pi * ((j * k) % n) / n
            left[j] -= factor / n * (line.real * math.cos(angle) - line.imag * math.sin(angle))
    return left


def fm0(x: Sequence[float], teeth: int, harmonics: int) -> float:
    orders = [m * teeth for m in range(1, harmonics + 1) if m * teeth < (len(x) + 1) // 2]
    return (max(x) - min(x)) / math.fsum(amplitude(x, order) for order in orders)


def fourth_over_square(signal: Sequence[float], history: Sequence[Sequence[float]]) -> float:
    """N sum d^4 over the squared mean of the runs' sums of d^2."""

    def deviations(one: Sequence[float]) -> list[float]:
        centre = math.fsum(one) / len(one)
        return [value - centre for value in one]

    fourth = math.fsum(d**4 for d in deviations(signal))
    squares = [math.fsum(d * d for d in deviations(run)) for run in history]
    return len(signal) * fourth / (math.fsum(squares) / len(squares)) ** 2
