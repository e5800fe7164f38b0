"""Gaps of process values filled from the history of a real OPC UA server behind a cable that is cut."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import pytest
from asyncua import Server, ua

from appliance import backfill
from appliance.backfill import Backfill
from appliance.clock import Clock, Discipline, SystemClock
from appliance.journal.journal import Journal
from appliance.journal.record import GapState, RecordKind, StoredGap
from appliance.sources import opcua_client, opcua_history
from appliance.sources.opcua_client import OpcUaSource
from appliance.sources.opcua_values import OpcUaTag
from appliance.sources.source import LinkState, PastSample, SourceLost
from appliance.telemetry_averager import TelemetryAverager
from dsp.samples import Channel, Gap, GapCause, Measurand, Quality
from tests.appliance.journal.builders import PATIENT, SMALL
from tests.appliance.sources.test_opcua_client import free_port

CHANNEL = "pump.flow"
NODE = "ns=2;s=Flow"
EVER = (0, 1 << 62)


def disciplined() -> Discipline:
    return Discipline(True)


@dataclass
class Cable:
    """Between a client and the server; `cut` it, and nobody is there."""

    server_port: int
    port: int = 0
    whole: bool = True
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.whole:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.server_port)
        self._writers += [writer, back]
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))

    @staticmethod
    async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def laid(self) -> AsyncIterator[Cable]:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.cut()
            server.close()

    def cut(self) -> None:
        self.whole = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


class Historian:
    """A real server with one variable, of which it keeps the history where that is wanted."""

    def __init__(self, keeps: bool = True) -> None:
        self.port = free_port()
        self.shown: list[float] = []  # every value that the plant had, in order: the witness
        self._keeps = keeps
        self._server = Server()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Historian]:
        server = self._server
        await server.init()
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("urn:test")
        self._flow = await server.nodes.objects.add_variable(ua.NodeId("Flow", 2), "Flow", 0.0)
        await server.start()
        if self._keeps:
            await server.historize_node_data_change(self._flow, period=None)
        try:
            yield self
        finally:
            await server.stop()

    async def show(self, number: int) -> None:
        """So many new values, each another one."""
        for _ in range(number):
            value = float(len(self.shown) + 1)
            await self._flow.write_value(value)
            self.shown.append(value)
            await asyncio.sleep(0.03)


class Box:
    """A journal and a source whose values go into it as the pipeline brings them."""

    def __init__(self, journal: Journal, clock: Clock, url: str) -> None:
        self.journal = journal
        channel = Channel(CHANNEL, "pump", Measurand.PROCESS_VALUE, "m3/h", 0.0, math.inf)
        tags = (OpcUaTag(NODE, channel, 1.0),)
        self.source = OpcUaSource("plc", url, tags, publish_interval_ms=20, silence_s=60.0, repeat_s=30.0)
        self.backfill = Backfill([self.source], journal, clock, period_s=0.0)
        self._averager = TelemetryAverager(0.0)
        self.task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            with contextlib.suppress(SourceLost):
                async for item in self.source.blocks():
                    if isinstance(item, Gap):
                        self.journal.record_gap(item)
                        continue
                    for record in self._averager.tag(item):
                        self.journal.submit(record)
            await asyncio.sleep(0.05)

    async def values(self) -> list[float]:
        """All that is stored of the channel, in order of time."""
        records = await self.journal.between(RecordKind.TAG, CHANNEL, *EVER)
        return [orjson.loads(record.payload)["value"] for record in records]

    async def gaps(self) -> list[StoredGap]:
        return await self.journal.gaps(CHANNEL, *EVER)

    async def has(self, value: float) -> None:
        await eventually(self.values, lambda found: value in found)


async def eventually(ask, holds) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(60.0):
        while not holds(await ask()):
            await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def box(folder: Path, cable: Cable) -> AsyncIterator[Box]:
    clock = SystemClock(discipline=disciplined)
    journal = await Journal.open(folder, SMALL, clock, PATIENT)
    one = Box(journal, clock, f"opc.tcp://127.0.0.1:{cable.port}/")
    try:
        yield one
    finally:
        one.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await one.task
        await journal.close()


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backfill, "SETTLED_NS", 0)
    monkeypatch.setattr(opcua_history, "PAGE", 7)  # several pages
    monkeypatch.setattr(opcua_client, "CONNECT_TIMEOUT_S", 60.0)  # a machine that stands still cuts no cable


async def outage(plant: Historian, cable: Cable, one: Box, missed: int) -> StoredGap:
    """Values before, `missed` ones while the cable is cut, values after; the gap that it left."""
    await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
    await plant.show(5)
    await one.has(plant.shown[-1])
    cable.cut()
    await eventually(_report(one), lambda report: report.state is not LinkState.CONNECTED)
    await plant.show(missed)
    cable.whole = True
    await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
    await plant.show(3)
    await one.has(plant.shown[-1])
    await eventually(one.gaps, len)
    (gap,) = await one.gaps()
    assert (gap.cause, gap.state) == (GapCause.OPCUA_DOWN, GapState.OPEN)
    return gap


def _report(one: Box):  # type: ignore[no-untyped-def]
    async def ask():  # type: ignore[no-untyped-def]
        return one.source.report()

    return ask


async def test_what_the_server_kept_through_an_outage_is_stored_once_and_the_gap_is_closed(
    tmp_path: Path,
) -> None:
    async with (
        Historian().running() as plant,
        Cable(plant.port).laid() as cable,
        box(tmp_path, cable) as one,
    ):
        gap = await outage(plant, cable, one, 30)
        assert not set(plant.shown[6:30]) & set(await one.values())
        await one.backfill.look()
        await eventually(one.gaps, lambda gaps: gaps[0].state is GapState.BACKFILLED)
        values = await one.values()
        assert [value for value in values if value > 0.0] == plant.shown, "lost, doubled or out of order"
        assert one.backfill.filled == 1
        (closed,) = await one.gaps()
        assert (closed.gap_id, closed.start_ns, closed.end_ns) == (gap.gap_id, gap.start_ns, gap.end_ns)
        newest = one.journal.latest(RecordKind.TAG)
        assert [orjson.loads(record.payload)["value"] for record in newest] == [plant.shown[-1]]
        await one.backfill.look()
        assert await one.values() == values


async def test_an_attempt_that_was_cut_off_stores_nothing_twice_also_after_a_restart(tmp_path: Path) -> None:
    async with Historian().running() as plant, Cable(plant.port).laid() as cable:
        async with box(tmp_path, cable) as one:
            await outage(plant, cable, one, 20)
            one.journal.resolve_gap = lambda *_: None  # type: ignore[method-assign]  # killed just before
            await one.backfill.look()
            found = await one.values()
            assert set(plant.shown) <= set(found)
            assert (await one.gaps())[0].state is GapState.OPEN
        async with box(tmp_path, cable) as one:
            await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
            await one.backfill.look()
            await eventually(one.gaps, lambda gaps: gaps[0].state is GapState.BACKFILLED)
            later = [value for value in await one.values() if value in plant.shown[:-1]]
            assert later == plant.shown[:-1]


async def test_what_a_server_kept_while_the_box_was_off_is_fetched_too(tmp_path: Path) -> None:
    async with Historian().running() as plant, Cable(plant.port).laid() as cable:
        async with box(tmp_path, cable) as one:
            await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
            await plant.show(5)
            await one.has(plant.shown[-1])
        await plant.show(10)
        async with box(tmp_path, cable) as one:
            await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
            await plant.show(3)
            await one.has(plant.shown[-1])
            await eventually(one.gaps, len)
            assert [(gap.cause, gap.state) for gap in await one.gaps()] == [
                (GapCause.POWER_OFF, GapState.LOST)
            ]
            await one.backfill.look()
            await eventually(one.gaps, lambda gaps: gaps[0].state is GapState.BACKFILLED)
            found = await one.values()
            assert set(plant.shown[10:]) <= set(found), "but for the first tenth of a second"
            assert all(found.count(value) <= 1 for value in plant.shown[4:14])


async def test_a_server_without_history_leaves_the_gap_with_its_cause(tmp_path: Path) -> None:
    async with (
        Historian(keeps=False).running() as plant,
        Cable(plant.port).laid() as cable,
        box(tmp_path, cable) as one,
    ):
        gap = await outage(plant, cable, one, 10)
        before = await one.values()
        await one.backfill.look()
        await one.backfill.look()
        assert await one.gaps() == [gap]
        assert await one.values() == before
        cable.cut()
        await eventually(_report(one), lambda report: report.state is not LinkState.CONNECTED)
        with pytest.raises(SourceLost):
            await one.source.history(CHANNEL, 0, 1 << 40)


class Keeper:
    """A peer that kept what a test says, at times (s) after the gap's begin."""

    source_id = "plc"

    def __init__(self, one: Box, at_s: list[float]) -> None:
        self.channels = one.source.channels
        self.report = one.source.report
        self._at_s = at_s

    async def history(self, channel_id: str, start_ns: int, end_ns: int) -> list[PastSample]:
        at_ns = [round(at_s * 1e9) for at_s in self._at_s]
        return [PastSample(one + 10**18, start_ns + one, 1.0, Quality.GOOD) for one in at_ns]


async def test_what_nobody_vouches_for_within_a_gap_is_told_as_lost(tmp_path: Path) -> None:
    async with (
        Historian().running() as plant,
        Cable(plant.port).laid() as cable,
        box(tmp_path, cable) as one,
    ):
        await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
        clock = SystemClock(discipline=disciplined)
        now_ns = clock.monotonic_ns()
        one.journal.record_gap(Gap(CHANNEL, now_ns - 400 * 10**9, now_ns - 100 * 10**9, GapCause.OPCUA_DOWN))
        await eventually(one.gaps, len)
        at_s = [100.0 + second for second in range(0, 195, 5)]  # the server itself came back late
        averaging = Backfill([Keeper(one, at_s)], one.journal, clock, period_s=20.0)
        await averaging.look()
        await eventually(one.gaps, lambda gaps: len(gaps) == 2)
        hole, whole = sorted(await one.gaps(), key=lambda gap: gap.end_ns)
        assert (whole.state, hole.state) == (GapState.BACKFILLED, GapState.LOST)
        assert abs(hole.start_ns - whole.start_ns) < 1_000_000
        assert (hole.end_ns - hole.start_ns) / 1e9 == pytest.approx(100.0, abs=0.01)
        assert 9 <= (await one.values()).count(1.0) <= 11  # averages over 20 s


async def test_history_stops_where_the_disk_lives_of_the_alarms_reserve_and_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill, "MOST_RECORDS", 10)
    async with (
        Historian().running() as plant,
        Cable(plant.port).laid() as cable,
        box(tmp_path, cable) as one,
    ):
        await eventually(_report(one), lambda report: report.state is LinkState.CONNECTED)
        clock = SystemClock(discipline=disciplined)
        now_ns = clock.monotonic_ns()
        one.journal.record_gap(Gap(CHANNEL, now_ns - 100 * 10**9, now_ns - 50 * 10**9, GapCause.OPCUA_DOWN))
        await eventually(one.gaps, len)

        async def there() -> int:
            return (await one.values()).count(1.0)

        filling = Backfill([Keeper(one, [1.0 + at for at in range(45)])], one.journal, clock, period_s=0.0)
        before, committed, room = await there(), 0, 20
        made_in: list[threading.Thread] = []
        commit, make = one.journal.commit, backfill._fresh_records

        async def counted(records):  # type: ignore[no-untyped-def]
            nonlocal committed
            committed += len(records)
            return await commit(records)

        def seen(*args):  # type: ignore[no-untyped-def]
            made_in.append(threading.current_thread())
            return make(*args)

        monkeypatch.setattr(one.journal, "commit", counted)
        monkeypatch.setattr(backfill, "_fresh_records", seen)
        monkeypatch.setattr(Journal, "space_low", property(lambda _: committed >= room))
        await filling.look()
        assert await there() - before == 20, "the reserve is for alarms"
        assert [gap.state for gap in await one.gaps()] == [GapState.OPEN]
        room = 1_000
        await filling.look()
        await eventually(one.gaps, lambda gaps: gaps[0].state is GapState.BACKFILLED)
        assert await there() - before == 45
        assert threading.main_thread() not in made_in, "a day of values takes seconds in the event loop"
