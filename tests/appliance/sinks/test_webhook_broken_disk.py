"""A broken disk silences no alarm: webhooks go at once, marked, and the commit that follows sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.lifecycle import Alarm, Condition, Severity, clear, raise_alarm
from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.sinks.webhook import WebhookSink
from appliance.sinks.webhook_early import MOST, EarlyMessages
from appliance.sinks.webhook_store import FILE_NAME, read_states
from tests.appliance import house
from tests.appliance.journal.builders import PATIENT, QUICK, SMALL
from tests.appliance.sinks.receiver import Plant, Receiver, answers, receiver, sending


class Hall:
    """A desk over a real journal: what it publishes is held where the disk does not take it."""

    def __init__(self, journal: Journal, clock: SystemClock) -> None:
        self.journal, self.clock = journal, clock
        self.desk = AlarmDesk(journal, clock)
        self.plant = Plant(journal, clock)
        self.following = asyncio.create_task(self.desk.follow())

    async def raised(self, alarm_id: str = "a", before: Alarm | None = None) -> Alarm:
        condition = Condition(alarm_id, "pump-1", None, "machine condition", Severity.WARN, "outer race")
        (stored,) = await self.desk.publish([raise_alarm(before, condition, self.clock.monotonic_ns())])
        return stored.transition.alarm

    async def cleared(self, alarm: Alarm) -> Alarm:
        (stored,) = await self.desk.publish([clear(alarm, self.clock.monotonic_ns())])
        return stored.transition.alarm

    async def durable_again(self) -> None:
        async with asyncio.timeout(60):
            while not self.journal.durable:
                await asyncio.sleep(0.01)


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    clock = SystemClock()
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, PATIENT)
    one = Hall(journal, clock)
    yield one
    one.following.cancel()
    await asyncio.gather(one.following, return_exceptions=True)
    await journal.close()


@pytest.fixture
async def cmms() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


@contextlib.asynccontextmanager
async def telling(hall: Hall, cmms: Receiver) -> AsyncIterator[WebhookSink]:
    async with sending(hall.plant, cmms.target()) as sink:
        hall.desk.listen(sink.alarm_held)
        await hall.raised("first")  # the way is open
        await cmms.until(lambda: sink.report().delivered == 1)
        await cmms.until(lambda: noted(hall))
        yield sink


def noted(hall: Hall) -> bool:
    """Whether the webhooks' file has taken in all that the journal has, and nothing waits in it."""
    (state,) = read_states(hall.journal.folder)
    return state.cursor == hall.journal.last_sequence and not state.waiting


def told(cmms: Receiver) -> list[str]:
    return [str(one["data"]["alarm_id"]) for one in cmms.accepted]  # type: ignore[index]


@contextlib.contextmanager
def hanging_disk(journal: Journal) -> Iterator[None]:
    """A disk that hangs, and is soon given up; one that is merely slow, before and after, is waited for."""
    journal._timing = QUICK
    try:
        with house.hanging_disk(journal):
            yield
    finally:
        journal._timing = PATIENT


@contextlib.contextmanager
def whole_disk_hangs(journal: Journal) -> Iterator[None]:
    """The journal and the webhooks' own file: neither can be written."""
    own = sqlite3.connect(journal.folder / FILE_NAME, timeout=60.0, isolation_level=None)
    own.execute("BEGIN IMMEDIATE")
    try:
        with hanging_disk(journal):
            yield
    finally:
        own.execute("ROLLBACK")
        own.close()


async def test_what_the_disk_refuses_is_sent_at_once_and_not_again_with_its_commit(
    hall: Hall, cmms: Receiver
) -> None:
    async with telling(hall, cmms) as sink:
        with whole_disk_hangs(hall.journal):
            alarm = await hall.raised()
            assert not alarm.durable
            await cmms.until(lambda: "a" in told(cmms))
            alarm = await hall.cleared(alarm)
            await cmms.until(lambda: told(cmms).count("a") == 2)
            (state,) = read_states(hall.journal.folder)
            assert state.waiting == ()
        await hall.durable_again()
        alarm = await hall.raised(before=alarm)
        assert alarm.durable
        await cmms.until(lambda: told(cmms).count("a") == 3)
        await cmms.until(lambda: sink.report().waiting == 0)
        await cmms.until(lambda: noted(hall))
    steps = [one["data"] for one in cmms.accepted if one["data"]["alarm_id"] == "a"]  # type: ignore[index]
    assert [(one["what"], one["durable"]) for one in steps] == [  # type: ignore[index]
        ("raised", False), ("cleared", False), ("re-raised", True)
    ]  # fmt: skip
    sequences = [one["sequence"] for one in steps]  # type: ignore[index]
    assert sequences == sorted(set(sequences))
    assert len(set(cmms.ids)) == len(cmms.ids), "a commit told it again"
    records = await hall.journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert len(records) == 4
    assert all(told <= r.sequence for told, r in zip(sequences, records[1:], strict=True))


async def test_what_still_waits_when_the_disk_is_well_again_is_sent_once_and_outlives_a_restart(
    hall: Hall, cmms: Receiver
) -> None:
    async with telling(hall, cmms) as sink:
        cmms.for_alarm = {"a": answers(503)}
        with hanging_disk(hall.journal):
            alarm = await hall.raised()
            await cmms.until(lambda: sink.report().failed_attempts >= 2)
            await hall.cleared(alarm)
        await hall.durable_again()
        await cmms.until(lambda: len(read_states(hall.journal.folder)[0].waiting) == 2)
    first_id = cmms.seen[1]["webhook-id"]
    # To another door: what was on its way when the first sender ended still comes to that one.
    async with receiver() as well, sending(hall.plant, well.target()):
        await well.until(lambda: told(well).count("a") == 2)
        await well.until(lambda: read_states(hall.journal.folder)[0].waiting == ())
    assert [what for _, what in well.steps("a")] == ["raised", "cleared"]
    assert well.ids[0] == first_id, "every attempt of one transition has one id"
    assert len(set(cmms.ids + well.ids)) == 3


async def test_a_sender_that_is_started_again_keeps_what_it_holds(hall: Hall, cmms: Receiver) -> None:
    """The supervisor starts `run` anew after an error: what was in flight goes, over a new connection."""
    cmms.for_alarm = {"a": answers(500)}
    async with sending(hall.plant, cmms.target(), running=False) as sink:
        hall.desk.listen(sink.alarm_held)
        with hanging_disk(hall.journal):
            async with telling_again(sink):
                await hall.raised()
                await cmms.until(lambda: sink.report().failed_attempts > 0)
            cmms.for_alarm = {}
            async with telling_again(sink):
                await cmms.until(lambda: sink.report().delivered == 1)
    assert told(cmms) == ["a"]


@contextlib.asynccontextmanager
async def telling_again(sink: WebhookSink) -> AsyncIterator[None]:
    task = asyncio.create_task(sink.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_late_commit_does_not_turn_the_shown_state_back(hall: Hall) -> None:
    shown: list[tuple[str, bool]] = []
    hall.desk.listen(lambda stored: shown.append(state_of(hall)))
    with hanging_disk(hall.journal):
        await hall.cleared(await hall.raised())
        assert state_of(hall) == ("cleared, unacknowledged", False)
    await hall.durable_again()
    async with asyncio.timeout(60):
        while len(shown) < 4:
            await asyncio.sleep(0.01)
    assert shown[2:] == [("cleared, unacknowledged", False), ("cleared, unacknowledged", True)]


def state_of(hall: Hall) -> tuple[str, bool]:
    stored = hall.desk.get("a")
    assert stored is not None
    return str(stored.transition.alarm.state), stored.transition.alarm.durable


def test_provisional_sequences_grow_and_stay_below_those_of_their_commits() -> None:
    early = EarlyMessages()
    assert [early.next_sequence(last) for last in (10, 10, 10, 12, 40)] == [11, 12, 13, 14, 41]


def test_what_goes_ahead_is_bounded_and_what_arrived_makes_room() -> None:
    early = EarlyMessages()
    assert all(early.admit(f"m{number}") for number in range(MOST))
    assert not early.admit("one more")
    early.arrived("m5")
    assert early.admit("one more")
    assert (early.committed("m5"), early.committed("m6"), early.committed("one more")) == (None, False, False)
    assert len(early) == MOST - 2


async def test_an_alarm_that_cannot_be_told_does_not_stop_the_desk(hall: Hall, cmms: Receiver) -> None:
    async with sending(hall.plant, cmms.target()) as sink:
        hall.desk.listen(sink.alarm_held)
        with hanging_disk(hall.journal):
            odd = await hall.raised("odd")
            stored = hall.desk.get("odd")
            assert stored is not None
            sink.alarm_held(dataclasses.replace(stored, raised_time_ns=1 << 200, key="another"))
            await hall.cleared(odd)
            await cmms.until(lambda: told(cmms).count("odd") == 2)
