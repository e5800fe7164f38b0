"""What is held back for its time: as ranges, over restarts, and out again as a backlog."""

from __future__ import annotations

import contextlib
import sqlite3
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.record import RecordClass
from appliance.sinks.outbox import FILE_NAME, HeldRange, Lane, Outbox

ALARM = RecordClass.ALARM
pages = st.lists(st.tuples(st.integers(1, 4_000), st.sets(st.integers(0, 20))), min_size=1, max_size=30)


@given(pages)
def test_every_held_record_is_in_a_range_and_comes_out_once(given_pages: list[tuple[int, set[int]]]) -> None:
    lane, sequence, held = Lane(ALARM), 0, []
    for step, offsets in given_pages:
        page = [sequence + step + offset for offset in range(21)]
        wanted = [one for index, one in enumerate(page) if index in offsets]
        lane.hold(wanted, page[-1])
        lane.advance(None, page[-1])
        held += wanted
        sequence = page[-1]
        assert lane.held == len(held)
        assert lane.confirmed == (min(held) - 1 if held else lane.live), "the journal might let it go"
    ranges = list(lane.held_ranges)
    assert all(any(one.first <= number <= one.last for one in ranges) for number in held)
    assert all(before.last < after.first for before, after in pairwise(ranges))
    for one in ranges:
        lane.release(one)
    assert lane.held == 0
    assert [(s.after + 1, s.upto) for s in lane.stretches] == [(one.first, one.last) for one in ranges]
    while lane.stretches:
        lane.advance(lane.stretches[0], lane.stretches[0].upto)
    assert lane.confirmed == lane.live == sequence


def test_ranges_outlive_a_restart_and_those_of_an_earlier_release_come_along(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    outbox = Outbox(path)
    lane = outbox.lanes("life", 100)[ALARM]
    lane.hold([5, 6], 10)
    lane.hold([9_000], 9_000)
    lane.advance(None, 9_000)
    outbox.save(lane)
    outbox.close()
    outbox = Outbox(path)
    assert outbox.lanes("life", 10_000)[ALARM].held_ranges == [HeldRange(5, 6, 2), HeldRange(9_000, 9_000, 1)]
    outbox.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE held")  # as it was before there were ranges
        connection.commit()
    outbox = Outbox(path)
    assert outbox.lanes("life", 10_000)[ALARM].held_ranges == [HeldRange(5, 9_000, 3)]
    outbox.close()
