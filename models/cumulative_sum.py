"""A sequential test on anomaly scores: alarm as soon as enough has come together, whether fast or slowly.

Duty: from one channel's unsmoothed scores to whether its alarm stands. Replaces smoothing and counting by
one sum (Page, Biometrika 41, 1954): a score far above the reference adds much, one just above adds little,
one below takes away. What a single window may add is bounded: a dropped tool is one window, however loud.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class CumulativeSumRules:
    """Figures of the test, in units of the score's limit; how they were chosen stands in models/README.md."""

    reference: float = 0.65  # between what healthy running shows (about 0.3) and the limit (1)
    largest: float = 1.2  # a score counts as at most this much
    decision: float = 1.6  # the sum at which the alarm stands: three windows far above the limit


class CumulativeSum:
    """Whether the alarm of one channel stands, after each score. Three numbers of memory."""

    def __init__(self, rules: CumulativeSumRules | None = None) -> None:
        self.on = False
        self._rules = rules or CumulativeSumRules()
        self._sum = 0.0

    @property
    def value(self) -> float:
        """The sum in units of the decision: 0 healthy, 1 alarm."""
        return self._sum / self._rules.decision

    def observe(self, score: float) -> bool:
        """Take one unsmoothed score, 1.0 = limit; returns whether the alarm stands. NaN says nothing.

        The alarm ends when the sum is back at 0; it is never above the decision, so that it can end.
        """
        if math.isnan(score):
            return self.on
        step = min(score, self._rules.largest) - self._rules.reference
        self._sum = min(max(self._sum + step, 0.0), self._rules.decision)
        if self._sum >= self._rules.decision:
            self.on = True
        elif self._sum <= 0.0:
            self.on = False
        return self.on

    def state(self) -> dict[str, Any]:
        """What stands, JSON-ready."""
        return {"on": self.on, "sum": self._sum}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state. Raises ModelStateError if it does not fit; this test is then unchanged."""
        try:
            on, value = bool(state["on"]), float(state["sum"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"cumulative sum cannot be read: {type(error).__name__} {error}") from error
        if not 0.0 <= value <= self._rules.decision:
            raise ModelStateError(
                f"cumulative sum is {value}; expected a number between 0 and {self._rules.decision}"
            )
        self.on, self._sum = on, value
