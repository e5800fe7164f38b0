"""When a deviation that wavers is an alarm, and when the alarm is over: the rule for process tags.

Duty: limit, confirmation and end of an alarm on a series of deviations in units of their limit. Counts rows,
not time: while nothing can be observed nothing changes. Vibration scores use `models.cumulative_sum`.

A process that comes back after a disturbance seldom comes back exactly. An alarm therefore ends once the
deviation has stayed below a share of its own peak; for a settling time afterwards, only what exceeds that
share again is an alarm. When the settling time is over, the limit is what it was: a process that stays
displaced is told again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class ExcursionRules:
    """How an excursion begins and ends, in rows."""

    confirm_rows: int  # in a row above the limit begin it
    end_share: float  # of the excursion's peak, below which it ends
    quiet_rows: int  # in a row below it end it
    settle_rows: int  # after the end, during which the limit stays raised


class ExcursionAlarm:
    """Whether an excursion stands, after each deviation. Bounded memory; a state survives JSON."""

    def __init__(self, rules: ExcursionRules) -> None:
        self.on = False
        self._rules = rules
        self._peak = 0.0
        self._count = 0  # rows in a row that speak against what stands
        self._settling = 0  # rows left

    def observe(self, deviation: float) -> bool:
        """Take one deviation, 1.0 = limit; returns whether the alarm stands. NaN says nothing."""
        if math.isnan(deviation):
            return self.on
        raised = self._rules.end_share * self._peak
        if self.on:
            self._peak = max(self._peak, deviation)
            below = deviation < self._rules.end_share * self._peak
            self._count = self._count + 1 if below else 0
            if self._count >= self._rules.quiet_rows:
                self.on, self._count, self._settling = False, 0, self._rules.settle_rows
            return self.on
        if self._settling > 0:
            self._settling -= 1
            limit = max(1.0, raised)
        else:
            limit = 1.0
        self._count = self._count + 1 if deviation > limit else 0
        if self._count >= self._rules.confirm_rows:
            self.on, self._count, self._peak = True, 0, deviation
        return self.on

    def state(self) -> dict[str, Any]:
        """What stands, JSON-ready."""
        return {"on": self.on, "peak": self._peak, "count": self._count, "settling": self._settling}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state. Raises ModelStateError if it does not fit; this alarm is then unchanged."""
        try:
            on = bool(state["on"])
            peak, count, settling = float(state["peak"]), int(state["count"]), int(state["settling"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(
                f"excursion state cannot be read: {type(error).__name__} {error}"
            ) from error
        if not (math.isfinite(peak) and peak >= 0.0 and count >= 0 and settling >= 0):
            raise ModelStateError(
                f"excursion state has peak {peak}, count {count}, settling {settling};"
                " expected finite numbers, none below 0"
            )
        self.on, self._peak, self._count, self._settling = on, peak, count, settling

    def resume(self, state: Mapping[str, Any], scale: float) -> None:
        """Take over what stood by other rules, whose limit was `scale` times this one's; rows that spoke
        against it are counted anew. Raises ModelStateError as `restore` does."""
        if not (math.isfinite(scale) and scale > 0.0):
            raise ModelStateError(f"excursion state of a limit {scale} times this one; expected more than 0")
        self.restore(state)
        self._peak *= scale
        self._count, self._settling = 0, min(self._settling, self._rules.settle_rows)
