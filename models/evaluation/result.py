"""What a protocol hands back: figures of one data set, task and variant, with the counts they rest on.

Duty: the shape of a result and the names of its metrics; intervals of rates. Pure: computes no decision,
prints nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsp.bearing import FaultMultipliers
from models.errors import EvaluationError
from models.recording_diagnosis import RecordingDiagnosis

NOT_BUILT = "not built"
BASELINE = "baseline:"
INT8, FLOAT32 = "int8", "float32"  # by the reference; "int8:onnxruntime" is another runtime's column
FUSED = ":fused"  # a network of the reference, fused with the statistical detector
VARIANTS = (INT8, FLOAT32, "rules")

METRICS: Mapping[str, tuple[str, ...]] = {
    "diagnosis": (
        "n", "right", "wrong", "missed", "abstain", "first", "healthy_ok", "healthy_abstain", "healthy_false",
    ),
    "one_class": ("auroc", "pauc", "auroc_worst", "lgo_auroc", "lgo_auroc_worst"),
    "one_class_by_speed": ("auroc", "pauc", "auroc_worst", "lgo_auroc", "lgo_auroc_worst"),
    "run_to_failure": ("found", "runs", "false_events", "delay_a", "delay_b", "delay_c"),
    "process_anomaly": ("f1", "far", "mar", "nab"),
    "slow_tag": ("windows_hit", "windows", "false_events"),
    "visual_anomaly": ("image_auroc", "pixel_auroc"),
    "visual_classification": ("accuracy",),
    "visual_difference": ("recall", "precision"),
}  # fmt: skip
"""Metrics of each task by name, in the order of printing. None where a figure is not defined."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Part of `n` units: printed as `k of n` with its interval, never as a bare quotient."""

    name: str  # "wrong", "false alarms per healthy recording"
    k: int
    n: int

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval, 0..1; for k = 0 the upper bound is that of the rule of three, 3/n."""
        return (0.0, upper_bound_of_none(self.n)) if self.k == 0 else wilson_interval(self.k, self.n)


@dataclass(frozen=True, slots=True)
class ScoredGroup:
    """Scores of one split, from which a ROC is drawn: higher is more anomalous."""

    name: str  # "commissioning", "left out: session 3"
    healthy: tuple[float, ...]
    faulty: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One causal replay: an indicator over time, its limit, onset labels and alarms, to be drawn."""

    name: str
    t_s: tuple[float, ...]
    indicator: tuple[float, ...]  # 1.0 = limit
    rms: tuple[float, ...]  # what onset labels are made of; unit of the recording
    baseline_end: int  # index of the first snapshot after learning
    onsets: Mapping[str, int | None]  # "A", "B", "C" -> index
    alarms: tuple[int, ...]  # indices at which an alarm event begins


@dataclass(frozen=True, slots=True)
class EvidencePicture:
    """All that a diagnosis rests on, of a decision somebody may doubt."""

    name: str
    caption: str  # decision against truth, in words
    found: RecordingDiagnosis
    bearing: FaultMultipliers | None
    truth: str | None  # the fault; None: healthy


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Figures of one data set, task and variant. Raises EvaluationError for a name the protocol lacks."""

    dataset: str
    task: str
    variant: str  # "rules", "int8", "float32", those with ":RUNTIME" or FUSED, "baseline:NAME", "not built"
    metrics: Mapping[str, float | int | None]
    counts: Mapping[str, Any]  # what the metrics rest on; JSON values
    units: Sequence[Mapping[str, Any]] = ()  # one per judged unit; JSON values
    rates: Sequence[Rate] = ()
    seed: int | None = None  # None: nothing random
    scored: Sequence[ScoredGroup] = ()
    timelines: Sequence[Timeline] = ()
    evidence: Sequence[EvidencePicture] = field(default=())

    def __post_init__(self) -> None:
        open_ended = (BASELINE, f"{INT8}:", f"{FLOAT32}:")
        known = self.variant in (*VARIANTS, NOT_BUILT) or any(
            self.variant.startswith(start) and len(self.variant) > len(start) for start in open_ended
        )
        if not known:
            raise EvaluationError(
                f"variant {self.variant!r}: use {', '.join(VARIANTS)}, {INT8}:RUNTIME or {BASELINE}NAME"
            )
        if self.variant == NOT_BUILT:
            return
        asked = METRICS.get(self.task)
        if asked is None:
            raise EvaluationError(f"task {self.task!r} has no metrics: name them in METRICS")
        if missing := [name for name in asked if name not in self.metrics]:
            raise EvaluationError(f"{self.dataset}, {self.task}: metrics {', '.join(missing)} are missing")


def of_network(variant: str) -> bool:
    """Whether a variant is a network's."""
    return variant.partition(":")[0] in (INT8, FLOAT32)


def not_built(dataset: str, task: str, files: int, reason: str = "") -> TaskResult:
    """The line of a task that no protocol serves: listed, never left out."""
    return TaskResult(dataset, task, NOT_BUILT, {}, {"files": files} | ({"reason": reason} if reason else {}))


def wilson_interval(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """95 % score interval of a rate k/n, 0..1 (Wilson 1927); (0, 1) for n = 0."""
    if n <= 0:
        return 0.0, 1.0
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def upper_bound_of_none(n: int) -> float:
    """Largest rate that 0 of `n` leaves possible at 95 %: the rule of three, 3/n, at most 1."""
    return 1.0 if n < 3 else 3.0 / n
