"""What every Publisher promises: latest values only, never blocks, may leave out what was overtaken.

Each is looked at from outside, by a client. Add a publisher: add it to PUBLISHERS.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from appliance.publishers.publisher import PublishedValue, Publisher, Value, ValueStatus
from tests.appliance.publishers.opcua_rig import RMS, START_NS, good, serving
from tests.appliance.publishers.test_opcua_doors import client_of

SEVERITY = "machines/motor-1/severity"
SECOND_NS = 1_000_000_000
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Shown:
    """What a client sees of one value."""

    value: Value
    status: str
    source_time_ns: int


@dataclass(frozen=True)
class Stage:
    """A running publisher and a client of it."""

    publisher: Publisher
    see: Callable[[str], Awaitable[Shown]]
    follow: Callable[[str], Awaitable[list[Value]]]  # a list that grows with what the client is told
    restart: Callable[[], Awaitable[None]]  # as the supervisor does after an error; the client comes again


@contextlib.asynccontextmanager
async def opcua(folder: Path) -> AsyncIterator[Stage]:
    async with serving(folder / "ua") as rig, contextlib.AsyncExitStack() as clients:
        client = [await clients.enter_async_context(client_of(rig, folder / "client"))]

        async def see(path: str) -> Shown:
            data = await client[-1].get_node(f"ns=2;s={path}").read_data_value(raise_on_bad_status=False)
            source_us = round(data.SourceTimestamp.timestamp() * 1e6)  # type: ignore[union-attr]
            value = None if data.Value is None else data.Value.Value
            return Shown(value, data.StatusCode.name, source_us * 1000)

        async def follow(path: str) -> list[Value]:
            told: list[Value] = []

            class Listener:
                def datachange_notification(self, node: object, value: Value, data: object) -> None:
                    told.append(value)

            subscription = await client[-1].create_subscription(100, Listener())
            await subscription.subscribe_data_change(client[-1].get_node(f"ns=2;s={path}"), queuesize=20)
            return told

        async def restart() -> None:
            with contextlib.suppress(Exception):
                await client[-1].disconnect()
            await rig.stop()
            await rig.start()
            client.append(await clients.enter_async_context(client_of(rig, folder / "client")))

        yield Stage(rig.server, see, follow, restart)


PUBLISHERS = {"opcua": opcua}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: keys are made once."""
    return tmp_path_factory.mktemp("publishers")


@pytest.fixture(params=PUBLISHERS, ids=str)
async def stage(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
    async with PUBLISHERS[request.param](folder) as one:
        yield one


async def seen(stage: Stage, path: str, wanted: Value) -> Shown:
    async with asyncio.timeout(PATIENCE_S):
        while (shown := await stage.see(path)).value != wanted:
            await asyncio.sleep(0.02)
    return shown


async def test_latest_values_arrive_with_status_and_source_time_and_what_has_no_node_is_left_out(
    stage: Stage,
) -> None:
    never = await stage.see(RMS)
    assert (never.value, never.status) == (None, "BadWaitingForInitialData")
    stage.publisher.publish(
        [good("machines/no-such/value", 9.0), good(RMS, 1.5), good("", 1.0), good(SEVERITY, 3)]
    )
    assert await seen(stage, RMS, 1.5) == Shown(1.5, "Good", START_NS)
    assert (await seen(stage, SEVERITY, 3)).value == 3
    for number, status in enumerate(ValueStatus, 1):
        value = None if status.bad else 2.5
        at_ns = START_NS + number * SECOND_NS
        stage.publisher.publish([PublishedValue(RMS, value, status, at_ns)])
        async with asyncio.timeout(PATIENCE_S):
            while (shown := await stage.see(RMS)).source_time_ns != at_ns:
                await asyncio.sleep(0.02)
        assert (shown.value, shown.status) == (value, status.value)
    assert (await stage.see(SEVERITY)).value == 3, "what was not published again stays as it was"


async def test_publishing_returns_before_anything_is_written_and_a_burst_shows_its_last(stage: Stage) -> None:
    told = await stage.follow(RMS)
    stage.publisher.publish([good(RMS, 0.5)])
    await seen(stage, RMS, 0.5)
    for number in range(10_000):  # the loop has no turn in between: nothing can be waited for
        stage.publisher.publish([good(RMS, 1.0 + number, START_NS + number)])
    await seen(stage, RMS, 10_000.0)
    async with asyncio.timeout(PATIENCE_S):
        while 10_000.0 not in told:
            await asyncio.sleep(0.02)
    assert len(told) < 100, "what was overtaken is left out"


async def test_started_again_it_shows_what_was_last_published_and_what_came_meanwhile(stage: Stage) -> None:
    stage.publisher.publish([good(RMS, 3.5)])
    await seen(stage, RMS, 3.5)

    async def meanwhile() -> None:
        stage.publisher.publish([good(SEVERITY, 4)])

    await asyncio.gather(stage.restart(), meanwhile())
    assert await seen(stage, RMS, 3.5) == Shown(3.5, "Good", START_NS)
    assert (await seen(stage, SEVERITY, 4)).status == "Good"
