"""What the appliance's own health costs in the journal: bytes a day, and a week of one stage read back.

A real journal on the disk of this machine, with a week of reports of an appliance that watches one machine.
The alternative is one wide record per report, from which the same history is read.
"""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson

from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, Record, RecordKind
from appliance.journal.retention import Budgets, Timing
from appliance.telemetry.health import (
    ClassWear,
    HealthReport,
    LinkHealth,
    Stage,
    StageHealth,
    Temperature,
)
from appliance.telemetry.latency_week import WEEK_HOURS, LatencyWeek
from appliance.telemetry.record import health_records, latency_of, stage_subject
from appliance.telemetry.reporter import PAGE_RECORDS
from tests.appliance.journal.builders import START_NS
from tests.appliance.telemetry_reports import full_report
from tests.fakes.set_clock import SECOND_NS, StandingClock

PERIOD_S = 60
N_REPORTS = WEEK_HOURS * 3600 // PERIOD_S
PER_DAY = 24 * 3600 // PERIOD_S
AT_ONCE = 100  # reports between two looks at what waits for the disk
ASKED = (Stage.ANALYSIS, "motor-1")
WIDE = "wide"
BUDGETS = Budgets(reserve_transitions=1)


def row(figure: str, unit: str, ours: float, peer: float | None = None) -> dict[str, Any]:
    return {
        "bench": "telemetry", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": "" if peer is None else "one wide record per report",
        "ratio": None if peer is None else ours / peer,
    }  # fmt: skip


def one_machine() -> HealthReport:
    """The report of an appliance with one machine, a sensor, an OPC UA source and every way out."""
    base = full_report()
    took = base.stages[0].latency
    places = [
        (Stage.SOURCE_QUEUE, "sensor > motor-1"), (Stage.SOURCE_QUEUE, "plc > motor-1"), ASKED,
        (Stage.SCORING, "motor-1"), (Stage.ALARM_DECISION, "motor-1"), (Stage.ALARM_COMMIT, ""),
        (Stage.JOURNAL_COMMIT, ""), (Stage.CENTRAL, ""), (Stage.WEBHOOK, "cmms"), (Stage.OPCUA_SERVER, ""),
    ]  # fmt: skip
    stages = tuple(
        StageHealth(stage, instance, 3, 1200, 123_456, 0, 0, 0.0234, 0.0512, took)
        for stage, instance in places
    )
    links = tuple(
        LinkHealth(name, kind, "connected", True, "", 0.1)
        for name, kind in (("sensor", "serial"), ("plc", "opcua"), ("cmms", "webhook"), ("central",) * 2)
    )
    classes = ("alarm", "counter", "limit", "telemetry", "capture")
    return dataclasses.replace(
        base,
        stages=stages,
        links=links,
        temperatures=tuple(Temperature(f"soc/{number}", 51.0, 80.0, 100.0) for number in range(2)),
        wear=dataclasses.replace(
            base.wear, classes=tuple(ClassWear(name, 5_000_000, 1e6) for name in classes)
        ),
    )


def wide_record(records: list[NewRecord]) -> NewRecord:
    """The same report as one record."""
    return dataclasses.replace(
        records[0],
        key=f"{WIDE}/{records[0].monotonic_ns}",
        subject=WIDE,
        payload=orjson.dumps({one.subject: orjson.loads(one.payload)["fields"] for one in records}),
    )


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


async def fill(folder: Path, wide: bool) -> tuple[int, int]:
    """Write a week of reports into a journal: (bytes that it grew by, records per report)."""
    clock = StandingClock(START_NS)
    journal = await Journal.open(folder, BUDGETS, clock.clock, Timing(group_s=0.02))
    await journal.close()
    empty_bytes = size_bytes(folder)
    journal = await Journal.open(folder, BUDGETS, clock.clock, Timing(group_s=0.02))
    report, n_records = one_machine(), 0
    for number in range(1, N_REPORTS + 1):
        clock.now_ns = number * PERIOD_S * SECOND_NS
        records = health_records(dataclasses.replace(report, monotonic_ns=clock.now_ns))
        n_records = len(records)
        for record in [wide_record(records)] if wide else records:
            journal.submit(record)
        while number % AT_ONCE == 0 and journal.waiting:
            await asyncio.sleep(0.002)
    await journal.close()  # what is in its log goes into the file
    return size_bytes(folder) - empty_bytes, n_records


def wide_latency(record: Record) -> float | None:
    value = orjson.loads(record.payload)[stage_subject(*ASKED)]["p50_s"]
    return None if value is None else float(value)


async def read_week(journal: Journal, wide: bool) -> tuple[float, float]:
    """Read the history of one stage: (seconds, longest time that the loop was held up)."""
    subject = WIDE if wide else stage_subject(*ASKED)
    week, start_ns, n_read, held_s, began_s = LatencyWeek(*ASKED), START_NS, 0, 0.0, time.perf_counter()
    while True:
        records = await journal.between(RecordKind.HEALTH, subject, start_ns, 1 << 62, PAGE_RECORDS)
        taken_s = time.perf_counter()
        for record in records:
            value = wide_latency(record) if wide else latency_of(record)
            if value is not None:
                week.add(record.time_ns, value)
        held_s = max(held_s, time.perf_counter() - taken_s)
        n_read += len(records)
        if len(records) < PAGE_RECORDS:
            break
        start_ns = records[-1].time_ns + 1
    assert n_read == N_REPORTS, f"{n_read} of {N_REPORTS} records came back"
    return time.perf_counter() - began_s, held_s


async def measured(wide: bool) -> tuple[float, float, float, int]:
    """(bytes a day, seconds of a week's reading, longest step of it, records per report)."""
    with tempfile.TemporaryDirectory() as folder:
        grown_bytes, n_records = await fill(Path(folder), wide)
        journal = await Journal.open(Path(folder), BUDGETS, StandingClock(START_NS).clock, Timing())
        try:
            times = [await read_week(journal, wide) for _ in range(5)]
        finally:
            await journal.close()
    return grown_bytes * PER_DAY / N_REPORTS, min(t for t, _ in times), min(h for _, h in times), n_records


def rows() -> list[dict[str, Any]]:
    """All rows; they belong to `bench_telemetry`."""
    per_day, read_s, held_s, n_records = asyncio.run(measured(False))
    wide_per_day, wide_read_s, wide_held_s, _ = asyncio.run(measured(True))
    return [
        row("records of one machine's report", "records", n_records, 1),
        row("journal, a report a minute", "MB/day", per_day / 1e6, wide_per_day / 1e6),
        row("a week of one stage, read", "s", read_s, wide_read_s),
        row("longest step of it in the loop", "ms", 1e3 * held_s, 1e3 * wide_held_s),
    ]
