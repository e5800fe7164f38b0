"""How much int8 may change what a network finds: areas under the ROC curve, and alarm events.

Duty: the gate of `stethos quantise` and `stethos evaluate`, and the count of alarm events that both compare.
Runs no network, fits no limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.cumulative_sum import CumulativeSum
from models.evaluation.result import FLOAT32, FUSED, TaskResult

_SPLITS = {
    "by_faulty_group": "faulty",
    "by_left_out_group": "left out",
    "by_speed": "speed",
    "by_unseen_speed": "unseen speed",
    "by_run": "run",
}  # counts that hold areas under the ROC curve by name
Events = Mapping[str, Sequence[int]]  # by fold: alarm events of healthy units, and of faulty ones


@dataclass(frozen=True, slots=True)
class Gate:
    """The largest changes that pass."""

    mean_auroc: float = 0.002
    worst_auroc: float = 0.005
    alarm_events: int = 1

    def refusals(self, auroc_changes: Sequence[float], events_changed: int) -> list[str]:
        """What of the gate is not kept, in words; empty is right. Without any area nothing is shown."""
        if not auroc_changes:
            return ["there is no area under a ROC curve to compare"]
        changes = np.abs(auroc_changes)
        said = []
        if not changes.mean() <= self.mean_auroc:
            said.append(f"mean AUROC change {changes.mean():.4f} is above {self.mean_auroc}")
        if not changes.max() <= self.worst_auroc:
            said.append(f"worst AUROC change {changes.max():.4f} is above {self.worst_auroc}")
        if abs(events_changed) > self.alarm_events:
            said.append(f"alarm events changed by {events_changed:+d}, more than {self.alarm_events}")
        return said


GATE = Gate()


def alarm_events(scores: Float64Array, sequence: npt.NDArray[np.int64]) -> int:
    """How many alarms begin in `scores` `(n,)`, 1.0 = limit, by the sequential test that live scores pass.

    `sequence` `(n,)` tells which scores follow each other: the test begins anew with each.
    """
    events = 0
    for label in np.unique(sequence):
        test, stood = CumulativeSum(), False
        for score in scores[sequence == label].tolist():
            stands = test.observe(score)
            events += stands and not stood
            stood = stands
    return events


def alarm_events_of(parts: Sequence[Float64Array]) -> int:
    """`alarm_events` of sequences, one array each."""
    labels = np.repeat(np.arange(len(parts)), np.array([len(part) for part in parts], np.int64))
    return alarm_events(np.concatenate([*parts, np.zeros(0)]), labels)


@dataclass(frozen=True, slots=True)
class NetworkChange:
    """What one column of networks changes against float32 by the reference, on one data set or on all.

    A column that is fused with the statistical detector is held against float32 that is.
    """

    dataset: str  # "" all of them
    variant: str  # "int8:onnxruntime"
    auroc: Mapping[str, tuple[float, float]]  # by split: before, now
    pauc_change: float  # the largest, by data set
    events_changed: int  # the largest, by split and side
    events: tuple[int, int]  # healthy and faulty units, over all splits; before and after the first onset
    moved: int = 0  # snapshots by which the first alarm of a run to failure moved, the largest

    @property
    def changes(self) -> list[float]:
        """Change of each split's area."""
        return [now - before for before, now in self.auroc.values()]

    @property
    def refusals(self) -> list[str]:
        """What of the gate is not kept; empty: passed."""
        said = GATE.refusals(self.changes, self.events_changed)
        if abs(self.moved) > GATE.alarm_events:
            said.append(f"a first alarm moved by {self.moved:+d} snapshots, more than {GATE.alarm_events}")
        return said

    def to_json(self) -> dict[str, Any]:
        """Its figures, JSON-ready."""
        changes = np.abs(self.changes) if self.auroc else np.array([np.nan])
        return {
            "dataset": self.dataset or "all",
            "variant": self.variant,
            "splits": len(self.auroc),
            "auroc_change_mean": float(changes.mean()),
            "auroc_change_worst": float(changes.max()),
            "pauc_change": self.pauc_change,
            "alarm_events_healthy": self.events[0],
            "alarm_events_faulty": self.events[1],
            "alarm_events_changed": self.events_changed,
            "first_alarm_moved": self.moved,
            "passed": not self.refusals,
            "refusals": self.refusals,
        }


def network_changes(results: Sequence[TaskResult]) -> list[NetworkChange]:
    """Each column of networks against the column `float32`: by data set, and all data sets together.

    A split is a data set's commissioning, each of its faulty groups, each left-out session, each speed, each
    run to failure. Empty without networks.
    """
    before = {
        (result.dataset, result.task, result.variant): result
        for result in results
        if result.variant in (FLOAT32, FLOAT32 + FUSED)
    }
    columns = dict.fromkeys(result.variant for result in results if "alarm_events" in result.counts)
    found = []
    for variant in columns:
        against = FLOAT32 + FUSED if variant.endswith(FUSED) else FLOAT32
        if variant == against:
            continue
        own = [
            _change(before[result.dataset, result.task, against], result)
            for result in results
            if result.variant == variant and (result.dataset, result.task, against) in before
        ]
        found += own
        if len(own) > 1:
            found.append(
                NetworkChange(
                    dataset="",
                    variant=variant,
                    auroc={
                        f"{one.dataset}: {split}": pair for one in own for split, pair in one.auroc.items()
                    },
                    pauc_change=max((one.pauc_change for one in own), key=abs),
                    events_changed=max((one.events_changed for one in own), key=abs),
                    events=(sum(one.events[0] for one in own), sum(one.events[1] for one in own)),
                    moved=max((one.moved for one in own), key=abs),
                )
            )
    return found


def _change(before: TaskResult, now: TaskResult) -> NetworkChange:
    old, new = _areas(before), _areas(now)
    events: tuple[Events, Events] = (before.counts["alarm_events"], now.counts["alarm_events"])
    steps = [
        after - one
        for split in events[1]
        if split in events[0]
        for one, after in zip(events[0][split], events[1][split], strict=True)
    ]
    paucs = [result.metrics.get("pauc") for result in (before, now)]
    return NetworkChange(
        dataset=now.dataset,
        variant=now.variant,
        auroc={split: (old[split], area) for split, area in new.items() if split in old},
        pauc_change=(paucs[1] or 0.0) - (paucs[0] or 0.0),
        events_changed=max(steps, key=abs, default=0),
        events=(sum(pair[0] for pair in events[1].values()), sum(pair[1] for pair in events[1].values())),
        moved=_moved(before, now),
    )


def _moved(before: TaskResult, now: TaskResult) -> int:
    """By how many snapshots the first alarm of a run moved, the largest; a run that was found by one alone is
    a changed event already."""
    old, new = (result.counts.get("first_alarms", {}) for result in (before, now))
    moves = [new[run] - old[run] for run in new if old.get(run) is not None and new[run] is not None]
    return max(moves, key=abs, default=0)


def _areas(result: TaskResult) -> dict[str, float]:
    """Areas by split; what is not defined is left out."""
    named = {
        "all": result.metrics.get("auroc"),
        **{
            f"{words} {name}": area
            for counted, words in _SPLITS.items()
            for name, area in result.counts.get(counted, {}).items()
        },
    }
    return {split: float(area) for split, area in named.items() if area is not None}
