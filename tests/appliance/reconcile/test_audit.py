"""The audit's decisions, and what it adds up: pure."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Rejected
from appliance.journal.record import RecordKind
from appliance.reconcile.audit import (
    KIND_CLASS,
    MOST_REPAIRS,
    MOST_REPAIRS_EVER,
    Slot,
    SlotDifference,
    SlotState,
    difference,
    is_retention,
    next_step,
    silently_cut,
)
from appliance.reconcile.questions import FoundPoints
from appliance.reconcile.sent_line import SentPoint, SeriesKey, sent_point
from appliance.reconcile.slot_sums import (
    SLOT_NS,
    FoundSum,
    SeriesSum,
    agrees,
    merged,
    packed,
    points_in,
    slot_of,
    sums_of,
    unpacked,
)
from appliance.sinks.courier import KINDS
from appliance.sinks.line_protocol import line

SERIES = SeriesKey("features", (("channel", "pump-1.de.x"), ("device_id", "d")))
NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="\\%\x7f\x85\u2028\u2029", min_codepoint=32), min_size=1
)
VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(st.characters(codec="utf-8")),
)


@given(
    measurement=NAMES.filter(lambda name: name[0] not in "_#" and name != "time"),
    tags=st.dictionaries(
        NAMES.filter(lambda name: name[0] not in "_#" and name != "time"), NAMES, max_size=3
    ),
    fields=st.dictionaries(
        NAMES.filter(lambda name: name[0] not in "_#" and name != "time"), VALUES, min_size=1, max_size=5
    ),
    time_ns=st.integers(0, 2**62),
)
def test_a_line_is_read_as_it_was_written(
    measurement: str, tags: dict[str, str], fields: dict[str, float | int | bool | str], time_ns: int
) -> None:
    body = line(measurement, tags, fields, time_ns)
    assert body is not None
    point = sent_point(body)
    assert point.series == SeriesKey(measurement, tuple(sorted(tags.items())))
    assert point.time_ns == time_ns
    assert point.fields == fields
    assert [type(value) for value in point.fields.values()] == [type(value) for value in fields.values()]


@pytest.mark.parametrize("body", [b"", b"m", b"m f=1", b"m f 1", b"m f=x 1", b"m f=1 x", b'm f="open 1'])
def test_what_is_no_line_is_refused(body: bytes) -> None:
    with pytest.raises(Rejected):
        sent_point(body)


def _point(number: int, **fields: float | int | bool | str) -> SentPoint:
    return SentPoint(SERIES, number, fields)


@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200), st.randoms(use_true_random=False))
def test_any_order_of_adding_agrees(values: list[float], chance: random.Random) -> None:
    sums = sums_of(_point(number, value=value) for number, value in enumerate(values))[SERIES]
    shuffled = values.copy()
    chance.shuffle(shuffled)
    total = 0.0
    for value in shuffled:
        total += value
    for found in (total, math.fsum(values)):
        assert agrees(sums, FoundSum({"value": len(values)}, {"value": found}))
    assert not agrees(sums, FoundSum({"value": len(values) - 1}, {"value": total}))


def test_one_value_in_an_hour_changed_by_a_hundred_millionth_is_seen() -> None:
    values = [20.0 + math.sin(number) for number in range(3600)]
    sums = sums_of(_point(number, value=value) for number, value in enumerate(values))[SERIES]
    changed = math.fsum(values) + values[7] * 1e-8
    assert not agrees(sums, FoundSum({"value": 3600}, {"value": changed}))
    total = 0.0
    for value in values:
        total += value
    assert agrees(sums, FoundSum({"value": 3600}, {"value": total}))


def test_integers_are_exact_and_times_are_only_counted() -> None:
    sums = sums_of(
        _point(number, n=2**52 + number, time_ns=1_800_000_000_000_000_000, word="a", ok=True)
        for number in range(3)
    )[SERIES]
    counts = dict.fromkeys(("n", "time_ns", "word", "ok"), 3)
    assert agrees(sums, FoundSum(counts, {"n": 3 * 2**52 + 3}))
    assert not agrees(sums, FoundSum(counts, {"n": 3 * 2**52 + 4}))
    assert not agrees(sums, FoundSum({**counts, "word": 2}, {"n": 3 * 2**52 + 3}))
    assert sums.fields["time_ns"].total is None
    assert not agrees(sums, None)
    assert agrees(SeriesSum(), None)


def test_a_sum_of_64_bits_wraps_as_the_servers_does() -> None:
    sums = sums_of(_point(number, n=2**53) for number in range(2_000))
    stored = unpacked(packed(sums))[SERIES]
    wrapped = (2_000 * 2**53 + 2**63) % 2**64 - 2**63
    assert agrees(stored, FoundSum({"n": 2_000}, {"n": wrapped}))


def test_sums_come_back_from_the_disk_and_add_up() -> None:
    one = sums_of(_point(number, value=number / 3, n=number, word="x") for number in range(100))
    two = sums_of(_point(number, value=number / 7, n=number) for number in range(50))
    assert unpacked(packed(one)) == one
    both = merged([unpacked(packed(one)), two])
    assert points_in(both) == 150
    assert both[SERIES].fields["n"].total == 99 * 50 + 49 * 25
    assert both[SERIES].fields["word"].count == 100
    with pytest.raises(ValueError, match="not whole"):
        unpacked(b"garbage")
    assert slot_of(SLOT_NS + 5) == SLOT_NS


def _slot(**values: object) -> Slot:
    slot = Slot(RecordKind.FEATURES, "pump-1.de.x", 100 * SLOT_NS, 10, 10, 5)
    return replace(slot, **values)  # type: ignore[arg-type]


KEYS = tuple((SERIES, number) for number in range(5))
NONE = SlotDifference((), (), 0, 5)
MISSING = SlotDifference(KEYS[:2], (), 0, 3, "two are not there")
CHANGED = SlotDifference((), KEYS[:1], 0, 5, "one is other")
ABSENT = SlotDifference(KEYS, (), 0, 0, "none is there")


@pytest.mark.parametrize(
    ("slot", "found", "kept", "agreed", "state", "send"),
    [
        (_slot(), NONE, 5, True, SlotState.CONFIRMED, False),
        (_slot(repairs=2), NONE, 5, False, SlotState.CONFIRMED, False),
        (_slot(), MISSING, 5, False, SlotState.DIFFERS, True),
        (_slot(repairs=1), CHANGED, 5, False, SlotState.DIFFERS, True),
        (_slot(repairs=MOST_REPAIRS), CHANGED, 5, False, SlotState.CONFLICT, False),
        (_slot(repairs=MOST_REPAIRS), MISSING, 5, False, SlotState.FORGOTTEN, False),
        (_slot(), replace(NONE, there=3), 3, False, SlotState.GONE, False),
        (_slot(), NONE, 3, True, SlotState.CONFIRMED, False),
        (_slot(), replace(NONE, foreign=4, there=9), 5, False, SlotState.AHEAD, False),
    ],
)
def test_the_step_that_follows(
    slot: Slot, found: SlotDifference, kept: int, agreed: bool, state: SlotState, send: bool
) -> None:
    step = next_step(slot, found, kept=kept, agreed=agreed)
    assert (step.state, step.send) == (state, send)


@given(st.lists(st.sampled_from([NONE, MISSING, CHANGED, ABSENT, replace(NONE, foreign=3)]), max_size=30))
def test_whatever_the_centre_does_a_slot_is_repaired_twice_at_most(seen: list[SlotDifference]) -> None:
    slot = _slot()
    for found in seen:
        step = next_step(slot, found, kept=5, agreed=False)
        assert step.send == (not found.is_none and slot.repairs < MOST_REPAIRS)
        slot = replace(slot, state=step.state, repairs=slot.repairs + step.send)
        assert (slot.state in (SlotState.CONFIRMED, SlotState.AHEAD)) == found.is_none
    assert slot.repairs == min(MOST_REPAIRS, sum(not found.is_none for found in seen))


def test_an_incident_that_is_over_is_not_held_against_the_next_one_but_not_for_ever() -> None:
    slot, sent = _slot(), 0
    for _ in range(MOST_REPAIRS_EVER):
        step = next_step(slot, MISSING, kept=5, agreed=False)
        assert step.send
        slot = replace(slot, repairs=slot.repairs + 1).over()
        sent += 1
    assert (slot.repairs, slot.earlier_repairs) == (0, sent)
    assert next_step(slot, CHANGED, kept=5, agreed=False).state is SlotState.CONFLICT


def test_what_lies_before_the_retentions_edge_is_not_sent() -> None:
    slot = _slot()
    assert next_step(slot, ABSENT, kept=5, agreed=False).send
    cut = next_step(slot, ABSENT, kept=5, agreed=False, cut_before_ns=slot.end_ns)
    assert (cut.state, cut.send) == (SlotState.CUT, False)
    assert next_step(slot, MISSING, kept=5, agreed=False, cut_before_ns=slot.end_ns).send
    assert is_retention("400: partial write: points beyond retention policy dropped=3")
    assert not is_retention("400: field type conflict")


def test_points_are_held_against_each_other_field_by_field() -> None:
    sent = {key: SentPoint(SERIES, key[1], {"value": 1.5, "word": "a", "n": 3, "ok": True}) for key in KEYS}
    there: FoundPoints = {key: {"value": 1.5, "word": "a", "n": 3, "ok": True, "more": 1.0} for key in KEYS}
    assert difference(sent, there).is_none, "a field that another writer added is not ours to judge"
    there[KEYS[1]] = {**there[KEYS[1]], "word": "b"}
    there[KEYS[2]] = {**there[KEYS[2]], "ok": 1}
    del there[KEYS[3]]
    there[SERIES, 99] = {"value": 1.0}
    found = difference(sent, there)
    assert (found.missing, found.changed, found.foreign) == ((KEYS[3],), (KEYS[1], KEYS[2]), 1)
    assert "word was sent as 'a', is 'b' there" in found.example


def test_only_an_edge_in_time_is_taken_for_a_retention() -> None:
    def line_of(*states: SlotState) -> list[tuple[Slot, bool]]:
        return [
            (_slot(start_ns=number * SLOT_NS, state=state), state is SlotState.FORGOTTEN)
            for number, state in enumerate(states)
        ]

    lost, good = SlotState.FORGOTTEN, SlotState.CONFIRMED
    assert [slot.start_ns for slot in silently_cut(line_of(lost, lost, good, good))] == [0, SLOT_NS]
    assert silently_cut(line_of(lost, lost, lost)) == [], "a centre that forgets everything keeps no edge"
    assert silently_cut(line_of(good, lost, lost)) == []
    assert silently_cut(line_of(lost, good, lost, good)) == []
    assert silently_cut(line_of(good, good)) == []


def test_every_kind_that_goes_to_the_centre_is_audited_there() -> None:
    sent = {kind: record_class for record_class, kinds in KINDS.items() for kind in kinds}
    assert sent == KIND_CLASS
