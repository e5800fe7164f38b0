"""What a webhook says: the JSON of one alarm transition, and which transitions one receiver wants.

Duty: body, id and choice. Pure. The body is documented in docs/webhooks.md; a test holds both together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from appliance.alarm_records import StoredTransition
from appliance.alarms.lifecycle import MAX_COMMENT, AlarmState, Severity

MAX_BODY_BYTES = 16_384
MAX_REASON, MAX_NAME = 1_000, 80


@dataclass(frozen=True, slots=True)
class Message:
    """One webhook, the same on every attempt. `sequence` is the journal's and orders the alarm's messages."""

    message_id: str
    alarm_id: str
    sequence: int
    what: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """Which alarms a receiver wants: of these rules (empty: all), at least so severe.

    An alarm without a rating (the appliance's own, a machine outside the standard's scope) is chosen by its
    rule alone: what nobody has rated must not be lost to a limit on ratings.
    """

    min_severity: Severity = Severity.NOT_RATED
    rules: frozenset[str] = frozenset()

    def wants(self, stored: StoredTransition, announced: Mapping[str, int]) -> bool:
        """Whether a transition is sent. `announced` has the activation of each alarm that was sent before.

        What was announced is told to its end: who was told of an alarm is also told that it is over.
        """
        alarm = stored.transition.alarm
        if announced.get(alarm.alarm_id) == alarm.activation:
            return True
        if self.rules and alarm.rule not in self.rules:
            return False
        over = alarm.state in (AlarmState.NORMAL, AlarmState.CLEARED_UNACKNOWLEDGED)
        rated = alarm.severity is not Severity.NOT_RATED
        return not over and (not rated or alarm.severity.rank >= self.min_severity.rank)


def message_id(key: str) -> str:
    """The id of the transition with this journal key: the same for every attempt, receiver and restart."""
    return f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def alarm_message(
    key: str, stored: StoredTransition, appliance: str, asset_names: Mapping[str, str]
) -> Message:
    """The message of one transition. `key` is its record's."""
    alarm = stored.transition.alarm
    data: dict[str, Any] = {
        "appliance": appliance,
        "alarm_id": alarm.alarm_id,
        "activation": alarm.activation,
        "sequence": stored.sequence,
        "what": stored.transition.what,
        "actor": stored.transition.actor[:MAX_NAME],
        "asset_id": alarm.asset_id,
        "asset_name": asset_names.get(alarm.asset_id),
        "channel_id": alarm.channel_id,
        "rule": alarm.rule,
        "severity": str(alarm.severity),
        "state": str(alarm.state),
        "active": alarm.state.active,
        "reason": alarm.reason[:MAX_REASON],
        "fault": (alarm.fault or "")[:MAX_NAME] or None,
        "confidence": alarm.confidence,
        "score": alarm.score,
        "acknowledged_by": (alarm.acknowledged_by or "")[:MAX_NAME] or None,
        "comment": alarm.comment[:MAX_COMMENT],
        "raised_at": iso_time(stored.raised_time_ns),
        "changed_at": iso_time(stored.time_ns),
        "time_trusted": stored.time_trusted,
        "durable": alarm.durable,
        "evidence": alarm.evidence,
    }
    kind = "alarm." + stored.transition.what.replace("-", "_").replace(" ", "_")
    body = _body(kind, stored.time_ns, data)
    if len(body) > MAX_BODY_BYTES:  # a receiver bounds what it takes; the evidence stays on the box
        data["evidence"] = None
        body = _body(kind, stored.time_ns, data)
    return Message(message_id(key), alarm.alarm_id, stored.sequence, stored.transition.what, body)


def probe_message(unique: str, appliance: str, time_ns: int) -> Message:
    """A message that a person sends to see whether the receiver is well."""
    body = _body("webhook.test", time_ns, {"appliance": appliance, "text": "A test; nothing is wrong."})
    return Message(message_id(f"test/{unique}"), "", 0, "test", body)


def iso_time(time_ns: int) -> str:
    """UTC ns as ISO 8601 with milliseconds, rounded down."""
    time_ms = time_ns // 1_000_000
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{time_ms % 1000:03d}Z"


def _body(kind: str, time_ns: int, data: dict[str, Any]) -> bytes:
    return orjson.dumps(
        {"type": kind, "timestamp": iso_time(time_ns), "data": data}, option=orjson.OPT_SERIALIZE_NUMPY
    )
