"""Alarms over a restart: times of another boot become times of this one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import orjson

from appliance.alarm_records import AlarmRecords, stored_transition
from appliance.alarms.acts import Act, ActivationId, ActKind, EventMark, HybridStamp
from appliance.alarms.lifecycle import Alarm, Condition, Severity, acknowledge, raise_alarm, update
from appliance.clock import ReplayClock
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.reconcile.alarm_merge import with_act
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


def test_what_is_kept_says_since_when_a_line_rises_not_for_how_long() -> None:
    told = replace(
        CONDITION,
        reason="outer race, BPFO at 3.58 x, 14 dB over baseline, rising for 25 min; velocity 3 mm/s",
        evidence={"line": "BPFO", "rising_s": 1500.0},
        rising_since_ns=40 * SECOND_NS,
    )
    raised = raise_alarm(None, told, 1540 * SECOND_NS)

    def kept(records: AlarmRecords) -> Alarm:
        return stored_transition(stored(records.record(raised), START_NS)).transition.alarm

    known = kept(AlarmRecords(ReplayClock(START_NS), "boot-1"))
    since = f"{datetime.fromtimestamp(START_NS // SECOND_NS + 40, UTC):%Y-%m-%d %H:%M} UTC"
    assert known.reason == told.reason.replace("for 25 min", f"since {since}")
    assert known.evidence == {"line": "BPFO", "rising_since": since}
    unset = AlarmRecords(ReplayClock(START_NS, trusted=False), "boot-1")
    doubted = kept(unset)
    assert doubted.reason == told.reason.replace("for 25 min", "for 25 min when this was told")
    assert doubted.evidence == told.evidence
    again = unset.record(replace(raised, alarm=replace(doubted, rising_since_ns=40 * SECOND_NS)))
    assert stored_transition(stored(again, START_NS)).transition.alarm.reason == doubted.reason


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


EARLIER = {  # as the release before marks wrote it, byte for byte in its content
    "what": "acknowledged",
    "actor": "anna",
    "raised_time_ns": START_NS + 1,
    "acknowledged_time_ns": START_NS + 2,
    "rising_since_time_ns": None,
    "alarm": {
        "alarm_id": "pump-1.a", "asset_id": "pump-1", "channel_id": "pump-1.x", "rule": "machine condition",
        "severity": "watch", "state": "active, acknowledged", "raised_ns": 5, "changed_ns": 9,
        "activation": 3, "score": 1.5, "fault": None, "confidence": None, "reason": "outer race",
        "evidence": {"n": 1},
        "durable": True, "acknowledged_by": "anna", "comment": "seen", "rising_since_ns": None,
    },
}  # fmt: skip


def test_a_journal_of_an_earlier_release_is_read_and_merged() -> None:
    payload = orjson.dumps(EARLIER)
    record = Record(
        7, RecordClass.ALARM, RecordKind.ALARM_TRANSITION, "alarm/boot-1/4", "pump-1.a", "boot-1", 9,
        START_NS + 2, True, payload,
    )  # fmt: skip
    found = stored_transition(record)
    assert (found.mark.origin, found.mark.sequence) == ("box/boot-1", 4)
    (act,) = found.transition.alarm.acknowledgements
    assert (act.actor, act.reason, act.mark.stamp.wall_ns) == ("anna", "seen", START_NS + 2)

    later = ReplayClock(START_NS - 3600 * SECOND_NS)  # and the clock was set back since
    records = AlarmRecords(later, "boot-2")
    (restored,) = records.restore([record])
    assert records.mark().stamp > found.mark.stamp
    named = ActivationId(3, START_NS + 1)
    assert restored.activation == named
    central = Act(ActKind.ACKNOWLEDGE, EventMark(HybridStamp(START_NS + 9), "centre/k", 1), "eva")
    after = records.record(with_act(restored.transition.alarm, restored.activation, named, central, 5))
    merged = stored_transition(stored(after, START_NS))
    assert merged.transition.alarm.acknowledged_by == "anna, eva"
    assert (merged.activation, merged.raised_mark) == (named, found.raised_mark)
