"""Waveform figures one number at a time, with exactly rounded sums."""

from __future__ import annotations

import math
from collections.abc import Sequence


def mean(x: Sequence[float]) -> float:
    return math.fsum(x) / len(x)


def central_moment(x: Sequence[float], order: int) -> float:
    centre = mean(x)
    return math.fsum((value - centre) ** order for value in x) / len(x)


def rms(x: Sequence[float]) -> float:
    return math.sqrt(central_moment(x, 2))


def peak(x: Sequence[float]) -> float:
    centre = mean(x)
    return max(abs(value - centre) for value in x)


def peak_to_peak(x: Sequence[float]) -> float:
    return max(x) - min(x)


def crest_factor(x: Sequence[float]) -> float:
    return peak(x) / rms(x)


def skewness(x: Sequence[float]) -> float:
    return central_moment(x, 3) / central_moment(x, 2) ** 1.5


def kurtosis(x: Sequence[float]) -> float:
    return central_moment(x, 4) / central_moment(x, 2) ** 2
