"""Limits changed on both sides: one rule, in any order; the loser is kept, and one undo brings it back."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from appliance.limit_versions import (
    APPLIANCE,
    Act,
    LimitAction,
    LimitChangeError,
    LimitFacts,
    LimitKey,
    LimitVersion,
    by_learning,
    locked,
    raised,
    same_limit,
    undone,
    unlocked,
)
from appliance.reconcile.limits_merge import (
    LimitChange,
    Origin,
    difference,
    merge_plan,
    merged_changes,
    recovery_plan,
    standing,
)

KEY = LimitKey("pump-2.x", "1480 rpm, load 50-75 %")
FACTS = LimitFacts(
    key=KEY, baseline="robust-baseline-1/a", complete=True, factor=1.0, learned_s=14_400.0, needed_s=14_400.0,
    rests_on_s=20_000.0, windows=19_000, provisional=True, text="too little healthy running",
)  # fmt: skip
first = by_learning("pump-2", FACTS, None, "c0")
assert first is not None
FIRST: LimitVersion = first
ANNA, BOB = Act("anna", "runs rougher", "c-anna"), Act("bob (centre)", "too loud", "c-bob")


@st.composite
def histories(draw: st.DrawFn) -> list[LimitChange]:
    """Changes of both sides, each made of one that was there before."""
    changes: list[LimitChange] = []
    for number in range(draw(st.integers(1, 8))):
        before = draw(st.sampled_from(["", *(one.change_id for one in changes)]))
        person = draw(st.booleans())
        is_locked = person and draw(st.booleans())
        version = replace(
            FIRST,
            version=number + 1,
            actor=draw(st.sampled_from(["anna", "bob"])) if person else APPLIANCE,
            baseline=draw(st.sampled_from(["a", "a", ""])) if person else "a",
            factor=draw(st.sampled_from([1.0, 1.2, 1.5])),
            locked=is_locked,
            pinned=is_locked or (person and draw(st.booleans())),
        )
        origin = draw(st.sampled_from(list(Origin)))
        changes.append(LimitChange(f"change-{number}", before, origin, version))
    return changes


@given(histories(), st.randoms(use_true_random=False))
def test_both_sides_come_to_the_same_in_any_order_and_repetition(
    changes: list[LimitChange], rng: random.Random
) -> None:
    held = standing(changes)
    shuffled = changes * 2
    rng.shuffle(shuffled)
    assert standing(shuffled) == held
    box = [one for one in changes if rng.random() < 0.6]
    centre = [one for one in changes if one not in box or rng.random() < 0.3]
    assert merged_changes(box, centre) == merged_changes(centre, box, box) == frozenset(changes)
    assert standing(merged_changes(merged_changes(centre), box)) == held


@given(histories())
def test_learning_never_overrides_what_a_person_set_or_locked(changes: list[LimitChange]) -> None:
    persons = {one.change_id for one in changes if one.version.by_person}
    follows = {one.change_id: one.follows for one in changes}

    def ancestors(change_id: str) -> set[str]:
        found = set()
        while change_id := follows.get(change_id, ""):
            found.add(change_id)
        return found

    replaced_by_persons = {before for one in persons for before in ancestors(one)}
    unanswered = [
        one
        for one in changes
        if one.version.by_person and one.version.pinned and one.change_id not in replaced_by_persons
    ]
    held = standing(changes)
    assert held is not None
    if unanswered:
        assert held.holds.version.by_person


@given(histories())
def test_what_lost_is_kept_and_nothing_is_both(changes: list[LimitChange]) -> None:
    held = standing(changes)
    assert held is not None
    assert held.holds not in held.losers
    for loser in held.losers:
        assert (loser.version.by_person, bool(loser.version.baseline)) <= (
            held.holds.version.by_person,
            bool(held.holds.version.baseline),
        )


acts = st.lists(
    st.tuples(st.sampled_from(["lock", "unlock", "raise", "settle"]), st.sampled_from([1.2, 1.5, 2.0])),
    min_size=1,
    max_size=5,
)


def applied(present: LimitVersion, what: str, factor: float, act: Act) -> LimitVersion | None:
    """The next version; None where it cannot be or changes nothing."""
    try:
        if what == "lock":
            return locked("pump-2", FACTS, present, act)
        if what == "unlock":
            return unlocked("pump-2", FACTS, present, act)
        if what == "raise":
            return raised("pump-2", FACTS, present, act, factor)
    except LimitChangeError:
        return None
    return by_learning("pump-2", replace(FACTS, factor=factor), present, act.change_id)


@given(acts, st.sampled_from(["lock", "unlock", "raise"]), st.sampled_from([1.1, 1.5, 3.0]), st.booleans())
def test_an_outage_on_both_sides(
    story: list[tuple[str, float]], what: str, factor: float, was_locked: bool
) -> None:
    base = locked("pump-2", FACTS, FIRST, ANNA) if was_locked else FIRST
    proposed = applied(base, what, factor, BOB)
    assume(proposed is not None)
    assert proposed is not None
    since: list[LimitVersion] = []
    present = base
    for act, height in story:
        made = applied(present, act, height, replace(ANNA, change_id=f"c{len(since)}"))
        if made is not None:
            since.append(made)
            present = made
    assume(since)
    plan = merge_plan(present, since, proposed)
    if not plan.versions:
        assert same_limit(proposed, present)
        return
    last = plan.versions[-1]
    numbers = [one.version for one in plan.versions]
    assert numbers == list(range(present.version + 1, present.version + 1 + len(numbers)))
    assert last.by_person, "learning overrode a person"
    assert same_limit(last, proposed) or same_limit(last, present)
    if not present.by_person:
        assert same_limit(last, proposed), "a person's change lost against learning"
    else:
        assert plan.conflict
        assert last.factor == min(proposed.factor, present.factor)
        # one step back gives the other one
        history = [FIRST, base, *since, *plan.versions]
        back = undone("pump-2", FACTS, last, ANNA, history)
        other = present if same_limit(last, proposed) else proposed
        assert (back.baseline, back.factor, back.locked) == (other.baseline, other.factor, other.locked)


def test_the_lower_of_two_persons_limits_holds_whoever_was_where() -> None:
    high, low = raised("pump-2", FACTS, FIRST, ANNA, 2.0), raised("pump-2", FACTS, FIRST, BOB, 1.5)
    assert merge_plan(high, [high], low).versions[-1].factor == 1.5
    plan = merge_plan(low, [low], high)
    assert [one.factor for one in plan.versions] == [2.0, 1.5]
    assert (plan.versions[-1].action, plan.versions[-1].of_version) == (LimitAction.RESTORED, 2)
    assert "limit 150 %, not 200 %" in plan.text
    assert "bob (centre)'s holds, anna's is kept as a version" in plan.text


def test_a_difference_is_told_in_words() -> None:
    assert difference(FIRST, FIRST) == []
    assert difference(raised("pump-2", FACTS, FIRST, ANNA, 1.5), locked("pump-2", FACTS, FIRST, BOB)) == [
        ("limit", "150 %", "100 %"),
        ("locked", "no", "yes"),
    ]


def test_a_change_of_a_baseline_that_is_no_more_is_refused() -> None:
    anew = replace(FIRST, version=2, baseline="robust-baseline-1/b")
    with pytest.raises(LimitChangeError, match="another baseline since version 2"):
        merge_plan(anew, [anew], locked("pump-2", FACTS, FIRST, BOB))


@given(acts, acts, st.booleans())
def test_a_restored_box_takes_over_what_it_had_told(
    before: list[tuple[str, float]], after: list[tuple[str, float]], goes_on: bool
) -> None:
    """A backup of some versions; the box went on, told the centre all, and its journal was put back."""

    def continued(
        history: list[LimitVersion], story: list[tuple[str, float]], name: str
    ) -> list[LimitVersion]:
        found = list(history)
        for number, (act, height) in enumerate(story):
            made = applied(found[-1], act, height, replace(ANNA, change_id=f"{name}{number}"))
            if made is not None:
                found.append(made)
        return found

    backup = continued([FIRST], before, "before")
    told = continued(backup, after, "lost")
    own = continued(backup, [("raise", 1.7)], "own") if goes_on else backup
    assume(len(told) > len(backup))
    assert recovery_plan(told, told[: len(backup)]) is None, "a box that is ahead lacks nothing"
    plan = recovery_plan(own, told)
    if plan is None:
        assert same_limit(own[-1], told[-1])
        return
    holds = plan.versions[-1]
    assert holds.version > max(own[-1].version, told[-1].version)
    if len(own) == len(backup):
        assert same_limit(holds, told[-1])
    elif told[-1].by_person:
        assert holds.factor == min(own[-1].factor, told[-1].factor)
    else:
        assert same_limit(holds, own[-1]), "learning overrode a person"
    everything = [*own, *plan.versions]
    assert recovery_plan(everything, [*told, *plan.versions]) is None, "it settles at once"
    assert recovery_plan(everything, told) is None, "before the centre has the new versions, too"


def test_a_lost_limit_on_a_baseline_that_nobody_has_is_told_not_taken() -> None:
    anew = replace(FIRST, version=2, baseline="robust-baseline-1/b", change_id="c9")
    with pytest.raises(LimitChangeError, match="neither it nor the baseline"):
        recovery_plan([FIRST], [FIRST, anew])
