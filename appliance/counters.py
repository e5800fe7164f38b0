"""Grow-only counters: what a machine and this appliance have accumulated, safe to merge in any order.

Duty: the arithmetic and the records. Each counter is kept per (incarnation, boot): the life of the count
and the start of the service that counted. Within one such key a value only grows, so two copies of it merge
to the larger. Of a life that others know more of (the centre, after a lost or restored store) the largest
total that was ever told is kept beside, its *floor*. The total of a life is the sum of its starts, or its
floor if that is larger; the total of a counter the sum over lives. Merging is commutative, associative and
idempotent (a state-based grow-only counter: Shapiro et al., "Conflict-free Replicated Data
Types", 2011). Pure: no journal, no clock.

A life (incarnation) begins with the store, and anew where the centre shows that another has counted under the
same name (`CounterFork`, docs/adr/0013).

A person sees only what is committed (`committed`): what a power cut could still take back is not shown.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from appliance.counter_records import (
    Counter,
    CounterError,
    CounterFork,
    CounterKey,
    LifeKey,
    forks_of,
    told_by,
    total_record,
    value_record,
)
from appliance.journal.record import NewRecord, Record

__all__ = ["Counter", "CounterError", "CounterKey", "CounterTotal", "Counters", "LifeKey", "merged", "total"]


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


def life_totals(
    starts: Mapping[CounterKey, float], floors: Mapping[LifeKey, float] | None = None
) -> dict[LifeKey, float]:
    """The total of every life: the sum of its starts, or its floor if that is larger."""
    values: dict[LifeKey, list[float]] = {}
    for key, value in starts.items():
        values.setdefault(key.life, []).append(value)
    totals = {life: math.fsum(found) for life, found in values.items()}
    for life, floor in (floors or {}).items():
        totals[life] = max(totals.get(life, 0.0), floor)
    return totals


def counter_totals(lives: Mapping[LifeKey, float]) -> dict[tuple[str, str], float]:
    """The total of every (counter, subject): the sum over its lives."""
    values: dict[tuple[str, str], list[float]] = {}
    for life, value in lives.items():
        values.setdefault((life.counter, life.subject), []).append(value)
    return {name: math.fsum(found) for name, found in sorted(values.items())}


class Counters:
    """All counters of this appliance, counting on in one (incarnation, boot).

    `restore` what the journal has, then `add`; commit `changed_records` now and then and `confirm` them.
    """

    def __init__(self, store: str, boot_id: str) -> None:
        """`store`: the incarnation of the journal that the records go into."""
        self._store = self._incarnation = store
        self._boot_id = boot_id
        self._values: dict[CounterKey, float] = {}
        self._committed: dict[CounterKey, float] = {}  # was durable once: may be shown
        self._stored: dict[CounterKey, float] = {}  # is in the present life of the store
        self._floors: dict[LifeKey, float] = {}  # of lives, as others told
        self._floors_committed: dict[LifeKey, float] = {}
        self._floors_stored: dict[LifeKey, float] = {}
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
        return counter_totals(life_totals(self._values, self._floors)).get((str(counter), subject), 0.0)

    def state(self) -> dict[CounterKey, float]:
        """A copy of all starts' values, to be merged elsewhere."""
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

    def learn_floors(self, floors: Mapping[LifeKey, float]) -> None:
        """Take over totals of lives that were told elsewhere, as far as they say more than is known here."""
        known = life_totals(self._values, self._floors)
        for life, floor in floors.items():
            if floor > known.get(life, 0.0):
                self._floors[life] = floor

    def changed_records(self, monotonic_ns: int) -> list[NewRecord]:
        """Records of every counter that stands above its committed value; commit them, then `confirm`.

        The record's key holds the value: the same value twice is stored once.
        """
        totals = life_totals(self._values, self._floors)
        return [
            *(
                value_record(key, value, totals[key.life], monotonic_ns)
                for key, value in sorted(self._values.items())
                if value > self._stored.get(key, 0.0)
            ),
            *(
                total_record(life, floor, monotonic_ns, f"={floor!r}")
                for life, floor in sorted(self._floors.items())
                if floor > self._floors_stored.get(life, 0.0)
            ),
        ]

    def asserted_records(
        self, monotonic_ns: int, lives: Collection[LifeKey] | None = None
    ) -> list[NewRecord]:
        """What is durable, said once more (of `lives`, or of all): every start of the present life with its
        value, of every other life the total. Each call makes records of its own; `confirm` them, too."""
        totals = life_totals(self._committed, self._floors_committed)
        again = f"@{self._boot_id}/{monotonic_ns}"
        return [
            *(
                value_record(key, value, totals[key.life], monotonic_ns, again)
                for key, value in sorted(self._committed.items())
                if key.incarnation == self._incarnation and (lives is None or key.life in lives)
            ),
            *(
                total_record(life, value, monotonic_ns, again)
                for life, value in sorted(totals.items())
                if lives is None or life in lives
            ),
        ]

    def confirm(self, records: Iterable[NewRecord | Record]) -> None:
        """These records are durable: show their values."""
        starts, floors = told_by(records)
        self._stored = merged(self._stored, starts)
        self._committed = merged(self._committed, starts)
        self._floors_stored = _greatest(self._floors_stored, floors)
        self._floors_committed = _greatest(self._floors_committed, floors)

    def restore(self, records: Iterable[Record]) -> None:
        """Take up the journal's newest records of counters, and of the audit, at start. Raises CounterError
        (see `merge`)."""
        found = list(records)
        starts, floors = told_by(found)
        self.merge(starts)
        self._floors = _greatest(self._floors, floors)
        self.confirm(found)
        for fork in forks_of(found):
            if fork.store == self._store:
                self._incarnation = fork.incarnation

    @property
    def store(self) -> str:
        """The life of the store that the records go into."""
        return self._store

    @property
    def incarnation(self) -> str:
        """The life under whose name is counted now."""
        return self._incarnation

    @property
    def boot_id(self) -> str:
        """The start of the service under whose name is counted now."""
        return self._boot_id

    def begin_incarnation(self, store: str) -> None:
        """Count on in a new store (the old one was lost): all that was counted under older
        names stays under them and is offered again, so nothing is swallowed by a maximum, and no total that
        was shown goes back."""
        self._store = self._incarnation = store
        self._stored = {}
        self._floors_stored = {}
        self._own_added = set()

    def fork(self, incarnation: str, reason: str) -> CounterFork:
        """The step to a new life in the same store; make its record durable, then `take_fork`."""
        return CounterFork(self._store, self._incarnation, incarnation, reason)

    def take_fork(self, fork: CounterFork) -> None:
        """Count on under the new name. What was counted stays under the old one: it may have left the box,
        and one increment must not have two names. Nothing is added to it here any more."""
        self._incarnation = fork.incarnation
        self._own_added = set()

    def committed_starts(self) -> dict[CounterKey, float]:
        """Values of what is durable, by start."""
        return dict(self._committed)

    def committed_floors(self) -> dict[LifeKey, float]:
        """Totals of lives that others told, as far as they are durable."""
        return dict(self._floors_committed)

    def committed_lives(self) -> dict[LifeKey, float]:
        """Totals of what is durable, by life."""
        return life_totals(self._committed, self._floors_committed)

    def committed(self) -> list[CounterTotal]:
        """Totals of what is durable: what a person may be shown."""
        totals = counter_totals(self.committed_lives())
        return [CounterTotal(counter, subject, value) for (counter, subject), value in totals.items()]


def _greatest(one: Mapping[LifeKey, float], other: Mapping[LifeKey, float]) -> dict[LifeKey, float]:
    result = dict(one)
    for life, value in other.items():
        result[life] = max(result.get(life, 0.0), value)
    return result
