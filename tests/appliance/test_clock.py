"""Monotonic to wall time: trusted, provisional, stepped, and never 1970."""

from __future__ import annotations

import re
import time

from appliance.clock import (
    EARLIEST_PLAUSIBLE_NS,
    LATEST_PLAUSIBLE_NS,
    Discipline,
    ReplayClock,
    SystemClock,
    kernel_boot_id,
    kernel_discipline,
)

SECOND_NS = 1_000_000_000
NOON_NS = 1_800_000_000 * SECOND_NS


class Host:
    """The host's clocks, set by the test."""

    def __init__(self, wall_ns: int = NOON_NS, synchronised: bool | None = True) -> None:
        self.monotonic_ns = 50 * SECOND_NS
        self.wall_ns = wall_ns
        self.discipline = Discipline(synchronised, 0.002)

    def clock(self) -> SystemClock:
        return SystemClock(lambda: self.monotonic_ns, lambda: self.wall_ns, lambda: self.discipline)

    def pass_time(self, step_ns: int) -> None:
        self.monotonic_ns += step_ns
        self.wall_ns += step_ns


def test_disciplined_clock_is_trusted_for_present_and_past() -> None:
    host = Host()
    clock = host.clock()
    now = clock.wall(host.monotonic_ns)
    before = clock.wall(host.monotonic_ns - 7 * SECOND_NS)
    assert (now.time_ns, now.trusted) == (NOON_NS, True)
    assert before.time_ns == NOON_NS - 7 * SECOND_NS
    assert "time server" in clock.state().text and clock.state().trusted


def test_undisciplined_clock_is_provisional_and_says_what_to_do() -> None:
    host = Host(synchronised=False)
    clock = host.clock()
    assert clock.wall(host.monotonic_ns).trusted is False
    assert clock.wall(host.monotonic_ns).time_ns == NOON_NS
    assert "Check the time service" in clock.state().text


def test_a_kernel_that_does_not_say_is_not_trusted() -> None:
    host = Host(synchronised=None)
    assert host.clock().wall(host.monotonic_ns).trusted is False
    assert "does not say" in host.clock().state().text


def test_a_clock_at_1970_counts_on_from_the_last_known_time() -> None:
    host = Host(wall_ns=3 * SECOND_NS)
    clock = host.clock()
    clock.not_before(NOON_NS)
    host.pass_time(5 * SECOND_NS)
    wall = clock.wall(host.monotonic_ns)
    assert (wall.time_ns, wall.trusted) == (NOON_NS + 5 * SECOND_NS, False)
    assert "not set" in clock.state().text


def test_a_clock_at_1970_with_an_empty_journal_is_still_not_1970() -> None:
    host = Host(wall_ns=0)
    assert host.clock().wall(host.monotonic_ns).time_ns >= EARLIEST_PLAUSIBLE_NS


def test_a_clock_in_the_far_future_is_implausible() -> None:
    host = Host(wall_ns=LATEST_PLAUSIBLE_NS + 1)
    assert host.clock().wall(host.monotonic_ns).trusted is False


def test_an_implausible_last_time_is_ignored() -> None:
    host = Host(wall_ns=0)
    clock = host.clock()
    clock.not_before(5)
    clock.not_before(LATEST_PLAUSIBLE_NS + SECOND_NS)
    wall_ns = clock.wall(host.monotonic_ns).time_ns
    assert EARLIEST_PLAUSIBLE_NS <= wall_ns < EARLIEST_PLAUSIBLE_NS + SECOND_NS


def test_a_dead_battery_clock_behind_the_journal_counts_on_from_the_journal() -> None:
    """A plausible year, but a month before what is already written: the battery was dead."""
    host = Host(wall_ns=NOON_NS - 30 * 86_400 * SECOND_NS, synchronised=False)
    clock = host.clock()
    clock.not_before(NOON_NS)
    assert clock.wall(host.monotonic_ns).time_ns >= NOON_NS
    assert clock.wall(host.monotonic_ns).trusted is False


def test_a_disciplined_clock_behind_the_journal_is_believed() -> None:
    """The time server knows better than what an undisciplined clock once wrote."""
    host = Host(wall_ns=NOON_NS - 30 * 86_400 * SECOND_NS, synchronised=True)
    clock = host.clock()
    clock.not_before(NOON_NS)
    wall = clock.wall(host.monotonic_ns)
    assert (wall.time_ns, wall.trusted) == (host.wall_ns, True)


def test_a_step_is_noticed_and_followed() -> None:
    host = Host()
    clock = host.clock()
    clock.wall(host.monotonic_ns)
    host.pass_time(2 * SECOND_NS)
    host.wall_ns += 3_600 * SECOND_NS
    assert clock.wall(host.monotonic_ns).time_ns == host.wall_ns
    state = clock.state()
    assert state.steps == 1
    assert state.last_step_s == 3_600.0


def test_slewing_is_no_step() -> None:
    host = Host()
    clock = host.clock()
    for _ in range(20):
        clock.wall(host.monotonic_ns)
        host.pass_time(2 * SECOND_NS)
        host.wall_ns += 1_000_000  # 500 ppm, the fastest the kernel slews
    assert clock.state().steps == 0


def test_the_kernel_is_asked_at_most_once_a_second() -> None:
    calls = 0

    def discipline() -> Discipline:
        nonlocal calls
        calls += 1
        return Discipline(True)

    host = Host()
    clock = SystemClock(lambda: host.monotonic_ns, lambda: host.wall_ns, discipline)
    for _ in range(1_000):
        clock.wall(host.monotonic_ns)
        host.pass_time(SECOND_NS // 100)
    assert calls == 10


def test_the_real_clock_of_this_host() -> None:
    clock = SystemClock()
    before_ns = time.time_ns()
    wall = clock.wall(clock.monotonic_ns())
    in_time = before_ns - SECOND_NS < wall.time_ns < time.time_ns() + SECOND_NS
    assert in_time or not wall.trusted
    assert kernel_discipline().synchronised in {True, False, None}
    assert wall.trusted is (clock.state().trusted)


def test_replay_clock_stands_where_it_is_put() -> None:
    clock = ReplayClock(NOON_NS)
    clock.set(5 * SECOND_NS)
    clock.advance(SECOND_NS)
    assert clock.monotonic_ns() == 6 * SECOND_NS
    assert clock.wall(0).time_ns == NOON_NS
    assert clock.wall(0).trusted
    clock.set_trusted(False)
    assert not clock.wall(0).trusted


def test_boot_id_is_the_kernels() -> None:
    assert re.fullmatch(r"[0-9a-f-]{32,36}", kernel_boot_id())
    assert kernel_boot_id() == kernel_boot_id()


def test_a_clock_that_falls_to_1970_while_running_counts_on_from_its_last_good_time() -> None:
    """Not from the newest record at the start, which may be weeks old."""
    host = Host()
    clock = host.clock()
    clock.not_before(NOON_NS - 30 * 86_400 * SECOND_NS)
    assert clock.wall(host.monotonic_ns).trusted
    host.pass_time(60 * SECOND_NS)
    host.wall_ns, host.discipline = 0, Discipline(False)
    now = clock.wall(host.monotonic_ns)
    assert (now.time_ns, now.trusted) == (NOON_NS + 60 * SECOND_NS, False)


def test_a_trusted_clock_that_is_set_and_put_right_was_never_believed() -> None:
    host = Host()
    clock = host.clock()
    assert clock.wall(host.monotonic_ns).trusted
    for ahead_s in (3_600, -3_600, -1):
        host.wall_ns += ahead_s * SECOND_NS
        host.pass_time(20 * SECOND_NS)
        assert not clock.wall(host.monotonic_ns).trusted
        assert clock.state().source == "system clock, just set"
        host.wall_ns -= ahead_s * SECOND_NS
        host.pass_time(2 * SECOND_NS)
        assert clock.wall(host.monotonic_ns).trusted


def test_a_clock_that_was_set_is_believed_once_it_stands() -> None:
    host = Host()
    clock = host.clock()
    clock.wall(host.monotonic_ns)
    host.wall_ns -= 3_600 * SECOND_NS
    trusted = []
    for _ in range(70):
        host.pass_time(SECOND_NS)
        trusted.append(clock.wall(host.monotonic_ns).trusted)
    assert trusted == sorted(trusted) and 59 <= trusted.count(False) <= 61
    host.wall_ns -= 3_600 * SECOND_NS  # and is doubted again at the next step
    host.pass_time(SECOND_NS)
    assert not clock.wall(host.monotonic_ns).trusted


def test_a_clock_that_the_time_server_sets_first_is_believed_at_once() -> None:
    host = Host(synchronised=False)
    clock = host.clock()
    clock.wall(host.monotonic_ns)
    host.pass_time(SECOND_NS)
    host.wall_ns += 86_400 * SECOND_NS
    host.discipline = Discipline(True)
    assert clock.wall(host.monotonic_ns).trusted


def test_a_restart_in_the_same_boot_knows_where_the_clock_stood() -> None:
    host = Host()
    before = host.clock().wall(host.monotonic_ns)
    host.pass_time(9 * SECOND_NS)
    right, wrong = host.clock(), host.clock()
    for clock in (right, wrong):
        clock.was(host.monotonic_ns - 9 * SECOND_NS, before.time_ns)
    assert right.wall(host.monotonic_ns).trusted
    host.wall_ns += 3_600 * SECOND_NS
    assert not wrong.wall(host.monotonic_ns).trusted
