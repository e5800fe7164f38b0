"""Which faults are inflicted, and what is said of those that cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.drill import plan
from appliance.errors import Fatal


def test_all_in_turn_then_pairs_of_two_families() -> None:
    combinations = plan.combinations_of([])
    singles = [faults[0].name for faults in combinations if len(faults) == 1]
    assert singles == list(plan.FAULTS)
    assert {fault.family for fault in plan.FAULTS.values()} == {
        "network",
        "server",
        "process",
        "disk",
        "clock",
    }
    pairs = [faults for faults in combinations if len(faults) == 2]
    assert len(pairs) > 20
    assert all(one.family != other.family for one, other in pairs)


def test_names_that_are_wrong_are_refused_with_those_that_are_right() -> None:
    assert [
        [one.name for one in faults] for faults in plan.combinations_of(["reset", "forget+process-kill"])
    ] == [
        ["reset"],
        ["forget", "process-kill"],
    ]
    with pytest.raises(Fatal, match=r"there is no fault flood; there are: .*black-hole.*power"):
        plan.combinations_of(["flood"])
    with pytest.raises(Fatal, match="two faults of one family"):
        plan.combinations_of(["reset+slow"])


def test_seeds_repeat_the_whole_or_are_spread_over_it() -> None:
    two = plan.combinations_of(["reset", "forget"])
    assert plan.course_of(two, 2) == [(0, two[0]), (0, two[1]), (1, two[0]), (1, two[1])]
    assert plan.course_of(two, 3, spread=True) == [(0, two[0]), (1, two[1]), (2, two[0])]


def test_the_power_goes_alone_or_with_a_bad_line() -> None:
    assert plan.power_of([]) == (["", *plan.POWER_PAIRED], [])
    assert plan.power_of(["reset", "power", "power+busy", "black-hole+power"]) == (
        ["", "busy", "black-hole"],
        ["reset"],
    )
    for wrong in ("power+disk-full", "power+busy+reset"):
        with pytest.raises(Fatal, match="power goes alone, or with one of black-hole"):
            plan.power_of([wrong])


def test_a_missing_influxd_is_said_with_how_to_get_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["drill", "--faults", "reset"]) == 1
    assert "needs a real InfluxDB" in (said := capsys.readouterr().err) and "tools/influxd.sh" in said
    assert main(["drill", "--faults", "reset", "--influxd", str(tmp_path / "none")]) == 1
    assert "there is no program" in capsys.readouterr().err


def test_the_list_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drill", "--list"]) == 0
    named = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert named == {*plan.FAULTS, plan.POWER}


def test_power_alone_needs_no_influxd(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["drill", "--faults", "power", "--cuts", "4", "--json"])
    report = json.loads(capsys.readouterr().out)
    if report["not_run"]:
        pytest.skip(f"NOT TESTED: {report['not_run']}")
    assert code == 0, report
    assert {row["class"] for row in report["rows"]} >= {"alarm", "counter", "limit", "telemetry"}
    assert all(row["faults"] == ["power"] for row in report["rows"])
