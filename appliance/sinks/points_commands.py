"""What the centre gets of a command's outcome: the fields of the measurement `command_result`.

Duty: their table and the step from the audit record's payload. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.sinks.line_protocol import FieldValue
from appliance.sinks.measurement import FieldInfo

COMMAND_SUBJECT = "command"  # of the audit of what the centre ordered

COMMAND_FIELDS = {
    "command_id": FieldInfo("string", "", "which command; absent where it could not be read"),
    "kind": FieldInfo("string", "", "acknowledge, shelve, unshelve, or limit and the action"),
    "about": FieldInfo("string", "", "the alarm, or the machine whose limits"),
    "actor": FieldInfo("string", "", "who ordered it, as signed"),
    "key_id": FieldInfo("string", "", "the key that it names"),
    "outcome": FieldInfo("string", "", "done, conflict, refused, failed; begun: a result follows"),
    "text": FieldInfo("string", "", "what was done, or why not"),
    "issued_ns": FieldInfo("integer", "ns", "UTC at which it was signed"),
    "point_time_ns": FieldInfo("integer", "ns", "timestamp of its point in `command`"),
    "document": FieldInfo("string", "JSON", "the whole audit record; absent beyond 30,000 bytes"),
}


def command_fields(payload: Mapping[str, Any]) -> dict[str, FieldValue | None]:
    """The fields of an audit record of subject `command`, but for the document."""
    words = ("kind", "about", "actor", "key_id", "outcome", "text")
    return {
        "command_id": payload["command_id"] or None,
        **{name: None if payload.get(name) is None else str(payload[name]) for name in words},
        **{name: payload.get(name) for name in ("issued_ns", "point_time_ns")},
    }
