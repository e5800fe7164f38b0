"""A whole appliance that starts on a disk that refuses: alarms leave, and it starts anew in the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.config_file import load_settings
from appliance.errors import Fatal
from appliance.journal.record import RecordKind
from appliance.journal.store import FILE_NAME
from appliance.service_notifier import service_notifier
from appliance.supervisor import Supervisor
from appliance.wiring import Appliance
from tests.appliance.sinks.receiver import receiver
from tests.appliance.test_wiring_webhooks import configuration


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
                await asyncio.wait_for(task, 30.0)
        async with running(path) as (appliance, task):
            assert not appliance.journal.began_blind
            assert appliance.journal.latest(RecordKind.ALARM_TRANSITION)
