"""Protocol `slow_tag`: temperatures and their like over weeks; the first 15 % is learned from.

Duty: causal replay through the product's slow-tag detector; labelled windows hit, and false events per week.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.process_baseline import level_alarms
from models.evaluation.protocol import Rows, Run, Unit, UnreadableUnit
from models.evaluation.result import BASELINE, Rate, TaskResult
from models.process_words import slow_words
from models.slow_tag import MIN_LEARN_VALUES, SlowTagDetector, SlowTagRules

RULES = "rules"
LEVEL = f"{BASELINE}level"
LEARN_SHARE = 0.15
_WEEK_S = 7 * 86_400.0

_STAMP = re.compile(
    r"(?P<local>\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?)"
    r"(Z|(?P<sign>[+-])(?P<hours>\d\d):?(?P<minutes>\d\d))?"
)

BoolArray = npt.NDArray[np.bool_]
Span = tuple[float, float]  # begin and end, seconds from the first row


@dataclass(slots=True)
class _Pooled:
    """What one variant made of the files."""

    hit: int
    windows: int
    false_events: int
    weeks: float
    units: list[dict[str, Any]]


class SlowTagProtocol:
    """Judges slow tags; implements TaskProtocol."""

    tasks = frozenset({"slow_tag"})

    def __init__(self, rules: SlowTagRules | None = None) -> None:
        self._rules = rules or SlowTagRules()

    def settings(self) -> Mapping[str, Any]:
        """The detector's figures and the share that is learned from."""
        return {"slow_tag": asdict(self._rules), "learn_share": LEARN_SHARE}

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """One result for the product's detector and one for a limit on the level."""
        pooled = {variant: _Pooled(0, 0, 0, 0.0, []) for variant in (RULES, LEVEL)}
        for unit in units:
            n = len(unit.rows.values)
            learn = int(LEARN_SHARE * n)
            if learn < MIN_LEARN_VALUES:
                run.remark(f"{unit.name}: {n} rows; 15 % of them are fewer than {MIN_LEARN_VALUES}")
                run.step()
                continue
            times = unit.rows.time_s
            replayed, words = self._replay(unit.rows, learn)
            said = {RULES: replayed, LEVEL: _level(unit.rows.values, learn)}
            for variant, alarm in said.items():
                unit.sealed.write(variant, alarm)
            try:
                windows = labelled_windows(unit.sealed.reveal().label, unit.rows.start_utc_ns)
            except (TypeError, ValueError) as error:
                run.remark(f"{unit.name}: its labelled windows cannot be read ({error}): not scored")
                run.step()
                continue
            before = [window for window in windows if window[1] <= times[learn - 1]]
            if before:
                run.remark(f"{unit.name}: {len(before)} labelled windows lie in what is learned: not counted")
            judged = [window for window in windows if window not in before]
            weeks = max(float(times[-1] - times[learn]), 0.0) / _WEEK_S
            for variant, alarm in said.items():
                found = alarm_spans(alarm, times)
                hit = sum(any(_overlap(window, span) for span in found) for window in judged)
                false = sum(not any(_overlap(window, span) for window in windows) for span in found)
                total = pooled[variant]
                total.hit += hit
                total.windows += len(judged)
                total.false_events += false
                total.weeks += weeks
                total.units.append(
                    {"unit": unit.name, "windows": len(judged), "hit": hit, "false_events": false,
                     "weeks": round(weeks, 2), "alarms_h": [[round(t / 3600.0, 2) for t in s] for s in found]}
                )  # fmt: skip
            pooled[RULES].units[-1]["alarm_words"] = words
            run.step()
        return [_result(dataset, task, variant, total, len(unreadable)) for variant, total in pooled.items()]

    def _replay(self, rows: Rows, learn: int) -> tuple[BoolArray, list[str]]:
        """Whether any tag's alarm stands at each row, and what each alarm says as it begins."""
        values, words = rows.values, []
        step_s = float(np.median(np.diff(rows.time_s)))
        alarm = np.zeros(len(values), bool)
        for tag in range(values.shape[1]):
            stated = int(np.isfinite(values[:learn, tag]).sum())
            if stated < MIN_LEARN_VALUES:
                continue
            detector = SlowTagDetector(stated, self._rules)
            stands = False
            for i, value in enumerate(values[:, tag]):
                judged = detector.observe(float(value))
                if judged is not None and judged.alarm and not stands:
                    words.append(slow_words(rows.tag_names[tag], detector, judged, step_s))
                stands = stands if judged is None else judged.alarm
                alarm[i] |= stands
        return alarm, words


def _level(values: npt.NDArray[np.float64], learn: int) -> BoolArray:
    alarm = np.zeros(len(values), bool)
    for tag in range(values.shape[1]):
        alarm |= level_alarms(values[:, tag], learn)
    return alarm


def labelled_windows(label: Mapping[str, Any], start_utc_ns: int) -> list[Span]:
    """Windows of a label in seconds from the first row; times without a zone are UTC, as in the rows.

    Raises ValueError for what is neither a pair of numbers nor of ISO 8601 times.
    """
    return [
        (_seconds(begin, start_utc_ns), _seconds(end, start_utc_ns))
        for begin, end in label.get("windows", ())
    ]


def _seconds(at: object, start_utc_ns: int) -> float:
    if isinstance(at, int | float):
        return float(at)
    parts = _STAMP.fullmatch(str(at).strip())
    if parts is None:
        raise ValueError(f"{at!r} is no ISO 8601 time")
    utc_ns = int(np.datetime64(parts["local"], "ns").astype(np.int64))
    ahead_s = 0.0
    if parts["sign"]:
        ahead_s = (int(parts["hours"]) * 3600.0 + int(parts["minutes"]) * 60.0) * (
            -1.0 if parts["sign"] == "-" else 1.0
        )
    return (utc_ns - start_utc_ns) / 1e9 - ahead_s


def alarm_spans(alarm: BoolArray, times: npt.NDArray[np.float64]) -> list[Span]:
    """First and last time of each stretch of standing alarm."""
    edges = np.diff(np.concatenate([[0], alarm.astype(np.int8), [0]]))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    return [(float(times[a]), float(times[b])) for a, b in zip(begins, ends, strict=True)]


def _overlap(window: Span, span: Span) -> bool:
    return span[1] >= window[0] and span[0] <= window[1]


def _result(dataset: str, task: str, variant: str, total: _Pooled, unreadable: int) -> TaskResult:
    return TaskResult(
        dataset,
        task,
        variant,
        metrics={
            "windows_hit": total.hit,
            "windows": total.windows,
            "false_events": total.false_events,
            "false_events_per_week": total.false_events / total.weeks if total.weeks > 0.0 else None,
        },
        counts={"weeks": round(total.weeks, 2), "unreadable": unreadable},
        units=total.units,
        rates=[Rate("windows hit", total.hit, total.windows)],
    )
