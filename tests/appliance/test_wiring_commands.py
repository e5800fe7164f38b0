"""Commands of the centre as the appliance builds them: off unless configured; alarms and reports follow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.register import AlarmRegister
from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.config_central import CentralSettings, central_problems
from appliance.demo_central import DATABASE, LocalInflux
from appliance.device_identity import device_id
from appliance.errors import Fatal
from appliance.journal.journal import Journal
from appliance.limit_desk import LimitDesk
from appliance.reconcile.alarm_reconciler import AlarmReconciler
from appliance.reconcile.command_document import signed
from appliance.reconcile.report import ReportDraft
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.wiring_central import Central
from appliance.wiring_commands import CentralCommands
from tests.appliance.journal.builders import START_NS
from tests.appliance.reconcile.command_site import ALARM, CENTRE_KEY, CONDITION, Site, say
from tests.appliance.sinks.conftest import influxd
from tests.appliance.sinks.way import journal_in, until

__all__ = ["influxd"]


def public_pem(folder: Path) -> Path:
    path = folder / "centre.pub"
    path.write_bytes(
        CENTRE_KEY.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def built(
    settings: CentralSettings | None, folder: Path, journal: Journal, clock: ReplayClock, desk: AlarmDesk
) -> CentralCommands:
    return CentralCommands(settings, folder, desk, LimitDesk(journal, clock), journal=journal, clock=clock)


def settings_of(server: LocalInflux, **more: object) -> CentralSettings:
    return CentralSettings.model_validate(
        {"url": server.url, "version": 1, "database": DATABASE, "command_poll_s": 1.0, **more}
    )


@contextlib.asynccontextmanager
async def running(commands: CentralCommands) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(Backoff(base_s=0.02, cap_s=0.1, floor_s=0.01))
    commands.supervise(supervisor)
    task = asyncio.create_task(supervisor.run_all())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await task
        await commands.close()


async def test_a_signed_command_reaches_the_alarm_of_the_built_appliance(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    settings = settings_of(influxd, command_keys_file=public_pem(tmp_path))
    async with journal_in(tmp_path, clock) as journal:
        desk, register = AlarmDesk(journal, clock), AlarmRegister()
        desk.add_owner("pump-1", register, asyncio.Lock())
        await desk.publish([register.state(CONDITION, 5)])
        watch = SystemWatch(desk, journal, clock)
        central = Central(settings, tmp_path, journal=journal, watch=watch, channels=[], clock=clock)
        commands = built(settings, tmp_path, journal, clock, desk)
        commands.reconcile_with(central, settings, tmp_path)
        told = commands.beside(central.text)
        maker = Site(journal, clock, influxd.url)
        command = maker.acknowledgement(device_id=device_id(tmp_path))
        said = signed(command, CENTRE_KEY)
        await asyncio.to_thread(say, influxd, said, maker.now_ns, command.device_id)
        async with running(commands) as supervisor:
            assert {"central commands", "shelved alarms"} <= {task.name for task in supervisor.reports()}
            await until(lambda: "1 done" in told())
        stored = desk.get(ALARM)
        assert stored is not None
        assert stored.transition.alarm.acknowledged_by == "eva"
        assert central.reconciliation is not None
        parts = central.reconciliation.reconciler._parts
        (part,) = (one for one in parts if isinstance(one, AlarmReconciler))
        draft = ReportDraft("r", "reconnect", START_NS)
        await part.reconcile(draft)
        assert draft.figures["alarms_merged"] == 1
        assert "1 carried out" in draft.lines[0].text
        await central.close()
        await maker.reader.close()


@pytest.mark.parametrize(
    "settings", [None, CentralSettings(url="http://127.0.0.1:1", version=1, database="d")]
)
async def test_without_a_key_no_command_is_read(tmp_path: Path, settings: CentralSettings | None) -> None:
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        commands = built(settings, tmp_path, journal, clock, AlarmDesk(journal, clock))
        commands.reconcile_with(None, settings, tmp_path)
        assert commands.desk is None
        assert commands.beside(lambda: "connected")() == "connected"
        async with running(commands) as supervisor:
            assert [task.name for task in supervisor.reports()] == ["shelved alarms"]


async def test_a_file_that_holds_no_key_is_told_at_the_start(tmp_path: Path) -> None:
    path = tmp_path / "centre.pub"
    settings = CentralSettings(url="http://127.0.0.1:1", version=1, database="d", command_keys_file=path)
    assert [key for key, *_ in central_problems(settings, lambda host: True)] == ["central.command_keys_file"]
    path.write_text("no key")
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        with pytest.raises(Fatal, match="Ed25519"):
            built(settings, tmp_path, journal, clock, AlarmDesk(journal, clock))
