"""Grow-only counters: what a machine and this appliance have accumulated, safe to merge in any order.

Duty: the arithmetic and the records. Each counter is kept per (incarnation, boot): the life of the store
and the start of the service that counted. Within one such key a value only grows, so two copies of it merge
to the larger; the total is the sum over keys. Merging is commutative, associative and idempotent (a
state-based grow-only counter: Shapiro et al., "Conflict-free Replicated Data
Types", 2011). Pure: no journal, no clock.

A person sees only what is committed (`committed`): what a power cut could still take back is not shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import orjson

from appliance.errors import StethosError
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind


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


@dataclass(frozen=True, slots=True)
class CounterTotal:
    """A counter as a person reads it: over all lives and starts."""

    counter: str
    subject: str
    value: float


def merged(*states: Mapping[CounterKey, float]) -> dict[CounterKey, float]:
    """The least state that contains all of these: the maximum per key."""
    result: dict[CounterKey, float] = {}
    for state in states:
        for key, value in state.items():
            result[key] = max(result.get(key, 0.0), value)
    return result


def total(state: Mapping[CounterKey, float], counter: str, subject: str) -> float:
    """Sum over incarnations and boots."""
    return math.fsum(
        value for key, value in state.items() if key.counter == counter and key.subject == subject
    )


class Counters:
    """All counters of this appliance, counting on in one (incarnation, boot).

    `restore` what the journal has, then `add`; commit `changed_records` now and then and `confirm` them.
    """

    def __init__(self, incarnation: str, boot_id: str) -> None:
        self._incarnation = incarnation
        self._boot_id = boot_id
        self._values: dict[CounterKey, float] = {}
        self._committed: dict[CounterKey, float] = {}  # was durable once: may be shown
        self._stored: dict[CounterKey, float] = {}  # is in the present life of the store
        self._own_added: set[CounterKey] = set()

    def add(self, counter: str, subject: str, amount: float = 1.0) -> None:
        """Count. Raises CounterError for an amount that is negative or not finite."""
        if not (math.isfinite(amount) and amount >= 0.0):
            raise CounterError(f"counter {counter!r} of {subject}: cannot grow by {amount}")
        key = CounterKey(str(counter), subject, self._incarnation, self._boot_id)
        self._values[key] = self._values.get(key, 0.0) + amount
        self._own_added.add(key)

    def value(self, counter: str, subject: str) -> float:
        """The total as counted so far, committed or not."""
        return total(self._values, counter, subject)

    def state(self) -> dict[CounterKey, float]:
        """A copy of everything, to be merged elsewhere."""
        return dict(self._values)

    def merge(self, state: Mapping[CounterKey, float]) -> None:
        """Take over what another copy knows. Raises CounterError if it knows more of our own present key
        than we do while we are counting: two services would be counting under one name."""
        for key, value in state.items():
            if key in self._own_added and value > self._values[key]:
                raise CounterError(
                    f"counter {key.counter!r} of {key.subject} was counted elsewhere under the name of this "
                    "start: restore before the first add, and give every start its own boot_id"
                )
        self._values = merged(self._values, state)

    def changed_records(self, monotonic_ns: int) -> list[NewRecord]:
        """Records of every counter that stands above its committed value; commit them, then `confirm`.

        The record's key holds the value: the same value twice is stored once.
        """
        totals: dict[tuple[str, str, str], float] = {}
        for key, value in self._values.items():
            life = (key.counter, key.subject, key.incarnation)
            totals[life] = totals.get(life, 0.0) + value
        return [
            _record(key, value, totals[key.counter, key.subject, key.incarnation], monotonic_ns)
            for key, value in sorted(self._values.items())
            if value > self._stored.get(key, 0.0)
        ]

    def confirm(self, records: Iterable[NewRecord | Record]) -> None:
        """These records are durable: show their values."""
        state = _state_of(records)
        self._stored = merged(self._stored, state)
        self._committed = merged(self._committed, state)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up the journal's newest counter records, at start. Raises CounterError (see `merge`)."""
        state = _state_of(records)
        self.merge(state)
        self._stored = merged(self._stored, state)
        self._committed = merged(self._committed, state)

    @property
    def incarnation(self) -> str:
        """The life of the store under whose name is counted now."""
        return self._incarnation

    def begin_incarnation(self, incarnation: str) -> None:
        """Count on under a new life of the store (the old one was lost): all that was counted under older
        names stays under them and is offered again, so nothing is swallowed by a maximum, and no total that
        was shown goes back."""
        self._incarnation = incarnation
        self._stored = {}
        self._own_added = set()

    def committed(self) -> list[CounterTotal]:
        """Totals of what is durable: what a person may be shown."""
        totals: dict[tuple[str, str], float] = {}
        for key, value in self._committed.items():
            name = (key.counter, key.subject)
            totals[name] = totals.get(name, 0.0) + value
        return [CounterTotal(counter, subject, value) for (counter, subject), value in sorted(totals.items())]


def _record(key: CounterKey, value: float, life_total: float, monotonic_ns: int) -> NewRecord:
    return NewRecord(
        record_class=RecordClass.COUNTER,
        kind=RecordKind.COUNTER_VALUE,
        key=f"{key.record_subject}={value!r}",
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


def _state_of(records: Iterable[NewRecord | Record]) -> dict[CounterKey, float]:
    state: dict[CounterKey, float] = {}
    for record in records:
        if record.kind is not RecordKind.COUNTER_VALUE:
            continue
        payload = orjson.loads(record.payload)
        key = CounterKey(payload["counter"], payload["subject"], payload["incarnation"], payload["boot_id"])
        state[key] = max(state.get(key, 0.0), float(payload["value"]))
    return state
