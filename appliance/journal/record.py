"""What the journal keeps: one record, its class, and what a class may cost."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from dsp.samples import GapCause

CENTRAL = "central"  # the central InfluxDB as a sink, by name


class RecordClass(StrEnum):
    """Pressure in one class never evicts another; alarm, counter and limit are never evicted while unsent."""

    ALARM = "alarm"  # transitions, verdicts, acknowledgements, audit, advisories
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
    HEALTH = "health"  # of the appliance itself
    LIMIT_VERSION = "limit_version"  # who set a limit, when, why; what was learned then
    ADVISORY = "advisory"  # a forecast, or that one is withdrawn; no alarm
    CAPTURE = "capture"  # one part of a captured waveform: what it is and in which file it lies


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record before its commit.

    `key` makes it idempotent: the same key twice is stored once (telemetry: once per boot, so that a key may
    be made of monotonic times). `subject` is what it is about (alarm id,
    channel id, counter): the newest record of a kind and subject is that thing's present state.
    """

    record_class: RecordClass
    kind: RecordKind
    key: str
    subject: str
    monotonic_ns: int
    payload: bytes  # orjson-encoded object; FEATURES: see journal.features
    late: bool = False  # older than what is known of its subject: never its newest record


class Record(NamedTuple):
    """A committed record: a tuple, since they are made by the ten thousand a second. `time_ns` is UTC.

    `time_trusted` False: provisional, or within `time_bound_s` (either way), which is the most that will ever
    be known. `time_resolved`: it was provisional when it was recorded.
    """

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
    time_resolved: bool = False
    time_bound_s: int | None = None

    @property
    def time_known(self) -> bool:
        """Whether the time is final: trusted, or as good as it will ever be."""
        return self.time_trusted or self.time_bound_s is not None


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
    written_bytes: int = 0  # handed to the disk since the journal was made, log and indexes included


class GapState(StrEnum):
    """What became of an interval without data."""

    OPEN = "open"  # may still be backfilled
    BACKFILLED = "backfilled"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class StoredGap:
    """One entry of the gap ledger. Times are UTC ns; `provisional`: by a clock that was not trusted."""

    gap_id: int
    channel_id: str
    start_ns: int
    end_ns: int
    cause: GapCause
    state: GapState
    samples_missing: int | None
    boot_id: str
    provisional: bool = False


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What became of a commit.

    `durable` True: the records are on stable storage, each with its sequence. False: the disk did not take
    them in time; they are held in memory (their `sequence` is 0 until then) and committed on recovery, in
    order. A record whose key was stored before comes back as it was stored.
    """

    records: tuple[Record, ...]
    durable: bool


@dataclass(frozen=True, slots=True)
class SinkClaim:
    """What a configured sink wants. `keeps`: all records of the classes, so that they are safe with it."""

    classes: frozenset[RecordClass]
    keeps: bool


@dataclass(frozen=True, slots=True)
class DamageReport:
    """What was found broken, what was saved from it, and where the broken file lies."""

    found_time_ns: int
    what: str  # what the check said
    set_aside: str  # path of the file kept for inspection
    salvaged: int  # records
    lost_from_ns: int | None  # UTC of the newest salvaged record: what came after it may be lost
    text: str  # the sentence for the operator
