"""The rules by which provisional times are resolved, for any oscillator, any anchors, any boots."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.time_rules import (
    SECOND_NS,
    Anchor,
    UnknownBoot,
    between_neighbours,
    resolved,
)

HOUR_NS = 3_600 * SECOND_NS
START_NS = 1_800_000_000 * SECOND_NS
times = st.integers(0, 400 * 24 * HOUR_NS)


def test_one_anchor_holds_before_and_after_it() -> None:
    anchors = [Anchor(10 * SECOND_NS, START_NS)]
    for second in (0, 10, 5_000):
        assert resolved(second * SECOND_NS, anchors).time_ns == START_NS + (second - 10) * SECOND_NS


def test_between_two_anchors_drift_is_spread() -> None:
    anchors = [Anchor(0, START_NS), Anchor(1_000 * SECOND_NS, START_NS + 1_000 * SECOND_NS + 40_000_000)]
    assert resolved(500 * SECOND_NS, anchors).time_ns == START_NS + 500 * SECOND_NS + 20_000_000


def test_anchors_that_contradict_each_other_count_where_they_are_nearer() -> None:
    anchors = [Anchor(0, START_NS), Anchor(100 * SECOND_NS, START_NS + HOUR_NS)]
    assert resolved(49 * SECOND_NS, anchors).time_ns == START_NS + 49 * SECOND_NS
    assert resolved(51 * SECOND_NS, anchors).time_ns == START_NS + HOUR_NS - 49 * SECOND_NS


@given(
    rate_ppm=st.integers(-500, 500),
    anchor_times=st.lists(times, min_size=1, max_size=6, unique=True),
    asked=st.lists(times, min_size=2, max_size=20),
)
def test_a_steady_oscillator_is_resolved_to_the_nanosecond_between_and_in_order_everywhere(
    rate_ppm: int, anchor_times: list[int], asked: list[int]
) -> None:
    def true_ns(monotonic_ns: int) -> int:
        return START_NS + monotonic_ns + monotonic_ns * rate_ppm // 1_000_000

    anchors = [Anchor(one, true_ns(one)) for one in sorted(anchor_times)]
    found = [resolved(one, anchors).time_ns for one in sorted(asked)]
    assert found == sorted(found), "later is later"
    for one in asked:
        error_ns = abs(resolved(one, anchors).time_ns - true_ns(one))
        if anchors[0].monotonic_ns <= one <= anchors[-1].monotonic_ns:
            assert error_ns <= 2
        else:
            away_ns = max(anchors[0].monotonic_ns - one, one - anchors[-1].monotonic_ns)
            assert error_ns <= away_ns * abs(rate_ppm) // 1_000_000 + 2


@given(
    lengths=st.lists(st.integers(1, 30 * 24 * HOUR_NS), min_size=1, max_size=6),
    pauses=st.lists(st.integers(0, 5 * 24 * HOUR_NS), min_size=7, max_size=7),
    errors=st.lists(st.integers(-400 * 24 * HOUR_NS, 400 * 24 * HOUR_NS), min_size=6, max_size=6),
)
def test_unknown_boots_stay_in_order_between_their_neighbours_and_their_bound_is_true(
    lengths: list[int], pauses: list[int], errors: list[int]
) -> None:
    now_ns, boots, truth = START_NS, [], []
    for length_ns, pause_ns, error_ns in zip(lengths, pauses, errors, strict=False):
        now_ns += pause_ns
        truth.append(now_ns)  # when the boot began
        now_ns += length_ns
        boots.append(UnknownBoot(length_ns, now_ns + error_ns))
    upper_ns = now_ns + pauses[-1]
    placed = between_neighbours(START_NS, upper_ns, boots)
    assert placed is not None
    assert placed[0].offset_ns >= START_NS
    assert placed[-1].time_ns <= upper_ns
    for before, after in pairwise(placed):
        assert after.offset_ns >= before.time_ns, "a boot begins after the one before it"
    for anchor, begin_ns in zip(placed, truth, strict=True):
        assert abs(anchor.offset_ns - begin_ns) <= anchor.bound_s * SECOND_NS


def test_a_clock_that_was_right_is_not_moved() -> None:
    (placed,) = (
        between_neighbours(START_NS, START_NS + 10 * HOUR_NS, [UnknownBoot(HOUR_NS, START_NS + 5 * HOUR_NS)])
        or []
    )
    assert placed.time_ns == START_NS + 5 * HOUR_NS
    assert placed.bound_s == 5 * 3_600


def test_without_a_neighbour_or_without_room_nothing_is_known() -> None:
    boot = UnknownBoot(HOUR_NS, START_NS + HOUR_NS)
    assert between_neighbours(None, START_NS, [boot]) is None
    assert between_neighbours(START_NS, None, [boot]) is None
    assert between_neighbours(START_NS, START_NS + HOUR_NS - 1, [boot]) is None
    assert between_neighbours(START_NS, START_NS + 2 * HOUR_NS, [boot, boot, boot]) is None
