"""Limits of a box whose journal was put back: what it had told a real influxd, by its own signature alone."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.demo_central import DATABASE, LocalInflux
from appliance.device_identity import OwnSignature, device_id
from appliance.reconcile.alarm_reconciler import ACTS
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.limit_reconciler import LimitReconciler
from appliance.reconcile.report import ReportDraft
from appliance.wiring_central import Central
from dsp.samples import Channel, Measurand
from tests.appliance.house import House, house
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import until
from tests.appliance.test_limits import change, learned, of

CHANNELS = [Channel("motor-1.x", "motor-1", Measurand.ACCELERATION, "m/s2", 25_600.0, 160.0)]


@contextlib.asynccontextmanager
async def life(folder: Path, server: LocalInflux, clock: ReplayClock) -> AsyncIterator[House]:
    """A start of the service; at its end the centre has all that the journal has."""
    settings = CentralSettings(url=server.url, version=1, database="stethos", audit_days=0)
    async with house(folder, clock) as one:
        central = Central(
            settings, folder, journal=one.journal, watch=one.watch, channels=CHANNELS, clock=clock
        )
        running = asyncio.create_task(central.courier.run())
        try:
            yield one
            await until(lambda: not central.courier.report().waiting)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await central.close()


async def look(one: House, folder: Path, server: LocalInflux) -> ReportDraft:
    """What the first round after a start does with limits."""
    reader = CentralReader(server.url, Target(DATABASE), timeout_s=60.0)
    is_own = OwnSignature(folder, ACTS).holds
    part = LimitReconciler(one.limit_desk, reader, device_id=device_id(folder), is_own=is_own)
    draft, again = ReportDraft("r", "start", 0), ReportDraft("r", "interval", 0)
    try:
        await part.reconcile(draft)
        await part.reconcile(again)
    finally:
        await reader.close()
    assert again.figures == ReportDraft("r", "interval", 0).figures, "once per start"
    return draft


@pytest.fixture
def folder(one_learned: tuple[Path, int], tmp_path: Path) -> Path:
    shutil.copytree(one_learned[0], tmp_path / "state")
    device_id(tmp_path / "state")
    return tmp_path / "state"


async def test_a_restored_backup_takes_over_limits_that_it_had_told(
    folder: Path, one_learned: tuple[Path, int], influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    clock.set(one_learned[1])
    async with life(folder, influxd, clock) as one:
        learned(one)
    backup = Path(shutil.copytree(folder, folder.parent / "backup"))
    async with life(folder, influxd, clock) as one:
        limit = learned(one)
        await change(one, "raise", "coupling renewed", **of(limit), percent=150.0)
        await change(one, "lock", "as agreed", **of(limit))
        assert (await look(one, folder, influxd)).figures["limits_merged"] == 0, "nothing lacks here"
    shutil.rmtree(folder)
    shutil.copytree(backup, folder)
    clock.set(clock.monotonic_ns() + 60 * SECOND_NS)
    async with life(folder, influxd, clock) as one:
        assert learned(one).percent == 100.0
        forged = (
            f"limit_version,device_id={device_id(folder)},asset=motor-1,channel=motor-1.x "
            f'version=9i,document="{{}}",document_signature="AAAA" {START_NS}'
        )
        url = f"{influxd.url}/write?db={DATABASE}&precision=ns"
        await asyncio.to_thread(lambda: urllib.request.urlopen(url, data=forged.encode(), timeout=60).close())
        draft = await look(one, folder, influxd)
        assert (draft.figures["limits_merged"], draft.figures["conflicts"]) == (1, 1)
        assert any("no signature of this device" in line.text for line in draft.lines)
        (limit,) = one.station.limits("motor-1").limits
        assert (limit.percent, limit.locked, limit.version, limit.actor) == (150.0, True, 4, "anna")
        assert "as agreed" in (limit.reason or "")
    rows = await asyncio.to_thread(
        influxd.ask, "SELECT version, factor, locked FROM limit_version WHERE version < 9"
    )
    newest = max(rows, key=lambda row: int(row["version"]))
    assert (newest["version"], newest["factor"], newest["locked"]) == (4, 1.5, True)
    async with life(folder, influxd, clock) as one:
        assert (await look(one, folder, influxd)).figures["limits_merged"] == 0
        assert learned(one).percent == 150.0
