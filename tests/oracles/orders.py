"""Resampling and averaging over angle the slow way: each sample by itself, by the sampling theorem."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence


def at_angle(
    signal: Callable[[float], float],
    time_of_revolution: Callable[[float], float],
    first: int,
    last: int,
    steps: int,
) -> list[float]:
    """A signal known at every moment, read at equal steps of an angle known at every moment."""
    return [signal(time_of_revolution(first + k / steps)) for k in range((last - first) * steps)]


def synchronous_average(x: Sequence[float], period: int) -> list[float]:
    periods = len(x) // period
    return [math.fsum(x[j + n * period] for n in range(periods)) / periods for j in range(period)]
