"""ISA-18.2 life of one alarm, as a table; pure, time is an argument.

Duty: which step may follow which, and the alarm after it. When an alarm is raised is decided by the rules,
who may acknowledge by the web floor. States after ISA-18.2-2016, 5.2.3 (alarm state transition diagram):
normal, unacknowledged active, acknowledged active, returned to normal unacknowledged.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from appliance.alarms.acts import Act, ActKind, Conflict, EventMark, HybridStamp, names_of

MAX_COMMENT = 500


class Severity(StrEnum):
    """What the machine's state is worth, ordered; apart from priority (how soon a person must act)."""

    NOT_RATED = "not rated"
    GOOD = "good"  # ISO 20816 zones A and B
    WATCH = "watch"  # significant change or a learned limit passed
    WARN = "warn"  # zone C
    STOP = "stop"  # zone D

    @property
    def rank(self) -> int:
        """Position in the order, 0 for not rated."""
        return list(Severity).index(self)


class AlarmState(StrEnum):
    """ISA-18.2 states that are built so far (suppressed, out of service follow); shelving stands beside."""

    ACTIVE_UNACKNOWLEDGED = "active, unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active, acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared, unacknowledged"
    NORMAL = "normal"

    @property
    def active(self) -> bool:
        """Whether the condition stands."""
        return self in (AlarmState.ACTIVE_UNACKNOWLEDGED, AlarmState.ACTIVE_ACKNOWLEDGED)


class AlarmStep(StrEnum):
    """What can happen to an alarm."""

    RAISE = "raise"
    UPDATE = "update"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm as it stands after its latest transition. Times are monotonic ns of `boot_id`'s boot."""

    alarm_id: str
    asset_id: str
    channel_id: str | None
    rule: str  # "machine condition", "check sensor", "source lost", "journal not durable", ...
    severity: Severity
    state: AlarmState
    raised_ns: int
    changed_ns: int
    activation: int  # counts how often this alarm became active; an acknowledgement names the one it saw
    score: float
    fault: str | None
    confidence: float | None
    reason: str  # the sentence a technician reads
    # JSON-ready: frequency_hz, multiplier, over_baseline_db, feature, ...; rising_s, which a record replaces
    # by rising_since where the clock can be trusted
    evidence: dict[str, Any]
    durable: bool = True
    acknowledged_by: str | None = None
    comment: str = ""
    rising_since_ns: int | None = None  # since when the line of a named fault has been rising
    acknowledgements: tuple[Act, ...] = ()  # of this activation, in order of their marks
    shelving: Act | None = None  # the latest of shelve and unshelve of this activation
    conflicts: tuple[Conflict, ...] = ()  # acts that came too late for it, or lost against a later one

    def shelved(self, time_ns: int) -> bool:
        """Whether it is shelved at this UTC time."""
        act = self.shelving
        return act is not None and act.kind is ActKind.SHELVE and time_ns < act.until_ns


@dataclass(frozen=True, slots=True)
class AlarmTransition:
    """One step in an alarm's life, ready for the journal: what happened, by whom, and the alarm after it."""

    what: str  # "raised", "updated", "acknowledged", "cleared", "re-raised", "closed", or `alarm_merge.WHAT`
    actor: str  # "appliance" or a user's name
    alarm: Alarm
    mark: EventMark | None = None  # of a person's act; others get theirs with their record
    reason: str = ""  # the person's words, or why it is a conflict


@dataclass(frozen=True, slots=True)
class Condition:
    """What a rule found: the content of an alarm, without its life."""

    alarm_id: str
    asset_id: str
    channel_id: str | None
    rule: str
    severity: Severity
    reason: str
    score: float = 0.0
    fault: str | None = None
    confidence: float | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    rising_since_ns: int | None = None


class AlarmError(Exception):
    """Base of the alarms' errors."""


class AlarmStepError(AlarmError):
    """A step that the table does not have from this state."""


class StaleActivationError(AlarmError):
    """An acknowledgement of an activation that is not the present one."""


class NothingToAcknowledgeError(AlarmError):
    """An acknowledgement of an alarm that has none to give."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One arrow of the diagram: in `state`, `step` leads to `after` and is called `what`."""

    state: AlarmState
    step: AlarmStep
    after: AlarmState
    what: str


_UNACK, _ACK = AlarmState.ACTIVE_UNACKNOWLEDGED, AlarmState.ACTIVE_ACKNOWLEDGED
_RETURNED, _NORMAL = AlarmState.CLEARED_UNACKNOWLEDGED, AlarmState.NORMAL

TABLE: tuple[TableRow, ...] = (
    TableRow(_NORMAL, AlarmStep.RAISE, _UNACK, "raised"),
    TableRow(_UNACK, AlarmStep.UPDATE, _UNACK, "updated"),
    TableRow(_UNACK, AlarmStep.ACKNOWLEDGE, _ACK, "acknowledged"),
    TableRow(_UNACK, AlarmStep.CLEAR, _RETURNED, "cleared"),
    TableRow(_ACK, AlarmStep.UPDATE, _ACK, "updated"),
    TableRow(_ACK, AlarmStep.CLEAR, _NORMAL, "closed"),
    TableRow(_RETURNED, AlarmStep.RAISE, _UNACK, "re-raised"),
    TableRow(_RETURNED, AlarmStep.ACKNOWLEDGE, _NORMAL, "acknowledged"),
)
_ARROWS = {(row.state, row.step): row for row in TABLE}

APPLIANCE = "appliance"  # the actor of every step that no person took


def raise_alarm(previous: Alarm | None, condition: Condition, time_ns: int) -> AlarmTransition:
    """The alarm becomes active, unacknowledged, its activation one more than the previous one's.

    `previous` is the same alarm as it stood (None: it never was). Raises AlarmStepError if it is active.
    """
    row = _row(_NORMAL if previous is None else previous.state, AlarmStep.RAISE, condition.alarm_id)
    alarm = Alarm(
        alarm_id=condition.alarm_id,
        asset_id=condition.asset_id,
        channel_id=condition.channel_id,
        rule=condition.rule,
        severity=condition.severity,
        state=row.after,
        raised_ns=time_ns,
        changed_ns=time_ns,
        activation=1 if previous is None else previous.activation + 1,
        score=condition.score,
        fault=condition.fault,
        confidence=condition.confidence,
        reason=condition.reason,
        evidence=dict(condition.evidence),
        rising_since_ns=condition.rising_since_ns,
    )
    return AlarmTransition(row.what, APPLIANCE, alarm)


def update(alarm: Alarm, condition: Condition, time_ns: int) -> AlarmTransition:
    """The same activation, known better: text, severity, fault. Who acknowledged it stays.

    Raises AlarmStepError if the alarm is not active.
    """
    row = _row(alarm.state, AlarmStep.UPDATE, alarm.alarm_id)
    after = replace(
        alarm,
        state=row.after,
        channel_id=condition.channel_id,
        severity=condition.severity,
        changed_ns=time_ns,
        score=condition.score,
        fault=condition.fault,
        confidence=condition.confidence,
        reason=condition.reason,
        evidence=dict(condition.evidence),
        rising_since_ns=condition.rising_since_ns,
    )
    return AlarmTransition(row.what, APPLIANCE, after)


def clear(alarm: Alarm, time_ns: int) -> AlarmTransition:
    """The condition is gone; the alarm stays open until it was acknowledged. Raises AlarmStepError."""
    row = _row(alarm.state, AlarmStep.CLEAR, alarm.alarm_id)
    shelving = None if row.after is AlarmState.NORMAL else alarm.shelving  # what is over needs no shelf
    after = replace(alarm, state=row.after, changed_ns=time_ns, shelving=shelving)
    return AlarmTransition(row.what, APPLIANCE, after)


def acknowledge(
    alarm: Alarm, activation: int, actor: str, comment: str, time_ns: int, *, mark: EventMark | None = None
) -> AlarmTransition:
    """A person has seen this activation. The comment is cut at 500 characters.

    `mark` names the act among those of all origins; without one it counts for this box alone.

    Raises StaleActivationError if it is not the present one (the message names both),
    NothingToAcknowledgeError if the alarm is acknowledged already or normal.
    """
    if activation != alarm.activation:
        raise StaleActivationError(
            f"alarm {alarm.alarm_id!r}: activation {activation} was to be acknowledged, but the present one"
            f" is {alarm.activation}; look at the alarm again"
        )
    row = _ARROWS.get((alarm.state, AlarmStep.ACKNOWLEDGE))
    if row is None:
        by = f", acknowledged by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
        raise NothingToAcknowledgeError(
            f"alarm {alarm.alarm_id!r} is {alarm.state}{by}: there is nothing to acknowledge"
        )
    act = Act(
        ActKind.ACKNOWLEDGE,
        mark or EventMark(HybridStamp(time_ns), "", alarm.activation),
        actor,
        comment[:MAX_COMMENT],
    )
    after = replace(
        alarm,
        state=row.after,
        changed_ns=time_ns,
        acknowledgements=(act,),
        acknowledged_by=names_of((act,)),
        comment=act.reason,
        shelving=None if row.after is AlarmState.NORMAL else alarm.shelving,
    )
    return AlarmTransition(row.what, actor, after, act.mark, act.reason)


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    names = {state: f"S{i}" for i, state in enumerate(AlarmState)}
    lines = ["stateDiagram-v2"]
    lines += [f"    {names[state]}: {state}" for state in AlarmState]
    lines.append(f"    [*] --> {names[AlarmState.NORMAL]}")
    lines += [f"    {names[row.state]} --> {names[row.after]}: {row.step} ({row.what})" for row in TABLE]
    return "\n".join(lines) + "\n"


def _row(state: AlarmState, step: AlarmStep, alarm_id: str) -> TableRow:
    row = _ARROWS.get((state, step))
    if row is None:
        can = ", ".join(str(r.step) for r in TABLE if r.state is state)
        raise AlarmStepError(f"alarm {alarm_id!r} is {state}: it cannot {step}; it can {can}")
    return row
