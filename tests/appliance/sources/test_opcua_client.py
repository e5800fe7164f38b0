"""The OPC UA client against a real asyncua server on loopback: values, refusals, silence, return."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest
from asyncua import Client, Server, ua
from asyncua.common.subscription import DataChangeEvent, Subscription

from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag, ServerClock
from appliance.sources.source import LinkState, SourceLost
from dsp.samples import Channel, Gap, GapCause, Measurand, Quality, SampleBlock, SourceItem

SPEED = Channel("m.speed", "m", Measurand.SHAFT_SPEED, "Hz", 0.0, math.inf)
LOAD = Channel("m.load", "m", Measurand.LOAD, "1", 0.0, math.inf)

PATIENCE_S = 60.0


def free_port() -> int:
    """Below those that the kernel gives to clients: none of them takes it before a server does."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Plant:
    """A real server with two variables."""

    def __init__(self, port: int) -> None:
        self.url = f"opc.tcp://127.0.0.1:{port}/"
        self.server = Server()

    async def start(self) -> None:
        await self.server.init()
        self.server.set_endpoint(self.url)
        self.server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        index = await self.server.register_namespace("urn:test")
        assert index == 2
        objects = self.server.nodes.objects
        self.speed = await objects.add_variable(ua.NodeId("Speed", 2), "Speed", 1500.0, ua.VariantType.Double)
        self.load = await objects.add_variable(ua.NodeId("Load", 2), "Load", 50.0)
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop()


@pytest.fixture
async def plant() -> AsyncIterator[Plant]:
    plant = Plant(free_port())
    await plant.start()
    yield plant
    await plant.stop()


@pytest.fixture(autouse=True)
def _patient_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test here is about a server that is slow to answer."""
    monkeypatch.setattr("appliance.sources.opcua_client.CONNECT_TIMEOUT_S", PATIENCE_S)


def source_of(url: str, speed_node: str = "ns=2;s=Speed", silence_s: float = PATIENCE_S) -> OpcUaSource:
    tags = (OpcUaTag(speed_node, SPEED, 1 / 60), OpcUaTag("ns=2;s=Load", LOAD, 0.01))
    return OpcUaSource("plc", url, tags, publish_interval_ms=50, silence_s=silence_s, repeat_s=0.5)


class Reader:
    """Collects what a source delivers until its end."""

    def __init__(self, source: OpcUaSource) -> None:
        self.source = source
        self.items: list[SourceItem] = []
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.source.blocks():
            self.items.append(item)

    def values(self, channel: Channel) -> list[float]:
        return [
            round(float(item.samples[0]), 6)
            for item in self.items
            if isinstance(item, SampleBlock) and item.channel_id == channel.channel_id
        ]

    async def until(self, condition: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                if self.task.done():
                    await self.task
                    raise AssertionError("the source ended")
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_values_arrive_in_si_with_their_quality(plant: Plant) -> None:
    reader = Reader(source_of(plant.url))
    await reader.until(lambda: bool(reader.values(SPEED)) and bool(reader.values(LOAD)))
    assert reader.values(SPEED)[0] == 25.0
    assert reader.values(LOAD)[0] == 0.5
    assert reader.source.report().state is LinkState.CONNECTED
    uncertain = ua.DataValue(
        ua.Variant(1800.0), StatusCode=ua.StatusCode(ua.StatusCodes.UncertainLastUsableValue)
    )
    await plant.speed.write_value(uncertain)
    await reader.until(lambda: 30.0 in reader.values(SPEED))
    blocks = [item for item in reader.items if isinstance(item, SampleBlock) and item.channel_id == "m.speed"]
    assert next(block.quality for block in blocks if block.samples[0] == 30.0) is Quality.UNCERTAIN
    assert all(later.start_ns > earlier.start_ns for earlier, later in itertools.pairwise(blocks))
    assert [block.sequence for block in blocks] == list(range(1, len(blocks) + 1))
    await reader.stop()


async def test_fast_changes_are_all_delivered(plant: Plant) -> None:
    """The queue on the server keeps what changes between two publishes."""
    reader = Reader(source_of(plant.url))
    await reader.until(lambda: bool(reader.values(SPEED)))
    for rpm in range(1510, 1530):
        await plant.speed.write_value(float(rpm))
    await reader.until(lambda: round(1529 / 60, 4) in [round(v, 4) for v in reader.values(SPEED)])
    got = {round(value * 60) for value in reader.values(SPEED)}
    assert set(range(1510, 1530)) <= got
    await reader.stop()


async def test_unchanged_value_is_repeated_while_the_server_vouches_for_it(plant: Plant) -> None:
    reader = Reader(source_of(plant.url))
    await reader.until(lambda: len(reader.values(SPEED)) >= 3)
    assert set(reader.values(SPEED)) == {25.0}
    counts = reader.source.report().counts
    assert counts is not None
    assert counts["repeated"] >= 2
    assert not [item for item in reader.items if isinstance(item, Gap)]
    await reader.stop()


@pytest.mark.parametrize(
    ("value", "named"),
    [(float("nan"), "nan"), (float("inf"), "inf"), (9e9, "check its unit"), (-4e6, "check its unit")],
)
async def test_absurd_value_is_refused_by_name_and_counted(plant: Plant, value: float, named: str) -> None:
    reader = Reader(source_of(plant.url))
    await reader.until(lambda: bool(reader.values(SPEED)))
    await plant.speed.write_value(value)
    await reader.until(lambda: (reader.source.report().counts or {})["refused"] == 1)
    report = reader.source.report()
    assert report.state is LinkState.CONNECTED
    assert "ns=2;s=Speed" in report.reason
    assert named in report.reason
    before = reader.values(SPEED)
    await plant.speed.write_value(1200.0)
    await reader.until(lambda: 20.0 in reader.values(SPEED))
    assert set(before) == {25.0}
    gap = next(item for item in reader.items if isinstance(item, Gap))
    assert gap.cause is GapCause.OPCUA_DOWN
    assert gap.channel_id == "m.speed"
    assert gap.end_ns > gap.start_ns
    assert reader.source.report().reason == ""
    await reader.stop()


async def test_bad_status_is_no_value(plant: Plant) -> None:
    reader = Reader(source_of(plant.url))
    await reader.until(lambda: bool(reader.values(SPEED)))
    bad = ua.DataValue(ua.Variant(1800.0), StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure))
    await plant.speed.write_value(bad)
    await reader.until(lambda: (reader.source.report().counts or {})["bad status"] == 1)
    assert "BadSensorFailure" in reader.source.report().reason
    assert 30.0 not in reader.values(SPEED)
    await reader.stop()


async def test_node_that_the_server_does_not_have_is_named(plant: Plant) -> None:
    reader = Reader(source_of(plant.url, speed_node="ns=2;s=Sped"))
    await reader.until(lambda: bool(reader.values(LOAD)))
    report = reader.source.report()
    assert report.state is LinkState.CONNECTED
    assert "ns=2;s=Sped" in report.reason
    assert "BadNodeIdUnknown" in report.reason
    await reader.stop()


async def test_nobody_at_the_address() -> None:
    with socket.socket() as place:  # its own, and it does not listen
        place.bind(("127.0.0.1", 0))
        source = source_of(f"opc.tcp://127.0.0.1:{place.getsockname()[1]}/")
        with pytest.raises(SourceLost) as caught:
            async for _ in source.blocks():
                pass
    assert caught.value.state is LinkState.NOT_FOUND
    assert "nothing answers" in source.report().reason
    assert source.report().remedy


async def test_something_else_listens_there() -> None:
    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 20)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        source = source_of(f"opc.tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        with pytest.raises(SourceLost):
            async for _ in source.blocks():
                pass
    assert source.report().state in (LinkState.NOT_FOUND, LinkState.LOST)


async def test_password_never_travels_in_plain_text(plant: Plant) -> None:
    source = OpcUaSource(
        "plc", plant.url, (OpcUaTag("ns=2;s=Load", LOAD, 0.01),), user="u", password="secret"
    )
    with pytest.raises(SourceLost) as caught:
        async for _ in source.blocks():
            pass
    assert caught.value.state is LinkState.REFUSED
    assert "plain text" in caught.value.reason


async def test_silent_server_is_noticed_and_taken_up_again(plant: Plant) -> None:
    """A black hole between: the TCP connection stands, nothing comes. The next call recovers, with a gap."""
    target = plant.url.split("//")[1].strip("/").split(":")
    hole = asyncio.Event()

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        other_reader, other_writer = await asyncio.open_connection(target[0], int(target[1]))

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                if not hole.is_set():
                    sink.write(data)

        try:
            await asyncio.gather(pump(reader, other_writer), pump(other_reader, writer))
        except ConnectionError:
            pass
        finally:
            writer.close()
            other_writer.close()

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as proxy:
        source = source_of(f"opc.tcp://127.0.0.1:{proxy.sockets[0].getsockname()[1]}/", silence_s=1.0)
        reader = Reader(source)
        await reader.until(lambda: bool(reader.values(SPEED)))
        hole.set()
        with pytest.raises(SourceLost) as caught:
            await asyncio.wait_for(reader.task, PATIENCE_S)
        assert caught.value.state is LinkState.LOST
        assert source.report().state is LinkState.LOST
        hole.clear()
        again = Reader(source)
        await again.until(lambda: bool(again.values(SPEED)))
        assert isinstance(again.items[0], Gap)
        assert again.items[0].cause is GapCause.OPCUA_DOWN
        assert source.report().state is LinkState.CONNECTED
        await again.stop()


async def test_a_box_that_stood_still_blames_no_server_for_silence(plant: Plant) -> None:
    reader = Reader(source_of(plant.url, silence_s=0.6))
    await reader.until(lambda: bool(reader.values(SPEED)))
    time.sleep(1.5)  # what the server said meanwhile waits in the socket
    before = (reader.source.report().counts or {})["repeated"]
    await reader.until(lambda: (reader.source.report().counts or {})["repeated"] >= before + 4)
    assert not [item for item in reader.items if isinstance(item, Gap)]
    await reader.stop()


async def test_server_that_stops_and_returns() -> None:
    port = free_port()
    first = Plant(port)
    await first.start()
    source = source_of(first.url)
    reader = Reader(source)
    await reader.until(lambda: bool(reader.values(SPEED)))
    await first.stop()
    with pytest.raises(SourceLost):
        await asyncio.wait_for(reader.task, PATIENCE_S)
    with pytest.raises(SourceLost) as caught:
        async for _ in source.blocks():
            pass
    assert caught.value.state is LinkState.NOT_FOUND
    second = Plant(port)
    await second.start()
    again = Reader(source)
    await again.until(lambda: bool(again.values(SPEED)))
    counts = source.report().counts
    assert counts is not None
    assert counts["connections"] == 2
    await again.stop()
    await second.stop()


async def test_killed_server_process_is_noticed_and_taken_up_again() -> None:
    """The demo's own plant, killed with SIGKILL and started again on the same port."""
    port = free_port()

    async def plant_process() -> asyncio.subprocess.Process:
        command = (sys.executable, "-m", "appliance.demo_plant", "--port", str(port), "--seed", "3")
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        assert b"ready" in await asyncio.wait_for(process.stdout.readline(), PATIENCE_S)
        return process

    tags = (
        OpcUaTag("ns=2;s=Motor1.Speed", SPEED, 1 / 60),
        OpcUaTag("ns=2;s=Motor1.Load", LOAD, 0.01),
    )
    source = OpcUaSource(
        "plc", f"opc.tcp://127.0.0.1:{port}/", tags, publish_interval_ms=100, silence_s=PATIENCE_S
    )
    process = await plant_process()
    try:
        reader = Reader(source)
        await reader.until(lambda: len(reader.values(SPEED)) >= 2)
        assert 28.0 < reader.values(SPEED)[-1] < 31.0
        assert 0.2 < reader.values(LOAD)[-1] < 1.2
        process.kill()
        await process.wait()
        with pytest.raises(SourceLost):
            await asyncio.wait_for(reader.task, PATIENCE_S)
        assert source.report().state is LinkState.LOST
        process = await plant_process()
        again = Reader(source)
        await again.until(lambda: bool(again.values(SPEED)))
        assert isinstance(again.items[0], Gap)
        await again.stop()
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


@pytest.mark.parametrize("steps", range(5))
async def test_a_source_ends_although_a_value_arrives_while_it_is_cancelled(plant: Plant, steps: int) -> None:
    """`asyncio.wait_for` of Python 3.11 forgets a cancellation that meets its result."""
    source, subscriptions, events = source_of(plant.url), [], []
    opened, taken = source._open, source._taken

    async def open_and_keep(client: Client) -> Subscription:
        subscriptions.append(await opened(client))
        return subscriptions[-1]

    def take_and_keep(tag: OpcUaTag, event: DataChangeEvent, clock: ServerClock) -> list[SourceItem]:
        events.append(event)
        return taken(tag, event, clock)

    source._open, source._taken = open_and_keep, take_and_keep  # type: ignore[method-assign]
    reader = Reader(source)
    await reader.until(lambda: bool(events))
    await asyncio.sleep(0)
    subscriptions[0]._event_queue.put_nowait(events[-1])
    for _ in range(steps):
        await asyncio.sleep(0)
    reader.task.cancel()
    done, _ = await asyncio.wait([reader.task], timeout=PATIENCE_S)
    assert done
