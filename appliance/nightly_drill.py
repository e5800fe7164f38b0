"""The outage drill at night, beside the running appliance: when it may run, and what became of it.

Duty: once a night, at its time, start `stethos drill` as a process of its own, in a scratch folder, with what
no other process wants of the processor; end it as soon as the box has something better to do; store the
result. The drill has an appliance, a journal, a database server and ports of its own and is told nothing of
this one: what runs here is never touched. What is broken and counted stands in `appliance/drill`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from appliance.clock import Clock
from appliance.installation import module_command
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.parent_death import end_with_parent
from appliance.sources.source import LinkReport, LinkState

logger = logging.getLogger(__name__)

SUBJECT = "drill"
NAME = "nightly drill"
LOOK_S = 20.0  # between looks at the time of day
CALM_LOOK_S = 1.0  # between looks at what the box has to do, while the drill runs
WINDOW = timedelta(hours=1)  # in which it may still begin when the box was busy, or off, at its time
LEAST_FREE_BYTES, LEAST_MEMORY_BYTES = 512 << 20, 1 << 30
END_WAIT_S = 30.0  # for the drill to end what it has started
WITH_SERVER = (
    "power,power+black-hole,black-hole,forget,server-kill,server-rollback,process-kill,wal-damage,"
    "clock-forward"
)
STORES_ALONE = "power,power+black-hole"
NIGHT_PATIENCE_S = 300.0  # a drill that yields to everything is slow


@dataclass(frozen=True, slots=True)
class NightPlan:
    """When, what, and for how long at most."""

    hour: int
    minute: int
    influxd: Path | None = None
    limit_s: float = 3600.0

    def arguments(self, folder: Path) -> tuple[str, ...]:
        """Of `stethos drill`."""
        common = ("drill", "--json", "--folder", str(folder))
        if self.influxd is None:
            return (*common, "--faults", STORES_ALONE)
        server = ("--influxd", str(self.influxd), "--no-limits", "--patience-s", f"{NIGHT_PATIENCE_S:g}")
        return (*common, *server, "--faults", WITH_SERVER)

    def due(self, now: datetime, last: date | None) -> bool:
        """Whether it is its time, and it has not been dealt with on this day."""
        begin = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        if begin > now:  # its hour may reach over midnight
            begin -= timedelta(days=1)
        return now - begin < WINDOW and last != begin.date()

    def day(self, now: datetime) -> date:
        """Of which day's night the present time is, while it is due."""
        begin = now.replace(hour=self.hour, minute=self.minute, second=0, microsecond=0)
        return begin.date() if begin <= now else begin.date() - timedelta(days=1)

    def ends(self, now: datetime) -> bool:
        """Whether this is the last look at which it is due."""
        return not self.due(now + timedelta(seconds=2 * LOOK_S), None)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one night's drill."""

    outcome: str  # "kept", "broken", "stopped", "not run"
    text: str
    told: Mapping[str, Any]  # the drill's own report; empty where there is none


class NightlyDrill:
    """`run` it under the supervisor; `report` says how it stands."""

    def __init__(
        self,
        plan: NightPlan,
        *,
        journal: Journal,
        clock: Clock,
        busy: Callable[[], str],
        command: Sequence[str] | None = None,
    ) -> None:
        """`busy()` says why the box must not be loaded now; "" if it may. `command` is `stethos`."""
        self._plan, self._journal, self._clock, self._busy = plan, journal, clock, busy
        self._command = tuple(command or module_command("appliance"))
        self._last: date | None = None
        self._running = False
        self._result: Result | None = None

    def report(self) -> LinkReport:
        """Its line on the appliance's page."""
        at = f"{self._plan.hour:02}:{self._plan.minute:02}"
        result, state, remedy = self._result, LinkState.WAITING, ""
        if self._running:
            return LinkReport(NAME, "drill", at, LinkState.BUSY, "it runs, and yields to everything else")
        if result is None:
            return LinkReport(NAME, "drill", at, state, "it has not run yet")
        if result.outcome == "kept":
            state = LinkState.FINISHED
        elif result.outcome == "broken":
            state, remedy = LinkState.LOST, "`stethos drill` shows the whole table."
        return LinkReport(NAME, "drill", at, state, f"{self._last}: {result.text}", remedy)

    async def run(self) -> None:
        """Once a night, for ever. Raises Retryable where the journal cannot be read."""
        self.recall()
        while True:
            await self.look(self._now())
            await asyncio.sleep(LOOK_S)

    def recall(self) -> None:
        """Know what the last night brought."""
        for record in self._journal.latest(RecordKind.AUDIT):
            if record.subject == SUBJECT:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    told = orjson.loads(record.payload)
                    self._last = date.fromisoformat(told["day"])
                    self._result = Result(str(told["outcome"]), str(told["text"]), {})

    async def look(self, now: datetime | None) -> None:
        """Run it if it is due and the box has nothing to do. `now` is the local time, None while unknown."""
        if now is None or not self._plan.due(now, self._last):
            return
        reason = self._busy() or await asyncio.to_thread(_too_little)
        if reason and not self._plan.ends(now):
            return
        result = Result("not run", f"not run: {reason}", {}) if reason else await self._drilled()
        self._last, self._result = self._plan.day(now), result
        logger.log(
            logging.WARNING if result.outcome == "broken" else logging.INFO, "nightly drill %s", result.text
        )
        await self._store(result)

    async def _drilled(self) -> Result:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="stethos-night-"))
        self._running = True
        try:
            return await self._watched(folder)
        except OSError as error:
            return Result("not run", f"not run: it cannot be started: {error.strerror}", {})
        finally:
            self._running = False
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _watched(self, folder: Path) -> Result:
        """One run of the command, ended when the box is busy or the time is over. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            *self._plan.arguments(folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_yield_to_everything,
        )
        talking = asyncio.create_task(process.communicate())
        try:
            reason, end_s = "", asyncio.get_running_loop().time() + self._plan.limit_s
            while not reason:
                await asyncio.wait({talking}, timeout=CALM_LOOK_S)
                if talking.done():
                    return _result_of(talking.result()[0])
                reason = self._busy()
                if asyncio.get_running_loop().time() > end_s:
                    reason = f"it was not done after {self._plan.limit_s / 60:.0f} minutes"
            return Result("stopped", f"stopped: {reason}", {})
        finally:
            await _end(process, talking)

    async def _store(self, result: Result) -> None:
        now_ns = self._clock.monotonic_ns()
        payload = {
            "what": "nightly drill",
            "day": str(self._last),
            "outcome": result.outcome,
            "text": result.text,
            "rows": [row for row in result.told.get("rows", []) if isinstance(row, dict)],
            "differences": list(result.told.get("differences", []))[:20],
            "not_run": list(result.told.get("not_run", [])),
        }
        key = f"{SUBJECT}/{self._journal.boot_id}/{now_ns}"
        await self._journal.commit(
            [NewRecord(RecordClass.ALARM, RecordKind.AUDIT, key, SUBJECT, now_ns, orjson.dumps(payload))]
        )

    def _now(self) -> datetime | None:
        wall = self._clock.wall(self._clock.monotonic_ns())
        return datetime.fromtimestamp(wall.time_ns / 1e9).astimezone() if wall.trusted else None


def _result_of(said: bytes) -> Result:
    try:
        told = json.loads(said)
        rows, not_run, kept = told["rows"], told["not_run"], bool(told["kept"])
    except (ValueError, KeyError, TypeError):
        return Result("not run", "not run: the drill ended without a table; run `stethos drill` by hand", {})
    left_out = f"; not run: {'; '.join(map(str, not_run))}" if not_run else ""
    if not rows:
        return Result("not run", f"not run: {'; '.join(map(str, not_run)) or 'nothing was drilled'}", told)
    faults = len({tuple(row["faults"]) for row in rows})
    if kept:
        return Result("kept", f"{faults} faults, every promise was kept{left_out}", told)
    return Result("broken", f"{faults} faults, NOT every promise was kept{left_out}", told)


def _too_little() -> str:
    """Why there is no room for a drill; "" if there is. Blocking."""
    with contextlib.suppress(OSError, ValueError):
        folder = tempfile.gettempdir()
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return f"less than {LEAST_FREE_BYTES >> 20} MiB are free in {folder}"
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable" and int(value.split()[0]) * 1024 < LEAST_MEMORY_BYTES:
                return f"less than {LEAST_MEMORY_BYTES >> 30} GiB of memory is free"
    return ""


def _yield_to_everything() -> None:
    """Runs in the child before its program: it, and all that it starts, get what nobody else wants, and end
    with the service, also where that was killed."""
    end_with_parent()
    os.setpriority(os.PRIO_PROCESS, 0, 19)  # whatever the service runs at
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def _end(process: asyncio.subprocess.Process, talking: asyncio.Task[Any]) -> None:
    """Have it end what it has started; make sure."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            await asyncio.wait({talking}, timeout=END_WAIT_S)
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
