"""The way to a real influxd while the wall clock is set, and records' times fall onto each other."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from appliance.clock import EARLIEST_PLAUSIBLE_NS
from appliance.counters import Counters
from appliance.demo_agreement import compare, journal_account
from appliance.demo_central import LocalInflux
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import PATIENT, SMALL, START_NS
from tests.appliance.sinks.way import SERIES, alarms, at_centre, flushed, stored, telemetry, until, way
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
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, PATIENT, resolve_times=False)
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


async def test_what_waited_for_its_time_arrives_once_at_its_true_time(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """1970 at boot, an hour ahead after somebody set the clock by hand, right at last; the courier is started
    anew twice. Every point is at the centre once, where monotonic time says, marked."""
    host = StandingClock(START_NS)
    host.disciplined, host.offset_ns = False, 0
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, PATIENT)
    counters = Counters(journal.incarnation, journal.boot_id)
    make = alarms(journal, host.clock)
    seconds = itertools.count(10)

    async def record(number: int) -> None:
        for second in itertools.islice(seconds, number):
            host.now_ns = second * SECOND_NS
            telemetry(journal, second, 1)
            counters.add("starts", "pump-1", 1.0)
            await journal.commit([make(second, host.now_ns), *counters.changed_records(host.now_ns)])
        journal.record_gap(Gap("speed", host.now_ns, host.now_ns + SECOND_NS, GapCause.OPCUA_DOWN, None))

    try:
        async with way(journal, tmp_path, influxd) as one:
            await record(10)
            await until(lambda: one.courier.report().held >= 50)
            assert one.courier.report().delivered == 0
        host.offset_ns = START_NS + HOUR_NS
        async with way(journal, tmp_path, influxd) as one:
            await record(10)
            await until(lambda: one.courier.report().held == 102)
            host.disciplined, host.offset_ns = True, START_NS
            host.now_ns += 2 * SECOND_NS
            next(seconds), next(seconds)
            await record(10)
            await until(lambda: one.courier.report().held == 0)
        async with way(journal, tmp_path, influxd) as one:
            await one.drained()
            assert one.courier.report().delivered == 150  # a score of every tenth second is no number
        wanted = await stored(journal)
        assert wanted["process_value"] == wanted["alarm"] == wanted["counter"] == 30
        assert await at_centre(influxd) == wanted
        account = await asyncio.to_thread(journal_account, journal.folder, journal.last_sequence)
        assert (await asyncio.to_thread(compare, account, influxd.ask)).differences == ()
        rows = await asyncio.to_thread(influxd.ask, "SELECT * FROM process_value")
        assert [row["time"] for row in rows] == [
            START_NS + second * SECOND_NS for second in (*range(10, 30), *range(32, 42))
        ]
        assert [row["time_resolved"] for row in rows] == [True] * 20 + [None] * 10
        gaps = await asyncio.to_thread(influxd.ask, "SELECT start_ns, end_ns FROM gap")
        assert [(row["start_ns"], row["end_ns"]) for row in gaps] == [
            (START_NS + at * SECOND_NS, START_NS + (at + 1) * SECOND_NS) for at in (19, 29, 41)
        ]
    finally:
        await journal.close()
