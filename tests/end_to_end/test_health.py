"""The appliance's own health as the running service records it: read from its journal's file, beside it."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import orjson
import pytest

from appliance.demo_config import MACHINE_ID
from appliance.journal import schema
from appliance.journal.record import RecordKind
from appliance.journal.store import FILE_NAME
from tests.end_to_end.rig import PLC, SENSOR, Rig
from tests.end_to_end.told_process import until

pytestmark = [pytest.mark.end_to_end, pytest.mark.timeout(200)]

STAGES = {
    f"source queue/{SENSOR} > {MACHINE_ID}",
    f"source queue/{PLC} > {MACHINE_ID}",
    f"analysis/{MACHINE_ID}",
    f"alarm decision/{MACHINE_ID}",
    "journal commit/",
}
"""Stages that have work as soon as the sensor is connected; scoring begins once a baseline is learned."""


def newest(rig: Rig, subject: str) -> dict[str, Any]:
    """The fields of the newest record of a subject; empty while there is none."""
    return (history(rig, subject) or [{}])[-1]


def history(rig: Rig, subject: str) -> list[dict[str, Any]]:
    """The fields of all records of a subject, oldest first."""
    kind = schema.KIND_CODES[RecordKind.HEALTH]
    with closing(schema.connect_reader(rig.journal_dir / FILE_NAME)) as connection:
        rows = connection.execute(
            "SELECT payload FROM record WHERE kind=? AND subject=? ORDER BY sequence", (kind, subject)
        ).fetchall()
    return [orjson.loads(payload)["fields"] for (payload,) in rows]


@pytest.fixture(scope="module")
def rig(start_rig: Callable[..., Rig]) -> Rig:
    """All links up, windows flowing."""
    rig = start_rig()
    rig.wait_for_windows(1)
    return rig


def test_every_stage_that_works_has_a_latency(rig: Rig) -> None:
    for stage in STAGES:
        fields = until(
            lambda stage=stage: (found := newest(rig, f"health_stage/{stage}")).get("p50_s") and found,
            f"{stage} has a latency",
        )
        assert 0.0 < fields["p50_s"] <= fields["p99_s"]
        assert fields["processed"] > 0
        assert fields["errors"] == 0
    box = newest(rig, "health")
    assert box["rss_bytes"] > 50_000_000
    assert box["process_cpu_percent"] > 0.0
    assert 0.0 < box["disk_used_percent"] <= 100.0
    assert box["uptime_s"] > 0.0
    assert newest(rig, f"health_link/serial/{SENSOR}")["connected"] is True


def test_a_pulled_cable_is_in_the_record_and_so_is_its_return(rig: Rig) -> None:
    link = f"health_link/serial/{SENSOR}"
    rig.unplug()
    gone = until(lambda: (found := newest(rig, link))["connected"] is False and found, "the loss is recorded")
    assert gone["silent_s"] > 0.0
    restarts = until(
        lambda: newest(rig, f"health_part/source {SENSOR}").get("restarts"), "the restarts are counted"
    )
    assert restarts > 0
    rig.plug()
    until(lambda: newest(rig, link)["connected"], "the return is recorded")


def test_the_record_goes_on_after_a_kill(rig: Rig) -> None:
    subject = f"health_stage/analysis/{MACHINE_ID}"
    rig.appliance.send(signal.SIGKILL)
    rig.appliance.wait()
    before = history(rig, subject)
    killed_s = time.monotonic()
    rig.start_appliance()
    until(lambda: len(history(rig, subject)) >= len(before) + 2, "the new life records, too")
    after = history(rig, subject)
    assert after[: len(before)] == before
    assert 0 < after[len(before)]["processed"] < before[-1]["processed"], "totals are of this start"
    assert newest(rig, "health")["uptime_s"] < time.monotonic() - killed_s
