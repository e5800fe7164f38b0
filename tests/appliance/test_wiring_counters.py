"""Counters of an appliance as it is built: a store older than the centre, found in a round, told of."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.counter_desk import CounterDesk
from appliance.counter_records import Counter
from appliance.counters import Counters
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass
from appliance.reconcile.report import Report
from appliance.system_watch import SystemWatch
from appliance.wiring_central import Central
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.conftest import influxd
from tests.appliance.sinks.way import journal_in, until

__all__ = ["influxd"]
HOURS = (Counter.RUNNING_HOURS, "pump-1")


@contextlib.asynccontextmanager
async def started(
    folder: Path, server: LocalInflux, hour: int, ran_h: float
) -> AsyncIterator[tuple[CounterDesk, Central]]:
    """One start of the service in which the machine ran `ran_h`; courier and reconciliation begin then."""
    clock = ReplayClock(START_NS + hour * 3600 * SECOND_NS)
    settings = CentralSettings(url=server.url, version=1, database="stethos")
    async with journal_in(folder, clock) as journal:
        watch = SystemWatch(AlarmDesk(journal, clock), journal, clock)
        central = Central(settings, folder, journal=journal, watch=watch, channels=[], clock=clock)
        assert central.reconciliation is not None
        desk = CounterDesk(journal, clock, Counters(journal.incarnation, journal.boot_id))
        central.reconcile_counters(desk)
        desk.restore()
        desk.counters.add(Counter.SERVICE_STARTS, "hall")
        desk.counters.add(*HOURS, ran_h)
        assert await desk.commit()
        tasks = [
            asyncio.create_task(run()) for run in (central.courier.run, central.reconciliation.reconciler.run)
        ]
        try:
            yield desk, central
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await central.close()


async def report_of(central: Central) -> Report:
    """The report of the first round of this start; to be asked for before anything else is waited for."""
    assert central.reconciliation is not None
    status = central.reconciliation.reconciler.status
    former = status.report  # of the start before
    await until(lambda: status.report is not former)
    assert status.report is not None
    return status.report


async def delivered(desk: CounterDesk, central: Central) -> None:
    await until(lambda: central.courier.lanes[RecordClass.COUNTER].confirmed >= desk.newest_sequence)


async def test_a_restored_backup_is_found_mended_and_reported(tmp_path: Path, influxd: LocalInflux) -> None:
    state = tmp_path / "state"
    async with started(state, influxd, 0, 60.0) as (desk, central):
        assert (await report_of(central)).figures["counters_repaired"] == 0
    shutil.copytree(state / "journal", tmp_path / "backup")
    async with started(state, influxd, 1, 40.0) as (desk, central):
        await delivered(desk, central)
    shutil.rmtree(state / "journal")
    shutil.copytree(tmp_path / "backup", state / "journal")
    async with started(state, influxd, 2, 15.0) as (desk, central):
        report = await report_of(central)
        await delivered(desk, central)
        lines = [line for line in report.lines if line.part == "counters"]
        assert any("older than what the centre has seen" in line.text for line in lines)
        assert ("75.0", "115.0") in {(line.old, line.new) for line in lines}
        assert report.figures["counters_repaired"] >= 2
        rows = await asyncio.to_thread(
            influxd.ask,
            "SELECT sum(t) FROM (SELECT max(total) AS t FROM counter WHERE \"counter\" = 'running hours' "
            "AND asset = 'pump-1' GROUP BY device_id, incarnation)",
        )
        assert rows[0]["sum"] == desk.counters.value(*HOURS) == 115.0
