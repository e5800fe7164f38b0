"""How acts of the box and of the centre become one state of an alarm, whichever way they travelled.

Duty: the fold of a set of events to the state of every alarm, and the step that brings one more act into an
alarm as it stands. Both follow the rules of docs/central-commands.md. Pure: no clock, no journal.

The state is a function of the *set* of events alone: of facts that only ever become true (an activation was
raised, it was cleared, somebody acknowledged it) and of registers in which the greatest mark wins (which
activation is the present one, whether it is shelved). Joining sets is commutative, associative and idempotent
(a state-based CRDT: Shapiro et al., "Conflict-free Replicated Data Types", 2011), so order, repetition and
loss that is made good later change nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from appliance.alarms.acts import Act, ActivationId, ActKind, Conflict, EventMark, names_of
from appliance.alarms.lifecycle import APPLIANCE, Alarm, AlarmState, AlarmTransition

WHAT = {
    ActKind.ACKNOWLEDGE: "acknowledged",
    ActKind.SHELVE: "shelved",
    ActKind.UNSHELVE: "unshelved",
}
CONFLICT = "conflict"


class EventKind(StrEnum):
    """What can be known of an activation."""

    RAISED = "raised"
    CLEARED = "cleared"
    ACT = "act"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One fact about one activation of an alarm. `mark` orders RAISED; else it is the act's."""

    alarm_id: str
    activation: ActivationId  # which it is about; of a conflict: the one that it is shown with
    kind: EventKind
    mark: EventMark
    act: Act | None = None
    conflict: Conflict | None = None


@dataclass(frozen=True, slots=True)
class AlarmStanding:
    """An alarm as a set of events leaves it: its present activation and what people did to that."""

    alarm_id: str
    activation: ActivationId
    state: AlarmState
    acknowledgements: tuple[Act, ...] = ()
    shelving: Act | None = None  # the latest of shelve and unshelve; None: never, or the activation is over
    conflicts: tuple[Conflict, ...] = ()
    raised: EventMark = field(default_factory=EventMark)  # of the step that raised the activation

    @property
    def acknowledged_by(self) -> str | None:
        """Every name, in order of the stamps."""
        return names_of(self.acknowledgements)


def fold(events: Iterable[AlarmEvent]) -> dict[str, AlarmStanding]:
    """The state of every alarm that was ever raised among these events."""
    of_alarm: dict[str, list[AlarmEvent]] = {}
    for event in events:
        of_alarm.setdefault(event.alarm_id, []).append(event)
    standing = {alarm_id: _standing(alarm_id, known) for alarm_id, known in of_alarm.items()}
    return {alarm_id: one for alarm_id, one in sorted(standing.items()) if one is not None}


def events_of(alarm: Alarm, activation: ActivationId, raised: EventMark) -> list[AlarmEvent]:
    """All facts that an alarm as it stands contains: whoever has its newest record needs no older one."""

    def event(kind: EventKind, mark: EventMark, **of: object) -> AlarmEvent:
        return AlarmEvent(alarm.alarm_id, activation, kind, mark, **of)  # type: ignore[arg-type]

    found = [event(EventKind.RAISED, raised)]
    if not alarm.state.active:
        found.append(event(EventKind.CLEARED, raised))
    acts = [*alarm.acknowledgements, *([] if alarm.shelving is None else [alarm.shelving])]
    found += [event(EventKind.ACT, act.mark, act=act) for act in acts]
    found += [event(EventKind.CONFLICT, one.act.mark, conflict=one) for one in alarm.conflicts]
    return found


def act_event(alarm_id: str, named: ActivationId, act: Act) -> AlarmEvent:
    """An act as its author made it: of the activation that was seen."""
    return AlarmEvent(alarm_id, named, EventKind.ACT, act.mark, act=act)


def knows(alarm: Alarm, mark: EventMark) -> bool:
    """Whether an act with this name is part of the alarm's state already."""
    acts = [*alarm.acknowledgements, *(one.act for one in alarm.conflicts)]
    acts += [] if alarm.shelving is None else [alarm.shelving]
    return any(act.mark.name == mark.name for act in acts)


def with_act(
    alarm: Alarm, present: ActivationId, named: ActivationId, act: Act, time_ns: int
) -> AlarmTransition:
    """An act brought into an alarm as it stands: it takes effect, or it is a conflict that is shown.

    `present` is the alarm's activation, `named` the one that the act's author saw; `time_ns` is monotonic.
    What the transition makes of the alarm is what `fold` makes of the set with the act in it. An act that
    `knows` says is known already must not be brought in again: ask before.
    """
    reason = _why_not(alarm, present, named, act)
    if reason:
        text = f"{_told(act)} {reason}"
        conflicts = ordered_conflicts([*alarm.conflicts, Conflict(act, named, text)])
        after = replace(alarm, conflicts=conflicts, changed_ns=time_ns)
        return AlarmTransition(CONFLICT, act.actor, after, act.mark, text)
    if act.kind is ActKind.ACKNOWLEDGE:
        acts = _ordered({a.mark.name: a for a in (*alarm.acknowledgements, act)})
        over = not alarm.state.active
        after = replace(
            alarm,
            state=AlarmState.NORMAL if over else AlarmState.ACTIVE_ACKNOWLEDGED,
            acknowledgements=acts,
            acknowledged_by=names_of(acts),
            comment=comment_of(acts),
            shelving=None if over else alarm.shelving,
            changed_ns=time_ns,
        )
    else:
        after = replace(alarm, shelving=act, changed_ns=time_ns)
    return AlarmTransition(WHAT[act.kind], act.actor, after, act.mark, act.reason)


def shelving_ended(alarm: Alarm, mark: EventMark, time_ns: int) -> AlarmTransition:
    """The time for which the alarm was shelved is over."""
    act = Act(ActKind.UNSHELVE, mark, APPLIANCE, "the time for which it was shelved is over")
    return AlarmTransition(
        WHAT[ActKind.UNSHELVE], APPLIANCE, replace(alarm, shelving=act, changed_ns=time_ns), mark, act.reason
    )


def state_of(active: bool, acknowledged: bool) -> AlarmState:
    """The state of ISA-18.2 that both facts make."""
    if active:
        return AlarmState.ACTIVE_ACKNOWLEDGED if acknowledged else AlarmState.ACTIVE_UNACKNOWLEDGED
    return AlarmState.NORMAL if acknowledged else AlarmState.CLEARED_UNACKNOWLEDGED


def comment_of(acknowledgements: tuple[Act, ...]) -> str:
    """What the last one wrote who wrote anything."""
    return next((act.reason for act in reversed(acknowledgements) if act.reason), "")


def _standing(alarm_id: str, events: list[AlarmEvent]) -> AlarmStanding | None:
    raised = [event for event in events if event.kind is EventKind.RAISED]
    if not raised:
        return None  # acts on what nobody raised: they wait for it
    newest = max(raised, key=lambda event: (event.mark, event.activation))
    present = newest.activation
    own = [event for event in events if event.activation == present]
    conflicts = ordered_conflicts(event.conflict for event in own if event.conflict is not None)
    acts = {event.act.mark.name: event.act for event in own if event.act is not None}
    acknowledgements = _ordered({name: act for name, act in acts.items() if act.kind is ActKind.ACKNOWLEDGE})
    active = not any(event.kind is EventKind.CLEARED for event in own)
    state = state_of(active, bool(acknowledgements))
    shelvings = [act for act in acts.values() if act.kind is not ActKind.ACKNOWLEDGE]
    shelving = max(shelvings, key=lambda act: act.mark, default=None)
    return AlarmStanding(
        alarm_id,
        present,
        state,
        acknowledgements,
        None if state is AlarmState.NORMAL else shelving,
        conflicts,
        newest.mark,
    )


def _why_not(alarm: Alarm, present: ActivationId, named: ActivationId, act: Act) -> str:
    """Why an act takes no effect; "" where it does."""
    if named != present:
        return (
            f"activation {named.number}, which is not the present one ({present.number}):"
            " the present one is unchanged"
        )
    if act.kind is ActKind.ACKNOWLEDGE:
        return ""
    if alarm.state is AlarmState.NORMAL:
        return "an activation that was closed meanwhile: it stays closed"
    before = alarm.shelving
    if before is not None and before.mark > act.mark:
        return f"it, but {_told(before)} it later: the later holds"
    return ""


def _told(act: Act) -> str:
    where = "at the centre" if act.mark.at_centre else "on the box"
    return f"{act.actor} {where} {WHAT[act.kind]}"


def _ordered(acts: Mapping[tuple[str, int], Act]) -> tuple[Act, ...]:
    return tuple(sorted(acts.values(), key=lambda act: act.mark))


def ordered_conflicts(conflicts: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """Each once, in order of the stamps of their acts."""
    by_name = {one.act.mark.name: one for one in conflicts}
    return tuple(sorted(by_name.values(), key=lambda one: one.act.mark))
