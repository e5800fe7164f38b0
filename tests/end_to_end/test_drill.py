"""`stethos drill` as a user runs it: a few faults, seconds each, against a real influxd."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.appliance.sinks.influx_server import influxd_binary
from tests.conftest import ROOT

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(600)]

FAULTS = ("reset", "unavailable+process-kill", "server-kill", "forget")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "appliance", "drill", "--influxd", str(influxd_binary())),
            *("--faults", ",".join(FAULTS), "--hold-s", "5", "--json"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    assert (ran.returncode == 0) is found["kept"], ran.stderr
    return found


def test_every_fault_has_its_rows_with_something_to_lose(report: dict[str, Any]) -> None:
    assert report["not_run"] == []
    assert [row["faults"] for row in report["rows"][::5]] == [name.split("+") for name in FAULTS]
    for row in report["rows"]:
        least = {"telemetry": 20, "alarm": 1, "counter": 10, "limit": 1, "command": 1}[row["class"]]
        assert row["produced"] >= least, row


def test_nothing_is_lost_doubled_or_out_of_order(report: dict[str, Any]) -> None:
    for row in report["rows"]:
        assert row["lost"] == row["declared"], row
        assert row["doubled"] == row["out_of_order"] == 0, row
        assert row["class"] == "telemetry" or row["declared"] == 0, row


def test_both_sides_agree(report: dict[str, Any]) -> None:
    assert report["differences"] == []
    assert report["counters_equal"] is report["alarms_equal"] is report["limits_equal"] is True


def test_all_is_there_within_the_bound_that_is_stated(report: dict[str, Any]) -> None:
    for row in report["rows"]:
        assert 0.0 <= row["late_s"] <= row["late_bound_s"] == 60.0, row
        assert row["kept"], row
