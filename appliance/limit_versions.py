"""Versions of learned limits: who set which limit, when, why, from how much running; what may follow what.

Duty: the rules of locking, raising, undoing, restoring and learning anew, as pure functions from the present
version to the next. Keeps nothing and stores nothing (`limit_desk` does).

A limit is that of one channel in one operating state. A version says what holds after it: which baseline, at
what multiple of its learned limit (`factor`), whether a person set that multiple (`pinned`), and whether the
limit is locked. What a person pinned or locked is never overridden by learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from appliance.errors import StethosError
from models.baseline import Baseline

APPLIANCE = "appliance"  # the actor of what learning does by itself
LARGEST_FACTOR = 3.0  # of the learned limit: beyond it a limit says nothing any more
LEAST_RAISE = 0.01
FIRST_BASELINE = (
    "first baseline"  # in the place of an operating state: what a channel's drift is compared with
)


class LimitAction(StrEnum):
    """What made a version."""

    LEARNED = "learned"  # a baseline was learned whole
    SETTLED = "settled"  # the limit was settled once by what healthy running showed
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    RAISED = "raised"
    FORGOTTEN = "learn anew"  # a person had it learned anew
    UNDONE = "undone"
    RESTORED = "restored"
    REPLACED = "new first baseline"  # a person gave up what drift was compared with


class LimitChangeError(StethosError):
    """A change of a limit that cannot be; `remedy` says what would be right."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class LimitKey:
    """Which limit: of one channel in one operating state."""

    channel_id: str
    operating_state: str

    @property
    def subject(self) -> str:
        """What a record of it is about."""
        return f"{self.channel_id}/{self.operating_state}"

    def __str__(self) -> str:
        return f"{self.channel_id} in state {self.operating_state!r}"


def is_first_baseline(key: LimitKey) -> bool:
    """Whether a key means what a channel's drift is compared with, not a limit."""
    return key.operating_state == FIRST_BASELINE


@dataclass(frozen=True, slots=True)
class LimitFacts:
    """What the analysis knows of a limit now, without what a person ordered."""

    key: LimitKey
    baseline: str  # version of the baseline in service; "" while none is
    complete: bool  # windows and fault lines both are learned
    factor: float  # at which the watch of the limit settled it
    learned_s: float
    needed_s: float
    rests_on_s: float  # of running: learned from, and run below the limit since
    windows: int
    provisional: bool
    text: str  # for which rate of false alarms the limit can vouch
    model: Baseline | None = field(default=None, compare=False, repr=False)  # what the limit belongs to
    kind: Literal["limit", "process", "drift"] = (
        "limit"  # of vibration, process values, drift's first baseline
    )


@dataclass(frozen=True, slots=True)
class LimitVersion:
    """One version of a limit. `baseline` "": nothing is learned, it is being learned anew."""

    asset_id: str
    key: LimitKey
    version: int  # 1, 2, ... per limit
    action: LimitAction
    actor: str
    reason: str
    change_id: str  # one for all limits that one act changed
    baseline: str
    factor: float
    pinned: bool
    locked: bool
    rests_on_s: float
    windows: int
    provisional: bool
    of_version: int | None = None  # which one was undone or restored

    @property
    def by_person(self) -> bool:
        return self.actor != APPLIANCE

    @property
    def ordered(self) -> float | None:
        """The factor that a person set; None: what learning gives holds."""
        return self.factor if self.pinned else None


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something to limits, and why."""

    actor: str
    reason: str
    change_id: str


def by_learning(
    asset_id: str, facts: LimitFacts, present: LimitVersion | None, change_id: str
) -> LimitVersion | None:
    """The version that learning made since the present one; None where nothing changed.

    A limit that a person locked or pinned keeps its factor, whatever the watch settles.
    """
    if not (facts.complete and facts.baseline):
        return None
    if present is None or present.baseline != facts.baseline:
        act = Act(APPLIANCE, f"learned from {_hours(facts.learned_s)} of running", change_id)
        fresh = _next(asset_id, facts, present, LimitAction.LEARNED, act)
        return replace(fresh, baseline=facts.baseline, factor=facts.factor, pinned=False, locked=False)
    if present.pinned or present.locked or abs(present.factor - facts.factor) < 1e-9:
        return None
    act = Act(APPLIANCE, facts.text, change_id)
    return replace(_next(asset_id, facts, present, LimitAction.SETTLED, act), factor=facts.factor)


def locked(asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act) -> LimitVersion:
    """The limit as it is, never to be changed by learning. Raises LimitChangeError."""
    known = _learned(facts, present)
    if known.locked:
        raise LimitChangeError(
            f"{facts.key} is locked already, since version {known.version}", "Nothing to do."
        )
    return replace(_next(asset_id, facts, known, LimitAction.LOCKED, act), pinned=True, locked=True)


def unlocked(asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act) -> LimitVersion:
    """The same limit, open to learning again; a raised one stays raised. Raises LimitChangeError."""
    known = _learned(facts, present)
    if not known.locked:
        raise LimitChangeError(f"{facts.key} is not locked", "Nothing to do.")
    pinned = abs(known.factor - facts.factor) > 1e-9
    return replace(_next(asset_id, facts, known, LimitAction.UNLOCKED, act), pinned=pinned, locked=False)


def raised(
    asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act, factor: float
) -> LimitVersion:
    """The limit at a larger multiple of the learned one. Raises LimitChangeError."""
    known = _learned(facts, present)
    if factor < known.factor + LEAST_RAISE:
        raise LimitChangeError(
            f"{facts.key} stands at {100.0 * known.factor:.0f} % of what was learned;"
            f" {100.0 * factor:.0f} % would not raise it",
            "To lower a limit, undo the raise or restore an older version.",
        )
    if factor > LARGEST_FACTOR:
        raise LimitChangeError(
            f"{100.0 * factor:.0f} % of what was learned is more than {100.0 * LARGEST_FACTOR:.0f} %",
            "A limit so high watches nothing: if the machine was changed, have it learned anew.",
        )
    return replace(_next(asset_id, facts, known, LimitAction.RAISED, act), factor=factor, pinned=True)


def forgotten(asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act) -> LimitVersion:
    """Nothing is learned any more: it is learned anew. Raises LimitChangeError for a locked limit."""
    if present is not None and present.locked:
        raise LimitChangeError(
            f"{facts.key} is locked (version {present.version}, by {present.actor})",
            "Unlock it first: what is locked is never replaced by learning.",
        )
    fresh = _next(asset_id, facts, present, LimitAction.FORGOTTEN, act)
    return replace(fresh, baseline="", factor=1.0, pinned=False, locked=False, provisional=True)


def replaced(asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act) -> list[LimitVersion]:
    """The first baseline of drift given up: what runs from now on is the first. Raises LimitChangeError.

    Two versions where the journal does not know yet what is given up: that it was there, and that it went.
    """
    if not facts.baseline:
        raise LimitChangeError(
            f"{facts.key.channel_id} has no first baseline yet", "Wait until a limit is learned."
        )
    known = present
    if known is None or known.baseline != facts.baseline:
        there = Act(APPLIANCE, f"compared with for {_hours(facts.learned_s)} of running", act.change_id)
        known = replace(
            _next(asset_id, facts, present, LimitAction.LEARNED, there),
            baseline=facts.baseline,
            provisional=False,
        )
    fresh = _next(asset_id, facts, known, LimitAction.REPLACED, act)
    gone = replace(fresh, baseline="", provisional=True)
    return [gone] if known is present else [known, gone]


def restored(
    asset_id: str, facts: LimitFacts, present: LimitVersion | None, act: Act, older: LimitVersion
) -> LimitVersion:
    """An older version's limit again, as a new version. Raises LimitChangeError."""
    return _as(asset_id, facts, present, act, older, action=LimitAction.RESTORED, of_version=older.version)


def undone(
    asset_id: str,
    facts: LimitFacts,
    present: LimitVersion | None,
    act: Act,
    before: Sequence[LimitVersion],
) -> LimitVersion:
    """What held before the present version, one step back. Raises LimitChangeError.

    Undoing an undo gives again what was undone. Learning a baseline is no step that can be undone.
    """
    if present is None:
        raise LimitChangeError(f"{facts.key} has no version yet", "Nothing to undo.")
    if present.action is LimitAction.LEARNED:
        raise LimitChangeError(
            f"the newest version of {facts.key} was learned, nobody changed it since",
            "Restore an older version from its history, or have it learned anew.",
        )
    older = next((one for one in before if one.version == present.version - 1), None)
    if older is None:
        raise LimitChangeError(
            f"the version before {present.version} of {facts.key} is not there", "Nothing to go back to."
        )
    return _as(asset_id, facts, present, act, older, action=LimitAction.UNDONE, of_version=present.version)


def _as(
    asset_id: str,
    facts: LimitFacts,
    present: LimitVersion | None,
    act: Act,
    older: LimitVersion,
    *,
    action: LimitAction,
    of_version: int,
) -> LimitVersion:
    if not older.baseline:
        raise LimitChangeError(
            f"version {older.version} of {facts.key} had nothing learned", "Have it learned anew instead."
        )
    if present is not None and same_limit(present, older):
        raise LimitChangeError(f"{facts.key} is as in version {older.version} already", "Nothing to do.")
    # an older figure is a person's choice from now on, unless it is what learning gives today, too
    pinned = older.pinned or abs(older.factor - facts.factor) > 1e-9
    return replace(
        _next(asset_id, facts, present, action, act),
        baseline=older.baseline,
        factor=older.factor,
        pinned=pinned,
        locked=older.locked,
        rests_on_s=older.rests_on_s if older.baseline != facts.baseline else facts.rests_on_s,
        windows=older.windows,
        provisional=older.provisional,
        of_version=of_version,
    )


def same_limit(one: LimitVersion, other: LimitVersion) -> bool:
    """Whether two versions mean the same limit."""
    return (one.baseline, one.factor, one.pinned, one.locked) == (
        other.baseline,
        other.factor,
        other.pinned,
        other.locked,
    )


def _learned(facts: LimitFacts, present: LimitVersion | None) -> LimitVersion:
    """The present version of a limit that is in service. Raises LimitChangeError."""
    if present is None or not present.baseline:
        raise LimitChangeError(
            f"{facts.key} is still being learned: {_hours(facts.learned_s)} of {_hours(facts.needed_s)}",
            "Wait until it is learned.",
        )
    return present


def _next(
    asset_id: str, facts: LimitFacts, present: LimitVersion | None, action: LimitAction, act: Act
) -> LimitVersion:
    """The next version, in all else as the present one."""
    return LimitVersion(
        asset_id=asset_id,
        key=facts.key,
        version=1 if present is None else present.version + 1,
        action=action,
        actor=act.actor,
        reason=act.reason,
        change_id=act.change_id,
        baseline="" if present is None else present.baseline,
        factor=1.0 if present is None else present.factor,
        pinned=present is not None and present.pinned,
        locked=present is not None and present.locked,
        rests_on_s=facts.rests_on_s,
        windows=facts.windows,
        provisional=facts.provisional,
    )


def _hours(seconds: float) -> str:
    return f"{seconds / 3600.0:.1f} h" if seconds >= 3600.0 else f"{seconds:.0f} s"
