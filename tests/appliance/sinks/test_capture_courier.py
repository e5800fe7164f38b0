"""Captures on their way to an object store: at least once, in order, within the day's bytes, and told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.capture_segment import decode_segment
from appliance.captured_object import CapturedObjects
from appliance.clock import ReplayClock
from appliance.journal.record import RecordClass, RecordKind
from appliance.journal.retention import ClassBudget
from appliance.sinks import capture_courier, capture_cursor
from appliance.sinks.capture_courier import CaptureCourier, CapturedObject, ObjectRefused
from appliance.sinks.capture_cursor import FILE_NAME, MOST_REFUSED, CaptureCursor, RefusedObject
from appliance.sinks.courier_report import CourierState
from appliance.sinks.object_store import ObjectStore, StorePlace
from appliance.sinks.sink import SinkStopped, SinkUnavailable
from tests.appliance.capture_rig import CaptureRig, capture_rig, raised
from tests.appliance.journal.builders import SECOND_NS, SMALL, START_NS
from tests.appliance.sinks.s3_server import BUCKET, KEY, LocalS3

DAY_NS = 86_400 * SECOND_NS


class Shelf:
    """A store in memory that answers as it is told; it keeps the order in which objects came."""

    def __init__(self) -> None:
        self.taken: list[CapturedObject] = []
        self.answers: list[Exception | None] = []

    async def put(self, item: CapturedObject) -> None:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.taken.append(item)

    @property
    def names(self) -> list[str]:
        return [item.name for item in self.taken]


class Way:
    """A courier over a rig's journal, and what it said aloud."""

    def __init__(
        self, rig: CaptureRig, folder: Path, store: object, budget: int = 1 << 30, **more: object
    ) -> None:
        self.rig, self.waits, self.told = rig, [], []
        self.cursor = CaptureCursor(folder / "object_store")
        self.courier = CaptureCourier(
            rig.journal, store, self.cursor,  # type: ignore[arg-type]
            load=CapturedObjects(rig.files, "device-1", "stethos").load,
            watch=self._watch, where="here", daily_budget_bytes=budget,
            send_provisional=bool(more.get("send_provisional")),
            wall_ns=lambda: rig.clock.wall(rig.clock.monotonic_ns()).time_ns,
            chance=lambda: 0.5, sleep=self._sleep,
        )  # fmt: skip
        self.waits: list[float]
        self.told: list[tuple[bool, str]]

    async def _watch(self, refuses: bool, reason: str, remedy: str) -> None:
        self.told.append((refuses, reason))

    async def _sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def drain(self) -> None:
        """Until there is nothing, or nothing now."""
        while await self.courier.step():
            pass


async def captures(rig: CaptureRig, n: int, first: int = 1) -> None:
    """So many captures of two parts."""
    for number in range(first, first + n):
        rig.deliver(10.0 * number, raised(10.0 * number, what="re-raised"))
        rig.deliver(10.0 * number + 2.0)
    await rig.stored()


async def files(rig: CaptureRig) -> list[str]:
    """All parts that the journal knows, in order."""
    return [part.file for one in reversed(await rig.stored()) for part in one.parts if part.file]


async def test_a_real_store_gets_every_capture_as_it_lies_here(tmp_path: Path) -> None:
    server = LocalS3(tmp_path)
    server.start()
    store = ObjectStore(StorePlace(f"{server.url}/{BUCKET}", server.url), key=lambda: KEY)
    try:
        async with capture_rig(tmp_path) as rig:
            await captures(rig, 3)
            way = Way(rig, tmp_path, store)
            await way.courier.step()
            server.kill()  # kill -9 in the middle
            await way.courier.step()
            assert way.courier.report().state is CourierState.UNREACHABLE
            server.start()
            await way.drain()
            await store.close()
            here = {name: rig.files.path(name).read_bytes() for name in await files(rig)}
            there = server.objects()
            assert {name.rsplit("/", 1)[1]: content for name, content in there.items()} == here
            assert len(there) == 6
            assert all(decode_segment(content).damaged == () for content in there.values())
            (capture, *_) = await rig.stored()
            assert f"stethos/device-1/motor-1/{capture.capture_id}/{capture.parts[0].file}" in there
            assert rig.journal.deliveries.confirmed(RecordClass.CAPTURE) == rig.journal.last_sequence
            assert way.courier.report().delivered == 6
    finally:
        server.kill()


async def test_a_kill_between_the_delivery_and_its_note_doubles_nothing(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 2)
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf)
        saved = (tmp_path / "object_store" / FILE_NAME).exists()
        assert not saved
        await way.courier.step()
        (tmp_path / "object_store" / FILE_NAME).unlink()  # as if it had not come to it
        again = Way(rig, tmp_path, shelf)
        await again.drain()
        assert len(shelf.names) == 5
        assert len(set(shelf.names)) == 4  # the first came twice, under one name
        assert [item.content for item in shelf.taken[:2]] == [shelf.taken[0].content] * 2


async def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 2)
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf)
        await way.courier.step()
        await Way(rig, tmp_path, shelf).drain()
        assert [name.rsplit("/", 1)[1] for name in shelf.names] == await files(rig)
        mode = (tmp_path / "object_store" / FILE_NAME).stat().st_mode & 0o777
        assert mode == 0o600


async def test_the_day_s_bytes_are_kept_also_over_a_restart(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    async with capture_rig(tmp_path, clock=clock) as rig:
        await captures(rig, 4)
        size = rig.files.path((await files(rig))[0]).stat().st_size
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf, budget=2 * size + 100)
        await way.drain()
        sent = len(shelf.names)
        assert 1 <= sent < 8
        assert sum(len(item.content) for item in shelf.taken) <= 2 * size + 100
        report = way.courier.report()
        assert report.waits_for_tomorrow
        assert "waits for tomorrow" in report.text
        await Way(rig, tmp_path, shelf, budget=2 * size + 100).drain()
        assert len(shelf.names) == sent
        for _ in range(10):
            clock.advance(DAY_NS)
            await Way(rig, tmp_path, shelf, budget=2 * size + 100).drain()
        assert [name.rsplit("/", 1)[1] for name in shelf.names] == await files(rig)


async def test_failed_attempts_cost_bytes_too_and_a_large_part_goes_alone(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 1)
        shelf = Shelf()
        shelf.answers = [SinkUnavailable("503", 9.0)]
        way = Way(rig, tmp_path, shelf, budget=10)
        assert await way.courier.step()
        assert way.waits[0] >= 9.0  # no sooner than asked
        assert way.courier.report().spent_bytes > 10
        assert not await way.courier.step()
        assert isinstance(rig.clock, ReplayClock)
        rig.clock.advance(DAY_NS)
        assert await way.courier.step()
        assert len(shelf.names) == 1


async def test_what_an_unset_clock_has_stamped_waits_until_its_time_is_known(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    async with capture_rig(tmp_path, clock=clock) as rig:
        await captures(rig, 2)
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf)
        await way.drain()
        assert shelf.names == []
        assert way.courier.report().held == 4
        assert rig.journal.deliveries.confirmed(RecordClass.CAPTURE) == 0
        sending = Shelf()
        await Way(rig, tmp_path / "other", sending, send_provisional=True).drain()
        assert len(sending.names) == 4
        assert {item.metadata["time-trusted"] for item in sending.taken} == {"false"}
        clock.set_trusted(True)
        await captures(rig, 1, first=3)
        async with asyncio.timeout(60):
            while not all(one.time_known for one in await rig.journal.read(0, {RecordKind.CAPTURE})):
                await asyncio.sleep(0.01)
        await Way(rig, tmp_path, shelf).drain()
        assert sorted(name.rsplit("/", 1)[1] for name in shelf.names) == sorted(await files(rig))
        assert len(shelf.names) == 6


async def test_more_than_are_held_back_at_once_wait_and_are_not_asked_for_at_each_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture_courier, "MOST_HELD", 5)
    monkeypatch.setattr(capture_cursor, "MOST_HELD", 5)
    clock = ReplayClock(START_NS, trusted=False)
    async with capture_rig(tmp_path, clock=clock) as rig:
        await captures(rig, 6)
        shelf, reads = Shelf(), 0
        way = Way(rig, tmp_path, shelf, budget=1)  # one part a day
        read = rig.journal.read

        async def counted(*args):  # type: ignore[no-untyped-def]
            nonlocal reads
            reads += 1
            return await read(*args)

        monkeypatch.setattr(rig.journal, "read", counted)
        for _ in range(20):
            await way.courier.step()
        assert reads < 20 + 2 * 5, "each held part is read at each look"
        assert way.courier.report().held == 5
        (left,) = [name for name in await files(rig) if name.endswith(".0.stcap")][:1]
        rig.files.path(left).unlink()
        clock.set_trusted(True)
        await captures(rig, 1, first=7)
        async with asyncio.timeout(60):
            while not all(one.time_known for one in await read(0, {RecordKind.CAPTURE})):
                await asyncio.sleep(0.01)
        for _ in range(20):
            await way.drain()
            clock.advance(DAY_NS)
        there = [name.rsplit("/", 1)[1] for name in shelf.names]
        assert len(there) == len(set(there)) == 13, "passed over, or sent twice"
        assert way.courier.report().held == 0


async def test_one_refused_part_holds_nothing_up_and_is_sent_again_by_hand(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 2)
        shelf = Shelf()
        shelf.answers = [None, ObjectRefused("400: KeyTooLongError")]
        way = Way(rig, tmp_path, shelf)
        await way.drain()
        assert len(shelf.names) == 3
        report = way.courier.report()
        assert (report.refused, report.state) == (1, CourierState.CONNECTED)
        assert "KeyTooLongError" in report.text
        (letter,) = way.cursor.state.refused
        assert way.cursor.redrive([letter.sequence]) == 1
        assert way.cursor.redrive([letter.sequence]) == 0
        again = Way(rig, tmp_path, shelf)  # also after a restart
        await again.drain()
        assert len(shelf.names) == 4
        assert again.courier.report().refused == 0


async def test_a_store_that_refuses_everything_keeps_all_here_and_says_so(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 1)
        shelf = Shelf()
        shelf.answers = [SinkStopped("the object store answers 403", "Put a valid key"), None, None]
        way = Way(rig, tmp_path, shelf)
        await way.drain()
        assert way.told == [(True, "the object store answers 403"), (False, "")]
        assert len(shelf.names) == 2


async def test_what_has_left_or_is_damaged_is_passed_over(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 3)
        names = await files(rig)
        rig.files.path(names[0]).unlink()
        damaged = rig.files.path(names[2])
        damaged.write_bytes(damaged.read_bytes()[:-30])
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf)
        await way.drain()
        assert [name.rsplit("/", 1)[1] for name in shelf.names] == [names[1], *names[3:]]
        await rig.care.check()  # mends it, and a new record speaks of it
        await way.drain()
        assert shelf.names[-1].endswith(names[2])


async def test_what_is_sent_may_leave_when_the_budget_asks(tmp_path: Path) -> None:
    budgets = replace(SMALL, capture=ClassBudget(90_000, None, False))
    async with capture_rig(tmp_path, budgets=budgets) as rig:
        shelf = Shelf()
        way = Way(rig, tmp_path, shelf)
        rig.journal.deliveries.sinks_are({"object store": way.courier.claim})
        for number in range(1, 7):
            await captures(rig, 1, first=number)
            await way.drain()
        assert len(shelf.names) == 12
        assert len(await rig.stored()) < 6
        assert await rig.journal.gaps("motor-1.x/capture", 0, 1 << 62) == []  # nothing was lost


async def test_another_journal_is_all_news(tmp_path: Path) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 1)
        cursor = CaptureCursor(tmp_path / "object_store")
        cursor.state.after = 1 << 50
        cursor.save()
        shelf = Shelf()
        await Way(rig, tmp_path, shelf).drain()
        assert len(shelf.names) == 2


def test_the_cursor_is_bounded_and_a_damaged_one_begins_anew(tmp_path: Path) -> None:
    cursor = CaptureCursor(tmp_path)
    cursor.state.refused = [RefusedObject(n, f"k{n}", "m", n, "no") for n in range(MOST_REFUSED + 5)]
    cursor.save()
    assert (len(cursor.state.refused), cursor.state.refused_dropped) == (MOST_REFUSED, 5)
    assert CaptureCursor(tmp_path).state == cursor.state
    (tmp_path / FILE_NAME).write_bytes(b"{torn")
    assert CaptureCursor(tmp_path).state.after == 0


@pytest.mark.parametrize("answer", [SinkUnavailable("away"), SinkStopped("no", "do")])
async def test_an_outage_costs_no_memory_and_no_place(tmp_path: Path, answer: Exception) -> None:
    async with capture_rig(tmp_path) as rig:
        await captures(rig, 1)
        shelf = Shelf()
        shelf.answers = [answer] * 50
        way = Way(rig, tmp_path, shelf)
        for _ in range(50):
            await way.courier.step()
        assert way.cursor.state.after == 0
        assert max(way.waits) <= 66.0
        await way.drain()
        assert len(shelf.names) == 2
