"""Process tags judged together: whether any stands outside of what was learned, and when a level changed.

Duty: learns from the first rows, then judges each new row against them, causally: OPC UA tags such as flow,
pressure, current, one row per sampling interval. One `observe` per row; memory holds the learned rows while
learning, and 72 rows afterwards. Tags of hours and days are `models.slow_tag`'s. Knows no time and no names
beyond those it puts into a judgement.

A row's deviation is the largest, over the tags, of |mean of the last rows - learned level| in units of the
limit (`models.process_learning` says what the spread is), and at most twice that of their median, so that one
loud row is none; `models.excursion` makes the alarm of it. A change point is a row where a tag's last rows
differ from those before them, since the latest change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from dsp.samples import Float64Array
from models.errors import ModelStateError
from models.excursion import ExcursionAlarm, ExcursionRules
from models.process_learning import LearnedTags, learn_tags, listed, unlisted

STATE_FORMAT = "process-detector-state-1"
_MEDIAN_SHARE = 2.0
_LEARNED_BY = ("learn_rows", "window_rows")  # the rules that learned figures depend on


@dataclass(frozen=True, slots=True)
class ProcessRules:
    """Figures of the judgement; how they were chosen stands in models/README.md."""

    learn_rows: int = 400
    window_rows: int = 8  # whose mean is judged
    limit: float = 3.3  # learned spreads
    change: float = 3.5  # learned spreads between the window and the rows before it
    reference_rows: int = 64  # before the window, at most, since the latest change
    merge_rows: int = 30  # changes closer together are one
    # confirmed by one row more than a window holds: no row is in all of the means
    excursion: ExcursionRules = field(default_factory=lambda: ExcursionRules(9, 0.5, 30, 200))

    def to_json(self) -> dict[str, Any]:
        """Every figure, JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ProcessJudgement:
    """What one row says: 1.0 = limit. NaN where no tag says anything."""

    deviation: float
    alarm: bool
    changed: bool  # a change point is told here
    worst_tag: str  # behind the deviation; "" where there is none
    shift: float  # of that tag's window mean from its learned level, unit of the tag
    deviations: tuple[float, ...] = ()  # of each tag, NaN where it says nothing


class ProcessDetector:
    """Learns from its first rows, then judges. One instance per set of tags."""

    def __init__(self, tag_names: tuple[str, ...], rules: ProcessRules | None = None) -> None:
        if not tag_names:
            raise ModelStateError("a process detector without tags; name at least one")
        self.rules = rules or ProcessRules()
        if self.rules.learn_rows < 4 * self.rules.window_rows:
            raise ModelStateError(
                f"learn_rows is {self.rules.learn_rows}; at least {4 * self.rules.window_rows} are needed"
            )
        self.tag_names = tag_names
        self.learned: LearnedTags | None = None
        self.limit_factor = 1.0  # a person may set the limit at a multiple; not part of the state
        self._rows: list[Float64Array] = []  # while learning all, then the last window and reference
        self._alarm = ExcursionAlarm(self.rules.excursion)
        self._since_change = self._kept  # rows since the latest change began
        self._since_told = self.rules.merge_rows + 1

    @property
    def _kept(self) -> int:
        return self.rules.window_rows + self.rules.reference_rows

    @property
    def rows_learned(self) -> int:
        """How many rows were learned from so far."""
        return len(self._rows) if self.learned is None else self.learned.rows

    @property
    def alarm(self) -> bool:
        """Whether the alarm stands after the latest row."""
        return self._alarm.on

    def interrupt(self) -> None:
        """What comes next does not follow what came before: no mean spans the seam. An alarm goes on."""
        if self.learned is not None:
            self._rows = []

    def observe(self, row: Float64Array) -> ProcessJudgement | None:
        """Learn from `row` `(n_tags,)` while learning (returns None), else judge it; NaN is an empty cell.

        Raises ModelStateError for a row of another number of tags.
        """
        values = np.array(row, dtype=np.float64)
        if values.shape != (len(self.tag_names),):
            raise ModelStateError(f"row of shape {values.shape}; expected ({len(self.tag_names)},)")
        values[~np.isfinite(values)] = np.nan
        self._rows.append(values)
        if self.learned is None:
            if len(self._rows) >= self.rules.learn_rows:
                self.learned = learn_tags(np.array(self._rows), self.rules.window_rows)
                self._rows = self._rows[-self._kept :]
            return None
        self._rows = self._rows[-self._kept :]
        kept = np.array(self._rows)
        recent = _means(kept[-self.rules.window_rows :], self.rules.window_rows)
        shifts = recent - self.learned.level
        middle = np.abs(_medians(kept[-self.rules.window_rows :]) - self.learned.level)
        # Half of the rows must show half of it: what one loud row alone lifts is no deviation.
        shown = np.minimum(np.abs(shifts), _MEDIAN_SHARE * middle)
        deviations = shown / (self.limit_factor * self.rules.limit * self.learned.spread)
        changed = self._changed(kept, recent, self.learned.spread)
        if not np.isfinite(deviations).any():
            return ProcessJudgement(math.nan, self._alarm.observe(math.nan), changed, "", math.nan)
        worst = int(np.nanargmax(deviations))
        value = float(deviations[worst])
        return ProcessJudgement(
            deviation=value,
            alarm=self._alarm.observe(value),
            changed=changed,
            worst_tag=self.tag_names[worst],
            shift=float(shifts[worst]),
            deviations=tuple(deviations.tolist()),
        )

    def _changed(self, kept: Float64Array, recent: Float64Array, spread: Float64Array) -> bool:
        """Whether a change is told at the newest row."""
        self._since_change = min(self._since_change + 1, self._kept)
        self._since_told = min(self._since_told + 1, self.rules.merge_rows + 1)
        window = self.rules.window_rows
        before = kept[:-window][-max(self._since_change - window, 0) :]
        if self._since_change < 2 * window or len(before) < window:
            return False
        differences = np.abs(recent - _means(before, len(before)))
        limits = self.rules.change * spread * math.sqrt(1.0 + window / len(before))
        if not (differences > limits).any():
            return False
        self._since_change = window
        if self._since_told <= self.rules.merge_rows:
            return False
        self._since_told = 0
        return True

    def state(self) -> dict[str, Any]:
        """Everything learned or half learned, and what stands, JSON-ready."""
        return {
            "format": STATE_FORMAT,
            "rules": self.rules.to_json(),
            "tag_names": list(self.tag_names),
            "learned": None if self.learned is None else self.learned.to_json(),
            "rows": listed(np.array(self._rows).reshape(-1, len(self.tag_names))),
            "alarm": self._alarm.state(),
            "since_change": self._since_change,
            "since_told": self._since_told,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state. Raises ModelStateError if it does not fit; this detector is then unchanged."""
        if state.get("format") != STATE_FORMAT:
            raise ModelStateError(f"state has format {state.get('format')!r}; expected {STATE_FORMAT!r}")
        rules = state.get("rules")
        # What was learned rests on these alone; how it is judged is the present release's matter.
        known = {name: self.rules.to_json()[name] for name in _LEARNED_BY}
        if not isinstance(rules, Mapping) or {name: rules.get(name) for name in _LEARNED_BY} != known:
            raise ModelStateError("the state was learned with other rules; learn anew")
        if tuple(state.get("tag_names", ())) != self.tag_names:
            raise ModelStateError(f"the state is of other tags than {', '.join(self.tag_names)}")
        alarm = ExcursionAlarm(self.rules.excursion)
        try:
            learned = state["learned"]
            tags = None if learned is None else LearnedTags.from_json(learned, len(self.tag_names))
            rows = [unlisted(row) for row in state["rows"]]
            if rules == self.rules.to_json():
                alarm.restore(state["alarm"])
            else:
                alarm.resume(state["alarm"], float(rules["limit"]) / self.rules.limit)
            since_change, since_told = int(state["since_change"]), int(state["since_told"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"state cannot be read: {type(error).__name__} {error}") from error
        if any(len(row) != len(self.tag_names) for row in rows):
            raise ModelStateError(f"a row of the state has not {len(self.tag_names)} cells")
        if tags is not None and rules != self.rules.to_json():
            rows = rows[-self._kept :]
        most = self._kept if tags is not None else self.rules.learn_rows - 1
        if len(rows) > most:
            raise ModelStateError(f"the state holds {len(rows)} rows; expected at most {most}")
        self.learned, self._rows, self._alarm = tags, rows, alarm
        self._since_change, self._since_told = since_change, since_told


def _medians(rows: Float64Array) -> Float64Array:
    """`(n_tags,)` medians of stated cells; NaN where none is."""
    ordered = np.sort(rows, axis=0)  # NaN last
    count = np.isfinite(rows).sum(axis=0)
    at = np.arange(rows.shape[1])
    lower, upper = ordered[np.maximum(count - 1, 0) // 2, at], ordered[count // 2 % len(rows), at]
    medians: Float64Array = np.where(count > 0, 0.5 * (lower + upper), np.nan)
    return medians


def _means(rows: Float64Array, expected: int) -> Float64Array:
    """`(n_tags,)` means of stated cells; NaN where fewer than half of `expected` are stated."""
    stated = np.isfinite(rows)
    count = stated.sum(axis=0)
    sums = np.where(stated, rows, 0.0).sum(axis=0)
    means: Float64Array = np.where(2 * count >= expected, sums / np.maximum(count, 1), np.nan)
    return means
