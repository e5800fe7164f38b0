"""A box that was put back to a backup catches up with what it told a real influxd, and with that alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from appliance.alarms.acts import ActivationId
from appliance.alarms.lifecycle import AlarmState
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.demo_central import DATABASE, LocalInflux
from appliance.device_identity import OwnSignature, device_id
from appliance.reconcile.alarm_merge import AlarmStanding, fold
from appliance.reconcile.alarm_reconciler import ACTS, AlarmReconciler
from appliance.reconcile.central_alarms import events_of_stored
from appliance.reconcile.report import ReportDraft
from appliance.system_watch import SystemWatch
from appliance.wiring_central import Central
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.command_site import ALARM, Site, site, state_there, write
from tests.appliance.sinks.way import until


@contextlib.asynccontextmanager
async def life(folder: Path, server: LocalInflux, clock: ReplayClock) -> AsyncIterator[tuple[Site, Central]]:
    """One life of a box whose alarms go to the centre, signed; at its end all of them are there."""
    settings = CentralSettings(url=server.url, version=1, database=DATABASE, audit_days=0)
    async with site(folder, server.url, clock=clock) as box:
        watch = SystemWatch(box.alarms, box.journal, clock)
        central = Central(settings, folder, journal=box.journal, watch=watch, channels=[], clock=clock)
        running = asyncio.create_task(central.courier.run())
        try:
            yield box, central
            await until(lambda: central.confirmed() >= box.journal.last_sequence)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await central.close()


async def look(box: Site, folder: Path) -> ReportDraft:
    """What the first round after a start does with alarms."""
    own = OwnSignature(folder, ACTS)
    part = AlarmReconciler(
        box.alarms, box.reader, device_id=device_id(folder), is_own=own.holds, days=14.0,
        command_counts=lambda: box.desk.counts,
    )  # fmt: skip
    draft = ReportDraft("r", "start", box.now_ns)
    await part.reconcile(draft)
    again = ReportDraft("r", "interval", box.now_ns)
    await part.reconcile(again)
    assert again.figures == ReportDraft("r", "interval", 0).figures, "once per start"
    return draft


async def test_a_restored_backup_takes_over_what_it_had_told(tmp_path: Path, influxd: LocalInflux) -> None:
    folder, clock = tmp_path / "box", ReplayClock(START_NS)
    async with life(folder, influxd, clock) as (box, _):
        await box.condition(True)
    shutil.copytree(folder, tmp_path / "backup")
    async with life(folder, influxd, clock) as (box, _):
        await box.alarms.acknowledge(ALARM, 1, "anna", "")
        await box.condition(False)
        await box.condition(True)
        await box.alarms.acknowledge(ALARM, 2, "eva", "ordered")
        assert (await look(box, folder)).figures["alarms_merged"] == 0, "nothing lacks here"
    lost = box.alarm
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)

    clock.advance(60 * SECOND_NS)
    async with life(folder, influxd, clock) as (box, _):
        assert box.alarm.activation.number == 1
        assert box.alarm.transition.alarm.acknowledged_by is None
        draft = await look(box, folder)
        assert draft.figures["alarms_merged"] == 1
        assert "activation 2" in draft.lines[0].text
        taken = box.alarm
        assert (taken.transition.what, taken.activation) == ("caught up", lost.activation)
        assert taken.transition.alarm.state is AlarmState.ACTIVE_ACKNOWLEDGED
        assert taken.transition.alarm.acknowledged_by == "eva"
        assert taken.acknowledged_time_ns == lost.transition.alarm.acknowledgements[0].mark.stamp.wall_ns
        await box.condition(False)
        await box.condition(True)
        assert box.alarm.activation.number == 3, "no number twice"
    assert await asyncio.to_thread(state_there, influxd) == fold_of(box)


async def test_what_still_stands_here_but_was_closed_there_is_raised_anew(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    folder, clock = tmp_path / "box", ReplayClock(START_NS)
    async with life(folder, influxd, clock) as (box, _):
        await box.condition(True)
    shutil.copytree(folder, tmp_path / "backup")
    async with life(folder, influxd, clock) as (box, _):
        await box.alarms.acknowledge(ALARM, 1, "anna", "")
        await box.condition(False)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "backup", folder)
    async with life(folder, influxd, clock) as (box, _):
        await look(box, folder)
        alarm = box.alarm.transition.alarm
        assert (alarm.state, alarm.activation) == (AlarmState.ACTIVE_UNACKNOWLEDGED, 2)
        assert [one.transition.what for one in await box.transitions()] == ["raised", "caught up", "raised"]
        assert alarm.reason == "outer race"
    assert await asyncio.to_thread(state_there, influxd) == fold_of(box)


async def test_an_empty_journal_counts_on_where_the_lost_one_ended(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    folder, clock = tmp_path / "box", ReplayClock(START_NS)
    async with life(folder, influxd, clock) as (box, _):
        for _ in range(3):
            await box.condition(True)
            await box.condition(False)
    shutil.rmtree(folder / "journal")
    shutil.rmtree(folder / "central")
    async with life(folder, influxd, clock) as (box, _):
        assert box.alarms.get(ALARM) is None
        await look(box, folder)
        assert box.alarm.transition.alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED
        await box.condition(True)
        assert box.alarm.activation.number == 4
    assert await asyncio.to_thread(state_there, influxd) == fold_of(box)


async def test_rows_that_somebody_else_wrote_change_no_alarm(tmp_path: Path, influxd: LocalInflux) -> None:
    folder, clock = tmp_path / "box", ReplayClock(START_NS)
    async with life(folder, influxd, clock) as (box, central):
        await box.condition(True)
        await until(lambda: central.confirmed() >= box.journal.last_sequence)
        (row,) = await asyncio.to_thread(influxd.ask, "SELECT acts, acts_signature FROM alarm")
        closed = row["acts"].replace('"active":true', '"active":false').replace("box/", "box/x")
        later = row["acts"].replace('"activation":1', '"activation":9')
        assert closed != row["acts"] != later
        own = device_id(folder)
        for number, forged in enumerate((closed, later)):
            text = forged.replace("\\", "\\\\").replace('"', '\\"')
            fields = f'acts="{text}",acts_signature="{row["acts_signature"]}"'
            line = f"alarm,device_id={own} {fields} {box.now_ns + number}"
            await asyncio.to_thread(write, influxd, line.encode())
        draft = await look(box, folder)
        assert draft.figures["alarms_merged"] == 0
        assert draft.figures["conflicts"] == 1
        assert "2 rows" in draft.lines[0].text
        assert box.alarm.activation == ActivationId(1, box.alarm.raised_time_ns)
        assert box.alarm.transition.alarm.state is AlarmState.ACTIVE_UNACKNOWLEDGED


def fold_of(box: Site) -> dict[str, AlarmStanding]:
    return fold(events_of_stored([box.alarm]))
