"""The way to the centre as the appliance builds it: from settings to points, alarm and line on the page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.alarm_desk import AlarmDesk
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings
from appliance.device_identity import device_id
from appliance.errors import Fatal
from appliance.journal.record import RecordClass, RecordKind
from appliance.system_watch import SystemWatch
from appliance.wiring_central import Central
from dsp.samples import Channel, Measurand
from tests.appliance.journal.builders import START_NS
from tests.appliance.sinks.influx_server import local_influx
from tests.appliance.sinks.way import CHANNEL, at_centre, everything, journal_in, stored


async def test_a_refusing_centre_is_an_alarm_that_clears_and_arrives_there_itself(tmp_path: Path) -> None:
    server = local_influx(tmp_path)
    await server.start()
    await asyncio.to_thread(server.ask, "DROP DATABASE stethos")
    password = tmp_path / "password"
    password.write_text("secret\n")
    settings = CentralSettings(
        url=server.url, version=1, database="stethos", user="stethos", password_file=password
    )
    clock = ReplayClock(START_NS)
    channels = [Channel(CHANNEL, "pump-1", Measurand.ACCELERATION, "m/s2", 25_600.0, 160.0)]
    try:
        async with journal_in(tmp_path, clock) as journal:
            desk = AlarmDesk(journal, clock)
            watch = SystemWatch(desk, journal, clock)
            central = Central(
                settings, tmp_path, journal=journal, watch=watch, channels=channels, clock=clock
            )

            def stands() -> bool:
                stored = desk.get("appliance.central-refuses")
                assert stored is not None
                return stored.transition.alarm.state.active

            await everything(journal, clock)
            running = asyncio.create_task(central.courier.run())
            await _until(lambda: desk.get("appliance.central-refuses") is not None)
            raised = desk.get("appliance.central-refuses")
            assert raised is not None
            assert raised.transition.alarm.state.active
            assert "404" in raised.transition.alarm.reason
            assert "stopped" in central.text()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

            await asyncio.to_thread(server.ask, "CREATE DATABASE stethos")
            running = asyncio.create_task(central.courier.run())
            await _until(lambda: not stands())  # told once it has accepted something
            await _until(lambda: "connected" in central.text() and not central.courier.report().waiting)
            await _until(lambda: central.courier.lanes[RecordClass.ALARM].confirmed >= journal.last_sequence)
            assert await at_centre(server) == await stored(journal)
            rows = await asyncio.to_thread(
                server.ask, "SELECT what FROM alarm WHERE alarm_id = 'appliance.central-refuses' GROUP BY *"
            )
            assert rows[0]["what"] == "raised"
            assert {row["device_id"] for row in rows} == {device_id(tmp_path)}
            assert len(rows) == len(
                await journal.history(RecordKind.ALARM_TRANSITION, "appliance.central-refuses")
            )
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await central.close()
    finally:
        await server.kill()


async def test_a_secret_that_cannot_be_read_stops_the_courier_and_not_the_appliance(tmp_path: Path) -> None:
    settings = CentralSettings(
        url="http://127.0.0.1:1", version=2, org="o", bucket="b", token_file=tmp_path / "gone"
    )
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        desk = AlarmDesk(journal, clock)
        central = Central(
            settings,
            tmp_path,
            journal=journal,
            watch=SystemWatch(desk, journal, clock),
            channels=[],
            clock=clock,
        )
        await everything(journal, clock)
        running = asyncio.create_task(central.courier.run())
        await _until(lambda: "stopped" in central.text())
        assert "cannot be read" in central.text()
        assert desk.get("appliance.central-refuses") is not None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await central.close()


async def test_a_ca_file_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text("no certificate")
    settings = CentralSettings(url="https://h", version=1, database="d", ca_file=ca_file)
    async with journal_in(tmp_path) as journal:
        watch = SystemWatch(AlarmDesk(journal, ReplayClock()), journal, ReplayClock())
        with pytest.raises(Fatal, match="ca_file"):
            Central(settings, tmp_path, journal=journal, watch=watch, channels=[], clock=ReplayClock())


async def _until(condition: object, limit_s: float = 60.0) -> None:
    assert callable(condition)
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)
