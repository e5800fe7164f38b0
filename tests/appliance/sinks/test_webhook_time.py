"""Webhooks and time: a clock that is set while sending, and when a failing receiver becomes an alarm."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.clock import EARLIEST_PLAUSIBLE_NS
from appliance.journal.journal import Journal
from appliance.sinks.webhook_queue import Schedule
from tests.appliance.journal import builders
from tests.appliance.journal.builders import SMALL
from tests.appliance.sinks.receiver import Plant, answers, receiver, sending
from tests.fakes.set_clock import HOUR_NS, SetClock

PATIENT = Schedule(Backoff(0.02, 0.1, 0.01), give_up_s=1e6)
YEAR_NS = 365 * 86_400 * 1_000_000_000


@pytest.fixture
async def host() -> SetClock:
    return SetClock()


@pytest.fixture
async def plant(tmp_path: Path, host: SetClock) -> AsyncIterator[Plant]:
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, builders.PATIENT)
    yield Plant(journal, host.clock)
    await journal.close()


async def test_a_clock_that_is_set_while_sending_gives_nothing_up(plant: Plant, host: SetClock) -> None:
    """The receiver refuses what is signed for another year, with a 500, and takes it once time is right."""
    async with receiver() as cmms:
        for ahead_ns in (YEAR_NS, -YEAR_NS // 12):
            async with sending(plant, cmms.target()) as sink:
                host.set_wall(ahead_ns)
                await plant.raised("a")
                await cmms.until(lambda: sink.report().failed_attempts >= 2)
            async with sending(plant, cmms.target()) as sink:  # its next attempt was noted in another year
                host.set_wall(0)
                await plant.cleared("a")
                await cmms.until(lambda: sink.report().delivered == 2)
                assert sink.report().dead_letters == 0
    assert [what for _, what in cmms.steps("a")] == ["raised", "cleared", "re-raised", "cleared"]


async def test_a_set_clock_neither_hastens_nor_holds_up_a_repeat(plant: Plant, host: SetClock) -> None:
    """Hours forward and back while the repeat waits: waits are monotonic, order and ids stay."""
    async with receiver() as cmms:
        cmms.for_alarm = {"a": answers(500)}
        async with sending(plant, cmms.target(), schedule=PATIENT) as sink:
            await plant.raised("a")
            for hours in (5, -7, 5):
                # Not what the receiver has seen: it refuses what is signed hours off before it looks at it.
                tried = sink.report().failed_attempts
                await cmms.until(lambda tried=tried: sink.report().failed_attempts > tried)  # type: ignore[misc]
                host.set_wall(hours * HOUR_NS)
            host.set_wall(0)
            cmms.for_alarm = {}
            await plant.cleared("a")
            await cmms.until(lambda: sink.report().delivered == 2)
            assert sink.report().dead_letters == 0
    ids = [one["webhook-id"] for one in cmms.seen]
    assert len(set(ids)) == 2
    assert ids == sorted(ids, key=ids.index), "another message came in between"
    assert [what for _, what in cmms.steps("a")] == ["raised", "cleared"]


async def test_a_clock_at_1970_still_signs_what_a_receiver_takes(plant: Plant, host: SetClock) -> None:
    """Time counts on from the last that was known: within the tolerance, marked as not trusted."""
    host.disciplined = True
    host.set_wall(0)
    async with receiver() as cmms, sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        await cmms.until(lambda: sink.report().delivered == 1)
        host.lose_battery()
        await plant.cleared("a")
        await cmms.until(lambda: sink.report().delivered == 2)
    assert len(cmms.seen) == 2, "the first signature was not taken"
    trusted = [one["data"]["time_trusted"] for one in cmms.accepted]  # type: ignore[index]
    assert trusted == [True, False]
    for one in cmms.accepted:
        assert str(one["timestamp"]) > "2025"
    records = await plant.journal.read(0)
    assert min(record.time_ns for record in records) >= EARLIEST_PLAUSIBLE_NS


async def test_five_minutes_without_success_are_an_alarm_and_one_success_ends_it(
    plant: Plant, host: SetClock
) -> None:
    told: list[tuple[str, bool, str]] = []

    async def tell(name: str, failing: bool, reason: str) -> None:
        told.append((name, failing, reason))

    async with receiver() as cmms:
        cmms.for_alarm = {"a": answers(500), "a2": answers(500)}
        async with sending(plant, cmms.target(), tell=tell, schedule=PATIENT) as sink:
            await plant.raised("a")
            await cmms.until(lambda: sink.report().failed_attempts >= 2)
            host.monotonic_ahead_ns += 240_000_000_000
            await plant.raised("a2")  # wakes the sender: not yet
            await cmms.until(lambda: sink.report().failed_attempts >= 4)
            assert not any(failing for _, failing, _ in told)
            cmms.for_alarm["b"] = answers(500)
            host.monotonic_ahead_ns += 70_000_000_000
            await plant.raised("b")
            await cmms.until(lambda: any(failing for _, failing, _ in told))
            assert "status 500" in next(reason for _, failing, reason in told if failing)
            cmms.for_alarm = {}
            host.monotonic_ahead_ns += 3_000_000_000
            await plant.raised("c")
            await cmms.until(lambda: told[-1] == ("cmms", False, ""))
