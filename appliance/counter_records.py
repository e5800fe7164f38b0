"""Counters as journal records, and back.

Duty: the names of counters, what a value, a total and a new life are called, and their records:
COUNTER_VALUE, and of the audit where a new life begins. Pure: no journal, no clock; the arithmetic is that of
`counters`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import orjson

from appliance.errors import StethosError
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind

FORK_SUBJECT = "counter life"  # of the audit


class CounterError(StethosError):
    """A counter was asked to do what a grow-only counter cannot."""


class Counter(StrEnum):
    """The counters that exist; the value is the word that the UI shows and the record carries."""

    RUNNING_HOURS = "running hours"  # h, of a machine
    STARTS = "starts"  # of a machine
    SERVICE_STARTS = "service starts"  # of this appliance
    BLOCKS = "blocks"
    SAMPLES = "samples"
    WINDOWS = "windows"
    GAPS = "gaps"
    MISSING_SAMPLES = "missing samples"
    DROPPED_BLOCKS = "dropped blocks"
    ALARMS = "alarms"
    CAPTURES = "captures"  # of a machine's waveform, begun
    CAPTURES_LEFT_OUT = "captures left out"  # for want of time or room
    CAPTURES_SUPPRESSED = "captures suppressed"  # by the bound on how many there may be in an hour
    PARTS_INSPECTED = "parts inspected"  # by a camera, with a verdict
    PARTS_DEFECTIVE = "parts defective"  # of these
    PARTS_NO_VERDICT = "parts no verdict"  # that came by a camera beside these
    DEFECTS = "defects"  # by camera and kind: "press-3/scratch"
    VERDICTS_NOT_WRITTEN = "verdicts not written"  # to the PLC's tags, in time; of parts, by camera
    DROPPED_FRAMES = "dropped frames"  # pictures that a full queue dropped, or overload


@dataclass(frozen=True, slots=True, order=True)
class CounterKey:
    """One counter in one life of the store and one start of the service."""

    counter: str
    subject: str  # asset, channel or source that it counts for
    incarnation: str
    boot_id: str

    @property
    def record_subject(self) -> str:
        return f"{self.counter}/{self.subject}/{self.incarnation}/{self.boot_id}"

    @property
    def life(self) -> LifeKey:
        return LifeKey(self.counter, self.subject, self.incarnation)


@dataclass(frozen=True, slots=True, order=True)
class LifeKey:
    """One counter in one life of the count, over all starts of the service."""

    counter: str
    subject: str
    incarnation: str

    @property
    def record_subject(self) -> str:
        return f"{self.counter}/{self.subject}/{self.incarnation}"


@dataclass(frozen=True, slots=True)
class CounterFork:
    """A new life of the count in the same store: from now on counted under `incarnation`."""

    store: str  # the store's own incarnation: in a store that replaces it the fork is void
    before: str
    incarnation: str
    reason: str


def fork_record(fork: CounterFork, monotonic_ns: int) -> NewRecord:
    """The record of a new life: part of the audit, so that the centre is told of it, too."""
    said = {"what": "counters begin a new life", **dataclasses.asdict(fork)}
    return NewRecord(
        record_class=RecordClass.ALARM,
        kind=RecordKind.AUDIT,
        key=f"{FORK_SUBJECT}/{fork.incarnation}",
        subject=FORK_SUBJECT,
        monotonic_ns=monotonic_ns,
        payload=orjson.dumps(said),
    )


def forks_of(records: Iterable[Record]) -> list[CounterFork]:
    """New lives among records of the audit, in their order."""
    found = []
    for record in records:
        if record.kind is RecordKind.AUDIT and record.subject == FORK_SUBJECT:
            said = orjson.loads(record.payload)
            found.append(CounterFork(said["store"], said["before"], said["incarnation"], said["reason"]))
    return found


def value_record(
    key: CounterKey, value: float, life_total: float, monotonic_ns: int, again: str = ""
) -> NewRecord:
    return NewRecord(
        record_class=RecordClass.COUNTER,
        kind=RecordKind.COUNTER_VALUE,
        key=f"{key.record_subject}={value!r}{again}",
        subject=key.record_subject,
        monotonic_ns=monotonic_ns,
        payload=orjson.dumps(
            {
                "counter": key.counter,
                "subject": key.subject,
                "incarnation": key.incarnation,
                "boot_id": key.boot_id,
                "value": value,
                "life_total": life_total,  # over all starts of this incarnation, for whoever knows no boots
            }
        ),
    )


def total_record(life: LifeKey, value: float, monotonic_ns: int, suffix: str) -> NewRecord:
    """The total of a life, whichever starts it came from: no `value`, no `boot_id`."""
    return NewRecord(
        record_class=RecordClass.COUNTER,
        kind=RecordKind.COUNTER_VALUE,
        key=f"{life.record_subject}{suffix}",
        subject=life.record_subject,
        monotonic_ns=monotonic_ns,
        payload=orjson.dumps(
            {
                "counter": life.counter,
                "subject": life.subject,
                "incarnation": life.incarnation,
                "boot_id": "",
                "value": None,
                "life_total": value,
            }
        ),
    )


def is_total(record: Record) -> bool:
    """Whether a record tells the total of a life, not how far one start came."""
    return record.kind is RecordKind.COUNTER_VALUE and orjson.loads(record.payload)["value"] is None


def told_by(
    records: Iterable[NewRecord | Record],
) -> tuple[dict[CounterKey, float], dict[LifeKey, float]]:
    """Starts' values and lives' totals that records tell."""
    starts: dict[CounterKey, float] = {}
    floors: dict[LifeKey, float] = {}
    for record in records:
        if record.kind is not RecordKind.COUNTER_VALUE:
            continue
        said = orjson.loads(record.payload)
        name = said["counter"], said["subject"], said["incarnation"]
        if said["value"] is None:
            life = LifeKey(*name)
            floors[life] = max(floors.get(life, 0.0), float(said["life_total"]))
        else:
            key = CounterKey(*name, said["boot_id"])
            starts[key] = max(starts.get(key, 0.0), float(said["value"]))
    return starts, floors
