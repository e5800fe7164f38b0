"""Grow-only counters: merging in any order, repetition and loss; what is shown is what is durable."""

from __future__ import annotations

import random

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.counters import Counter, CounterError, CounterKey, Counters, CounterTotal, merged, total
from appliance.journal.record import NewRecord, Record, RecordKind

keys = st.builds(
    CounterKey,
    st.sampled_from(["starts", "running hours"]),
    st.sampled_from(["pump-1", "fan-2"]),
    st.sampled_from(["life-a", "life-b"]),
    st.sampled_from(["boot-1", "boot-2"]),
)
states = st.dictionaries(keys, st.floats(0.0, 1e9), max_size=8)


def stored(new: NewRecord, sequence: int = 1) -> Record:
    return Record(
        sequence,
        new.record_class,
        new.kind,
        new.key,
        new.subject,
        "boot",
        new.monotonic_ns,
        1_800_000_000_000_000_000,
        True,
        new.payload,
    )


@given(states, states)
def test_merging_is_commutative(a: dict[CounterKey, float], b: dict[CounterKey, float]) -> None:
    assert merged(a, b) == merged(b, a)


@given(states, states, states)
def test_merging_is_associative(
    a: dict[CounterKey, float], b: dict[CounterKey, float], c: dict[CounterKey, float]
) -> None:
    assert merged(merged(a, b), c) == merged(a, merged(b, c)) == merged(a, b, c)


@given(states, states)
def test_merging_is_idempotent_and_contains_both(
    a: dict[CounterKey, float], b: dict[CounterKey, float]
) -> None:
    both = merged(a, b)
    assert merged(both, a) == both
    assert all(both[key] >= value for key, value in (*a.items(), *b.items()))


@given(
    st.lists(st.tuples(st.sampled_from(["pump-1", "fan-2"]), st.integers(0, 1000)), max_size=30),
    st.integers(1, 5),
    st.randoms(use_true_random=False),
)
def test_records_delivered_in_any_order_and_repetition_give_the_total(
    increments: list[tuple[str, int]], starts: int, rng: random.Random
) -> None:
    """Several starts of the service count; every record ever made arrives shuffled, doubled, some lost:
    as long as the newest of each key arrives once, the total is exact."""
    deliveries: list[Record] = []
    history: list[Record] = []
    for start in range(starts):
        counters = Counters("life-a", f"boot-{start}")
        counters.restore(history)
        for subject, amount in increments:
            counters.add(Counter.BLOCKS, subject, amount)
            records = [stored(new) for new in counters.changed_records(0)]
            counters.confirm(records)
            history.extend(records)
            deliveries.extend(records)
    newest = {record.subject: record for record in deliveries}
    kept = [record for record in deliveries if rng.random() < 0.5] + list(newest.values()) * 2
    rng.shuffle(kept)
    other = Counters("elsewhere", "elsewhere")
    for record in kept:
        other.restore([record])
    for subject in ("pump-1", "fan-2"):
        counted = starts * sum(amount for name, amount in increments if name == subject)
        assert other.value(Counter.BLOCKS, subject) == counted


def test_totals_add_up_over_lives_and_starts() -> None:
    state = {
        CounterKey("starts", "pump-1", "life-a", "boot-1"): 3.0,
        CounterKey("starts", "pump-1", "life-a", "boot-2"): 4.0,
        CounterKey("starts", "pump-1", "life-b", "boot-3"): 5.0,
        CounterKey("starts", "fan-2", "life-b", "boot-3"): 100.0,
    }
    assert total(state, "starts", "pump-1") == 12.0


def test_only_committed_values_are_shown() -> None:
    counters = Counters("life-a", "boot-1")
    counters.add(Counter.STARTS, "pump-1")
    records = counters.changed_records(5)
    assert counters.committed() == []
    counters.add(Counter.STARTS, "pump-1")  # while the commit runs
    counters.confirm(records)
    assert counters.committed() == [CounterTotal("starts", "pump-1", 1.0)]
    assert counters.value(Counter.STARTS, "pump-1") == 2.0
    assert [record.kind for record in counters.changed_records(6)] == [RecordKind.COUNTER_VALUE]


def test_unchanged_counters_make_no_records() -> None:
    counters = Counters("life-a", "boot-1")
    counters.add(Counter.STARTS, "pump-1")
    counters.confirm(counters.changed_records(5))
    counters.add(Counter.STARTS, "pump-1", 0.0)
    assert counters.changed_records(6) == []


def test_the_same_value_has_the_same_key() -> None:
    counters = Counters("life-a", "boot-1")
    counters.add(Counter.RUNNING_HOURS, "pump-1", 0.1)
    assert counters.changed_records(5)[0].key == counters.changed_records(9)[0].key


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_a_counter_only_grows(amount: float) -> None:
    with pytest.raises(CounterError, match="cannot grow"):
        Counters("life-a", "boot-1").add(Counter.STARTS, "pump-1", amount)


def test_counting_on_before_restoring_under_the_same_name_is_refused() -> None:
    earlier = Counters("life-a", "boot-1")
    earlier.add(Counter.STARTS, "pump-1", 7)
    records = [stored(new) for new in earlier.changed_records(0)]
    later = Counters("life-a", "boot-1")
    later.add(Counter.STARTS, "pump-1")
    with pytest.raises(CounterError, match="restore before the first add"):
        later.restore(records)


def test_a_lost_store_swallows_nothing() -> None:
    counters = Counters("life-a", "boot-1")
    counters.add(Counter.STARTS, "pump-1", 5)
    counters.confirm(counters.changed_records(0))
    counters.begin_incarnation("life-b")
    assert counters.committed() == [CounterTotal("starts", "pump-1", 5.0)]  # what was shown does not go back
    counters.add(Counter.STARTS, "pump-1", 2)
    records = counters.changed_records(1)
    assert len(records) == 2  # the old life's value is offered to the new store again
    counters.confirm(records)
    assert counters.committed() == [CounterTotal("starts", "pump-1", 7.0)]


def test_a_record_tells_the_total_of_its_incarnation_over_all_starts() -> None:
    first = Counters("life-1", "boot-1")
    first.add(Counter.STARTS, "pump-1", 3.0)
    records = [stored(record) for record in first.changed_records(1)]
    second = Counters("life-1", "boot-2")
    second.restore(records)
    second.add(Counter.STARTS, "pump-1", 2.0)
    (changed,) = second.changed_records(2)
    payload = orjson.loads(changed.payload)
    assert (payload["value"], payload["life_total"]) == (2.0, 5.0)
    other = Counters("life-2", "boot-3")
    other.restore([*records, stored(changed)])
    other.add(Counter.STARTS, "pump-1", 1.0)
    (changed,) = other.changed_records(3)
    assert orjson.loads(changed.payload)["life_total"] == 1.0
