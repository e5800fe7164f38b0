"""What a diagnosis was worth, once the truth is looked at: outcomes, counts, figures.

Duty: the metrics of the protocol `diagnosis`. Pure: reads no file and never sees a signal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from dsp.bearing import BearingFault
from models.diagnosis import Diagnosis, Verdict


class Outcome(StrEnum):
    """One unit's result. The first four are of faulted machines, the others of healthy ones."""

    RIGHT = "right"
    WRONG = "wrong"  # another fault called
    MISSED = "missed"  # called healthy
    ABSTAIN = "abstain"
    HEALTHY_OK = "healthy_ok"
    HEALTHY_ABSTAIN = "healthy_abstain"
    HEALTHY_FALSE = "healthy_false"


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of a unit's machine; `fault` is None where it is healthy."""

    fault: str | None  # several at once are joined by " + ": to call any of them is right
    grade: str = ""  # how far the fault can be diagnosed at all, where somebody rated it

    @property
    def faults(self) -> tuple[str, ...]:
        """Each of the faults that are there."""
        return () if self.fault is None else tuple(self.fault.split(" + "))


@dataclass(frozen=True, slots=True)
class JudgedUnit:
    """One unit's decision and what it was worth."""

    unit: str
    truth: Truth
    verdict: Verdict
    fault: str | None
    confidence: float
    text: str
    outcome: Outcome
    first: bool  # the true fault is ranked first


def judged(unit: str, diagnosis: Diagnosis, truth: Truth) -> JudgedUnit:
    """The decision, judged by the truth."""
    ranking = diagnosis.ranking
    return JudgedUnit(
        unit=unit,
        truth=truth,
        verdict=diagnosis.verdict,
        fault=diagnosis.fault,
        confidence=diagnosis.confidence,
        text=diagnosis.text,
        outcome=_outcome(diagnosis, truth),
        first=bool(ranking) and ranking[0].fault in truth.faults,
    )


def _outcome(diagnosis: Diagnosis, truth: Truth) -> Outcome:
    if truth.fault is None:
        return {
            Verdict.HEALTHY: Outcome.HEALTHY_OK,
            Verdict.ABSTAIN: Outcome.HEALTHY_ABSTAIN,
            Verdict.FAULT: Outcome.HEALTHY_FALSE,
        }[diagnosis.verdict]
    if diagnosis.verdict is Verdict.HEALTHY:
        return Outcome.MISSED
    if diagnosis.verdict is Verdict.ABSTAIN:
        return Outcome.ABSTAIN
    return Outcome.RIGHT if diagnosis.fault in truth.faults else Outcome.WRONG


_PART_NAMES = {
    BearingFault.OUTER_RACE: ("outer", "outer ring", "outer raceway", "bpfo"),
    BearingFault.INNER_RACE: ("inner", "inner ring", "inner raceway", "bpfi"),
    BearingFault.ROLLING_ELEMENT: ("ball", "balls", "roller", "rollers", "rolling elements", "bsf"),
    BearingFault.CAGE: ("retainer", "train", "ftf"),
}
_SAME = {name: fault.value for fault, names in _PART_NAMES.items() for name in names}


def fault_of(written: str) -> str:
    """A fault as a label's author wrote it ("Outer_Race", "ball fault", "inner & outer"), in our words."""
    parts = []
    for part in re.split(r"\s*(?:[+&,;/]|\band\b)\s*", re.sub(r"[_-]+", " ", written.strip().lower())):
        name = re.sub(r"\s+(?:fault|defect|damage)s?$", "", part.strip())
        if name:
            parts.append(_SAME.get(name, name))
    return " + ".join(dict.fromkeys(parts))


def counts(units: Iterable[JudgedUnit]) -> dict[str, int]:
    """Number of units `n`, of each outcome, and `first`: true fault ranked first."""
    units = list(units)
    found = Counter(unit.outcome for unit in units)
    return {
        "n": len(units),
        **{outcome.value: found[outcome] for outcome in Outcome},
        "first": sum(unit.first for unit in units),
    }


def counts_by_grade(units: Iterable[JudgedUnit]) -> dict[str, dict[str, int]]:
    """Counts of each grade of the truth, "ungraded" where there is none."""
    return _counts_by(units, lambda truth: truth.grade)


def counts_by_stratum(units: Iterable[JudgedUnit]) -> dict[str, dict[str, int]]:
    """Counts of each letter of the grade: Y diagnosable, P partly, N not, "ungraded" where there is none."""
    return _counts_by(units, lambda truth: truth.grade[:1].upper())


def _counts_by(units: Iterable[JudgedUnit], named: Callable[[Truth], str]) -> dict[str, dict[str, int]]:
    groups: dict[str, list[JudgedUnit]] = {}
    for unit in units:
        groups.setdefault(named(unit.truth) or "ungraded", []).append(unit)
    return {name: counts(group) for name, group in sorted(groups.items())}


def calibration(units: Iterable[JudgedUnit]) -> list[dict[str, float]]:
    """Called faults by confidence: edges of the bin, how many, mean confidence, part that was right."""
    edges = (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)
    called = [unit for unit in units if unit.verdict is Verdict.FAULT]
    table = []
    for low, high in pairwise(edges):
        inside = [unit for unit in called if low < unit.confidence <= high]
        if inside:
            table.append(
                {
                    "low": low,
                    "high": high,
                    "n": float(len(inside)),
                    "mean_confidence": sum(unit.confidence for unit in inside) / len(inside),
                    "right": sum(unit.outcome is Outcome.RIGHT for unit in inside) / len(inside),
                }
            )
    return table
