"""The reconciliation as the appliance builds it: from settings to repair, alarm, report and its point."""

from __future__ import annotations

import asyncio
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.demo_central import LocalInflux
from appliance.reconcile.audit_book import read_reports
from appliance.system_watch import SystemWatch
from appliance.telemetry.metrics import render
from appliance.wiring_central import Central
from appliance.wiring_reconcile import audit_path
from dsp.samples import Channel, Measurand
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.conftest import influxd
from tests.appliance.sinks.way import CHANNEL, at_centre, everything, journal_in, stored, until
from tests.appliance.telemetry_reports import full_report

__all__ = ["influxd"]


async def test_after_a_start_both_sides_are_compared_repaired_and_told(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    settings = CentralSettings(url=influxd.url, version=1, database="stethos")
    channels = [Channel(CHANNEL, "pump-1", Measurand.ACCELERATION, "m/s2", 25_600.0, 160.0)]
    async with journal_in(tmp_path, clock) as journal:
        watch = SystemWatch(AlarmDesk(journal, clock), journal, clock)
        central = Central(settings, tmp_path, journal=journal, watch=watch, channels=channels, clock=clock)
        assert central.reconciliation is not None
        reconciler = central.reconciliation.reconciler
        assert "audit: not yet run" in central.text()
        await everything(journal, clock)
        delivering = asyncio.create_task(central.courier.run())
        await until(lambda: "connected" in central.text() and not central.courier.report().waiting)
        wanted = await stored(journal)
        await asyncio.to_thread(influxd.ask, "DROP SERIES FROM features")
        await asyncio.to_thread(influxd.ask, "DROP SERIES FROM counter")
        clock.set(7200 * SECOND_NS)
        comparing = asyncio.create_task(reconciler.run())
        await until(lambda: reconciler.status.report is not None)
        assert reconciler.status.rounds == 1
        there = await at_centre(influxd)
        assert {name: there[name] for name in ("features", "counter", "alarm")} == {
            name: wanted[name] for name in ("features", "counter", "alarm")
        }
        assert "points sent" in central.text()
        assert "0 differ" in central.text()
        (report,) = read_reports(audit_path(tmp_path), 10)
        assert (report.cause, report.figures["slots_repaired"]) == ("start", 1 + 3)
        await until(lambda: central.courier.report().waiting == 0)
        rows: list[dict[str, object]] = []
        async with asyncio.timeout(60):
            while not rows:
                await asyncio.sleep(0.01)
                rows = await asyncio.to_thread(influxd.ask, "SELECT * FROM reconciliation")
        assert rows[0]["report_id"] == report.report_id
        assert rows[0]["records_resent"] == wanted["features"] + wanted["counter"]
        assert rows[0]["agrees"] is True
        view = central.view()
        assert view is not None
        assert view.report is not None
        assert (view.differing, view.error, view.report.agrees) == (0, "", True)
        assert view.sent == view.confirmed == sum(wanted.values())
        assert {one.name: one.value for one in view.report.figures}["slots_repaired"] == 4
        assert [line.part for line in view.report.lines] == ["audit"] * 4
        page = render(full_report(1), (), central.reconciliation.samples()).decode()
        assert f'stethos_audit_points{{state="confirmed"}} {view.confirmed}' in page
        assert "stethos_audit_repaired_slots_total 4" in page
        assert "stethos_audit_last_round_timestamp_seconds 1800007" in page
        for task in (comparing, delivering):
            task.cancel()
        await asyncio.gather(comparing, delivering, return_exceptions=True)
        await central.close()


async def test_without_days_nothing_is_audited(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    settings = CentralSettings(url="http://127.0.0.1:1", version=1, database="stethos", audit_days=0)
    async with journal_in(tmp_path, clock) as journal:
        watch = SystemWatch(AlarmDesk(journal, clock), journal, clock)
        central = Central(settings, tmp_path, journal=journal, watch=watch, channels=[], clock=clock)
        assert central.reconciliation is None
        assert central.view() is None
        assert "arrival is not audited (audit_days = 0)" in central.text()
        await central.close()
    assert not audit_path(tmp_path).exists()
