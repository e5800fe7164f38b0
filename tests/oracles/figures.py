"""Figures of a waveform and a spectrum, one number at a time, with exactly rounded sums."""

from __future__ import annotations

import math
from collections.abc import Sequence


def deviations(x: Sequence[float]) -> list[float]:
    centre = math.fsum(x) / len(x)
    return [value - centre for value in x]


def mean_size(x: Sequence[float]) -> float:
    return math.fsum(abs(d) for d in deviations(x)) / len(x)


def mean_root(x: Sequence[float]) -> float:
    return math.fsum(math.sqrt(abs(d)) for d in deviations(x)) / len(x)


def zero_crossings(x: Sequence[float]) -> int:
    count, before = 0, 0.0
    for d in deviations(x):
        if d != 0.0:
            count += before * d < 0.0
            before = math.copysign(1.0, d)
    return count


def peak_hold(size: Sequence[float], decay_samples: float) -> list[float]:
    held, out = 0.0, []
    for value in size:
        held = max(value, held * math.exp(-1.0 / decay_samples))
        out.append(held)
    return out


def band_power(density: Sequence[float], step_hz: float, lower_hz: float, upper_hz: float) -> float:
    total = []
    for k, value in enumerate(density):
        low = max(0.0, (k - 0.5) * step_hz)
        high = (k + 0.5) * step_hz
        total.append(value * max(0.0, min(high, upper_hz) - max(low, lower_hz)))
    return math.fsum(total)


def centroid(density: Sequence[float], step_hz: float) -> float:
    return math.fsum(k * step_hz * p for k, p in enumerate(density)) / math.fsum(density)


def spread(density: Sequence[float], step_hz: float) -> float:
    centre = centroid(density, step_hz)
    squares = math.fsum((k * step_hz - centre) ** 2 * p for k, p in enumerate(density))
    return math.sqrt(squares / math.fsum(density))


def entropy(density: Sequence[float]) -> float:
    total = math.fsum(density)
    return -math.fsum(p / total * math.log(p / total) for p in density if p > 0.0) / math.log(len(density))
