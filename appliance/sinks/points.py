"""What the centre gets of each record: measurements, tags, fields, and the time that makes a point unique.

Duty: the pure step from a journal record to one line, as the table in `points_schema` says. Reads no journal
and sends nothing.

A point's key (measurement, tags, timestamp) derives from the stored record alone, so that a second delivery
overwrites itself. Telemetry is unique by its time: the journal stores a kind of a channel once per boot and
time. Of events (alarms, counters, limits, gaps, audit) several may happen at one instant in one series (an
alarm's id is a field, not a tag), so their timestamp is the record's time cut to the millisecond plus its
sequence modulo 1,000,000 as nanoseconds: both are stored with the record before anything leaves the box, and
a million records would have to fall into one millisecond to meet. The exact time is the field `time_ns`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import orjson

from appliance.alarm_records import acts_document, stored_transition
from appliance.errors import Rejected
from appliance.journal.features import NameList, decode_record
from appliance.journal.record import Record, RecordKind
from appliance.sinks.line_protocol import LONGEST_TEXT_BYTES, FieldValue, field_key, line
from appliance.sinks.points_commands import COMMAND_SUBJECT, command_fields
from appliance.sinks.points_health import health_fields
from appliance.sinks.points_report import REPORT_SUBJECT, report_fields

MILLISECOND_NS = 1_000_000
_LONGEST_DOCUMENT_BYTES = LONGEST_TEXT_BYTES // 2  # escaping may double it
Fields = dict[str, FieldValue | None]


def event_time_ns(record: Record) -> int:
    """The timestamp of an event: unique in its series (see above)."""
    return record.time_ns - record.time_ns % MILLISECOND_NS + record.sequence % MILLISECOND_NS


def encode(
    record: Record,
    device_id: str,
    asset_id: str,
    names: NameList | None = None,
    sign: Callable[[str], str] | None = None,
) -> bytes | None:
    """One record as one line; None where it has no value to tell (a score that is NaN).

    `asset_id` is the machine that the record's channel belongs to ("" if unknown); `names` are those of a
    FEATURES record; `sign`: the device's signature under what it must know again. Raises Rejected for a
    record that cannot be read or written.
    """
    if record.kind is RecordKind.FEATURES:
        of = {"device_id": device_id, "asset": asset_id, "channel": record.subject}
        return _features(record, of, names)
    if record.kind is RecordKind.ALARM_TRANSITION:
        return _alarm(record, {"device_id": device_id}, sign)
    try:
        payload = orjson.loads(record.payload)
        if record.kind is RecordKind.LIMIT_VERSION:
            return _limit_version(record, payload, {"device_id": device_id}, sign)
        return _ENCODERS[record.kind](record, payload, {"device_id": device_id, "asset": asset_id})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Rejected(f"record {record.key} cannot be read: {type(error).__name__} {error}") from error


def _features(record: Record, tags: dict[str, str], names: NameList | None) -> bytes | None:
    if names is None:
        raise Rejected(f"record {record.key}: the journal does not know the names of its features")
    vector = decode_record(record, names)
    # orjson writes the shortest decimal that is the same float32, and null for what is no number.
    values = orjson.dumps(vector.values, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    raw = [
        field_key(name) + b"=" + value
        for name, value in zip(vector.names, values, strict=True)
        if value != b"null"
    ] if vector.names else []  # fmt: skip
    fields: Fields = {
        "duration_s": float(vector.duration_s),
        "operating_state": vector.operating_state,
        "quality": vector.quality.value,
        "extractor_version": vector.extractor_version,
        **_trust(record),
    }
    return line("features", tags, fields, record.time_ns, raw)


def _value(measurement: str) -> Callable[[Record, Any, dict[str, str]], bytes | None]:
    def encode_value(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
        value = _number(payload["value"])
        if value is None or not math.isfinite(value):
            return None
        return line(
            measurement,
            {**tags, "channel": record.subject},
            {"value": value, **_trust(record)},
            record.time_ns,
        )

    return encode_value


def _gap(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    fields: Fields = {
        key: payload[key] for key in ("gap_id", "start_ns", "end_ns", "cause", "state", "samples_missing")
    }
    return _event("gap", record, {**tags, "channel": record.subject}, fields)


def _alarm(record: Record, tags: dict[str, str], sign: Callable[[str], str] | None) -> bytes | None:
    stored = stored_transition(record)
    transition, alarm, mark = stored.transition, stored.transition.alarm, stored.mark
    shelving = alarm.shelving if alarm.shelving is not None and alarm.shelving.until_ns else None
    acts = _document(orjson.dumps(acts_document(stored)))
    fields: Fields = {
        "alarm_id": alarm.alarm_id,
        "what": transition.what,
        "actor": transition.actor,
        "act_reason": transition.reason or None,
        "origin": mark.origin,
        "origin_sequence": mark.sequence,
        "hlc_ns": mark.stamp.wall_ns,
        "hlc_logical": mark.stamp.logical,
        "activation": alarm.activation,
        "rule": alarm.rule,
        "severity": alarm.severity.value,
        "state": alarm.state.value,
        "score": _number(alarm.score),
        "fault": alarm.fault,
        "confidence": _number(alarm.confidence),
        "reason": alarm.reason,
        "evidence": _document(orjson.dumps(alarm.evidence)),
        "acknowledged_by": alarm.acknowledged_by,
        "comment": alarm.comment,
        "shelved_by": None if shelving is None else shelving.actor,
        "shelved_until_ns": None if shelving is None else shelving.until_ns,
        "conflict": "; ".join(one.text for one in alarm.conflicts) or None,
        "acts": acts,
        "acts_signature": None if acts is None or sign is None else sign(acts),
        "raised_time_ns": stored.raised_time_ns,
    }
    of = {**tags, "asset": alarm.asset_id, "channel": alarm.channel_id or ""}
    return _event("alarm", record, of, fields)


def _counter(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    of = {
        **tags,
        "asset": payload["subject"],
        "counter": payload["counter"],
        "incarnation": payload["incarnation"],
    }
    fields: Fields = {
        "value": _number(payload["value"]),
        "total": _number(payload.get("life_total")),
        "boot_id": payload["boot_id"] or None,
    }
    return _event("counter", record, of, fields)


def _limit(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    fields: Fields = {"document": _document(record.payload), "document_bytes": len(record.payload)}
    machine, parted, _ = record.subject.partition("/")  # a group of process values names its machine itself
    of = {**tags, "asset": machine} if parted else tags
    return _event("limit", record, {**of, "channel": record.subject}, fields)


def _limit_version(
    record: Record, payload: Any, tags: dict[str, str], sign: Callable[[str], str] | None
) -> bytes | None:
    document = _document(record.payload)
    fields: Fields = {
        "operating_state": str(payload["key"]["operating_state"]),
        "version": int(payload["version"]),
        "action": str(payload["action"]),
        "actor": str(payload["actor"]),
        "reason": str(payload["reason"]),
        "factor": _number(payload["factor"]),
        "locked": bool(payload["locked"]),
        "baseline": str(payload["baseline"]),
        "rests_on_s": _number(payload["rests_on_s"]),
        "change_id": str(payload["change_id"]),
        "document": document,
        "document_signature": None if document is None or sign is None else sign(document),
    }
    channel = str(payload["key"]["channel_id"])
    of = {**tags, "asset": str(payload["asset_id"]), "channel": channel}
    return _event("limit_version", record, of, fields)


def _advisory(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    forecast = payload["forecast"]
    fields: Fields = {
        "boundary": str(payload["boundary"]),
        "stands": forecast is not None,
        "text": str(payload["text"]),
        **{
            name: None if forecast is None else _number(forecast[name])
            for name in ("median_s", "lower_s", "upper_s")
        },
    }
    of = {**tags, "asset": str(payload["asset_id"]), "channel": str(payload["channel_id"])}
    return _event("advisory", record, of, fields)


def _audit(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    if record.subject == REPORT_SUBJECT:
        told = report_fields(payload, record.payload)
        return _event("reconciliation", record, {"device_id": tags["device_id"]}, told)
    if record.subject == COMMAND_SUBJECT:
        told = {**command_fields(payload), "document": _document(record.payload)}
        return _event("command_result", record, {"device_id": tags["device_id"]}, told)
    fields: Fields = {"subject": record.subject, "document": _document(record.payload)}
    return _event("audit", record, {"device_id": tags["device_id"]}, fields)


def _health(record: Record, payload: Any, tags: dict[str, str]) -> bytes | None:
    measurement, own, fields = health_fields(payload)
    if not any(value is not None for value in fields.values()):
        return None
    of = {"device_id": tags["device_id"], **own}
    return line(measurement, of, {**fields, **_trust(record)}, record.time_ns)


def _event(measurement: str, record: Record, tags: dict[str, str], fields: Fields) -> bytes | None:
    told: Fields = {**fields, "sequence": record.sequence, "time_ns": record.time_ns, **_trust(record)}
    return line(measurement, tags, told, event_time_ns(record))


def _trust(record: Record) -> Fields:
    if record.time_trusted:
        return {"time_resolved": True} if record.time_resolved else {}
    if record.time_bound_s is None:
        return {"time_trusted": False}
    return {"time_trusted": False, "time_resolved": True, "time_bound_s": float(record.time_bound_s)}


def _number(value: Any) -> float | None:
    """Always a float: a field keeps the type of its first value for ever."""
    return None if value is None else float(value)


def _document(encoded: bytes) -> str | None:
    return encoded.decode() if len(encoded) <= _LONGEST_DOCUMENT_BYTES else None


_ENCODERS: dict[RecordKind, Callable[[Record, Any, dict[str, str]], bytes | None]] = {
    RecordKind.SCORE: _value("score"),
    RecordKind.TAG: _value("process_value"),
    RecordKind.GAP: _gap,
    RecordKind.COUNTER_VALUE: _counter,
    RecordKind.LEARNED_LIMIT: _limit,
    RecordKind.ADVISORY: _advisory,
    RecordKind.AUDIT: _audit,
    RecordKind.HEALTH: _health,
}
