"""What the journal keeps: one record, its class, and what a class may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RecordClass(StrEnum):
    """Pressure in one class never evicts another; alarm, counter and limit are never evicted while unsent."""

    ALARM = "alarm"  # transitions, verdicts, acknowledgements, audit
    COUNTER = "counter"
    LIMIT = "limit"  # learned limits
    TELEMETRY = "telemetry"  # features, scores, health
    CAPTURE = "capture"


class RecordKind(StrEnum):
    ALARM_TRANSITION = "alarm_transition"
    COUNTER_VALUE = "counter_value"
    LEARNED_LIMIT = "learned_limit"
    FEATURES = "features"
    SCORE = "score"
    TAG = "tag"  # a process value (speed, load, temperature)
    GAP = "gap"
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record before its commit.

    `key` makes it idempotent: the same key twice is stored once. `subject` is what it is about (alarm id,
    channel id, counter): the newest record of a kind and subject is that thing's present state.
    """

    record_class: RecordClass
    kind: RecordKind
    key: str
    subject: str
    monotonic_ns: int
    payload: bytes  # orjson-encoded object; FEATURES: see journal.features


@dataclass(frozen=True, slots=True)
class Record:
    """A committed record. `time_ns` is UTC; `time_trusted` False means provisional until resolved."""

    sequence: int
    record_class: RecordClass
    kind: RecordKind
    key: str
    subject: str
    boot_id: str
    monotonic_ns: int
    time_ns: int
    time_trusted: bool
    payload: bytes


@dataclass(frozen=True, slots=True)
class ClassBacklog:
    """What one class holds and how long its budget lasts at the present rate."""

    record_class: RecordClass
    records: int
    stored_bytes: int
    budget_bytes: int
    oldest_age_s: float | None
    days_left: float | None  # None: no rate yet
    dropped: int
    written_bytes_per_day: float
