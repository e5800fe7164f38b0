"""How far a model that runs in the shadow says other things than what judged: counts, and one correlation.

Duty: the sums, in bounded memory, over the same windows for both. Runs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(slots=True)
class Disagreement:
    """Scores of what is in service and of the shadow, window by window; 1.0 = limit for both."""

    windows: int = 0
    both_over: int = 0
    only_active_over: int = 0
    only_shadow_over: int = 0
    _mean_a: float = 0.0
    _mean_b: float = 0.0
    _aa: float = 0.0
    _bb: float = 0.0
    _ab: float = 0.0

    def add(self, active: float, shadow: float) -> None:
        """One window; scores that are no numbers are left out."""
        if not (math.isfinite(active) and math.isfinite(shadow)):
            return
        self.windows += 1
        over_a, over_b = active > 1.0, shadow > 1.0
        self.both_over += over_a and over_b
        self.only_active_over += over_a and not over_b
        self.only_shadow_over += over_b and not over_a
        step_a, step_b = active - self._mean_a, shadow - self._mean_b  # Welford's recurrence
        self._mean_a += step_a / self.windows
        self._mean_b += step_b / self.windows
        self._aa += step_a * (active - self._mean_a)
        self._bb += step_b * (shadow - self._mean_b)
        self._ab += step_a * (shadow - self._mean_b)

    @property
    def differ(self) -> int:
        """Windows that one calls beyond its limit and the other does not."""
        return self.only_active_over + self.only_shadow_over

    @property
    def correlation(self) -> float | None:
        """Pearson's, of the scores; None below three windows and where one of them never changes."""
        if self.windows < 3 or self._aa <= 0.0 or self._bb <= 0.0:
            return None
        return max(-1.0, min(1.0, self._ab / math.sqrt(self._aa * self._bb)))

    @property
    def means(self) -> tuple[float, float]:
        """Mean score in service, and of the shadow."""
        return self._mean_a, self._mean_b
