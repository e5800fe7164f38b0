"""Counters of two sides: merging is a merge, and what comes out is what was counted, whatever happened."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.counter_records import CounterKey, LifeKey
from appliance.counters import Counters, life_totals
from appliance.journal.record import Record
from appliance.reconcile.counters import (
    MOST_STARTS,
    CounterKnowledge,
    Side,
    fork_reason,
    merged_knowledge,
    repairs_at_centre,
)
from tests.appliance.reconcile.counter_world import PUMP, Disk, World

HOURS = ("running hours", PUMP)
counts = st.integers(0, 10**6).map(float)
lives = st.builds(
    LifeKey,
    st.sampled_from(["starts", "running hours"]),
    st.sampled_from(["pump-1", "fan-2"]),
    st.sampled_from(["life-a", "life-b"]),
)
keys = st.builds(
    CounterKey,
    st.sampled_from(["starts", "running hours"]),
    st.sampled_from(["pump-1", "fan-2"]),
    st.sampled_from(["life-a", "life-b"]),
    st.sampled_from(["boot-1", "boot-2", "boot-3"]),
)
knowledge = st.builds(
    CounterKnowledge, st.dictionaries(keys, counts, max_size=6), st.dictionaries(lives, counts, max_size=4)
)


@given(knowledge, knowledge, knowledge)
def test_merging_is_commutative_associative_and_idempotent(
    a: CounterKnowledge, b: CounterKnowledge, c: CounterKnowledge
) -> None:
    assert merged_knowledge(a, b) == merged_knowledge(b, a)
    assert merged_knowledge(merged_knowledge(a, b), c) == merged_knowledge(a, merged_knowledge(b, c))
    assert merged_knowledge(a, a) == merged_knowledge(a)
    both = merged_knowledge(a, b).lives()
    assert all(both[life] >= total for one in (a, b) for life, total in one.lives().items())


@given(knowledge, knowledge)
def test_after_a_merge_neither_side_lacks_anything(a: CounterKnowledge, b: CounterKnowledge) -> None:
    known = merged_knowledge(a, b).lives()
    told_again = merged_knowledge(b, CounterKnowledge({}, known))
    assert told_again.lives() == known
    assert repairs_at_centre(told_again.told, known, a.lives()) == []


class Way:
    """What of a batch arrives: some twice, in any order, some not at all although acknowledged."""

    def __init__(self, seed: int, loss: float) -> None:
        self._random, self._loss = random.Random(seed), loss

    def __call__(self, records: list[Record]) -> Iterable[Record]:
        arriving = [one for one in records if self._random.random() >= self._loss]
        arriving += self._random.choices(arriving, k=len(arriving) // 2) if arriving else []
        self._random.shuffle(arriving)
        return arriving


ACTS = ("count", "count", "deliver", "forget", "reconcile", "restart", "copy", "clone", "older store",
        "lose store", "tell again")  # fmt: skip
steps = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 3), st.integers(0, 1000)), min_size=1, max_size=30
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_what_comes_out_is_what_was_counted(story: list[tuple[str, int, int]]) -> None:
    """Boxes of one name count, are cloned, restored from older copies of their disks and lose their stores,
    before and after they have seen the centre; deliveries come twice, in any order, or not at all."""
    world = World()
    world.new_box()
    backups: list[Disk] = []
    for act, which, number in story:
        box = world.boxes[which % len(world.boxes)]
        if act == "count":
            box.count(*HOURS, number + 1)
        elif act == "deliver":
            box.deliver(Way(number, 0.0))
        elif act == "forget":
            box.deliver(Way(number, 0.4))
        elif act == "reconcile":
            box.reconcile()
        elif act == "restart":
            box.start()
        elif act == "copy":
            backups.append(box.disk.copy())
        elif act == "clone" and len(world.boxes) < 4:
            box.clone()
        elif act == "older store" and backups:
            box.restore(backups[number % len(backups)])
        elif act == "lose store":
            box.lose_store()
        elif act == "tell again":
            box.tell_again()
        assert all(value <= world.witness[name] for name, value in box.shown().items()), "counted twice"
        assert all(value <= world.witness[name] for name, value in world.centre.totals().items())
    world.come_to_rest()
    assert world.centre.totals() == dict(world.witness)
    for box in world.boxes:
        assert box.shown() == dict(world.witness)
        outcome = box.reconcile()
        assert (outcome.repairs, outcome.fork) == ((), None), "two boxes at rest go on mending"


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["count", "deliver", "forget", "snapshot", "roll back", "cut", "restart",
                                   "reconcile", "tell again"]), st.integers(0, 1000)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_a_centre_that_forgets_is_rolled_back_or_cuts_off_gets_everything_again(
    story: list[tuple[str, int]],
) -> None:
    world = World()
    box = world.new_box()
    snapshot = dict(world.centre.points)
    for act, number in story:
        if act == "count":
            box.count(*HOURS, number + 1)
        elif act == "deliver":
            box.deliver()
        elif act == "forget":
            box.deliver(Way(number, 1.0))
        elif act == "snapshot":
            snapshot = dict(world.centre.points)
        elif act == "roll back":
            world.centre.points = dict(snapshot)
        elif act == "cut":
            world.centre.points.clear()
        elif act == "restart":
            box.start()
        elif act == "reconcile":
            box.reconcile()
        elif act == "tell again":
            box.tell_again()
    world.come_to_rest()
    assert world.centre.totals() == box.shown() == dict(world.witness)
    assert box.counters.incarnation == box.disk.store, "one box alone never leaves its life"


def test_what_was_counted_before_a_restored_backup_was_noticed_is_not_swallowed() -> None:
    world = World()
    box = world.new_box()
    box.count(*HOURS, 60)
    backup = box.disk.copy()
    box.start()
    box.count(*HOURS, 40)
    box.deliver()
    box.restore(backup)
    box.count(*HOURS, 15)  # 75 of 100 + 15: below the centre's maximum
    box.deliver()
    assert world.centre.totals()[HOURS] == 100
    outcome = box.reconcile()
    assert outcome.fork is not None
    assert "older than what the centre has seen" in outcome.fork.reason
    here = [one for one in outcome.repairs if (one.counter, one.side) == ("running hours", Side.HERE)]
    assert [(one.old, one.new) for one in here] == [(75.0, 115.0)]
    assert box.shown()[HOURS] == 115
    box.count(*HOURS, 5)
    assert box.counters.state()[CounterKey(*HOURS, outcome.fork.incarnation, box.counters.boot_id)] == 5
    box.deliver()
    assert world.centre.totals()[HOURS] == box.shown()[HOURS] == world.witness[HOURS] == 120


def test_two_boxes_that_bear_one_name_add_up() -> None:
    world = World()
    one = world.new_box()
    one.count(*HOURS, 10)
    other = one.clone()
    one.count(*HOURS, 3)
    other.count(*HOURS, 4)
    one.deliver()
    other.deliver()
    assert world.centre.totals()[HOURS] == 14, "the maximum swallows one of them"
    assert one.reconcile().fork is not None
    assert other.reconcile().fork is not None
    one.count(*HOURS, 100)
    other.count(*HOURS, 1000)
    world.come_to_rest()
    assert world.centre.totals()[HOURS] == one.shown()[HOURS] == other.shown()[HOURS] == 1117
    assert len({life.incarnation for life in world.centre.knowledge().told}) == 3


def test_a_swapped_device_goes_on_beside_the_old_one() -> None:
    """Another box with a key of its own: at the centre the machine's hours are the sum over devices."""
    old, new = World(), World()
    for world, hours in ((old, 500), (new, 20)):
        world.new_box().count(*HOURS, hours)
        world.come_to_rest()
    assert old.centre.totals()[HOURS] + new.centre.totals()[HOURS] == 520
    assert new.boxes[0].shown()[HOURS] == 20


def test_a_process_that_was_copied_while_it_ran_leaves_its_life() -> None:
    key = CounterKey("starts", PUMP, "life", "boot")
    assert fork_reason({key: 3.0}, {key: 3.0}, "life") is None
    assert "further than this store's" in str(fork_reason({key: 3.0}, {key: 4.0}, "life"))
    assert fork_reason({key: 3.0}, {CounterKey("starts", PUMP, "another", "x"): 9.0}, "life") is None


def test_a_life_has_so_many_starts_at_most_and_nothing_is_lost_by_that() -> None:
    world = World()
    box = world.new_box()
    for _ in range(MOST_STARTS + 20):
        box.start()
        box.deliver()
        box.reconcile()
    world.come_to_rest()
    assert world.centre.totals()["service starts", "hall"] == MOST_STARTS + 21
    by_life: dict[str, set[str]] = {}
    for key in box.counters.state():
        by_life.setdefault(key.incarnation, set()).add(key.boot_id)
    assert len(by_life) == 2
    assert max(map(len, by_life.values())) <= MOST_STARTS


def test_a_fork_outlives_a_restart_and_ends_with_its_store() -> None:
    world = World()
    box = world.new_box()
    box.clone().deliver()
    fork = box.reconcile().fork
    assert fork is not None
    box.start()
    assert box.counters.incarnation == fork.incarnation
    box.disk.store = "a new store"
    box.start()
    assert box.counters.incarnation == "a new store"


@pytest.mark.parametrize("repeated", [1, 3])
def test_what_is_told_again_says_no_more_than_is_known(repeated: int) -> None:
    counters = Counters("life", "boot")
    counters.add("starts", PUMP, 2)
    counters.confirm(counters.changed_records(1))
    counters.add("starts", PUMP, 1)  # not durable yet
    for number in range(repeated):
        told = [record.payload for record in counters.asserted_records(number)]
        assert sorted(b'"life_total":2.0' in payload for payload in told) == [True, True]
        assert {b'"value":2.0' in payload for payload in told} == {True, False}
    assert life_totals(counters.state())[LifeKey("starts", PUMP, "life")] == 3.0
