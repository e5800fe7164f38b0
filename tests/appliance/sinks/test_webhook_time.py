"""Webhooks and time: a clock that is set while sending, and when a failing receiver becomes an alarm."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.sinks.webhook_queue import Schedule
from tests.appliance.journal.builders import QUICK, SMALL
from tests.appliance.sinks.receiver import Plant, answers, receiver, sending

PATIENT = Schedule(Backoff(0.02, 0.1, 0.01), give_up_s=1e6)
YEAR_NS = 365 * 86_400 * 1_000_000_000


class SetClock:
    """The host's clocks, moved by a test."""

    def __init__(self) -> None:
        self.monotonic_ahead_ns = 0
        self.wall_ahead_ns = 0
        self.clock = SystemClock(
            lambda: time.monotonic_ns() + self.monotonic_ahead_ns,
            lambda: time.time_ns() + self.wall_ahead_ns,
        )

    def set_wall(self, ahead_ns: int) -> None:
        """Set the wall clock; the appliance's clock looks at it once a second."""
        self.wall_ahead_ns = ahead_ns
        self.monotonic_ahead_ns += 2_000_000_000


@pytest.fixture
async def host() -> SetClock:
    return SetClock()


@pytest.fixture
async def plant(tmp_path: Path, host: SetClock) -> AsyncIterator[Plant]:
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, QUICK)
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
            host.monotonic_ahead_ns += 290_000_000_000
            await plant.raised("a2")  # wakes the sender: not yet
            await cmms.until(lambda: sink.report().failed_attempts >= 4)
            assert not any(failing for _, failing, _ in told)
            cmms.for_alarm["b"] = answers(500)
            host.monotonic_ahead_ns += 20_000_000_000
            await plant.raised("b")
            await cmms.until(lambda: any(failing for _, failing, _ in told))
            assert "status 500" in next(reason for _, failing, reason in told if failing)
            cmms.for_alarm = {}
            host.monotonic_ahead_ns += 3_000_000_000
            await plant.raised("c")
            await cmms.until(lambda: told[-1] == ("cmms", False, ""))
