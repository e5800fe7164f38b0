"""What the journal refuses, before it waits for the disk.

Duty: validate a record at the border, so that one bad record never blocks the rest of a batch. Pure.
"""

from __future__ import annotations

from appliance.journal import schema
from appliance.journal.errors import JournalRejected
from appliance.journal.features import duration_ns
from appliance.journal.record import NewRecord, RecordClass, RecordKind

MAX_KEY_CHARS = 512
MAX_PAYLOAD_BYTES = 1024 * 1024
_INT64 = 1 << 63


def check(record: NewRecord) -> None:
    """Refuse what the file cannot hold, so that one bad record never blocks the rest."""
    name = f"record {record.key[:80]!r}"
    if not 0 < len(record.key) <= MAX_KEY_CHARS or not 0 < len(record.subject) <= MAX_KEY_CHARS:
        raise JournalRejected(f"{name}: key and subject need 1 to {MAX_KEY_CHARS} characters")
    if not isinstance(record.payload, bytes):
        raise JournalRejected(f"{name}: payload is {type(record.payload).__name__}, bytes are needed")
    if len(record.payload) > MAX_PAYLOAD_BYTES:
        raise JournalRejected(
            f"{name}: payload of {len(record.payload)} bytes exceeds {MAX_PAYLOAD_BYTES}; "
            "store bulk data as a capture"
        )
    if not -_INT64 <= record.monotonic_ns < _INT64:
        raise JournalRejected(f"{name}: monotonic_ns {record.monotonic_ns} is not a 64-bit time")
    if (record.record_class is RecordClass.TELEMETRY) is not (record.kind in schema.TELEMETRY_KINDS):
        raise JournalRejected(f"{name}: kind {record.kind} does not belong to class {record.record_class}")
    if record.kind is RecordKind.FEATURES:
        duration_ns(record.payload)  # raises if it is not a features payload
    try:
        (record.key + record.subject).encode()
    except UnicodeEncodeError:
        raise JournalRejected(f"{name}: key and subject must be valid Unicode") from None
