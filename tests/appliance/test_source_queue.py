"""The queue in front of an analysis: bounded, and what it drops becomes a gap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appliance.source_queue import SourceQueue
from dsp.samples import Gap, GapCause, SampleBlock
from tests.fakes.machine_items import block

RATE_HZ = 1000.0


def tenth(channel_id: str, index: int) -> SampleBlock:
    return block(channel_id, index * 100_000_000, [0.0] * 100, RATE_HZ)


def test_items_come_out_in_order() -> None:
    queue = SourceQueue("q", 10)
    for index in range(3):
        assert not queue.put(tenth("m.x", index))
    assert [item.start_ns for item in queue.take(2)] == [0, 100_000_000]
    assert len(queue) == 1
    assert queue.dropped == 0


def test_full_queue_drops_the_oldest_and_tells_one_gap_per_channel() -> None:
    queue = SourceQueue("q", 4)
    for index in range(4):
        queue.put(tenth("m.x", index), GapCause.OVERLOAD)
        queue.put(tenth("m.y", index), GapCause.OVERLOAD)
    items = queue.take(100)
    gaps = [item for item in items if isinstance(item, Gap)]
    assert {(gap.channel_id, gap.start_ns, gap.end_ns, gap.samples_missing) for gap in gaps} == {
        ("m.x", 0, 200_000_000, 200),
        ("m.y", 0, 200_000_000, 200),
    }
    assert {gap.cause for gap in gaps} == {GapCause.OVERLOAD}
    assert items[:2] == gaps  # told before what comes after them
    assert queue.dropped == 4
    assert not [item for item in queue.take(100) if isinstance(item, Gap)]  # told once


def test_gap_that_is_dropped_is_not_forgotten() -> None:
    queue = SourceQueue("q", 1)
    queue.put(Gap("m.x", 0, 50, GapCause.SERIAL_LOSS, None))
    queue.put(tenth("m.x", 1), GapCause.BACKPRESSURE)
    gap, newest = queue.take(10)
    assert isinstance(gap, Gap)
    assert (gap.cause, gap.start_ns, gap.end_ns) == (GapCause.SERIAL_LOSS, 0, 50)
    assert isinstance(newest, SampleBlock)
    assert queue.dropped == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), max_size=60), st.integers(1, 7))
def test_nothing_vanishes_without_being_told(steps: list[tuple[int, int]], capacity: int) -> None:
    """Samples taken and samples told as missing are together all that were put."""
    queue, put, seen = SourceQueue("q", capacity), 0, 0
    index = 0

    def count(most: int) -> int:
        return sum(
            (item.samples_missing or 0) if isinstance(item, Gap) else len(item.samples)
            for item in queue.take(most)
        )

    for puts, takes in steps:
        for _ in range(puts):
            queue.put(tenth("m.x", index))
            index, put = index + 1, put + 100
            assert len(queue) <= capacity
        seen += count(takes)
    assert seen + count(10**6) == put


def test_what_begins_later_than_asked_for_stays() -> None:
    queue = SourceQueue("q", 10)
    for index in range(3):
        queue.put(tenth("m.x", index))
    assert [item.start_ns for item in queue.take(9, 100_000_000)] == [0, 100_000_000]
    assert queue.take(9, 100_000_000) == []
    assert len(queue.take(9)) == 1
