"""An outage longer than the journal's budget: the centre learns which telemetry it will never get."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from tests.appliance.journal.builders import PATIENT, SECOND_NS, START_NS, budgets, vector
from tests.appliance.sinks.way import CHANNEL, way

SECONDS = 1_000


async def test_telemetry_that_left_in_an_outage_reaches_the_centre_as_a_gap(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    await influxd.stop()
    clock = ReplayClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", budgets(telemetry=60_000), clock, PATIENT)
    try:
        async with way(journal, tmp_path, influxd) as one:
            for second in range(SECONDS):
                journal.submit(
                    features_record(vector(second * SECOND_NS, channel_id=CHANNEL, duration_s=1.0))
                )
                if second % 100 == 0:
                    await asyncio.sleep(0.1)  # a commit, and its trim
            newest_ns = START_NS + (SECONDS - 1) * SECOND_NS
            async with asyncio.timeout(60):
                while (await journal.history(RecordKind.FEATURES, CHANNEL, 1))[-1].time_ns < newest_ns:
                    await asyncio.sleep(0.02)
                while journal.backlog()[3].stored_bytes > 60_000:
                    await asyncio.sleep(0.02)
            assert one.courier.report().delivered == 0
            await influxd.start()
            await one.drained()
            kept = await journal.read(0, {RecordKind.FEATURES}, 10_000)
            assert len(kept) < SECONDS // 2
        rows = await asyncio.to_thread(influxd.ask, "SELECT time, duration_s FROM features")
        there = {int(row["time"]) for row in rows}
        assert there == {record.time_ns for record in kept}
        gaps = await asyncio.to_thread(
            influxd.ask, f"SELECT * FROM gap WHERE channel = '{CHANNEL}' AND cause = 'backpressure'"
        )
        assert {row["state"] for row in gaps} == {"lost"}
        latest = {row["gap_id"]: row for row in sorted(gaps, key=lambda row: row["sequence"])}
        for second in range(SECONDS):
            at_ns = START_NS + second * SECOND_NS
            told = any(gap["start_ns"] <= at_ns < gap["end_ns"] for gap in latest.values())
            assert told != (at_ns in there), (
                f"second {second} is neither at the centre nor told as lost, or both"
            )
    finally:
        await journal.close()
