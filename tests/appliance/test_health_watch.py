"""Alarms on the health report: one per condition, held, and not for nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from appliance.alarm_records import StoredTransition
from appliance.alarms.clock_rule import ClockRule
from appliance.clock import ClockState, ReplayClock
from appliance.health_watch import DISK_CALM_LOOKS, HealthWatch
from appliance.system_watch import SystemWatch
from appliance.telemetry.health import HealthReport, LatencyTrend, Stage
from tests.appliance.house import House, house
from tests.appliance.journal.builders import START_NS
from tests.appliance.telemetry_reports import full_report

S = 1_000_000_000


class Figures:
    """A report that a test changes."""

    def __init__(self) -> None:
        self.report: HealthReport = dataclasses.replace(full_report(), trends=())

    def disk(self, used_percent: float) -> None:
        disk = dataclasses.replace(self.report.disk, used_percent=used_percent)
        self.report = dataclasses.replace(self.report, disk=disk)

    def latency(self, factor: float | None, doubled: bool, now_s: float = 1.0) -> None:
        trend = LatencyTrend(
            Stage.ANALYSIS, "motor-1", now_s, 0.4, factor, doubled, f"{now_s:g} s, week {factor}"
        )
        self.report = dataclasses.replace(self.report, trends=(trend,))


def watch_of(one: House, figures: Figures) -> HealthWatch:
    return HealthWatch(
        one.watch,
        lambda: figures.report,
        one.clock,
        silences=[],
        heard_ns={},
        disk_limit_percent=90.0,
    )


def stands(one: House, alarm: str) -> bool:
    stored = one.desk.get(f"appliance.{alarm}")
    return stored is not None and stored.transition.alarm.state.active


@contextmanager
def no_transition(one: House) -> Iterator[None]:
    seen: list[StoredTransition] = []
    before = {stored.sequence for stored in one.desk.standing()}
    yield
    seen = [stored for stored in one.desk.standing() if stored.sequence not in before]
    assert not seen


async def test_a_disk_that_fills_is_one_alarm_and_ends_only_well_below(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        figures = Figures()
        watch = watch_of(one, figures)
        for used in (91.0, 85.0, 91.0, 91.0, 85.0):  # a file that comes and goes
            figures.disk(used)
            await watch.look()
        assert not stands(one, "disk-filling")
        figures.disk(90.5)
        for _ in range(3):
            await watch.look()
        assert stands(one, "disk-filling")
        stored = one.desk.get("appliance.disk-filling")
        assert stored is not None
        assert "90 %" in stored.transition.alarm.reason
        with no_transition(one):
            for used in (92.3, 95.0, 89.0, 88.0, 90.2) * 10:
                figures.disk(used)
                await watch.look()
        figures.disk(80.0)
        for _ in range(DISK_CALM_LOOKS - 1):
            await watch.look()
        assert stands(one, "disk-filling")
        await watch.look()
        assert not stands(one, "disk-filling")


async def test_after_a_restart_what_was_said_of_the_disk_holds_until_it_is_denied(tmp_path: Path) -> None:
    figures = Figures()
    figures.disk(95.0)
    async with house(tmp_path) as one:
        watch = watch_of(one, figures)
        for _ in range(3):
            await watch.look()
        assert stands(one, "disk-filling")
    async with house(tmp_path, ReplayClock(START_NS + 60 * S)) as again:
        watch = watch_of(again, figures)
        figures.disk(89.0)
        await watch.look()
        assert stands(again, "disk-filling")
        figures.disk(50.0)
        await watch.look()
        assert not stands(again, "disk-filling")


async def test_latency_that_doubled_is_one_alarm_with_one_sentence(tmp_path: Path) -> None:
    async with house(tmp_path) as one:
        figures = Figures()
        watch = watch_of(one, figures)
        figures.latency(None, doubled=False)
        await watch.look()
        assert one.desk.get("appliance.latency-doubled") is None
        figures.latency(2.5, doubled=True)
        await watch.look()
        assert stands(one, "latency-doubled")
        with no_transition(one):
            for factor in (2.6, 3.0, 1.7, 2.2):
                figures.latency(factor, doubled=True, now_s=factor)
                await watch.look()
            figures.latency(None, doubled=True)  # the stage rests: nothing is denied
            await watch.look()
        figures.latency(1.2, doubled=False)
        await watch.look()
        assert not stands(one, "latency-doubled")


class SetClock(ReplayClock):
    """A clock whose state a test sets."""

    said = ClockState(True, "system clock, disciplined", "well")

    def state(self) -> ClockState:
        return self.said


async def test_a_clock_that_no_time_server_keeps_is_an_alarm_after_its_grace(tmp_path: Path) -> None:
    clock = SetClock(START_NS)
    async with house(tmp_path, clock) as one:
        watch = SystemWatch(one.desk, one.journal, clock, ClockRule(900.0))
        await watch._look()
        clock.said = ClockState(False, "system clock, undisciplined", "Check the time service.")
        for minute in range(16):
            clock.set(minute * 60 * S)
            await watch._look()
            assert stands(one, "clock-not-trusted") is (minute >= 15)
        stored = one.desk.get("appliance.clock-not-trusted")
        assert stored is not None
        assert "15 minutes" in stored.transition.alarm.reason
        assert "Check the time service." in stored.transition.alarm.reason
        clock.said = ClockState(True, "system clock, disciplined", "well")
        await watch._look()
        assert stands(one, "clock-not-trusted"), "a minute of trust is wanted"
        clock.advance(61 * S)
        await watch._look()
        assert not stands(one, "clock-not-trusted")
