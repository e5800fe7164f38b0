"""The appliance's own health at the centre: every record is a point, once, with bounded tags."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import orjson
import pytest

from appliance.demo_central import LocalInflux
from appliance.sinks.points_health import HEALTH_SCHEMA, health_fields
from appliance.telemetry.record import health_records
from tests.appliance.sinks.way import journal_in, own_health, way
from tests.appliance.telemetry_reports import NASTY, full_report


async def test_every_health_record_is_one_point_at_a_real_server(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with journal_in(tmp_path) as journal:
        records = await own_health(journal)
        async with way(journal, tmp_path, influxd) as running:
            await running.drained()
            assert running.courier.report().refused == 0
    sent = Counter(orjson.loads(record.payload)["measurement"] for record in records)
    assert set(sent) == set(HEALTH_SCHEMA)
    for measurement, n in sent.items():
        rows = await asyncio.to_thread(influxd.ask, f'SELECT * FROM "{measurement}"')
        with_value = [
            row for row in rows if any(value is not None for key, value in row.items() if key != "time")
        ]
        assert len(with_value) == n, measurement
    rows = await asyncio.to_thread(
        influxd.ask, "SELECT p50_s, depth FROM health_stage WHERE part = 'source queue' ORDER BY time"
    )
    assert [(row["p50_s"], row["depth"]) for row in rows] == [(0.002, 3)] * 3
    (link,) = await asyncio.to_thread(
        influxd.ask, "SELECT last(state) AS state FROM health_link WHERE instance = 'central'"
    )
    assert link["state"] == "not reachable"


def test_the_number_of_records_does_not_depend_on_what_comes_from_outside() -> None:
    report = full_report()
    bounded = (
        1 + len(report.stages) + len(report.scores) + len(report.links) + len(report.temperatures)
        + len(report.wear.classes) + len(report.parts)
    )  # fmt: skip
    records = health_records(report)
    assert len(records) == bounded
    assert len({record.subject for record in records}) == bounded
    assert any(NASTY in record.subject for record in records)


def test_what_the_schema_does_not_know_stays_here_and_types_hold() -> None:
    payload = {
        "measurement": "health_link",
        "tags": {"part": "serial", "instance": "s", "colour": "red"},
        "fields": {"connected": 1, "silent_s": 3, "state": "lost", "mood": "good"},
    }
    measurement, tags, fields = health_fields(payload)
    assert measurement == "health_link"
    assert tags == {"part": "serial", "instance": "s"}
    assert fields == {"connected": True, "silent_s": 3.0, "state": "lost"}
    assert isinstance(fields["silent_s"], float)
    with pytest.raises(KeyError):
        health_fields({"measurement": "weather", "tags": {}, "fields": {}})
