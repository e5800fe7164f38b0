"""kill -9 between a delivery and its note: the message comes again, with the same id; none is missing."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from aiohttp import web

from appliance.sinks.webhook_store import read_states
from tests.appliance.sinks.receiver import Receiver, hangs, receiver

ROOT = Path(__file__).parents[3]


class Sender:
    """A process of `killed_sender`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, folder: Path, url: str) -> Sender:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.appliance.sinks.killed_sender", str(folder), url,
            stdin=pipe, stdout=pipe, cwd=ROOT,
        )  # fmt: skip
        one = cls(process)
        assert await one._line() == "open"
        return one

    async def raise_alarm(self, alarm_id: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{alarm_id}\n".encode())
        assert await self._line() == f"committed {alarm_id}"

    async def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            return (await self._process.stdout.readline()).decode().strip()


async def test_killed_between_delivery_and_note_it_sends_again_with_the_same_id(tmp_path: Path) -> None:
    async with receiver() as cmms:
        first = await Sender.start(tmp_path, cmms.url)
        await first.raise_alarm("a")
        await cmms.until(lambda: len(cmms.accepted) == 1)
        await cmms.until(lambda: not read_states(tmp_path / "journal")[0].waiting)  # the sender noted it

        committed = asyncio.Event()

        async def accepts_and_kills(request: web.Request) -> web.StreamResponse:
            await committed.wait()  # the message may be here before the sender has told of its commit
            cmms.ids.append(request.headers["webhook-id"])  # the receiver has it ...
            await first.kill()  # ... and the sender dies before it reads the answer
            return web.Response()

        cmms.misbehave = [accepts_and_kills]
        await first.raise_alarm("b")
        committed.set()
        await cmms.until(lambda: len(cmms.ids) == 2)

        second = await Sender.start(tmp_path, cmms.url)
        await cmms.until(lambda: len(cmms.accepted) == 2)  # alarms do not wait for each other
        await second.raise_alarm("c")
        await cmms.until(lambda: len(cmms.accepted) == 3)
        await second.kill()
    assert [one["data"]["alarm_id"] for one in cmms.accepted] == ["a", "b", "c"]  # type: ignore[index]
    assert cmms.ids[1] == cmms.ids[2]  # the same message, known by its id
    assert len(set(cmms.ids)) == 3


async def test_killed_before_the_delivery_nothing_is_missing(tmp_path: Path) -> None:
    async with receiver() as cmms:
        cmms.misbehave = [hangs, hangs]
        await _raise_and_kill(tmp_path, cmms)
        second = await Sender.start(tmp_path, cmms.url)
        await cmms.until(lambda: len(cmms.accepted) == 2)
        await second.kill()
    assert {one["webhook-id"] for one in cmms.seen} == set(cmms.ids)
    assert len(cmms.seen) == 4


async def _raise_and_kill(folder: Path, cmms: Receiver) -> None:
    first = await Sender.start(folder, cmms.url)
    await first.raise_alarm("a")
    await first.raise_alarm("b")
    await cmms.until(lambda: len(cmms.seen) == 2)
    await first.kill()
