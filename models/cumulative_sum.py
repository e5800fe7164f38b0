"""A sequential test on anomaly scores: alarm as soon as enough has come together, whether fast or slowly.

Duty: from one channel's unsmoothed scores to whether its alarm stands, and the limit at which it just would.
Replaces smoothing and counting by one sum (Page, Biometrika 41, 1954): a score far above the reference adds
much, one just above adds little, one below takes away. What a single window may add is bounded: a dropped
tool is one window, however loud. A window adds in proportion to what is new in it: of two that overlap by
half, each half of its samples has been counted before.

This is the one place where a score becomes an alarm: the live rule, replay and evaluation all ask it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float64Array
from models.errors import ModelStateError

_LEVELS = np.geomspace(1.0 / 16.0, 1.0, 193)  # 1.5 % apart, ascending


@dataclass(frozen=True, slots=True)
class CumulativeSumRules:
    """Figures of the test, in units of the score's limit; how they were chosen stands in models/README.md."""

    reference: float = 0.8  # what stays below never alarms, however long; healthy running shows 0.67 at most
    largest: float = 1.2  # a score counts as at most this much
    decision: float = 1.5  # the sum at which the alarm stands: four windows far above the limit
    quiet_windows: int = 45  # with the sum at 0, since it was last at the decision: the alarm is over


class CumulativeSum:
    """Whether the alarm of one channel stands, after each score. Four numbers of memory."""

    def __init__(self, rules: CumulativeSumRules | None = None) -> None:
        self.on = False
        self._rules = rules or CumulativeSumRules()
        self._sum = 0.0
        self._quiet = 0

    @property
    def value(self) -> float:
        """The sum in units of the decision: 0 healthy, 1 alarm."""
        return self._sum / self._rules.decision

    def observe(self, score: float, fresh: float = 1.0) -> bool:
        """Take one unsmoothed score, 1.0 = limit; returns whether the alarm stands. NaN says nothing.

        `fresh` is the share of the window's samples that no window before has shown. The sum is never above
        the decision, so that the alarm can end.
        """
        if math.isnan(score):
            return self.on
        rules = self._rules
        step = fresh * (min(score, rules.largest) - rules.reference)
        self._sum = min(max(self._sum + step, 0.0), rules.decision)
        if self._sum >= rules.decision:
            self.on, self._quiet = True, 0
        elif self._sum <= 0.0:
            self._quiet += 1
            self.on = self.on and self._quiet < rules.quiet_windows
        return self.on

    def assume_on(self) -> None:
        """The alarm stood before a restart: it stands until it is over as any other."""
        self.on, self._sum, self._quiet = True, self._rules.decision, 0

    def state(self) -> dict[str, Any]:
        """What stands, JSON-ready."""
        return {"on": self.on, "sum": self._sum, "quiet": self._quiet}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state. Raises ModelStateError if it does not fit; this test is then unchanged."""
        try:
            on, value, quiet = bool(state["on"]), float(state["sum"]), int(state["quiet"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"cumulative sum cannot be read: {type(error).__name__} {error}") from error
        if not 0.0 <= value <= self._rules.decision or quiet < 0:
            raise ModelStateError(
                f"cumulative sum is {value} after {quiet} quiet windows; expected a number between 0 and"
                f" {self._rules.decision}, and 0 or more"
            )
        self.on, self._sum, self._quiet = on, value, quiet


class AlarmLevel:
    """The limit at which the alarm of one channel would just stand: what its limit is watched by.

    One sum for each of 193 limits from 1/16 of the one in service up to it. Were the limit f times as high,
    the alarm would stand where this level reaches f: so a level can be extrapolated as a score can.
    """

    def __init__(self, rules: CumulativeSumRules) -> None:
        self._rules = rules
        self._sums: Float64Array = np.zeros(len(_LEVELS))

    def observe(self, score: float, fresh: float = 1.0) -> float:
        """Take one unsmoothed score; returns the level, 1/16 to 1.0. What is not finite changes nothing."""
        rules = self._rules
        if math.isfinite(score):
            steps = np.minimum(score / _LEVELS, rules.largest) - rules.reference
            self._sums = np.clip(self._sums + fresh * steps, 0.0, rules.decision)
        reached = int(np.count_nonzero(self._sums >= rules.decision))  # sums fall with the limit
        if reached == 0:
            return float(_LEVELS[0])
        if reached == len(_LEVELS):
            return 1.0
        part = float(self._sums[reached]) / rules.decision
        return float(_LEVELS[reached - 1] * (_LEVELS[reached] / _LEVELS[reached - 1]) ** part)

    def clear(self) -> None:
        """Begin anew: what comes next does not follow."""
        self._sums = np.zeros(len(_LEVELS))
