"""What every way out promises, held against a peer that misbehaves: InfluxDB 1.x and 2.x, and a webhook.

All at least once, in order, the same key for a second delivery, nothing lost by an outage or a restart, a
refused record alone on a list. (The 2.x server is the contract server: see there.)
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Protocol

import pytest
from aiohttp import web

from appliance.alarms.lifecycle import Severity
from appliance.backoff import Backoff
from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.sinks.influx import Influx1Writer, Influx3Writer, InfluxSink
from appliance.sinks.influx2 import Influx2Writer
from appliance.sinks.outbox import Outbox
from appliance.sinks.webhook_queue import Schedule
from appliance.sinks.webhook_store import FILE_NAME, read_states
from tests.appliance.journal.builders import PATIENT, SMALL
from tests.appliance.sinks.contract_server import BUCKET, ORG, TOKEN, Contract
from tests.appliance.sinks.receiver import Plant, Receiver, answers, receiver, sending
from tests.appliance.sinks.way import Way, way

PATIENCE_S = 60.0
Step = tuple[str, str]  # alarm id, what
SOON_DEAD = Schedule(Backoff(0.01, 0.02, 0.01), give_up_s=0.3)
POISON = "poison"  # an alarm that the peer refuses for good


class Peer(Protocol):
    """One kind of sink and what it delivers to."""

    def running(self, plant: Plant) -> contextlib.AbstractAsyncContextManager[None]:
        """The sink over the journal; again for a restart."""
        ...

    def arrived(self) -> list[Step]:
        """What the peer holds, in the order in which it came; what came twice by its key is there once."""
        ...

    def taken(self) -> int:
        """How many deliveries of a record the peer has accepted."""
        ...

    def asked(self) -> int:
        """Requests so far."""
        ...

    def asked_s(self) -> list[float]:
        """When each of them came, by the peer's monotonic clock."""
        ...

    async def noted(self, plant: Plant) -> None:
        """Until the running sink has written down what became of all that it sent."""
        ...

    def answer(self, status: int, times: int, **headers: str) -> None:
        """The next requests get this answer; 0 times: none do any more."""
        ...

    def forget(self, plant: Plant) -> None:
        """What the sink remembers is lost (it does not run)."""
        ...

    def dead(self, plant: Plant) -> list[str]:
        """Reasons of what is on the list of refused records."""
        ...


class TimedContract(Contract):
    """The contract server, which knows when it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    async def _write(self, request: web.Request) -> web.Response:
        self.asked_s.append(time.monotonic())
        return await super()._write(request)


class InfluxPeer:
    def __init__(self, version: int, folder: Path, server: TimedContract) -> None:
        self._version, self._folder, self._server = version, folder, server
        self._way: Way | None = None

    @contextlib.asynccontextmanager
    async def running(self, plant: Plant) -> AsyncIterator[None]:
        writers = {
            1: lambda url: Influx1Writer(url, "plant", timeout_s=PATIENCE_S),
            2: lambda url: Influx2Writer(url, ORG, BUCKET, token=lambda: TOKEN, timeout_s=PATIENCE_S),
            3: lambda url: Influx3Writer(url, "plant", token=lambda: TOKEN, timeout_s=PATIENCE_S),
        }
        sink = InfluxSink(writers[self._version](self._server.url))
        # A clock that nothing keeps: its times are marked, not held back.
        async with way(plant.journal, self._folder, sink=sink, send_provisional=True) as self._way:
            yield

    def arrived(self) -> list[Step]:
        found = []
        for (series, _), head in self._server.points.items():
            if series.startswith(b"alarm,"):
                fields = dict(re.findall(r'(alarm_id|what)="([^"]*)"', head.decode()))
                found.append((fields["alarm_id"], fields["what"]))
        return found

    def taken(self) -> int:
        return self._server.stored

    def asked(self) -> int:
        return self._server.requests

    def asked_s(self) -> list[float]:
        return self._server.asked_s

    async def noted(self, plant: Plant) -> None:
        assert self._way is not None
        await self._way.drained()

    def answer(self, status: int, times: int, **headers: str) -> None:
        self._server.answers = [(status, "as told", headers)] * times

    def forget(self, plant: Plant) -> None:
        (self._folder / "central" / "outbox.sqlite").unlink()

    def dead(self, plant: Plant) -> list[str]:
        outbox = Outbox(self._folder / "central" / "outbox.sqlite")
        try:
            return [letter.reason for letter in outbox.dead_letters()]
        finally:
            outbox.close()


class WebhookPeer:
    def __init__(self, server: Receiver) -> None:
        self._server = server
        server.for_alarm = {POISON: answers(422)}

    @contextlib.asynccontextmanager
    async def running(self, plant: Plant) -> AsyncIterator[None]:
        # Those that are refused for good are given up soon, the others never.
        patient = Schedule(SOON_DEAD.backoff, give_up_s=3600.0)
        schedule = SOON_DEAD if self._impatient(plant) else patient
        async with sending(plant, self._server.target(), schedule=schedule):
            yield

    def arrived(self) -> list[Step]:
        steps = {}
        for message_id, said in zip(self._server.ids, self._server.accepted, strict=True):
            data = said["data"]
            steps.setdefault(message_id, (str(data["alarm_id"]), str(data["what"])))  # type: ignore[index]
        return list(steps.values())

    def taken(self) -> int:
        return len(self._server.accepted)

    def asked(self) -> int:
        return len(self._server.seen)

    def asked_s(self) -> list[float]:
        return self._server.seen_s

    async def noted(self, plant: Plant) -> None:
        await until(lambda: not any(state.waiting for state in read_states(plant.journal.folder)))

    def answer(self, status: int, times: int, **headers: str) -> None:
        self._server.misbehave = [answers(status, **headers)] * times

    def forget(self, plant: Plant) -> None:
        path = plant.journal.folder / FILE_NAME
        path.write_bytes(b"not a database, for sure" * 400)
        for suffix in ("-wal", "-shm"):
            path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)

    def dead(self, plant: Plant) -> list[str]:
        return [letter.reason for state in read_states(plant.journal.folder) for letter in state.dead]

    @staticmethod
    def _impatient(plant: Plant) -> bool:
        return POISON in plant._alarms


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    clock = SystemClock()
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, PATIENT)
    yield Plant(journal, clock)
    await journal.close()


@pytest.fixture(params=["influx 1", "influx 2", "influx 3", "webhook"])
async def peer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Peer]:
    if request.param == "webhook":
        async with receiver() as server:
            yield WebhookPeer(server)
        return
    contract = TimedContract()
    await contract.start()
    yield InfluxPeer(int(request.param[-1]), tmp_path, contract)
    await contract.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


async def life(plant: Plant, alarm_id: str) -> list[Step]:
    """An alarm comes, worsens and goes."""
    await plant.raised(alarm_id)
    await plant.updated(alarm_id, Severity.STOP)
    await plant.cleared(alarm_id)
    return [(alarm_id, what) for what in ("raised", "updated", "cleared")]


def of(steps: list[Step], alarm_id: str) -> list[Step]:
    return [step for step in steps if step[0] == alarm_id]


async def begun(peer: Peer, plant: Plant) -> None:
    """A receiver of webhooks hears of what happens from its first start on."""
    async with peer.running(plant):
        await plant.raised("first")
        await until(lambda: of(peer.arrived(), "first") != [])
        await peer.noted(plant)


async def test_each_step_arrives_once_and_in_order(plant: Plant, peer: Peer) -> None:
    await begun(peer, plant)
    async with peer.running(plant):
        lives = [await life(plant, alarm_id) for alarm_id in ("a", "b", "c")]
        await until(lambda: len(peer.arrived()) == 10)
    for steps in lives:
        assert of(peer.arrived(), steps[0][0]) == steps
    assert peer.taken() == 10


async def test_an_outage_loses_and_doubles_nothing(plant: Plant, peer: Peer) -> None:
    await begun(peer, plant)
    async with peer.running(plant):
        peer.answer(503, 1_000_000)
        steps = await life(plant, "a")
        before = peer.asked()
        await until(lambda: peer.asked() >= before + 2)
        steps += [("a", "re-raised")] if await plant.raised("a") else []
        assert of(peer.arrived(), "a") == []
        peer.answer(503, 0)
        await until(lambda: of(peer.arrived(), "a") == steps)
    assert peer.dead(plant) == []


async def test_a_restart_goes_on_where_it_was(plant: Plant, peer: Peer) -> None:
    await begun(peer, plant)
    steps = await life(plant, "a")  # nobody sends
    async with peer.running(plant):
        await until(lambda: of(peer.arrived(), "a") == steps)
    assert peer.taken() == 4, "what was delivered before is not delivered again"


async def test_a_second_delivery_has_the_same_key(plant: Plant, peer: Peer) -> None:
    await begun(peer, plant)
    async with peer.running(plant):
        await life(plant, "a")
        await until(lambda: len(peer.arrived()) == 4)
        await peer.noted(plant)
    held = peer.arrived()
    peer.forget(plant)
    async with peer.running(plant):
        await until(lambda: peer.taken() >= 8)
    assert sorted(peer.arrived()) == sorted(held)


async def test_one_refused_record_blocks_no_other_and_stands_on_a_list(plant: Plant, peer: Peer) -> None:
    await begun(peer, plant)
    await plant.raised(POISON)
    steps = await life(plant, "a")
    async with peer.running(plant):
        await until(lambda: of(peer.arrived(), "a") == steps)
        await until(lambda: len(peer.dead(plant)) == 1)
        more = await life(plant, "b")
        await until(lambda: of(peer.arrived(), "b") == more)
    (reason,) = peer.dead(plant)
    assert "422" in reason or reason.startswith("400: ")  # 3 Core says so of a single line


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_sender_that_is_refused_keeps_everything(plant: Plant, peer: Peer, status: int) -> None:
    await begun(peer, plant)
    async with peer.running(plant):
        peer.answer(status, 1_000_000)
        steps = await life(plant, "a")
        before = peer.asked()
        await until(lambda: peer.asked() >= before + 2)
        assert peer.dead(plant) == [], "a changed password must cost no record"
        peer.answer(status, 0)
        await until(lambda: of(peer.arrived(), "a") == steps)


@pytest.mark.parametrize("status", [429, 503])
async def test_the_peer_s_wish_when_to_come_again_is_obeyed(plant: Plant, peer: Peer, status: int) -> None:
    await begun(peer, plant)
    async with peer.running(plant):
        peer.answer(status, 1, **{"Retry-After": "1"})
        before = peer.asked()
        steps = await life(plant, "a")
        await until(lambda: of(peer.arrived(), "a") == steps)
    refused_s, again_s = peer.asked_s()[before : before + 2]
    assert again_s - refused_s >= 0.9
