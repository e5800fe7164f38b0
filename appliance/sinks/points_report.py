"""What the centre gets of reconciliation reports.

Duty: the figures of a report with their meaning, the measurement, and the pure step from a record to fields.
"""

from __future__ import annotations

from typing import Any

from appliance.journal.record import RecordKind
from appliance.sinks.line_protocol import LONGEST_TEXT_BYTES, FieldValue
from appliance.sinks.measurement import TIME_MARKS, FieldInfo, MeasurementInfo

REPORT_SUBJECT = "reconciliation"  # of the audit records that hold a report
FIGURES: dict[str, str] = {
    "records_resent": "records sent again: the centre lacked them, or had them otherwise",
    "slots_audited": "slots (an hour of one series) held against the centre",
    "slots_confirmed": "slots that agree, repaired ones included",
    "slots_repaired": "slots that differed and agree now",
    "slots_differing": "slots that still differ",
    "slots_cut": "slots that the centre's retention has cut away",
    "slots_gone": "slots that differ and are no longer kept on the box",
    "slots_unanswered": "slots that could not be asked about",
    "counters_repaired": "counters that one side had too low",
    "alarms_merged": "alarm events that came from the centre",
    "limits_merged": "limit versions that came from the centre",
    "conflicts": "conflicts that a person must look at",
    "dead_letters": "records that the centre refuses at present",
    "questions": "questions to the centre",
    "answer_bytes": "bytes of its answers, unpacked",
}
"""Every figure of a report, in order, with its meaning. One more: a line here."""

REPORT_SCHEMA: dict[str, MeasurementInfo] = {
    "reconciliation": MeasurementInfo(
        RecordKind.AUDIT,
        ("device_id",),
        {
            "report_id": FieldInfo("string", "", "which report"),
            "cause": FieldInfo("string", "", "start, reconnect, asked for, interval or recheck"),
            "agrees": FieldInfo("boolean", "", "whether both sides agree now"),
            "text": FieldInfo("string", "", "the report in one sentence"),
            **{name: FieldInfo("integer", "1", meaning) for name, meaning in FIGURES.items()},
            "outage_from_ns": FieldInfo("integer", "ns", "UTC at which the centre went away; 0: it did not"),
            "began_ns": FieldInfo("integer", "ns", "UTC of the round's begin"),
            "document": FieldInfo("string", "JSON", "the report; absent beyond 30,000 bytes"),
            "sequence": FieldInfo("integer", "1", "place in the appliance's journal"),
            "time_ns": FieldInfo(
                "integer", "ns", "exact UTC of the record; the timestamp's last six digits make it unique"
            ),
            **TIME_MARKS,
        },
        "what was compared with the centre, and what was repaired",
    )
}


def report_fields(payload: Any, document: bytes) -> dict[str, FieldValue | None]:
    """The fields of a report. Raises KeyError, TypeError, ValueError for what is none."""
    words = {name: str(payload[name]) for name in ("report_id", "cause")}
    figures = {name: int(payload["figures"].get(name, 0)) for name in FIGURES}
    times = {name: int(payload[name]) for name in ("outage_from_ns", "began_ns")}
    told = document.decode() if len(document) <= LONGEST_TEXT_BYTES // 2 else None
    return {
        **words,
        "agrees": bool(payload["agrees"]),
        "text": str(payload["text"]),
        **figures,
        **times,
        "document": told,
    }
