"""Stamps never go back, come after all that was seen, and do not follow a stranger into the future."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.alarms.acts import HybridStamp
from appliance.reconcile.hybrid_clock import MOST_AHEAD_NS, HybridClock

WALL = st.integers(0, 2 * 10**18)


@settings(deadline=None)
@given(st.lists(WALL, min_size=1, max_size=30))
def test_stamps_grow_whatever_the_wall_clock_does(walls: list[int]) -> None:
    clock = HybridClock("box/1")
    marks = [clock.mark(wall_ns) for wall_ns in walls]
    assert all(earlier.stamp < later.stamp for earlier, later in pairwise(marks))
    assert [mark.sequence for mark in marks] == list(range(1, len(walls) + 1))
    assert marks[-1].stamp.wall_ns == max(walls)


@settings(deadline=None)
@given(WALL, WALL, st.integers(0, 5))
def test_what_comes_after_a_stamp_that_was_seen_is_later(own_ns: int, seen_ns: int, logical: int) -> None:
    clock = HybridClock("box/1")
    clock.tick(own_ns)
    taken = clock.observe(HybridStamp(seen_ns, logical), own_ns)
    assert taken == (seen_ns <= own_ns + MOST_AHEAD_NS)
    later = clock.tick(own_ns)
    assert later.wall_ns <= max(own_ns, seen_ns)
    if taken:
        assert later > HybridStamp(seen_ns, logical)
    else:
        assert later.wall_ns == own_ns
