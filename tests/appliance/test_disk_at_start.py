"""A whole appliance that starts on a disk that refuses: alarms leave, and it starts anew in the end."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.config_file import load_settings
from appliance.device_identity import device_id
from appliance.errors import Fatal
from appliance.journal.record import RecordKind
from appliance.journal.store import FILE_NAME
from appliance.service_notifier import service_notifier
from appliance.supervisor import Supervisor
from appliance.wiring import Appliance
from tests.appliance.journal.disks import remount, small_disk
from tests.appliance.sinks.receiver import Receiver, receiver
from tests.appliance.test_wiring_webhooks import configuration

NOT_DURABLE = "journal not durable"
WAYS = """
[central]
url = "http://127.0.0.1:9"
version = 1
database = "plant"
[opcua_server]
host = "127.0.0.1"
port = 0
"""


def rules(cmms: Receiver) -> set[str]:
    """Rules of the alarms that the receiver was told of."""
    return {str(one["data"]["rule"]) for one in cmms.accepted}  # type: ignore[index]


@contextlib.asynccontextmanager
async def running(path: Path) -> AsyncIterator[tuple[Appliance, asyncio.Task[None]]]:
    """One life of the service; the task ends when it ends itself."""
    appliance = await Appliance.build(load_settings(path))
    supervisor = Supervisor(Backoff(0.05, 0.1, 0.01))
    task = asyncio.create_task(appliance.run(supervisor, service_notifier(), lambda address: None))
    try:
        yield appliance, task
    finally:
        supervisor.stop()
        await asyncio.gather(task, return_exceptions=True)
        await appliance.close()


async def test_a_start_that_knows_nothing_ends_once_the_file_can_be_read(tmp_path: Path) -> None:
    async with receiver() as cmms:
        path = configuration(tmp_path, cmms)
        async with running(path) as (appliance, task):
            await cmms.until(lambda: bool(cmms.accepted) or task.done())
            file = appliance.journal.folder / FILE_NAME
        away = file.rename(tmp_path / "away")
        file.mkdir()
        async with running(path) as (appliance, task):
            assert appliance.journal.began_blind
            await asyncio.sleep(0.2)
            assert not task.done()
            file.rmdir()
            away.rename(file)
            with pytest.raises(Fatal, match="starts anew"):
                async with asyncio.timeout(60.0):
                    await asyncio.shield(task)
        async with running(path) as (appliance, task):
            assert not appliance.journal.began_blind
            assert appliance.journal.latest(RecordKind.ALARM_TRANSITION)


async def test_on_a_read_only_disk_alarms_are_known_shown_and_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ways out that keep files: webhook, centre, OPC UA server."""
    memory = tmp_path / "run"
    memory.mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(memory))
    plant = tmp_path / "plant"
    plant.mkdir()
    async with receiver() as cmms:
        path = configuration(plant, cmms, WAYS)
        async with running(path) as (appliance, task):
            await cmms.until(lambda: "source lost" in rules(cmms) or task.done())
            user = appliance._auth.users[0]
            standing = {s.transition.alarm.alarm_id for s in appliance.desk.standing()}
        with small_disk(tmp_path / "disk", 96) as disk:
            path = (
                shutil.copytree(plant, disk / "plant", ignore=shutil.ignore_patterns("reserve")) / path.name
            )
            state_dir = path.parent / "state"
            device = device_id(state_dir)
            remount(disk, "ro")
            async with running(path) as (appliance, task):
                await cmms.until(lambda: NOT_DURABLE in rules(cmms) or task.done())
                assert not task.done()
                journal, station = appliance.journal, appliance.station
                assert not journal.durable and not journal.began_blind
                assert "Read-only file system" in journal.not_durable_because
                shown = {s.transition.alarm.rule: s for s in appliance.desk.standing()}
                assert standing <= {s.transition.alarm.alarm_id for s in appliance.desk.standing()}
                assert shown[NOT_DURABLE].sequence == 0  # held in memory
                assert {link.kind for link in station.appliance().links} >= {"webhook", "opcua server"}
                assert appliance.central is not None
                assert device_id(appliance.settings.station.state_dir) == device
                appliance._auth.reset_password(user, "changed-meanwhile-4711")
                remount(disk, "rw")
                with pytest.raises(Fatal, match="starts anew"):
                    async with asyncio.timeout(60.0):
                        await asyncio.shield(task)
            async with running(path) as (appliance, task):
                assert appliance.journal.durable
                assert appliance.settings.station.state_dir == state_dir
                stored = appliance.journal.latest(RecordKind.ALARM_TRANSITION)
                assert {record.subject for record in stored} >= {
                    *standing,
                    shown[NOT_DURABLE].transition.alarm.alarm_id,
                }
                await appliance._auth.sign_in(user, "changed-meanwhile-4711", "127.0.0.1")
    assert [one for one in memory.iterdir() if "state" in one.name] == []
