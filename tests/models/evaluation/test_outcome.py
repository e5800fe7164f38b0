"""Outcomes and counts of the diagnosis protocol."""

from __future__ import annotations

import pytest

from models.diagnosis import Diagnosis, RankedFault, Verdict
from models.evaluation.outcome import (
    Outcome,
    Truth,
    calibration,
    counts,
    counts_by_grade,
    counts_by_stratum,
    fault_of,
    judged,
)


def decision(
    verdict: Verdict, fault: str | None = None, confidence: float = 0.9, first: str = ""
) -> Diagnosis:
    ranking = (RankedFault(first or fault or "outer race", 1.0),)
    return Diagnosis("a", "c", 0, verdict, fault, confidence, "", ranking, None, None)


@pytest.mark.parametrize(
    ("verdict", "called", "truth", "outcome"),
    [
        (Verdict.FAULT, "outer race", "outer race", Outcome.RIGHT),
        (Verdict.FAULT, "inner race", "outer race", Outcome.WRONG),
        (Verdict.HEALTHY, None, "outer race", Outcome.MISSED),
        (Verdict.ABSTAIN, None, "outer race", Outcome.ABSTAIN),
        (Verdict.HEALTHY, None, None, Outcome.HEALTHY_OK),
        (Verdict.ABSTAIN, None, None, Outcome.HEALTHY_ABSTAIN),
        (Verdict.FAULT, "outer race", None, Outcome.HEALTHY_FALSE),
    ],
)
def test_each_decision_has_one_outcome(
    verdict: Verdict, called: str | None, truth: str | None, outcome: Outcome
) -> None:
    assert judged("file", decision(verdict, called), Truth(truth)).outcome is outcome


def test_counts_add_up() -> None:
    units = [
        judged("1", decision(Verdict.FAULT, "outer race"), Truth("outer race", "Y1")),
        judged("2", decision(Verdict.ABSTAIN, first="inner race"), Truth("inner race", "Y1")),
        judged("3", decision(Verdict.HEALTHY), Truth(None)),
    ]
    found = counts(units)
    assert found == {
        "n": 3,
        "right": 1,
        "wrong": 0,
        "missed": 0,
        "abstain": 1,
        "healthy_ok": 1,
        "healthy_abstain": 0,
        "healthy_false": 0,
        "first": 2,
    }
    grades = counts_by_grade(units)
    assert set(grades) == {"Y1", "ungraded"}
    assert grades["Y1"]["n"] == 2


def test_grades_of_one_letter_are_one_stratum() -> None:
    graded = [("Y1", Verdict.FAULT), ("y2", Verdict.HEALTHY), ("N1", Verdict.ABSTAIN), ("", Verdict.FAULT)]
    units = [
        judged(
            grade,
            decision(verdict, "outer race" if verdict is Verdict.FAULT else None),
            Truth("outer race", grade),
        )
        for grade, verdict in graded
    ]
    strata = counts_by_stratum(units)
    assert {name: found["n"] for name, found in strata.items()} == {"Y": 2, "N": 1, "ungraded": 1}
    assert (strata["Y"]["right"], strata["Y"]["missed"]) == (1, 1)


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("inner race", "inner race"), ("Outer_Race", "outer race"), ("ball fault", "rolling element"),
        ("Roller", "rolling element"), ("inner & outer", "inner race + outer race"),
        ("outer ring and ball", "outer race + rolling element"), ("cage", "cage"), ("unbalance", "unbalance"),
        ("outer/outer", "outer race"), ("", ""), ("  ", ""),
    ],
)  # fmt: skip
def test_faults_are_understood_as_they_are_written(written: str, fault: str) -> None:
    assert fault_of(written) == fault


def test_of_several_faults_to_call_one_is_right_and_another_is_wrong() -> None:
    both = Truth("inner race + outer race")
    assert judged("1", decision(Verdict.FAULT, "outer race"), both).outcome is Outcome.RIGHT
    assert judged("1", decision(Verdict.FAULT, "outer race"), both).first
    assert judged("1", decision(Verdict.FAULT, "rolling element"), both).outcome is Outcome.WRONG


def test_calibration_compares_confidence_with_what_was_right() -> None:
    units = [
        judged("1", decision(Verdict.FAULT, "outer race", 0.9), Truth("outer race")),
        judged("2", decision(Verdict.FAULT, "inner race", 0.88), Truth("outer race")),
        judged("3", decision(Verdict.FAULT, "inner race", 0.97), Truth("inner race")),
        judged("4", decision(Verdict.HEALTHY, confidence=0.9), Truth("inner race")),
    ]
    table = calibration(units)
    assert [(row["low"], row["n"], row["right"]) for row in table] == [(0.8, 2.0, 0.5), (0.95, 1.0, 1.0)]
