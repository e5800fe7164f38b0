"""One slow tag, a temperature or a tank level: whether its level left what it was of late.

Duty: learns from the first values how much and how slowly the tag moves, then judges each new value,
causally: one `observe` per value, memory bounded by the learned span. Meant for values of minutes to hours
over weeks; many fast tags together are `models.process_detector`'s. Knows no time: values come at an even
pace, and gaps are left out.

The tag's own correlation time sets the short mean that is judged; its reference is the mean over half the
learned span before that: seasons pass, an excursion stands out. The scale is the spread of the reference, but
never below that of the learned values. As the reference follows, a change slower than it is not found here:
comparing with what was learned first is the drift monitor's duty.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from models.correlation_time import correlation_time
from models.errors import ModelStateError
from models.excursion import ExcursionAlarm, ExcursionRules

STATE_FORMAT = "slow-tag-state-1"
MIN_LEARN_VALUES = 40
_STUCK_SHARE = 0.01  # of its level: spread of a tag that never moved while it was learned


@dataclass(frozen=True, slots=True)
class SlowTagRules:
    """Figures of the judgement; how they were chosen stands in models/README.md."""

    limit: float = 2.7  # spreads
    mean_share: float = 0.25  # of the correlation time: length of the short mean
    reference_share: float = 0.5  # of the learned span
    confirm_values: int = 3
    end_share: float = 0.5  # of an excursion's peak, below which it ends
    quiet_share: float = 0.5  # of the correlation time
    settle_share: float = 0.25  # of the learned span


@dataclass(frozen=True, slots=True)
class SlowTagJudgement:
    """What one value says: deviation 1.0 = limit, signed by `shift`, in the tag's unit."""

    deviation: float
    shift: float
    alarm: bool
    level: float = math.nan  # the short mean that is judged, in the tag's unit


@dataclass(frozen=True, slots=True)
class _Learned:
    spread: float
    correlation_values: float


class SlowTagDetector:
    """Learns from its first `learn_values`, then judges. One instance per tag."""

    def __init__(self, learn_values: int, rules: SlowTagRules | None = None) -> None:
        if learn_values < MIN_LEARN_VALUES:
            raise ModelStateError(f"learn_values is {learn_values}; at least {MIN_LEARN_VALUES} are needed")
        self.rules = rules or SlowTagRules()
        self.learn_values = learn_values
        self.limit_factor = 1.0  # a person may set the limit at a multiple; not part of the state
        self._learned: _Learned | None = None
        self._values: deque[float] = deque(maxlen=learn_values)
        self._alarm: ExcursionAlarm | None = None

    @property
    def correlation_values(self) -> float | None:
        """How many neighbouring values are worth one; None while it is learned."""
        return None if self._learned is None else self._learned.correlation_values

    @property
    def spread(self) -> float | None:
        """Of the learned values, in the tag's unit; None while it is learned."""
        return None if self._learned is None else self._learned.spread

    @property
    def values_learned(self) -> int:
        """How many values were learned from so far."""
        return len(self._values) if self._learned is None else self.learn_values

    @property
    def alarm(self) -> bool:
        """Whether the alarm stands after the latest value."""
        return self._alarm is not None and self._alarm.on

    @property
    def lengths(self) -> tuple[int, int] | None:
        """Values of the short mean and of the reference before it; None while it is learned."""
        return None if self._learned is None else self._lengths(self._learned)

    def observe(self, value: float) -> SlowTagJudgement | None:
        """Learn from this value while learning (returns None), else judge it. A value not finite: None."""
        if not math.isfinite(value):
            return None
        self._values.append(float(value))
        if self._learned is None or self._alarm is None:
            if len(self._values) == self.learn_values:
                self._take_into_service(_learn(np.array(self._values)))
            return None
        short, reference = self._lengths(self._learned)
        values = np.array(self._values)[-(short + reference) :]
        before = values[:-short]
        scale = max(float(before.std()), self._learned.spread)
        shift = float(values[-short:].mean() - before.mean())
        deviation = abs(shift) / (self.limit_factor * self.rules.limit * scale)
        level = float(values[-short:].mean())
        return SlowTagJudgement(deviation, shift, self._alarm.observe(deviation), level)

    def _lengths(self, learned: _Learned) -> tuple[int, int]:
        reference = max(MIN_LEARN_VALUES // 2, round(self.rules.reference_share * self.learn_values))
        short = max(1, round(self.rules.mean_share * learned.correlation_values))
        return min(short, self.learn_values - reference), reference

    def _take_into_service(self, learned: _Learned) -> None:
        self._learned = learned
        self._alarm = ExcursionAlarm(
            ExcursionRules(
                confirm_rows=self.rules.confirm_values,
                end_share=self.rules.end_share,
                quiet_rows=max(1, round(self.rules.quiet_share * learned.correlation_values)),
                settle_rows=round(self.rules.settle_share * self.learn_values),
            )
        )

    def state(self) -> dict[str, Any]:
        """Everything learned or half learned, and what stands, JSON-ready."""
        return {
            "format": STATE_FORMAT,
            "rules": asdict(self.rules),
            "learn_values": self.learn_values,
            "learned": None if self._learned is None else asdict(self._learned),
            "values": list(self._values),
            "alarm": None if self._alarm is None else self._alarm.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state. Raises ModelStateError if it does not fit; this detector is then unchanged."""
        if state.get("format") != STATE_FORMAT:
            raise ModelStateError(f"state has format {state.get('format')!r}; expected {STATE_FORMAT!r}")
        if state.get("rules") != asdict(self.rules) or state.get("learn_values") != self.learn_values:
            raise ModelStateError("the state was learned with other rules; learn anew")
        fresh = SlowTagDetector(self.learn_values, self.rules)
        try:
            fresh._fill(state["values"], state["learned"], state["alarm"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"state cannot be read: {type(error).__name__} {error}") from error
        self._learned, self._values, self._alarm = fresh._learned, fresh._values, fresh._alarm

    def _fill(
        self, values: Iterable[float], learned: Mapping[str, Any] | None, alarm: Mapping[str, Any] | None
    ) -> None:
        held = [float(value) for value in values]
        if not all(math.isfinite(value) for value in held) or len(held) > self.learn_values:
            raise ValueError(f"expected at most {self.learn_values} finite values")
        self._values.extend(held)
        if learned is None:
            if len(held) == self.learn_values:
                raise ValueError("all values are there, but nothing is learned")
            return
        spread, correlation = float(learned["spread"]), float(learned["correlation_values"])
        if not (spread > 0.0 and math.isfinite(spread) and 1.0 <= correlation < math.inf):
            raise ValueError("spread must be above 0 and the correlation time 1 or more")
        if len(held) < self.learn_values:
            raise ValueError(f"{len(held)} values after learning; expected {self.learn_values}")
        self._take_into_service(_Learned(spread, correlation))
        assert self._alarm is not None
        self._alarm.restore(alarm or {})


def _learn(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> _Learned:
    level = float(values.mean())
    spread = float(values.std())
    if spread <= 1e-9 * abs(level):
        spread = max(_STUCK_SHARE * abs(level), 1e-9)
    return _Learned(spread, correlation_time(values, len(values) // 4))
