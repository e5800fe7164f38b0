"""The nightly drill: at its time, while the box has nothing better to do, in a process of its own."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.commands import drill
from appliance.drill import plan as drill_plan
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.journal.retention import Budgets
from appliance.nightly_drill import STORES_ALONE, WITH_SERVER, NightlyDrill, NightPlan
from appliance.sources.source import LinkState

NIGHT = datetime(2026, 11, 21, 2, 31).astimezone()
CLOCK = ReplayClock()
ROW = {"faults": ["power"], "class": "alarm", "produced": 9, "lost": 0}
TABLE = {"rows": [ROW], "not_run": [], "differences": [], "kept": True}

SERVICE = """
import asyncio, sys
from datetime import datetime
from pathlib import Path
from appliance.clock import ReplayClock
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from appliance.nightly_drill import NightlyDrill, NightPlan

async def main():
    journal = await Journal.open(Path(sys.argv[1]) / "journal", Budgets(reserve_transitions=0), ReplayClock())
    night = NightlyDrill(
        NightPlan(2, 30), journal=journal, clock=ReplayClock(), busy=lambda: "", command=tuple(sys.argv[2:])
    )
    await night.look(datetime(2026, 11, 21, 2, 31).astimezone())

asyncio.run(main())
"""


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await Journal.open(tmp_path / "journal", Budgets(reserve_transitions=0), ReplayClock())
    yield opened
    await opened.close()


class Box:
    """Says whether it is busy, and what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    def __call__(self) -> str:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def says(told: object, *, first: str = "") -> tuple[str, ...]:
    """A program in the place of `stethos` that notes what it was started with, and prints a table."""
    text = f"import os, sys, json\n{first}\nprint({json.dumps(json.dumps(told))})"
    return (sys.executable, "-c", text)


def nightly(
    journal: Journal, command: tuple[str, ...], box: Box | None = None, **plan: float
) -> NightlyDrill:
    CLOCK.advance(1_000_000_000)
    return NightlyDrill(
        NightPlan(2, 30, **plan),  # type: ignore[arg-type]
        journal=journal,
        clock=CLOCK,
        busy=box or Box(""),
        command=command,
    )


def stored(journal: Journal) -> list[dict[str, object]]:
    return [orjson.loads(one.payload) for one in journal.latest(RecordKind.AUDIT) if one.subject == "drill"]


@pytest.mark.parametrize(
    ("at", "due"),
    [("02:29", False), ("02:30", True), ("03:29", True), ("03:30", False), ("14:00", False)],
)
def test_it_is_due_within_an_hour_of_its_time_once_a_night(at: str, due: bool) -> None:
    hour, minute = map(int, at.split(":"))
    now = NIGHT.replace(hour=hour, minute=minute)
    one = NightPlan(2, 30)
    assert one.due(now, None) is due
    assert one.due(now, (now - timedelta(days=1)).date()) is due
    assert not one.due(now, now.date())


def test_its_hour_may_reach_over_midnight() -> None:
    one, begin = NightPlan(23, 40), NIGHT.replace(hour=23, minute=45)
    after = begin + timedelta(minutes=30)
    assert one.due(after, None) and one.day(after) == one.day(begin) == begin.date()
    assert not one.due(after, begin.date()) and one.due(begin + timedelta(days=1), begin.date())
    assert not one.ends(after) and one.ends(begin + timedelta(minutes=54, seconds=50))


async def test_what_it_found_is_stored_and_shown_and_remembered(journal: Journal, tmp_path: Path) -> None:
    note = tmp_path / "note"
    first = f"open({str(note)!r}, 'w').write(json.dumps([sys.argv, os.sched_getscheduler(0), os.nice(0)]))"
    one = nightly(journal, says(TABLE, first=first))
    assert one.report().state is LinkState.WAITING
    await one.look(NIGHT - timedelta(hours=1))
    assert stored(journal) == []
    await one.look(NIGHT)
    (told,) = stored(journal)
    assert (told["outcome"], told["day"], told["rows"]) == ("kept", "2026-11-21", [ROW])
    assert one.report().state is LinkState.FINISHED and "every promise was kept" in one.report().reason
    arguments, scheduler, niceness = json.loads(note.read_text())
    assert scheduler == os.SCHED_IDLE and niceness == 19
    folder = Path(arguments[arguments.index("--folder") + 1])
    assert not folder.exists(), "the scratch folder is gone"
    assert journal.folder not in folder.parents and tmp_path not in folder.parents
    note.unlink()
    again = nightly(journal, says(TABLE, first=first))
    again.recall()
    assert again.report().state is LinkState.FINISHED
    await again.look(NIGHT + timedelta(minutes=9))
    assert not note.exists(), "once a night, over a restart too"
    await again.look(NIGHT + timedelta(days=1))
    assert note.exists()


async def test_what_is_broken_or_could_not_be_run_is_said(journal: Journal) -> None:
    one = nightly(journal, says({**TABLE, "kept": False, "not_run": ["disk-full: no root"]}))
    await one.look(NIGHT)
    report = one.report()
    assert report.state is LinkState.LOST and "NOT every" in report.reason and "no root" in report.reason
    for told in ({**TABLE, "rows": [], "not_run": ["power: no strace"]}, "no table"):
        one = nightly(journal, says(told))
        await one.look(NIGHT)
        assert one.report().state is LinkState.WAITING and "not run" in one.report().reason
    gone = nightly(journal, ("/nowhere/stethos",))
    await gone.look(NIGHT)
    assert "cannot be started" in gone.report().reason


async def test_it_does_not_begin_while_the_box_is_busy(journal: Journal) -> None:
    one = nightly(journal, says(TABLE), Box("an alarm stands: a", ""))
    await one.look(NIGHT)
    assert stored(journal) == []
    await one.look(NIGHT + timedelta(minutes=1))
    assert stored(journal)[0]["outcome"] == "kept"
    busy = nightly(journal, says(TABLE), Box("an alarm stands: a"))
    await busy.look(NIGHT + timedelta(days=1))
    await busy.look(NIGHT + timedelta(days=1, minutes=58, seconds=40))
    assert stored(journal)[0]["text"] == "not run: an alarm stands: a"


async def test_an_alarm_ends_it_with_all_that_it_has_started(journal: Journal, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    waits = f"import time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    one = nightly(journal, says(TABLE, first=waits), Box("", "", "an alarm stands: a"))
    async with asyncio.timeout(60):
        await one.look(NIGHT)
    assert stored(journal)[0]["text"] == "stopped: an alarm stands: a"
    if pid.exists() and (number := pid.read_text()):  # else it was ended before it began
        with pytest.raises(ProcessLookupError):
            os.kill(int(number), 0)


async def test_it_ends_with_a_service_that_is_killed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    drill_program = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVICE, str(tmp_path), sys.executable, "-c", drill_program
    )
    async with asyncio.timeout(60):
        while not (pid.exists() and pid.read_text()):
            await asyncio.sleep(0.05)
        number = int(pid.read_text())
        try:
            service.kill()
            await service.wait()
            while _runs(number):
                await asyncio.sleep(0.05)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)


def _runs(number: int) -> bool:
    """Whether the process is there and no mere remainder that nobody has waited for."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_is_ended_when_its_time_is_over(journal: Journal) -> None:
    one = nightly(journal, says(TABLE, first="import time; time.sleep(600)"), limit_s=0.5)
    async with asyncio.timeout(60):
        await one.look(NIGHT)
    assert "not done after" in str(stored(journal)[0]["text"])


@pytest.mark.parametrize("influxd", [None, Path("/usr/bin/influxd")])
def test_the_command_understands_what_it_is_started_with(influxd: Path | None, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    drill.add_parser(parser.add_subparsers())
    options = parser.parse_args(NightPlan(2, 30, influxd).arguments(tmp_path))
    assert (options.json, options.folder, options.influxd) == (True, tmp_path, influxd)
    lines, names = drill_plan.power_of(options.faults)
    assert lines == ["", "black-hole"]
    assert bool(names) is (influxd is not None) and bool(drill_plan.combinations_of(names))
    needs_root = [one for faults in drill_plan.combinations_of(names) for one in faults if one.own_disk]
    assert not names or not needs_root
    assert STORES_ALONE in WITH_SERVER
