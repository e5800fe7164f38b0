"""The queues in memory: bounded, in order, and every loss is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.features import features_record
from appliance.journal.pending import MAX_GAPS, PendingGap, PendingQueue, PendingRecord
from appliance.journal.record import GapState, NewRecord, RecordClass
from dsp.samples import GapCause
from tests.appliance.journal.builders import SECOND_NS, START_NS, alarm, vector

MANY = 1 << 30


def pending(record: NewRecord) -> PendingRecord:
    return PendingRecord(record, START_NS + record.monotonic_ns, True, record.monotonic_ns)


def window(second: int, channel_id: str = "pump-1.de.x") -> PendingRecord:
    return pending(features_record(vector(second * SECOND_NS, channel_id=channel_id)))


def gap(channel_id: str, start_ns: int) -> PendingGap:
    return PendingGap(
        channel_id, start_ns, start_ns + 1, GapCause.SERIAL_LOSS, GapState.LOST, 1, start_ns, True
    )


def test_critical_goes_first_and_order_is_kept() -> None:
    queue = PendingQueue(MANY, MANY)
    for number in range(5):
        queue.add_telemetry(window(number))
        queue.add_critical(pending(alarm(number)))
    critical, telemetry, _ = queue.take(None)
    assert [one.record.key for one in critical] == [alarm(number).key for number in range(5)]
    assert [one.record.monotonic_ns for one in telemetry] == [number * SECOND_NS for number in range(5)]
    assert queue.empty and queue.critical_bytes == queue.telemetry_bytes == 0


def test_dropped_telemetry_becomes_a_gap_per_channel() -> None:
    one_bytes = window(0).size_bytes
    queue = PendingQueue(4 * one_bytes, MANY)
    for second in range(10):
        queue.add_telemetry(window(second, "x"))
        queue.add_telemetry(window(second, "y"))
    _, telemetry, gaps = queue.take(None)
    assert sorted({one.record.monotonic_ns // SECOND_NS for one in telemetry}) == [8, 9]
    assert queue.take_dropped() == {RecordClass.TELEMETRY: 16}
    assert queue.take_dropped() == {}
    assert {(one.channel_id, one.start_ns, one.end_ns, one.cause, one.state) for one in gaps} == {
        (name, START_NS, START_NS + round(8.25 * SECOND_NS), GapCause.BACKPRESSURE, GapState.LOST)
        for name in "xy"
    }


def test_another_cause_is_another_gap() -> None:
    queue = PendingQueue(2 * window(0).size_bytes, MANY)
    for second in range(4):
        queue.add_telemetry(window(second))
    queue.drop_cause = GapCause.DISK_FULL
    for second in range(4, 8):
        queue.add_telemetry(window(second))
    _, _, gaps = queue.take(None)
    assert [one.cause for one in gaps] == [GapCause.BACKPRESSURE, GapCause.DISK_FULL]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), max_size=60), st.integers(0, 10))
def test_put_back_restores_order_and_bytes(steps: list[tuple[bool, int]], max_telemetry: int) -> None:
    queue = PendingQueue(MANY, MANY)
    for critical, number in steps:
        if critical:
            queue.add_critical(pending(alarm(number)))
        else:
            queue.add_telemetry(window(number))
    sizes = (queue.critical_bytes, queue.telemetry_bytes)
    first = queue.take(max_telemetry)
    queue.put_back(*first)
    assert (queue.critical_bytes, queue.telemetry_bytes) == sizes
    assert queue.take(max_telemetry) == first


def test_held_critical_records_are_bounded_and_the_newest_of_each_subject_stays() -> None:
    one_bytes = pending(alarm(10)).size_bytes
    queue = PendingQueue(MANY, 20 * one_bytes)
    queue.add_critical(pending(alarm(10, "rare")))
    for number in range(10, 90):
        queue.add_critical(pending(alarm(number, "flapping")))
        assert queue.critical_bytes <= 20 * one_bytes
    critical, _, _ = queue.take(None)
    keys = [one.record.key for one in critical]
    assert keys[0] == alarm(10, "rare").key
    assert keys[-1] == alarm(89, "flapping").key
    assert queue.take_dropped() == {RecordClass.ALARM: 81 - len(keys)}


def test_when_all_are_newest_the_oldest_leave() -> None:
    queue = PendingQueue(MANY, 20 * pending(alarm(10)).size_bytes)
    for number in range(10, 60):
        queue.add_critical(pending(alarm(number, f"alarm-{number}")))
    critical, _, _ = queue.take(None)
    assert critical[-1].record.subject == "alarm-59"
    assert len(critical) <= 20


def test_gaps_are_bounded_by_merging_never_dropped() -> None:
    queue = PendingQueue(MANY, MANY)
    for number in range(MAX_GAPS + 500):
        queue.add_gap(gap("xy"[number % 2], START_NS + 10 * number))
    gaps: list[PendingGap] = []
    while not queue.empty:
        gaps.extend(queue.take(None)[2])
    assert len(gaps) == MAX_GAPS
    assert max(one.end_ns for one in gaps if one.channel_id == "y") == START_NS + 10 * (MAX_GAPS + 499) + 1
