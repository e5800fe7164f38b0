"""Keeps the appliance's tasks running: start order, restart with back-off, clean shutdown.

Duty: life and death of named tasks, and the state of each for an operator. Does not know what a task does.
A task ends in one of four ways: it returns (finished), it raises `Fatal` (stopped, the operator is told), it
raises anything else (restarted after a back-off; a bug in one source must not stop the others; a cancellation
that nobody asked for is one), or it is cancelled at shutdown.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.backoff import Backoff
from appliance.errors import Fatal, Retryable
from appliance.sources.source import SourceLost

logger = logging.getLogger(__name__)

STABLE_S = 60.0  # a task that ran this long starts its back-off anew
READY_WAIT_S = 30.0
SHUTDOWN_WAIT_S = 5.0  # per task; systemd's default of 90 s is far away even with twenty tasks


class TaskState(StrEnum):
    WAITING = "waiting"  # not started yet
    RUNNING = "running"
    BACKING_OFF = "backing off"
    FINISHED = "finished"
    FAILED = "failed"  # Fatal: stays so until somebody changes something
    STOPPED = "stopped"  # by shutdown


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What an operator sees of one task."""

    name: str
    state: TaskState
    reason: str = ""
    restarts: int = 0
    next_try_s: float = 0.0  # length of the present back-off


@dataclass(slots=True)
class _Member:
    run: Callable[[], Awaitable[None]]
    ready: asyncio.Event | None
    essential: bool
    report: TaskReport
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Runs named tasks in the order they were added and stops them in the reverse order.

    `sleep`, `monotonic_s` and `chance` are arguments so that tests can fake time.
    """

    def __init__(
        self,
        backoff: Backoff,
        *,
        on_change: Callable[[TaskReport], None] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        monotonic_s: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._backoff = backoff
        self._on_change = on_change
        self._sleep = sleep
        self._monotonic_s = monotonic_s
        self._chance = chance
        self._members: dict[str, _Member] = {}
        self._stop = asyncio.Event()
        self._fatal: Fatal | None = None

    def add(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        *,
        ready: asyncio.Event | None = None,
        essential: bool = False,
    ) -> None:
        """One more task, started after those added before.

        `run` is called anew for each attempt. Where `ready` is given, the next task starts once it is set.
        `Fatal` of an `essential` task ends `run_all`; of another one it ends that task alone.
        """
        if name in self._members:
            raise ValueError(f"there is already a task {name!r}")
        self._members[name] = _Member(run, ready, essential, TaskReport(name, TaskState.WAITING))

    def reports(self) -> list[TaskReport]:
        """State of every task, in start order."""
        return [member.report for member in self._members.values()]

    def stop(self) -> None:
        """Ask for a clean shutdown; `run_all` returns after it."""
        self._stop.set()

    async def run_all(
        self, *, signals: tuple[signal.Signals, ...] = (), started: Callable[[], None] | None = None
    ) -> None:
        """Start all, run until `stop` or a signal, shut down. Raises the Fatal of an essential task."""
        loop = asyncio.get_running_loop()
        for number in signals:
            loop.add_signal_handler(number, self.stop)
        try:
            await self._start()
            if started is not None and not self._stop.is_set():
                started()
            await self._stop.wait()
        finally:
            await self._shut_down()
            for number in signals:
                loop.remove_signal_handler(number)
        if self._fatal is not None:
            raise self._fatal

    async def _start(self) -> None:
        for member in self._members.values():
            if self._stop.is_set():
                return
            member.task = asyncio.create_task(self._keep_running(member), name=member.report.name)
            if member.ready is not None:
                await self._wait_ready(member, member.ready)

    async def _wait_ready(self, member: _Member, ready: asyncio.Event) -> None:
        waits = [asyncio.create_task(ready.wait()), asyncio.create_task(self._stop.wait())]
        _, pending = await asyncio.wait(
            waits, timeout=READY_WAIT_S, return_when=asyncio.FIRST_COMPLETED
        )  # fmt: skip
        for wait in pending:
            wait.cancel()
        if not ready.is_set() and not self._stop.is_set():
            logger.warning(
                "task not ready in time, going on task=%s wait_s=%s", member.report.name, READY_WAIT_S
            )

    async def _keep_running(self, member: _Member) -> None:
        failures, told = 0, ""
        while True:
            began_s = self._monotonic_s()
            self._set(member, state=TaskState.RUNNING, reason="", next_try_s=0.0)
            try:
                await member.run()
            except asyncio.CancelledError:
                if self._asked_to_end():
                    self._set(member, state=TaskState.STOPPED, reason="shut down")
                    raise
                # Nobody asked for it: something that the task awaited was cancelled beneath it.
                reason = "what it waited for was cancelled"
                logger.exception("task cancelled from below task=%s", member.report.name)
            except Fatal as error:
                self._set(member, state=TaskState.FAILED, reason=str(error))
                logger.error("task stopped for good task=%s reason=%s", member.report.name, error)
                if member.essential:
                    self._fatal = error
                    self.stop()
                return
            except (SourceLost, Retryable) as error:
                reason = str(error)
                # A sensor that stays away is told once, not at every attempt for a year.
                level = logging.DEBUG if reason == told else logging.WARNING
                logger.log(level, "task lost its peer task=%s reason=%s", member.report.name, reason)
                told = reason
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                logger.exception("task failed unexpectedly task=%s", member.report.name)
            else:
                self._set(member, state=TaskState.FINISHED)
                return
            if self._asked_to_end():  # and something below has kept that to itself
                self._set(member, state=TaskState.STOPPED, reason="shut down")
                raise asyncio.CancelledError
            if self._monotonic_s() - began_s >= STABLE_S:
                failures, told = 0, ""
            delay_s = self._backoff.delay_s(failures, self._chance())
            failures += 1
            self._set(
                member,
                state=TaskState.BACKING_OFF,
                reason=reason,
                restarts=member.report.restarts + 1,
                next_try_s=delay_s,
            )
            await self._sleep(delay_s)

    def _asked_to_end(self) -> bool:
        task = asyncio.current_task()
        return task is None or task.cancelling() > 0 or self._stop.is_set()

    def _set(
        self,
        member: _Member,
        *,
        state: TaskState,
        reason: str | None = None,
        restarts: int | None = None,
        next_try_s: float | None = None,
    ) -> None:
        old = member.report
        member.report = replace(
            old,
            state=state,
            reason=old.reason if reason is None else reason,
            restarts=old.restarts if restarts is None else restarts,
            next_try_s=0.0 if next_try_s is None else next_try_s,
        )
        if self._on_change is not None:
            self._on_change(member.report)

    async def _shut_down(self) -> None:
        for member in reversed(self._members.values()):
            task = member.task
            if task is None or task.done():
                continue
            task.cancel()
            _, pending = await asyncio.wait([task], timeout=SHUTDOWN_WAIT_S)
            if pending:
                logger.error("task does not end task=%s wait_s=%s", member.report.name, SHUTDOWN_WAIT_S)
            elif not task.cancelled() and task.exception() is not None:
                logger.error(
                    "task failed at shutdown task=%s reason=%s", member.report.name, task.exception()
                )
