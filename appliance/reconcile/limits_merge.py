"""Changes of one limit made on the box and at the centre during an outage, merged to one.

Duty: the rule, and the versions that follow from it. Pure; stores nothing.

Changes are a set that only grows: who knows more of them merges by union, in any order, as often as it likes.
What holds is read off the set. A change replaces the one that its author saw; of changes that did not see one
another one holds, and the others are kept:

1. A person's holds over learning. What learning makes of a limit that a person had locked or set counts not
   at all.
2. Of two persons' the one that gives a limit holds over the one that has it learned anew.
3. Then the lower limit: it warns sooner. A missed failure costs more than a look at a sound machine.
4. At the same height the locked one; then the box's, where the machine is.

The loser becomes a version of its own, so that the history shows both, and one undo brings it into service.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.limit_versions import LimitAction, LimitChangeError, LimitVersion, same_limit

RULE = "a person's over learning, then the lower, then the locked one, then the box's"


class Origin(StrEnum):
    """Where a change was ordered."""

    BOX = "the box"
    CENTRE = "the centre"


@dataclass(frozen=True, slots=True)
class LimitChange:
    """One change of one limit. `follows`: the change that its author saw ("" for none)."""

    change_id: str
    follows: str
    origin: Origin
    version: LimitVersion

    @property
    def _rank(self) -> tuple[bool, bool, float, bool, bool, str]:
        version = self.version
        return (
            version.by_person,
            bool(version.baseline),
            -version.factor,
            version.locked,
            self.origin is Origin.BOX,
            self.change_id,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What holds of a set of changes, and what was made beside it without having seen it."""

    holds: LimitChange
    losers: tuple[LimitChange, ...]


@dataclass(frozen=True, slots=True)
class MergePlan:
    """Versions that follow from a change of the centre, in order; the last one is in service."""

    versions: tuple[LimitVersion, ...]
    conflict: bool  # somebody else's change lost, or this one did
    text: str


def merged_changes(*sets: Iterable[LimitChange]) -> frozenset[LimitChange]:
    """All that anybody knows."""
    return frozenset(change for one in sets for change in one)


def standing(changes: Iterable[LimitChange]) -> Standing | None:
    """What holds; None of an empty set."""
    known = {change.change_id: change for change in changes}
    counting = [one for one in known.values() if not _overrides_a_person(one, known)]
    replaced = {one.follows for one in counting}
    heads = sorted((one for one in counting if one.change_id not in replaced), key=lambda one: one._rank)
    if not heads:
        return None
    return Standing(heads[-1], tuple(heads[:-1]))


def difference(one: LimitVersion, other: LimitVersion) -> list[tuple[str, str, str]]:
    """What two versions of a limit differ in: (what, of the one, of the other), as people read it."""
    rows = [
        ("limit", f"{100.0 * one.factor:.0f} %", f"{100.0 * other.factor:.0f} %"),
        ("locked", _yes(one.locked), _yes(other.locked)),
        ("set by a person", _yes(one.pinned), _yes(other.pinned)),
        ("baseline", one.baseline or "being learned", other.baseline or "being learned"),
    ]
    return [row for row in rows if row[1] != row[2]]


def merge_plan(present: LimitVersion, since: Sequence[LimitVersion], proposed: LimitVersion) -> MergePlan:
    """What becomes of a change of the centre whose author had not seen the versions `since`, oldest first.

    `present` is the last of them; `proposed` the version that the change would have made of what its author
    saw. Raises LimitChangeError where that speaks of a baseline that is in service no more.
    """
    if proposed.baseline != present.baseline:
        raise LimitChangeError(
            f"{present.key} rests on another baseline since version {present.version}"
            f" ({present.action} by {present.actor}), which was not seen at the centre",
            "Look at the limit as it is now, and decide again.",
        )
    change = replace(proposed, version=present.version + 1)
    if same_limit(change, present):
        return MergePlan((), False, f"{present.key} was so already, since version {present.version}")
    seen = f"version {since[0].version - 1}"
    mine = [
        LimitChange(f"version {one.version}", f"version {one.version - 1}", Origin.BOX, one) for one in since
    ]
    found = standing([*mine, LimitChange(f"centre {change.change_id}", seen, Origin.CENTRE, change)])
    assert found is not None
    by_persons = any(one.by_person for one in since)
    if found.holds.origin is Origin.CENTRE:
        return MergePlan((change,), by_persons, _told(present.key, change, present, by_persons))
    kept = found.holds.version
    back = replace(
        kept,
        version=change.version + 1,
        action=LimitAction.RESTORED,
        reason=_told(present.key, kept, change, True),
        change_id=change.change_id,
        of_version=kept.version,
    )
    return MergePlan((change, back), True, back.reason)


def recovery_plan(own: Sequence[LimitVersion], told: Sequence[LimitVersion]) -> MergePlan | None:
    """What a box takes over of a limit that it told the centre once, and whose newest versions its journal
    does not have (it is a backup, or was damaged); None where it lacks nothing.

    `own`, oldest first and not empty, is all that the journal has of the limit; `told` what the centre has.
    The new versions count on from the greatest number that was ever told. Raises LimitChangeError where what
    was told rests on a baseline that is in service no more.
    """
    present = own[-1]
    lost, common = _lost_of(own, told)
    since = [one for one in own if one.version > common]
    if lost is None or same_limit(lost, present):
        return None
    if lost.action is not LimitAction.RESTORED and any(same_limit(lost, one) for one in since):
        return None  # so it was made here, too, and was changed since
    numbers = max(one.version for one in (*own, *told))
    if lost.baseline != present.baseline:
        if any(one.version >= lost.version for one in told if one in own):
            return None  # it was told when it was lost, and this journal has gone on for longer since
        raise LimitChangeError(
            f"version {lost.version} of {lost.key} ({lost.action} by {lost.actor}) was told to the centre;"
            " this journal has neither it nor the baseline that it rests on",
            "Compare with what the centre has, and set the limit again.",
        )
    told_before = f"version {lost.version} by {lost.actor}, told to the centre before and not in this journal"
    again = replace(
        lost,
        version=numbers + 1,
        action=LimitAction.RESTORED,
        reason=f"{told_before}: {lost.reason}",
        of_version=lost.version,
    )
    if not since:
        return MergePlan((again,), False, f"{lost.key}: {told_before}")
    changes = [LimitChange("here", "", Origin.BOX, present), LimitChange("told", "", Origin.CENTRE, lost)]
    found = standing(changes)
    assert found is not None
    if found.holds.origin is Origin.CENTRE:
        return MergePlan((again,), present.by_person, _told(lost.key, again, present, True))
    text = _told(lost.key, present, lost, True)
    back = replace(
        present, version=numbers + 2, action=LimitAction.RESTORED, reason=text, of_version=present.version
    )
    return MergePlan((again, back), True, text)


def _lost_of(own: Sequence[LimitVersion], told: Sequence[LimitVersion]) -> tuple[LimitVersion | None, int]:
    """The newest told version of another branch than this journal's (None: there is none that is not taken
    over), and the number of the last version that both branches have.

    A branch is known by the versions that lie where this journal has others: it may have told its own since,
    as many or more. What was told of a time before this journal's oldest version is not looked at.
    """
    mine, taken = {(one.version, one.change_id) for one in own}, {one.change_id for one in own}
    others = [
        one for one in told if one.version >= own[0].version and (one.version, one.change_id) not in mine
    ]
    fork = min((one.version for one in others), default=0)
    shared = (one.version for one in told if one.version < fork and (one.version, one.change_id) in mine)
    through = max((one.version for one in others if one.change_id in taken), default=0)
    new = [one for one in others if one.change_id not in taken and one.version > through]
    return max(new, key=lambda one: (one.version, one.change_id), default=None), max(shared, default=0)


def _overrides_a_person(change: LimitChange, known: dict[str, LimitChange]) -> bool:
    """Whether learning made it of what a person had set (a lock sets it, too), itself or further back."""
    one: LimitChange | None = change
    seen: set[str] = set()
    while one is not None and not one.version.by_person and one.change_id not in seen:
        seen.add(one.change_id)
        before = known.get(one.follows)
        if (
            before is not None
            and before.version.by_person
            and (before.version.pinned or before.version.locked)
        ):
            return True
        one = before
    return False


def _told(key: object, holds: LimitVersion, other: LimitVersion, conflict: bool) -> str:
    rows = "; ".join(f"{what} {one}, not {two}" for what, one, two in difference(holds, other))
    if not conflict:
        return f"{key}: {rows}: set by {holds.actor} before the box's learning was seen"
    return (
        f"{key}: {rows}: {holds.actor}'s holds, {other.actor}'s is kept as a version"
        f" (changed on both sides: {RULE})"
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"
