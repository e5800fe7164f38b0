"""The table of measurements at the centre: tags, fields, units and meanings.

Duty: what docs/influx-schema.md says, in the form that a test holds it against. What a record's line is made
of is `points`.
"""

from __future__ import annotations

from appliance.journal.record import RecordKind
from appliance.sinks.measurement import TIME_MARKS, FieldInfo, MeasurementInfo
from appliance.sinks.points_commands import COMMAND_FIELDS
from appliance.sinks.points_health import HEALTH_SCHEMA
from appliance.sinks.points_report import REPORT_SCHEMA

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
        "a counter; the tag `asset` is what it counts for: machine, channel, source, camera (`CAMERA/KIND` "
        "of defects by kind) or appliance",
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
    "advisory": MeasurementInfo(
        RecordKind.ADVISORY,
        _VALUE,
        {
            "boundary": FieldInfo("string", "", "what will be passed: zone C, zone D, the learned limit"),
            "stands": FieldInfo("boolean", "", "false: what was said of this boundary before is withdrawn"),
            "text": FieldInfo("string", "", "the sentence a technician reads"),
            "median_s": FieldInfo("float", "s", "from the record's time; absent where none is said"),
            "lower_s": FieldInfo("float", "s", "with 90 % it takes longer"),
            "upper_s": FieldInfo("float", "s", "with 90 % it takes less; absent where it may never come"),
            "sequence": _SEQUENCE,
            "time_ns": _TIME,
            **TIME_MARKS,
        },
        "a forecast with its interval, or that it holds no longer; never an alarm",
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

WANTED = frozenset(info.kind for info in SCHEMA.values())
