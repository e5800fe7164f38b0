"""What the centre gets of each record: measurements, tags, fields, and the time that makes a point unique.

Duty: the table of measurements (`SCHEMA`, held equal to docs/influx-schema.md by a test) and the pure step
from a journal record to one line. Reads no journal and sends nothing.

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
from appliance.sinks.measurement import TIME_MARKS, FieldInfo, MeasurementInfo
from appliance.sinks.points_commands import COMMAND_FIELDS, COMMAND_SUBJECT, command_fields
from appliance.sinks.points_health import HEALTH_SCHEMA, health_fields
from appliance.sinks.points_report import REPORT_SCHEMA, REPORT_SUBJECT, report_fields

MILLISECOND_NS = 1_000_000
_LONGEST_DOCUMENT_BYTES = LONGEST_TEXT_BYTES // 2  # escaping may double it


_VALUE = ("device_id", "asset", "channel")
_TIME = FieldInfo("integer", "ns", "exact UTC of the record; the timestamp's last six digits make it unique")
_SEQUENCE = FieldInfo("integer", "1", "place in the appliance's journal")

SCHEMA: dict[str, MeasurementInfo] = {
    "features": MeasurementInfo(
        RecordKind.FEATURES,
        _VALUE,
        {
            "<feature>": FieldInfo("float", "in its name", "one field per feature; absent without a value"),
            "duration_s": FieldInfo("float", "s", "length of the window, or of the windows averaged"),
            "operating_state": FieldInfo("string", "", "bin of speed and load"),
            "quality": FieldInfo("string", "", "good, uncertain or bad"),
            "extractor_version": FieldInfo("string", "", "what computed the features"),
            **TIME_MARKS,
        },
        "features of a window of one channel; the time is the window's begin",
    ),
    "score": MeasurementInfo(
        RecordKind.SCORE,
        _VALUE,
        {
            "value": FieldInfo("float", "1", "1.0 = limit; the greatest of the averaging period"),
            **TIME_MARKS,
        },
        "anomaly score of one channel",
    ),
    "process_value": MeasurementInfo(
        RecordKind.TAG,
        _VALUE,
        {
            "value": FieldInfo("float", "Hz, 1 or degC", "shaft speed, load (1 = full) or temperature"),
            **TIME_MARKS,
        },
        "a value read from the plant",
    ),
    "gap": MeasurementInfo(
        RecordKind.GAP,
        _VALUE,
        {
            "gap_id": FieldInfo("integer", "1", "number of the gap; told again when it changes"),
            "start_ns": FieldInfo("integer", "ns", "UTC of its begin"),
            "end_ns": FieldInfo("integer", "ns", "UTC of its end"),
            "cause": FieldInfo("string", "", "why there is no data"),
            "state": FieldInfo("string", "", "open, backfilled or lost"),
            "samples_missing": FieldInfo("integer", "1", "how many samples, where that is known"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "an interval without data",
    ),
    "alarm": MeasurementInfo(
        RecordKind.ALARM_TRANSITION,
        _VALUE,
        {
            "alarm_id": FieldInfo("string", "", "which alarm"),
            "what": FieldInfo("string", "", "the step: raised, acknowledged, closed, shelved, conflict, ..."),
            "actor": FieldInfo("string", "", "appliance, or the user's name"),
            "act_reason": FieldInfo("string", "", "what that person wrote, or why it is a conflict"),
            "origin": FieldInfo("string", "", "box/ and a start of the service, or centre/ and a key of it"),
            "origin_sequence": FieldInfo("integer", "1", "number of the event at its origin"),
            "hlc_ns": FieldInfo("integer", "ns", "hybrid logical clock of the event: its wall time"),
            "hlc_logical": FieldInfo("integer", "1", "and its count within it"),
            "activation": FieldInfo("integer", "1", "how often the alarm became active so far"),
            "rule": FieldInfo("string", "", "machine condition, check sensor, source lost, ..."),
            "severity": FieldInfo("string", "", "good, watch, warn, stop or not rated"),
            "state": FieldInfo("string", "", "state after the transition"),
            "score": FieldInfo("float", "1", "anomaly score, 1.0 = limit"),
            "fault": FieldInfo("string", "", "the fault that is named, if any"),
            "confidence": FieldInfo("float", "1", "of the fault, 0 to 1"),
            "reason": FieldInfo("string", "", "the sentence a technician reads"),
            "evidence": FieldInfo("string", "JSON", "what the reason rests on; absent beyond 30,000 bytes"),
            "acknowledged_by": FieldInfo("string", "", "who has acknowledged this activation: every name"),
            "comment": FieldInfo("string", "", "what the last of them wrote"),
            "shelved_by": FieldInfo("string", "", "who has shelved this activation"),
            "shelved_until_ns": FieldInfo("integer", "ns", "UTC until which it is shelved"),
            "conflict": FieldInfo("string", "", "acts that could not take effect, as sentences"),
            "acts": FieldInfo("string", "JSON", "all acts on this activation with their marks, for a fold"),
            "acts_signature": FieldInfo("string", "", "of the device's own key, over `acts`"),
            "raised_time_ns": FieldInfo("integer", "ns", "UTC at which this activation was raised"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "every transition of every alarm",
    ),
    "counter": MeasurementInfo(
        RecordKind.COUNTER_VALUE,
        ("device_id", "asset", "counter", "incarnation"),
        {
            "value": FieldInfo("float", "h or 1", "counted by the start `boot_id`; absent: of a whole life"),
            "total": FieldInfo("float", "h or 1", "over all known starts in this incarnation; only grows"),
            "boot_id": FieldInfo("string", "", "the start of the service that counted; absent with `value`"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "a counter; the tag `asset` is what it counts for: machine, channel, source or appliance",
    ),
    "limit": MeasurementInfo(
        RecordKind.LEARNED_LIMIT,
        _VALUE,
        {
            "document": FieldInfo("string", "JSON", "the learned limits; absent beyond 30,000 bytes"),
            "document_bytes": FieldInfo("integer", "byte", "length of the document"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "limits learned for a channel",
    ),
    "limit_version": MeasurementInfo(
        RecordKind.LIMIT_VERSION,
        _VALUE,
        {
            "operating_state": FieldInfo("string", "", "bin of speed and load whose limit it is"),
            "version": FieldInfo("integer", "1", "counts up per channel and operating state"),
            "action": FieldInfo("string", "", "learned, settled, locked, unlocked, raised, learn anew, ..."),
            "actor": FieldInfo("string", "", "who did it; `appliance`: learning"),
            "reason": FieldInfo("string", "", "why, in the person's words"),
            "factor": FieldInfo("float", "1", "the limit in service as a multiple of the learned one"),
            "locked": FieldInfo("boolean", "", "learning never changes it"),
            "baseline": FieldInfo("string", "", "the baseline in service; empty: it is being learned"),
            "rests_on_s": FieldInfo("float", "s", "running that it rests on"),
            "change_id": FieldInfo("string", "", "one for all limits that one act changed"),
            "document": FieldInfo("string", "JSON", "the whole record; absent beyond 30,000 bytes"),
            "document_signature": FieldInfo("string", "", "of the device's own key, over `document`"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "a version of a limit: who set it, when, why",
    ),
    "audit": MeasurementInfo(
        RecordKind.AUDIT,
        ("device_id",),
        {
            "subject": FieldInfo("string", "", "what was done something to"),
            "document": FieldInfo("string", "JSON", "what was done, by whom; absent beyond 30,000 bytes"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "what people did",
    ),
    **REPORT_SCHEMA,
    "command_result": MeasurementInfo(
        RecordKind.AUDIT,
        ("device_id",),
        {**COMMAND_FIELDS, "sequence": _SEQUENCE, "time_ns": _TIME, **TIME_MARKS},
        "what became of a command of the centre",
    ),
    **HEALTH_SCHEMA,
}  # fmt: skip

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
    return _event("limit", record, {**tags, "channel": record.subject}, fields)


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
    RecordKind.AUDIT: _audit,
    RecordKind.HEALTH: _health,
}

WANTED = frozenset(info.kind for info in SCHEMA.values())
