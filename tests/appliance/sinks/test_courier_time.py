"""The way to a real influxd while the wall clock is set, and records' times fall onto each other."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.clock import EARLIEST_PLAUSIBLE_NS
from appliance.counters import Counters
from appliance.demo_agreement import compare, journal_account
from appliance.demo_central import LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from tests.appliance.journal.builders import QUICK, SMALL, START_NS
from tests.appliance.sinks.way import SERIES, alarms, at_centre, flushed, stored, telemetry, way
from tests.fakes.set_clock import HOUR_NS, SECOND_NS, StandingClock

STEPS_NS = {
    "hours forward, then back": (5 * HOUR_NS, -7 * HOUR_NS),
    "back by whole windows": (-10 * SECOND_NS, -10 * SECOND_NS),
    "to 1970 and right again": (-START_NS, START_NS),
}


@pytest.mark.parametrize("steps_ns", STEPS_NS.values(), ids=STEPS_NS.keys())
async def test_a_clock_that_is_set_while_sending_loses_and_doubles_nothing(
    tmp_path: Path, influxd: LocalInflux, steps_ns: tuple[int, int]
) -> None:
    """Every record has a point of its own, before, between and after the steps; none is of 1970."""
    host = StandingClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, QUICK)
    counters = Counters(journal.incarnation, journal.boot_id)
    try:
        async with way(journal, tmp_path, influxd, send_provisional=True) as one:
            make = alarms(journal, host.clock)
            for number, step_ns in enumerate((0, *steps_ns)):
                if step_ns == -START_NS:
                    await influxd.stop()  # what is recorded at 1970 waits, and goes out when time is right
                    host.disciplined = False
                host.offset_ns += step_ns
                host.now_ns += 2 * SECOND_NS
                for second in range(host.now_ns // SECOND_NS, host.now_ns // SECOND_NS + 10):
                    host.now_ns = second * SECOND_NS
                    telemetry(journal, second, 1)
                    counters.add("starts", "pump-1", 1.0)
                    await journal.commit([make(second, host.now_ns), *counters.changed_records(host.now_ns)])
                await flushed(journal, RecordKind.TAG, 10 * (number + 1))
                if step_ns == START_NS:
                    host.disciplined = True
                    await influxd.start()
            await one.drained()
            assert one.courier.report().refused == 0
        wanted = await stored(journal)
        assert wanted["process_value"] == wanted["alarm"] == wanted["counter"] == 30
        assert await at_centre(influxd) == wanted
        account = await asyncio.to_thread(journal_account, journal.folder, journal.last_sequence)
        assert (await asyncio.to_thread(compare, account, influxd.ask)).differences == ()
        for measurement, (_, field) in SERIES.items():
            rows = await asyncio.to_thread(influxd.ask, f'SELECT "{field}" FROM "{measurement}"')
            assert all(row["time"] >= EARLIEST_PLAUSIBLE_NS for row in rows), measurement
        records = await journal.read(0, None, 10_000)
        assert len({(record.boot_id, record.key) for record in records}) == len(records)
        assert min(record.time_ns for record in records) >= EARLIEST_PLAUSIBLE_NS
    finally:
        await journal.close()
