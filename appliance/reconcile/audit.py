"""The arrival audit's decisions: the state of a slot, what to send again, when to stop and tell a person.

Duty: the states of a slot, the difference between what was sent and what the centre has, and the step that
follows. Pure: asks nobody, sends nothing, knows no clock.

A slot is repaired twice at most for one incident: one that then differs again is a conflict (somebody else
writes there too) or a centre that acknowledges and forgets, and a person's matter. An incident is over when a
later round finds that both sides agree, or when one side was away after the repair was seen there: what is
missing then was lost anew. In all its life a slot is repaired a hundred times at most, lest a second writer
who comes rarely is fought for ever. What the centre's retention has cut away, or what is no longer kept on
the box, is told as such and not sent for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.questions import FoundPoints, PointKey, differing_fields
from appliance.reconcile.sent_line import SentPoint, SeriesKey
from appliance.reconcile.slot_sums import SLOT_NS

MOST_REPAIRS = 2  # of one incident
MOST_REPAIRS_EVER = 100
NEVER, OPEN = -1, -2
DAY_NS = 86_400_000_000_000
BEYOND_RETENTION = ("beyond retention", "outside retention", "past retention")

SUMMED: dict[RecordKind, RecordClass] = {
    RecordKind.FEATURES: RecordClass.TELEMETRY,
    RecordKind.SCORE: RecordClass.TELEMETRY,
    RecordKind.TAG: RecordClass.TELEMETRY,
    RecordKind.HEALTH: RecordClass.TELEMETRY,
    RecordKind.GAP: RecordClass.TELEMETRY,
    RecordKind.COUNTER_VALUE: RecordClass.COUNTER,
}
"""Compared by count and sum; read back only where these differ. (Of counters the greatest value is what
matters, and that is asked for apart.)"""

READ_BACK: dict[RecordKind, RecordClass] = {
    RecordKind.ALARM_TRANSITION: RecordClass.ALARM,
    RecordKind.ADVISORY: RecordClass.ALARM,
    RecordKind.AUDIT: RecordClass.ALARM,
    RecordKind.LEARNED_LIMIT: RecordClass.LIMIT,
    RecordKind.LIMIT_VERSION: RecordClass.LIMIT,
}
"""Compared point by point, each time: they are few, and their words matter."""

KIND_CLASS: dict[RecordKind, RecordClass] = {**SUMMED, **READ_BACK}


class SlotState(StrEnum):
    """What is known of a slot. The last five stay until a person asks for the slot again."""

    SENT = "sent"  # delivered, not asked about yet
    CONFIRMED = "confirmed"
    DIFFERS = "differs"  # repaired, and not yet seen to agree
    AHEAD = "ahead"  # all that was sent is there, and more in the same series
    CONFLICT = "conflict"  # changed by another writer again and again
    FORGOTTEN = "forgotten"  # acknowledged again and again, and not kept
    CUT = "cut by retention"
    GONE = "no longer here"  # differs, and the box has the records no more


SETTLED = frozenset({SlotState.CUT, SlotState.GONE})  # not asked about any more
ALARMING = frozenset({SlotState.CONFLICT, SlotState.FORGOTTEN})
UNREPAIRED = frozenset({SlotState.DIFFERS, *ALARMING})


@dataclass(frozen=True, slots=True)
class Slot:
    """An hour of one subject's records of one kind (of READ_BACK kinds: of all subjects, `subject` "")."""

    kind: RecordKind
    subject: str
    start_ns: int  # UTC
    last_sequence: int  # newest record in it
    summed_sequence: int  # the same when it was added up; NEVER; OPEN
    points: int  # that were sent
    state: SlotState = SlotState.SENT
    repairs: int = 0  # of the present incident
    note: str = ""
    until_ns: int = 0  # of a slot that has not ended: up to when it is looked at; 0: all of it
    earlier_repairs: int = 0  # of incidents that are over

    @property
    def end_ns(self) -> int:
        return self.until_ns or self.start_ns + SLOT_NS

    @property
    def is_open(self) -> bool:
        """Whether only a part of it was added up."""
        return self.summed_sequence == OPEN

    @property
    def is_stale(self) -> bool:
        """Whether records came that are not added up."""
        return self.summed_sequence not in (self.last_sequence, OPEN)

    def over(self) -> Slot:
        """The same, its incident over: what differs later is another one."""
        return replace(self, repairs=0, earlier_repairs=self.earlier_repairs + self.repairs)

    @property
    def day(self) -> int:
        """Begin of its UTC day, ns."""
        return self.start_ns - self.start_ns % DAY_NS


@dataclass(frozen=True, slots=True)
class SlotDifference:
    """What a slot lacks at the centre. Keys of points."""

    missing: tuple[PointKey, ...]
    changed: tuple[PointKey, ...]
    foreign: int  # points there that this box does not know
    there: int
    example: str = ""  # the first difference in words

    @property
    def is_none(self) -> bool:
        """Whether all that was sent is there as it was sent."""
        return not self.missing and not self.changed

    def without(self, keys: Iterable[PointKey]) -> SlotDifference:
        """The same, with some points not counted as missing."""
        given_up = set(keys)
        return SlotDifference(
            tuple(key for key in self.missing if key not in given_up),
            self.changed,
            self.foreign,
            self.there,
            self.example,
        )


def difference(sent: Mapping[PointKey, SentPoint], there: FoundPoints) -> SlotDifference:
    """Held against each other, point by point and field by field."""
    missing = tuple(key for key in sent if key not in there)
    changed: list[PointKey] = []
    example = ""
    for key, point in sent.items():
        fields = differing_fields(point.fields, there[key]) if key in there else []
        if fields:
            changed.append(key)
            name = fields[0]
            example = example or (
                f"{key[0].text}: {name} was sent as {point.fields[name]!r}, is {there[key].get(name)!r} there"
            )
    if missing and not example:
        example = f"{missing[0][0].text}: {len(missing):,} of {len(sent):,} points are not there"
    return SlotDifference(missing, tuple(changed), len(there.keys() - sent.keys()), len(there), example)


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a slot now, and whether its differing points are sent again."""

    state: SlotState
    send: bool = False
    note: str = ""


def next_step(slot: Slot, found: SlotDifference, *, kept: int, agreed: bool, cut_before_ns: int = 0) -> Step:
    """The step for a slot that was read back.

    `kept`: how many of its points the box still has; `agreed`: whether the centre has as many as were sent,
    with the same sums. `cut_before_ns`: before this time the centre's retention has been seen to cut.
    """
    if found.is_none:
        if kept < slot.points and not agreed:
            note = f"{slot.points - kept:,} of {slot.points:,} points are no longer kept here"
            return Step(SlotState.GONE, note=note)
        surplus = found.foreign if kept >= slot.points else 0
        if surplus:
            return Step(SlotState.AHEAD, note=f"{surplus:,} points there that were not sent from here")
        return Step(SlotState.CONFIRMED)
    if found.there == 0 and slot.end_ns <= cut_before_ns:
        return Step(SlotState.CUT, note="older than what the centre keeps")
    if slot.repairs >= MOST_REPAIRS or slot.repairs + slot.earlier_repairs >= MOST_REPAIRS_EVER:
        state = SlotState.CONFLICT if found.changed else SlotState.FORGOTTEN
        return Step(state, note=found.example)
    return Step(SlotState.DIFFERS, send=True, note=found.example)


def is_retention(reason: str) -> bool:
    """Whether a refusal means that a point is older than what the centre keeps."""
    return any(words in reason.lower() for words in BEYOND_RETENTION)


def silently_cut(slots: Iterable[tuple[Slot, bool]]) -> list[Slot]:
    """Of one series' slots those that a retention took without a word.

    `slots` with whether the centre has nothing at all of each. A server may acknowledge what it will not keep
    (version 3 does, for what is beyond its retention): then nothing is there before a certain time, and all
    after it. A centre that forgets at random leaves no such edge.
    """
    ordered = sorted(slots, key=lambda one: one[0].start_ns)
    oldest = 0
    while oldest < len(ordered) and ordered[oldest][1]:
        oldest += 1
    rest = ordered[oldest:]
    if not rest or any(absent or one.state is not SlotState.CONFIRMED for one, absent in rest):
        return []
    return [one for one, _ in ordered[:oldest] if one.state is SlotState.FORGOTTEN]


def series_among(points: Iterable[PointKey]) -> list[SeriesKey]:
    """The series of some points, each once."""
    return list(dict.fromkeys(series for series, _ in points))
