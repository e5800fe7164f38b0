"""Verdicts into a PLC's tags, over a real OPC UA server: fresh, late, lost, refused; and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from appliance import inspection_tag_session, inspection_tag_writer
from appliance.clock import ReplayClock
from appliance.counters import Counter
from appliance.errors import Retryable
from appliance.inspection_tag_session import PlcAddress, TagSession, VerdictNodes
from appliance.inspection_tag_writer import TagWriter
from appliance.inspection_tags import LOST_OF, MOST_WAITING, WITHDRAWN, TagOutbox, TagWrite
from appliance.inspection_verdict import Part, PartResult, PartVerdict, WhyNone, none
from appliance.sources.source import LinkState
from tests.appliance.capture_rig import CaptureRig, capture_rig
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.fakes.verdict_plc import (
    NODES,
    NUMBER,
    OTHER,
    SCORE,
    VERDICT,
    VerdictPlc,
    patient,
    proxied,
    verdict_plc,
)

CAMERA, PATIENCE_S = "press-3", 60.0
BUDGET_S = 20.0  # of a clock that a test sets


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    patient(monkeypatch)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


class WriterRig:
    """A writer under something like the supervisor, and parts that a test decides."""

    def __init__(self, house: CaptureRig, url: str, nodes: VerdictNodes, clock: ReplayClock) -> None:
        self.house, self.clock = house, clock
        self.writer = TagWriter(
            CAMERA, PlcAddress("plc", url), nodes, BUDGET_S,
            clock=house.clock, counters=house.counters, watch=house.watch,
        )  # fmt: skip
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(Retryable):
                await self.writer.run()
            await asyncio.sleep(0.1)

    def arrive(self, number: int, age_s: float = 0.0) -> Part:
        taken_ns = self.house.clock.monotonic_ns() - round(age_s * 1e9)
        part = Part(CAMERA, number, taken_ns, f"{number}.png", taken_ns)
        self.writer.part_arrived(part)
        return part

    def decide(self, part: Part, result: PartResult, score: float | None = None) -> None:
        now_ns = self.house.clock.monotonic_ns()
        self.writer.part_decided(PartVerdict(part, result, now_ns, score=score))

    @property
    def alarm(self) -> str:
        return self.house.condition(f"appliance.verdict-not-written.{CAMERA}")

    @property
    def state(self) -> LinkState:
        return self.writer.report().state

    @property
    def lost(self) -> float:
        return self.house.counters.value(Counter.VERDICTS_NOT_WRITTEN, CAMERA)

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


@contextlib.asynccontextmanager
async def writing(folder: Path, url: str, nodes: VerdictNodes = NODES) -> AsyncIterator[WriterRig]:
    clock = ReplayClock(START_NS)
    clock.set(1_000 * SECOND_NS)
    async with capture_rig(folder, clock=clock) as house:
        rig = WriterRig(house, url, nodes, clock)
        try:
            yield rig
        finally:
            await rig.end()


async def connected(rig: WriterRig) -> None:
    await until(lambda: rig.state is LinkState.CONNECTED)


async def test_a_verdict_stands_with_its_number_and_goes_with_the_service(tmp_path: Path) -> None:
    async with verdict_plc() as plc, writing(tmp_path, plc.url) as rig:
        await connected(rig)
        assert plc.writes == [{VERDICT: 0}]  # what stood there at the start was nobody's
        part = rig.arrive(1)
        await asyncio.sleep(0)
        rig.decide(part, PartResult.GOOD, 0.25)
        await until(lambda: {SCORE: 0.25, NUMBER: 1, VERDICT: 1} in plc.writes)
        assert list(plc.writes[-1]) == [SCORE, NUMBER, VERDICT]  # the verdict last
        part = rig.arrive(2)
        await until(lambda: plc.writes[-1] == {VERDICT: 0})  # withdrawn while it is looked at
        assert await plc.value(NUMBER) == 1
        rig.decide(part, PartResult.DEFECT, 1.5)
        await until(lambda: plc.writes[-1] == {SCORE: 1.5, NUMBER: 2, VERDICT: 2})
        part = rig.arrive(65_536 + 3)
        rig.writer.part_decided(none(part, WhyNone.PICTURE, "too dark", part.taken_ns))
        await until(lambda: plc.writes[-1] == {NUMBER: 3, VERDICT: 0})  # as far as the tag counts
        rig.decide(rig.arrive(4), PartResult.GOOD, 0.5)
        await until(lambda: plc.writes[-1].get(VERDICT) == 1)
        assert (rig.alarm, rig.lost) == ("", 0)
        await rig.end()
        assert await plc.value(VERDICT) == 0
        assert {node for write in plc.writes for node in write} == {VERDICT, NUMBER, SCORE}
        assert await plc.value(OTHER) == 7


async def test_a_late_verdict_is_none_counted_and_an_alarm(tmp_path: Path) -> None:
    async with verdict_plc() as plc, writing(tmp_path, plc.url) as rig:
        await connected(rig)
        rig.decide(rig.arrive(1, age_s=2 * BUDGET_S), PartResult.GOOD, 0.1)
        await until(lambda: plc.writes[-1] == {NUMBER: 1, VERDICT: 0})
        await until(lambda: rig.alarm)
        assert "1 of the last 1 were late or not taken" in rig.alarm
        assert rig.lost == 1
        for number in range(2, 2 + LOST_OF):
            rig.decide(rig.arrive(number), PartResult.GOOD, 0.1)
        await until(lambda: not rig.alarm)
        assert rig.lost == 1
        assert rig.writer.report().counts == {"connections": 1, "verdicts written": LOST_OF, "not written": 1}


async def test_a_verdict_that_is_confirmed_too_late_is_withdrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection_tag_writer, "LOOK_S", 3600.0)  # no look that the wire would hold instead
    async with verdict_plc() as plc, proxied(plc) as wire, writing(tmp_path, wire.url) as rig:
        await connected(rig)
        wire.open.clear()
        rig.decide(rig.arrive(1), PartResult.GOOD, 0.1)
        await until(lambda: len(rig.writer._outbox) == 0)  # in time, and on its way
        rig.clock.advance(round((BUDGET_S + 0.1) * SECOND_NS))
        wire.open.set()
        await until(lambda: rig.lost == 1)
        await until(lambda: plc.writes[-1] == {VERDICT: 0})
        assert rig.state is LinkState.CONNECTED
        await until(lambda: rig.alarm)


async def test_a_server_that_is_gone_is_an_alarm_and_begins_with_no_verdict(tmp_path: Path) -> None:
    plc = VerdictPlc()
    async with writing(tmp_path, plc.url) as rig:
        await until(lambda: rig.alarm)
        assert "do not reach the line: plc:" in rig.alarm
        assert rig.state is LinkState.NOT_FOUND
        rig.decide(rig.arrive(1), PartResult.GOOD, 0.1)
        assert rig.lost == 1  # at once: nobody writes it later
        await plc.start()
        await connected(rig)
        assert plc.writes == [{VERDICT: 0}]
        await until(lambda: "1 of the last 1" in rig.alarm)
        await plc.stop()
        await until(lambda: rig.state is not LinkState.CONNECTED)  # found without any part
        await until(lambda: "plc:" in rig.alarm)


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (VerdictNodes("ns=2;s=Nowhere", NUMBER), "does not give ns=2;s=Nowhere"),
        (VerdictNodes("ns=2;s=Lamp", NUMBER), "ns=2;s=Lamp is Boolean at the server: an integer is needed"),
        (VerdictNodes(VERDICT, NUMBER, OTHER), "Recipe is Int32 at the server: a Float or Double is needed"),
    ],
)
async def test_tags_that_cannot_hold_it_are_named(tmp_path: Path, nodes: VerdictNodes, said: str) -> None:
    async with verdict_plc() as plc, writing(tmp_path, plc.url, nodes) as rig:
        await until(lambda: said in rig.alarm)
        assert plc.writes == []


async def test_an_end_while_the_link_is_being_closed_is_an_end() -> None:
    """The library waits for tasks of its own then, and keeps the cancellation of ours to itself."""
    async with verdict_plc() as plc:
        for turns in range(8):
            session = TagSession(PlcAddress("plc", plc.url), NODES)
            await session.open()
            closing = asyncio.create_task(session.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            closing.cancel()
            await asyncio.wait([closing], timeout=PATIENCE_S)
            assert closing.cancelled()


async def test_the_library_waits_for_an_answer_as_long_as_we_do() -> None:
    """It probes the server by itself, and would end the link of a box that stood still for a second."""
    async with verdict_plc() as plc:
        session = TagSession(PlcAddress("plc", plc.url), NODES)
        await session.open()
        assert session._client is not None
        assert session._client._watchdog_intervall == inspection_tag_session.ANSWER_TIMEOUT_S
        await session.close()


async def test_tags_that_we_may_not_write_are_named(tmp_path: Path) -> None:
    async with verdict_plc(writable=False) as plc, writing(tmp_path, plc.url) as rig:
        await until(lambda: "does not take ns=2;s=Verdict" in rig.alarm)
        assert "access rights" in rig.alarm
        assert rig.state is LinkState.REFUSED
        assert await plc.value(VERDICT) == 1


def test_the_outbox_keeps_order_and_bounds() -> None:
    outbox, lost = TagOutbox(1.0), 0
    outbox.arrived()
    outbox.arrived()
    assert len(outbox) == 1
    for number in range(1, MOST_WAITING + 3):
        part = Part(CAMERA, number, 0, "", 0)
        outbox.arrived()
        lost += outbox.decided(PartVerdict(part, PartResult.GOOD, 0, score=0.5))
    assert lost == 2
    assert outbox.take() == TagWrite(1, 3, 0.5, 1_000_000_000)
    outbox.withdraw()
    assert outbox.take() is WITHDRAWN
    assert outbox.clear() == MOST_WAITING - 1
    assert outbox.take() is None
