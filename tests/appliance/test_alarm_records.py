"""Alarms over a restart: times of another boot become times of this one."""

from __future__ import annotations

from dataclasses import replace

from appliance.alarm_records import AlarmRecords, stored_transition
from appliance.alarms.lifecycle import Condition, Severity, acknowledge, raise_alarm, update
from appliance.clock import ReplayClock
from appliance.journal.record import NewRecord, Record
from tests.appliance.journal.builders import SECOND_NS, START_NS

CONDITION = Condition("pump-1.a", "pump-1", "pump-1.x", "machine condition", Severity.WATCH, "outer race")


def stored(record: NewRecord, time_ns: int) -> Record:
    return Record(
        7,
        record.record_class,
        record.kind,
        record.key,
        record.subject,
        "boot-1",
        record.monotonic_ns,
        time_ns,
        True,
        record.payload,
    )


def test_an_alarm_keeps_its_times_over_a_reboot() -> None:
    clock = ReplayClock(START_NS)
    condition = replace(CONDITION, rising_since_ns=40 * SECOND_NS)
    record = AlarmRecords(clock, "boot-1").record(raise_alarm(None, condition, 100 * SECOND_NS))
    later = ReplayClock(START_NS + 1000 * SECOND_NS)  # its monotonic clock began anew
    later.set(5 * SECOND_NS)
    (found,) = AlarmRecords(later, "boot-2").restore([stored(record, START_NS + 100 * SECOND_NS)])
    alarm = found.transition.alarm
    assert alarm.raised_ns == (100 - 1000) * SECOND_NS
    assert alarm.changed_ns == alarm.raised_ns
    assert alarm.rising_since_ns == (40 - 1000) * SECOND_NS


def test_a_clock_that_was_set_back_makes_no_future() -> None:
    """An alarm changed "in an hour" would not be told again for an hour."""
    clock = ReplayClock(START_NS)
    record = AlarmRecords(clock, "boot-1").record(raise_alarm(None, CONDITION, 100 * SECOND_NS))
    later = ReplayClock(START_NS - 3600 * SECOND_NS)
    later.set(5 * SECOND_NS)
    (found,) = AlarmRecords(later, "boot-2").restore([stored(record, START_NS + 100 * SECOND_NS)])
    alarm = found.transition.alarm
    assert alarm.changed_ns == alarm.raised_ns == 5 * SECOND_NS
    assert alarm.rising_since_ns is None
    assert found.raised_time_ns == START_NS + 100 * SECOND_NS


def test_an_alarm_keeps_when_it_was_acknowledged() -> None:
    """What comes after an acknowledgement changes the alarm, not the time at which a person saw it."""
    clock = ReplayClock(START_NS)
    records = AlarmRecords(clock, "boot-1")
    raised = raise_alarm(None, CONDITION, 100 * SECOND_NS)
    assert stored_transition(stored(records.record(raised), START_NS)).acknowledged_time_ns is None
    seen = acknowledge(raised.alarm, 1, "eva", "", 130 * SECOND_NS)
    assert stored_transition(stored(records.record(seen), START_NS)).acknowledged_time_ns == (
        START_NS + 130 * SECOND_NS
    )
    updated = stored(
        records.record(update(seen.alarm, CONDITION, 160 * SECOND_NS)), START_NS + 160 * SECOND_NS
    )

    later = ReplayClock(START_NS + 1000 * SECOND_NS)
    after = AlarmRecords(later, "boot-2")
    (found,) = after.restore([updated])
    assert found.acknowledged_time_ns == START_NS + 130 * SECOND_NS
    again = after.record(update(found.transition.alarm, CONDITION, 7 * SECOND_NS))
    assert stored_transition(stored(again, later.wall(0).time_ns)).acknowledged_time_ns == (
        START_NS + 130 * SECOND_NS
    )
