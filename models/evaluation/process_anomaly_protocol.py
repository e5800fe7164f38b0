"""Protocol `process_anomaly`: rows of process tags; learned from the first 400, the others judged causally.

Duty: replay through the product's process detector; F1, false and missed alarm rates of rows, pooled over
files with anomalies; the score of change points; false alarms per hour on files without anomalies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from models.evaluation.change_point_score import WINDOW_S, ChangePointCount, count_change_points, nab_score
from models.evaluation.process_baseline import largest_deviation_alarms
from models.evaluation.protocol import Run, Unit, UnreadableUnit
from models.evaluation.result import BASELINE, Rate, TaskResult
from models.evaluation.sealed import RevealedLabel
from models.process_detector import ProcessDetector, ProcessRules
from models.process_words import process_words

RULES = "rules"
LARGEST = f"{BASELINE}largest deviation"

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Confusion of rows."""

    tp: int
    fp: int
    fn: int
    tn: int

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn, self.tn + other.tn)

    @property
    def f1(self) -> float | None:
        """2 TP / (2 TP + FP + FN), 0..1; None where nothing is anomalous or called so."""
        whole = 2 * self.tp + self.fp + self.fn
        return 2.0 * self.tp / whole if whole else None

    @property
    def far(self) -> float | None:
        """False alarm rate, % of normal rows."""
        return 100.0 * self.fp / (self.fp + self.tn) if self.fp + self.tn else None

    @property
    def mar(self) -> float | None:
        """Missed alarm rate, % of anomalous rows."""
        return 100.0 * self.fn / (self.fn + self.tp) if self.fn + self.tp else None


def row_counts(truth: BoolArray, alarm: BoolArray) -> RowCounts:
    """Confusion of rows, point by point: nothing is adjusted."""
    return RowCounts(
        int((truth & alarm).sum()),
        int((~truth & alarm).sum()),
        int((truth & ~alarm).sum()),
        int((~truth & ~alarm).sum()),
    )


@dataclass(slots=True)
class _Pooled:
    """What one variant made of the files."""

    rows: RowCounts
    changes: list[ChangePointCount]
    healthy_alarms: int
    units: list[dict[str, Any]]


class ProcessAnomalyProtocol:
    """Judges process tags; implements TaskProtocol."""

    tasks = frozenset({"process_anomaly"})

    def __init__(self, rules: ProcessRules | None = None) -> None:
        self._rules = rules or ProcessRules()

    def settings(self) -> Mapping[str, Any]:
        """The detector's figures and the change points' window."""
        return {"process": self._rules.to_json(), "change_window_s": WINDOW_S}

    def evaluate(
        self,
        dataset: str,
        task: str,
        units: Sequence[Unit],
        unreadable: Sequence[UnreadableUnit],
        run: Run,
    ) -> list[TaskResult]:
        """One result for the product's detector and one for the simple baseline."""
        pooled = {variant: _Pooled(RowCounts(0, 0, 0, 0), [], 0, []) for variant in (RULES, LARGEST)}
        healthy_h, healthy_files = 0.0, 0
        learn = self._rules.learn_rows
        for unit in units:
            n = len(unit.rows.values)
            if n <= learn:
                run.remark(
                    f"{unit.name}: {n} rows; the first {learn} are learned from, none is left to judge"
                )
                run.step()
                continue
            replayed, words = self._replay(unit)
            said = {RULES: replayed, LARGEST: _baseline(unit, learn)}
            for variant, (alarm, changed) in said.items():
                unit.sealed.write(variant, {"alarm": alarm, "changed": changed})
            revealed = unit.sealed.reveal()
            truth = _truth(revealed, n)
            if truth is None:
                run.remark(f"{unit.name}: neither an anomaly column nor a healthy state: not scored")
                run.step()
                continue
            if truth[:learn].any():
                run.remark(
                    f"{unit.name}: {int(truth[:learn].sum())} of the {learn} learned rows are anomalous"
                )
            healthy = not truth.any()
            if healthy:
                healthy_files += 1
                healthy_h += float(unit.rows.time_s[-1] - unit.rows.time_s[learn]) / 3600.0
            for variant, (alarm, changed) in said.items():
                _count(
                    pooled[variant], unit, revealed, truth=truth, alarm=alarm, changed=changed, learn=learn
                )
            pooled[RULES].units[-1]["alarm_words"] = words
            run.step()
        counts = {
            "unreadable": len(unreadable),
            "healthy_files": healthy_files,
            "healthy_h": round(healthy_h, 2),
        }
        return [_result(dataset, task, variant, found, counts) for variant, found in pooled.items()]

    def _replay(self, unit: Unit) -> tuple[tuple[BoolArray, BoolArray], list[str]]:
        """Alarm and change point of each row, `(n_rows,)`, False while learning; each alarm in words."""
        words: list[str] = []
        detector = ProcessDetector(unit.rows.tag_names, self._rules)
        alarm = np.zeros(len(unit.rows.values), bool)
        changed = np.zeros(len(unit.rows.values), bool)
        for i, row in enumerate(unit.rows.values):
            judged = detector.observe(row)
            if judged is not None:
                alarm[i], changed[i] = judged.alarm, judged.changed
                if judged.alarm and not alarm[i - 1]:
                    words.append(f"row {i}: {process_words(detector, judged)}")
        return (alarm, changed), words


def _baseline(unit: Unit, learn: int) -> tuple[BoolArray, BoolArray]:
    """The baseline's alarm, and its beginnings and ends as change points."""
    alarm = largest_deviation_alarms(unit.rows.values, learn)
    changed = np.zeros(len(alarm), bool)
    changed[learn:] = alarm[learn:] != alarm[learn - 1 : -1]
    return alarm, changed


def _truth(revealed: RevealedLabel, n: int) -> BoolArray | None:
    column = revealed.columns.get("anomaly")
    if column is not None:
        return np.nan_to_num(np.asarray(column, dtype=np.float64)) > 0.5
    return np.zeros(n, bool) if revealed.state == "healthy" else None


def _count(
    pooled: _Pooled,
    unit: Unit,
    revealed: RevealedLabel,
    *,
    truth: BoolArray,
    alarm: BoolArray,
    changed: BoolArray,
    learn: int,
) -> None:
    """Add one file to what is pooled: rows where it has anomalies, else its false alarms."""
    counts = row_counts(truth[learn:], alarm[learn:])
    events = int((alarm[learn:] & ~alarm[learn - 1 : -1]).sum())
    row: dict[str, Any] = {"unit": unit.name, "rows": len(truth) - learn, "alarms": events}
    if not truth.any():
        pooled.healthy_alarms += events
        pooled.units.append({**row, "fp": counts.fp})
        return
    pooled.rows += counts
    row |= {"tp": counts.tp, "fp": counts.fp, "fn": counts.fn, "tn": counts.tn}
    column = revealed.columns.get("changepoint")
    if column is not None:
        times = unit.rows.time_s
        at = np.flatnonzero(np.nan_to_num(np.asarray(column, dtype=np.float64)) > 0.5)
        change = count_change_points(
            [float(times[i]) for i in at if i >= learn], [float(t) for t in times[changed]]
        )
        pooled.changes.append(change)
        row |= {"changes": change.changes, "changes_found": change.found, "changes_false": change.false}
    pooled.units.append(row)


def _result(dataset: str, task: str, variant: str, pooled: _Pooled, counts: Mapping[str, Any]) -> TaskResult:
    rows = pooled.rows
    changes = sum(change.changes for change in pooled.changes)
    found = sum(change.found for change in pooled.changes)
    hours = float(counts["healthy_h"])
    return TaskResult(
        dataset,
        task,
        variant,
        metrics={
            "f1": rows.f1,
            "far": rows.far,
            "mar": rows.mar,
            "nab": nab_score(pooled.changes),
            "false_alarms_per_healthy_h": pooled.healthy_alarms / hours if hours > 0.0 else None,
        },
        counts={
            **counts,
            "tp": rows.tp,
            "fp": rows.fp,
            "fn": rows.fn,
            "tn": rows.tn,
            "healthy_alarms": pooled.healthy_alarms,
            "changes": changes,
            "changes_found": found,
            "changes_false": sum(change.false for change in pooled.changes),
        },
        units=pooled.units,
        rates=[
            Rate("false rows (neighbours depend on each other)", rows.fp, rows.fp + rows.tn),
            Rate("missed rows (neighbours depend on each other)", rows.fn, rows.fn + rows.tp),
            Rate("change points found", found, changes),
        ],
    )
