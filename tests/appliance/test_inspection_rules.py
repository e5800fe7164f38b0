"""What of a camera's verdicts is worth an alarm, in words."""

from __future__ import annotations

from appliance.inspection_rules import InspectionRules
from appliance.inspection_verdict import Part, PartResult, PartVerdict


def test_a_run_of_defects_names_the_kind_of_these_parts_not_of_older_ones() -> None:
    rules, told = InspectionRules(2, 4), []
    belt = [*["dent"] * 3, *[""] * 5, "scratch", "scratch"]
    for number, kind in enumerate(belt):
        part = Part("press", number, number, "", number)
        result = PartResult.DEFECT if kind else PartResult.GOOD
        told += rules.observe(PartVerdict(part, result, number, kind=kind or None))
    runs = [one.reason for one in told if one.condition == "run of defects" and one.stands]
    assert [reason.rpartition(", ")[2] for reason in runs] == ["mostly dent", "mostly scratch"]
