"""Alarms that began while the clock was not trusted, as people see them once it is."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import orjson

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.lifecycle import Condition, Severity
from appliance.alarms.register import AlarmRegister
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.station_views import alarm_view
from appliance.system_watch import SystemWatch
from tests.appliance.house import until
from tests.appliance.journal.builders import PATIENT, SECOND_NS, SMALL, START_NS
from tests.fakes.set_clock import HOUR_NS, StandingClock

CONDITION = Condition("pump-1.a", "pump-1", "pump-1.x", "machine condition", Severity.WATCH, "outer race")


async def test_an_alarm_of_a_wrong_clock_is_shown_where_it_really_was(tmp_path: Path) -> None:
    """Raised and acknowledged an hour ahead; shown right once the clock is, also after a restart."""
    host = StandingClock(START_NS + HOUR_NS)
    host.disciplined = False
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, PATIENT)
    desk = AlarmDesk(journal, host.clock)
    register, lock = AlarmRegister([]), asyncio.Lock()
    desk.add_owner("pump-1", register, lock)
    watch = asyncio.create_task(SystemWatch(desk, journal, host.clock).run())
    host.now_ns = 100 * SECOND_NS
    raised = register.state(CONDITION, host.now_ns)
    await desk.publish([raised])
    host.now_ns = 160 * SECOND_NS
    stored = await desk.acknowledge("pump-1.a", 1, "anna", "on my way")
    before = alarm_view(desk.shown(stored), "Pump")
    assert (before.raised_ms, before.time_trusted) == ((START_NS + HOUR_NS + 100 * SECOND_NS) / 1e6, False)

    def shown() -> tuple[float, float | None, float, bool]:
        newest = desk.get("pump-1.a")
        assert newest is not None
        view = alarm_view(desk.shown(newest), "Pump")
        return view.raised_ms, view.acknowledged_ms, view.changed_ms, view.time_trusted

    true_ms = tuple((START_NS + at * SECOND_NS) / 1e6 for at in (100, 160, 160))
    host.now_ns, host.offset_ns, host.disciplined = 200 * SECOND_NS, START_NS, True
    await until(lambda: shown() == (*true_ms, True))
    newest = desk.get("pump-1.a")
    assert newest is not None and newest.activation == stored.activation, "its name at the centre stays"
    await end(watch, journal)
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, PATIENT)
    desk = AlarmDesk(journal, host.clock)
    desk.add_owner("pump-1", AlarmRegister(desk.restore()), lock)
    watch = asyncio.create_task(SystemWatch(desk, journal, host.clock).run())
    await until(lambda: shown() == (*true_ms, True))
    await end(watch, journal)


async def test_a_clock_that_is_set_is_on_record(tmp_path: Path) -> None:
    """By an hour forward, then by two back: each once."""
    host = StandingClock(START_NS)
    journal = await Journal.open(tmp_path / "journal", SMALL, host.clock, PATIENT)
    watched = SystemWatch(AlarmDesk(journal, host.clock), journal, host.clock)
    watch = asyncio.create_task(watched.run())
    for step_ns in (HOUR_NS, -2 * HOUR_NS):
        known = len(journal.latest(RecordKind.AUDIT)) and journal.last_sequence
        host.now_ns += 2 * SECOND_NS
        host.offset_ns += step_ns
        watched._changed.set()
        await until(lambda known=known: journal.last_sequence > known)  # type: ignore[misc]
    told = [orjson.loads(record.payload) for record in await journal.read(0, {RecordKind.AUDIT})]
    assert [(one["what"], one["step_s"], one["trusted"]) for one in told] == [
        ("clock set", 3600.0, False),
        ("clock set", -7200.0, False),
    ]
    await end(watch, journal)


async def end(watch: asyncio.Task[None], journal: Journal) -> None:
    watch.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watch
    await journal.close()
