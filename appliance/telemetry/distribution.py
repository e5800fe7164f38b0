"""Counts of values in fixed, log-spaced buckets: bounded in memory, cheap to add to, exact to subtract.

Duty: the bucket bounds, the meter that counts, and quantiles of what was counted. Knows no clock and no unit.

Bounds are preferred numbers (ISO 3), so they are short decimals: the series R20 has a step of about 12 %,
R10 of about 26 %. A quantile is interpolated inside its bucket, so it is off by at most one step.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

_R20 = (
    1.0,
    1.12,
    1.25,
    1.4,
    1.6,
    1.8,
    2.0,
    2.24,
    2.5,
    2.8,
    3.15,
    3.55,
    4.0,
    4.5,
    5.0,
    5.6,
    6.3,
    7.1,
    8.0,
    9.0,
)


def preferred_numbers(first_decade: int, last_decade: int, step: int = 1) -> tuple[float, ...]:
    """Every `step`-th number of R20 from 10^first_decade up to and including 10^last_decade."""
    bounds = [
        float(f"{number}e{decade}")
        for decade in range(first_decade, last_decade)
        for number in _R20[::step]
    ]  # fmt: skip
    return (*bounds, float(f"1e{last_decade}"))


LATENCY_BOUNDS_S = preferred_numbers(-5, 3)
"""Upper bounds of latency buckets, s: 10 us to 1000 s."""

SCORE_BOUNDS = preferred_numbers(-2, 3, step=2)
"""Upper bounds of score buckets (1.0 = limit): 0.01 to 1000."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a meter had counted at one moment. `counts` has one entry more than `bounds`: what lies above.

    A value on a bound belongs to the bucket below it, as in Prometheus (`le`).
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float  # sum of all values

    @property
    def n(self) -> int:
        """How many values."""
        return sum(self.counts)

    @property
    def mean(self) -> float | None:
        """Mean of the values; None without any."""
        n = self.n
        return self.total / n if n else None

    def since(self, earlier: Distribution | None) -> Distribution:
        """What was counted after `earlier`, an older state of the same meter (None: everything)."""
        if earlier is None:
            return self
        counts = tuple(now - before for now, before in zip(self.counts, earlier.counts, strict=True))
        return Distribution(self.bounds, counts, self.total - earlier.total)

    def quantile(self, q: float) -> float | None:
        """The value below which the share `q` (0 to 1) lies, within one bucket's width; None without values.

        Values above the last bound are stated as the last bound.
        """
        n = self.n
        if not n:
            return None
        wanted, below = max(1, math.ceil(q * n)), 0
        for i, count in enumerate(self.counts[:-1]):
            if below + count >= wanted:
                upper = self.bounds[i]
                lower = self.bounds[i - 1] if i else 0.0
                return lower + (upper - lower) * (wanted - below) / count
            below += count
        return self.bounds[-1]


class Meter:
    """Counts values into buckets. One thread at a time may `add`; anybody may read at any time.

    There is no lock and no reset: a reader takes a copy, and subtracts an older one for an interval.
    """

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        """Count a value; what is not finite is left out, what is negative counts as 0."""
        if not math.isfinite(value):
            return
        value = max(value, 0.0)
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def distribution(self) -> Distribution:
        """All that was counted so far."""
        return Distribution(self._bounds, tuple(self._counts), self._total)
