"""The rules of limits' versions: what may follow what, whoever does it and in whatever order."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record
from appliance.limit_records import stored_version, version_record
from appliance.limit_versions import (
    APPLIANCE,
    Act,
    LimitAction,
    LimitChangeError,
    LimitFacts,
    LimitKey,
    LimitVersion,
    by_learning,
    forgotten,
    locked,
    raised,
    restored,
    same_limit,
    undone,
    unlocked,
)

KEY = LimitKey("pump-2.x", "1480 rpm, load 50-75 %")
LEARNED = LimitFacts(
    key=KEY, baseline="robust-baseline-1/a", complete=True, factor=1.0, learned_s=14_400.0, needed_s=14_400.0,
    rests_on_s=20_000.0, windows=19_000, provisional=True, text="too little healthy running",
)  # fmt: skip
LEARNING = replace(LEARNED, baseline="", complete=False, learned_s=3_600.0)
ANNA = Act("anna", "new coupling", "c1")
ACTS = ("learn", "settle", "lock", "unlock", "raise", "forget", "undo", "restore")


def first() -> LimitVersion:
    version = by_learning("pump-2", LEARNED, None, "c0")
    assert version is not None
    return version


def test_what_is_learned_whole_is_the_first_version() -> None:
    assert by_learning("pump-2", LEARNING, None, "c0") is None
    assert by_learning("pump-2", replace(LEARNED, complete=False), None, "c0") is None
    version = first()
    assert (version.version, version.action, version.actor) == (1, LimitAction.LEARNED, APPLIANCE)
    assert version.reason == "learned from 4.0 h of running"
    assert by_learning("pump-2", LEARNED, version, "c1") is None


def test_learning_never_changes_what_a_person_locked_or_raised() -> None:
    settled = replace(LEARNED, factor=1.3, text="vouches for at most 1 false alarm in 12 years")
    by_itself = by_learning("pump-2", settled, first(), "c1")
    assert by_itself is not None
    assert (by_itself.action, by_itself.factor, by_itself.pinned) == (LimitAction.SETTLED, 1.3, False)
    for mine in (locked("pump-2", LEARNED, first(), ANNA), raised("pump-2", LEARNED, first(), ANNA, 1.2)):
        assert mine.ordered is not None
        assert by_learning("pump-2", settled, mine, "c2") is None


def test_a_lock_keeps_the_limit_that_stood_and_unlocking_gives_it_back_to_learning() -> None:
    settled = replace(LEARNED, factor=1.3)
    mine = locked("pump-2", LEARNED, first(), ANNA)
    assert (mine.factor, mine.ordered) == (1.0, 1.0)
    later = unlocked("pump-2", settled, mine, ANNA)
    assert later.ordered == 1.0, "learning moved on meanwhile: what stands is a person's until it is undone"
    assert unlocked("pump-2", LEARNED, mine, ANNA).ordered is None


def test_a_locked_limit_is_not_forgotten() -> None:
    with pytest.raises(LimitChangeError, match="is locked") as refused:
        forgotten("pump-2", LEARNED, locked("pump-2", LEARNED, first(), ANNA), ANNA)
    assert "Unlock it first" in refused.value.remedy


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.005, 3.01, 100.0])
def test_only_a_raise_within_reason_is_one(factor: float) -> None:
    with pytest.raises(LimitChangeError):
        raised("pump-2", LEARNED, first(), ANNA, factor)


def test_what_is_not_learned_can_only_be_begun_again() -> None:
    for act in (locked, unlocked):
        with pytest.raises(LimitChangeError, match=r"still being learned: 1\.0 h of 4\.0 h"):
            act("pump-2", LEARNING, None, ANNA)
    with pytest.raises(LimitChangeError, match="no version yet"):
        undone("pump-2", LEARNING, None, ANNA, [])
    assert forgotten("pump-2", LEARNING, None, ANNA).baseline == ""


def test_undoing_twice_is_as_before() -> None:
    past = [first()]
    past.append(raised("pump-2", LEARNED, past[-1], ANNA, 1.5))
    past.append(undone("pump-2", LEARNED, past[-1], ANNA, past))
    assert same_limit(past[2], past[0])
    past.append(undone("pump-2", LEARNED, past[-1], ANNA, past))
    assert same_limit(past[3], past[1])
    assert (past[3].action, past[3].of_version) == (LimitAction.UNDONE, 3)


def test_learning_is_not_undone_and_the_present_is_not_restored() -> None:
    with pytest.raises(LimitChangeError, match="was learned, nobody changed it"):
        undone("pump-2", LEARNED, first(), ANNA, [first()])
    with pytest.raises(LimitChangeError, match="is as in version 1 already"):
        restored("pump-2", LEARNED, first(), ANNA, first())


def test_a_settled_limit_comes_back_as_it_stood_after_it_was_learned_anew() -> None:
    settled = by_learning("pump-2", replace(LEARNED, factor=1.3), first(), "c1")
    assert settled is not None
    gone = forgotten("pump-2", replace(LEARNED, factor=1.3), settled, ANNA)
    back = undone("pump-2", LEARNING, gone, ANNA, [first(), settled, gone])
    assert (back.factor, back.ordered) == (1.3, 1.3), "the watch begins anew at 1.0 and must not lower it"


@given(st.lists(st.tuples(st.sampled_from(ACTS), st.floats(0.5, 3.5), st.integers(0, 9)), max_size=25))
def test_whatever_people_and_learning_do_the_rules_hold(acts: list[tuple[str, float, int]]) -> None:
    """Versions count up by one; learning overrides no person; what is refused changes nothing."""
    facts, past, baselines = LEARNED, [first()], 1
    for act, factor, pick in acts:
        present = past[-1]
        made: LimitVersion | None = None
        try:
            if act == "learn" and not facts.baseline:
                baselines += 1
                facts = replace(facts, baseline=f"robust-baseline-1/{baselines}", complete=True)
                made = by_learning("pump-2", facts, present, "c")
                assert made is not None
            elif act == "settle":
                facts = replace(facts, factor=max(1.0, factor))
                made = by_learning("pump-2", facts, present, "c")
                assert made is None or not (present.locked or present.pinned)
            elif act in ("lock", "unlock", "forget"):
                made = {"lock": locked, "unlock": unlocked, "forget": forgotten}[act](
                    "pump-2", facts, present, ANNA
                )
            elif act == "raise":
                made = raised("pump-2", facts, present, ANNA, factor)
                assert made.factor > present.factor
            elif act == "undo":
                made = undone("pump-2", facts, present, ANNA, past)
            elif act == "restore":
                older = past[pick % len(past)]
                made = restored("pump-2", facts, present, ANNA, older)
                assert (made.baseline, made.factor, made.locked) == (
                    older.baseline,
                    older.factor,
                    older.locked,
                )
        except LimitChangeError as refused:
            assert refused.remedy
            continue
        if made is not None:
            assert made.version == present.version + 1
            assert 1.0 <= made.factor <= 3.5
            past.append(made)
            facts = replace(facts, baseline=made.baseline, complete=bool(made.baseline))


def stored(new: NewRecord, **change: object) -> Record:
    fields = {"payload": new.payload, **change}
    return Record(7, new.record_class, new.kind, new.key, new.subject, "boot", 1, 2, True, **fields)  # type: ignore[arg-type]


def test_a_version_survives_the_journal_with_what_was_learned() -> None:
    content = {"detector": [], "lines": None, "records_learned": 8, "sensor": None}
    version = raised("pump-2", LEARNED, first(), ANNA, 1.5)
    found = stored_version(stored(version_record(version, 1, content, version.baseline)))
    assert found.version == version
    assert (found.content, found.content_of, found.sequence) == (content, version.baseline, 7)


@pytest.mark.parametrize(
    "damage",
    [b"", b"[]", b"{}", b'{"format":"limit-version-9"}', b"\xff"],
)
def test_what_is_no_version_is_refused(damage: bytes) -> None:
    with pytest.raises(Rejected, match="is no version of a limit"):
        stored_version(stored(version_record(first(), 1, None, ""), payload=damage))


def test_a_version_of_an_unknown_kind_is_refused() -> None:
    new = version_record(first(), 1, None, "")
    fields = {**orjson.loads(new.payload), "action": "improved"}
    with pytest.raises(Rejected, match="improved"):
        stored_version(stored(new, payload=orjson.dumps(fields)))
