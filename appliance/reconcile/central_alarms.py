"""Alarms as the centre has them: rows of the measurement `alarm` as events, ready to be folded.

Duty: the fields to ask for, and the step from rows to facts. With the events of the box in one set they give
the state on both sides (`alarm_merge.fold`). Pure; asking is `central`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from appliance.alarm_records import StoredTransition, raised_mark_of
from appliance.alarms.acts import (
    Act,
    ActivationId,
    ActKind,
    EventMark,
    HybridStamp,
    act_of,
    conflict_of,
    mark_of,
)
from appliance.alarms.lifecycle import AlarmState, Severity
from appliance.errors import Rejected
from appliance.reconcile.alarm_merge import AlarmEvent, AlarmStanding, EventKind, events_of, fold

FIELDS = ("alarm_id", "activation", "raised_time_ns", "state", "acknowledged_by", "comment", "acts")


@dataclass(frozen=True, slots=True)
class CentralAlarm:
    """One alarm as the box told it to the centre, folded, and what it is about."""

    standing: AlarmStanding
    asset_id: str
    channel_id: str | None
    rule: str
    severity: Severity


def alarms_of_documents(documents: Iterable[str]) -> list[CentralAlarm]:
    """Every alarm of these documents (field `acts`, whose signature is good), as their set leaves it.

    Raises Rejected for one that is none.
    """
    events: list[AlarmEvent] = []
    about: dict[tuple[str, ActivationId], dict[str, Any]] = {}
    for document in documents:
        try:
            said = orjson.loads(document)
            alarm_id = str(said["alarm_id"])
            activation = ActivationId(int(said["activation"]), int(said["raised_time_ns"]))
            events += _events(alarm_id, activation, mark_of(said["raised_mark"]), bool(said["active"]), said)
            Severity(said["severity"])
            about[alarm_id, activation] = said
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Rejected(f"acts that are none: {type(error).__name__} {error}") from error
    found = []
    for alarm_id, standing in fold(events).items():
        said = about[alarm_id, standing.activation]
        channel_id = said["channel_id"]
        found.append(
            CentralAlarm(
                standing,
                str(said["asset_id"]),
                None if channel_id is None else str(channel_id),
                str(said["rule"]),
                Severity(said["severity"]),
            )
        )
    return found


def events_of_rows(rows: Iterable[Mapping[str, Any]]) -> list[AlarmEvent]:
    """All facts that these rows contain. Raises Rejected for a row that is no alarm."""
    return [event for row in rows for event in _of_row(row)]


def events_of_stored(stored: Iterable[StoredTransition]) -> list[AlarmEvent]:
    """All facts that the box's transitions contain."""
    return [
        event for one in stored for event in events_of(one.transition.alarm, one.activation, one.raised_mark)
    ]


def _of_row(row: Mapping[str, Any]) -> list[AlarmEvent]:
    try:
        alarm_id = str(row["alarm_id"])
        activation = ActivationId(int(row["activation"]), int(row["raised_time_ns"]))
        said = orjson.loads(row["acts"]) if row.get("acts") else {}
        raised = raised_mark_of(said.get("raised_mark"), activation.number, activation.raised_time_ns)
        active = AlarmState(str(row["state"])).active
        found = _events(alarm_id, activation, raised, active, said)
        if not said and row.get("acknowledged_by"):  # an earlier release wrote no marks
            stamp = HybridStamp(activation.raised_time_ns)
            mark = EventMark(stamp, "", activation.raised_time_ns)
            actor, comment = str(row["acknowledged_by"]), str(row.get("comment") or "")
            act = Act(ActKind.ACKNOWLEDGE, mark, actor, comment)
            found.append(AlarmEvent(alarm_id, activation, EventKind.ACT, mark, act=act))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"a row of the centre is no alarm: {type(error).__name__} {error}") from error
    return found


def _events(
    alarm_id: str, activation: ActivationId, raised: EventMark, active: bool, said: Mapping[str, Any]
) -> list[AlarmEvent]:
    """Facts of one document. Raises KeyError, ValueError, TypeError."""
    acts = [act_of(one) for one in said.get("acknowledgements") or ()]
    if said.get("shelving") is not None:
        acts.append(act_of(said["shelving"]))
    conflicts = [conflict_of(one) for one in said.get("conflicts") or ()]
    found = [AlarmEvent(alarm_id, activation, EventKind.RAISED, raised)]
    if not active:
        found.append(AlarmEvent(alarm_id, activation, EventKind.CLEARED, raised))
    found += [AlarmEvent(alarm_id, activation, EventKind.ACT, act.mark, act=act) for act in acts]
    found += [
        AlarmEvent(alarm_id, activation, EventKind.CONFLICT, one.act.mark, conflict=one) for one in conflicts
    ]
    return found
