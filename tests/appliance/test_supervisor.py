"""Supervisor and systemd notification: order, restarts, shutdown. Time is faked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.errors import Fatal, Retryable
from appliance.service_notifier import ServiceNotifier
from appliance.sources.source import LinkState, SourceLost
from appliance.supervisor import STABLE_S, Supervisor, TaskReport, TaskState


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 0.0
        self.sleeps: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now_s += seconds
        await asyncio.sleep(0)


def supervisor(time: FakeTime, changes: list[TaskReport] | None = None) -> Supervisor:
    return Supervisor(
        Backoff(base_s=1.0, cap_s=8.0, floor_s=0.0),
        on_change=None if changes is None else changes.append,
        sleep=time.sleep,
        monotonic_s=lambda: time.now_s,
        chance=lambda: 0.999999,
    )


async def test_lost_source_is_retried_with_growing_waits_and_then_works() -> None:
    time, attempts, changes = FakeTime(), 0, []
    boss = supervisor(time, changes)

    async def source() -> None:
        nonlocal attempts
        attempts += 1
        if attempts <= 4:
            raise SourceLost("sensor", LinkState.NOT_FOUND, "no such port", "plug it in")
        boss.stop()

    boss.add("sensor", source)
    await asyncio.wait_for(boss.run_all(), 60)
    assert attempts == 5
    assert [round(s) for s in time.sleeps] == [1, 2, 4, 8]
    waiting = [change for change in changes if change.state is TaskState.BACKING_OFF]
    assert "no such port" in waiting[0].reason
    assert [change.restarts for change in waiting] == [1, 2, 3, 4]
    assert boss.reports()[0].state is TaskState.FINISHED


async def test_long_run_starts_the_back_off_anew() -> None:
    time, attempts = FakeTime(), 0
    boss = supervisor(time)

    async def source() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            time.now_s += STABLE_S
        if attempts == 5:
            boss.stop()
            return
        raise Retryable("again")

    boss.add("sensor", source)
    await asyncio.wait_for(boss.run_all(), 60)
    assert [round(s) for s in time.sleeps] == [1, 2, 1, 2]


async def test_unexpected_error_is_restarted_and_does_not_touch_the_others() -> None:
    boss, attempts, steady = supervisor(FakeTime()), 0, 0

    async def buggy() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 3:
            boss.stop()
            await asyncio.sleep(3600)
        raise ZeroDivisionError("bug")

    async def other() -> None:
        nonlocal steady
        steady += 1
        await asyncio.sleep(3600)

    boss.add("other", other)
    boss.add("buggy", buggy)
    await asyncio.wait_for(boss.run_all(), 60)
    assert (attempts, steady) == (3, 1)


async def test_fatal_stops_that_task_alone_and_says_why() -> None:
    boss = supervisor(FakeTime())

    async def refused() -> None:
        raise Fatal("certificate refused")

    async def other() -> None:
        while boss.reports()[0].state is not TaskState.FAILED:
            await asyncio.sleep(0)
        boss.stop()

    boss.add("plc", refused)
    boss.add("other", other)
    await asyncio.wait_for(boss.run_all(), 60)
    assert boss.reports()[0].reason == "certificate refused"
    assert boss.reports()[0].restarts == 0


async def test_fatal_of_an_essential_task_ends_everything() -> None:
    boss = supervisor(FakeTime())

    async def web() -> None:
        raise Fatal("port 8080 is taken")

    async def other() -> None:
        await asyncio.sleep(3600)

    boss.add("other", other)
    boss.add("web", web, essential=True)
    with pytest.raises(Fatal, match="port 8080"):
        await asyncio.wait_for(boss.run_all(), 60)
    assert boss.reports()[0].state is TaskState.STOPPED


async def test_tasks_start_in_order_once_ready_and_stop_in_reverse() -> None:
    boss, ready, events = supervisor(FakeTime()), asyncio.Event(), []

    def task(name: str, becomes_ready: asyncio.Event | None = None) -> None:
        async def run() -> None:
            events.append(f"start {name}")
            try:
                if becomes_ready is not None:
                    await asyncio.sleep(0)
                    events.append(f"ready {name}")
                    becomes_ready.set()
                await asyncio.sleep(3600)
            finally:
                events.append(f"stop {name}")

        boss.add(name, run, ready=becomes_ready)

    task("journal", ready)
    task("source")
    task("web")

    def started() -> None:
        asyncio.get_running_loop().call_soon(boss.stop)

    await asyncio.wait_for(boss.run_all(started=started), 60)
    assert events == [
        "start journal",
        "ready journal",
        "start source",
        "start web",
        "stop web",
        "stop source",
        "stop journal",
    ]  # fmt: skip


async def test_sigterm_shuts_down_cleanly() -> None:
    boss, cleaned = supervisor(FakeTime()), False

    async def work() -> None:
        nonlocal cleaned
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned = True

    boss.add("work", work)
    await asyncio.wait_for(boss.run_all(signals=(signal.SIGTERM,)), 60)
    assert cleaned
    assert boss.reports()[0].state is TaskState.STOPPED


def test_systemd_is_told(tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(path)
        listener.settimeout(2)
        environ = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "17"}
        notifier = ServiceNotifier.from_environment(environ, 17)
        notifier.starting("compiling", 90.0)
        notifier.ready()
        notifier.status("all\nwell")
        notifier.status("all well")
        notifier.alive()
        notifier.stopping()
        assert [listener.recv(100).decode() for _ in range(6)] == [
            "STATUS=compiling",
            "EXTEND_TIMEOUT_USEC=90000000",
            "READY=1",
            "STATUS=all well",
            "WATCHDOG=1",
            "STOPPING=1",
        ]
    assert notifier.watchdog_period_s == 2.0


def test_systemd_is_left_alone_where_it_did_not_ask(tmp_path: Path) -> None:
    silent = ServiceNotifier.from_environment({"WATCHDOG_USEC": "4000000", "WATCHDOG_PID": "1"}, 17)
    silent.ready()
    assert silent.watchdog_period_s is None
    ServiceNotifier(str(tmp_path / "nobody"), None).ready()  # gone: logged, not raised


async def test_a_cancellation_that_nobody_asked_for_is_a_failure_and_not_the_end() -> None:
    """A library may cancel what a task awaits: the task must come back, as after any other error."""
    time, attempts = FakeTime(), 0
    boss = supervisor(time)

    async def source() -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            beneath = asyncio.get_running_loop().create_future()
            beneath.cancel()
            await beneath
        boss.stop()

    boss.add("sensor", source)
    await asyncio.wait_for(boss.run_all(), 60)
    assert attempts == 2
    assert boss.reports()[0].restarts == 1


async def test_a_task_that_keeps_its_cancellation_to_itself_ends_all_the_same() -> None:
    """As libraries do that cancel a task of their own and wait for it while ours is being cancelled."""
    time, attempts = FakeTime(), 0
    boss = supervisor(time)

    async def source() -> None:
        nonlocal attempts
        attempts += 1
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        raise SourceLost("sensor", LinkState.LOST, "closed", "")

    boss.add("sensor", source)
    async with asyncio.timeout(60):
        await boss.run_all(started=lambda: asyncio.get_running_loop().call_soon(boss.stop))
    assert attempts == 1
    assert boss.reports()[0].state is TaskState.STOPPED
    assert time.sleeps == []
