"""A world in which boxes count, lose their disks, are copied and meet a forgetful centre; and a witness.

The boxes use the appliance's own counters and rules; what is modelled is the world around them: disks as
lists of records, the centre as a table of points in which a point overwrites itself. The witness counts
beside.
"""

from __future__ import annotations

import itertools
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import orjson

from appliance.counter_records import Counter, LifeKey, fork_record, told_by
from appliance.counters import Counters, counter_totals
from appliance.journal.record import NewRecord, Record
from appliance.reconcile.counters import (
    CounterKnowledge,
    CounterOutcome,
    fork_reason,
    merged_knowledge,
    repairs_at_centre,
    repairs_here,
)

PUMP = "pump-1"


@dataclass
class Disk:
    """What survives a box: its records in order, and how many of them the courier thinks are delivered."""

    store: str
    records: list[Record] = field(default_factory=list)
    delivered: int = 0

    def copy(self) -> Disk:
        return Disk(self.store, list(self.records), self.delivered)


@dataclass
class Centre:
    """Points by (who wrote it, its number there): writing one again changes nothing."""

    points: dict[tuple[int, int], Record] = field(default_factory=dict)

    def knowledge(self) -> CounterKnowledge:
        """What InfluxQL would say of one device: greatest value per start, greatest total per life."""
        starts, told = told_by(self.points.values())
        for record in self.points.values():
            for life, total in _totals(record):
                told[life] = max(told.get(life, 0.0), total)
        return CounterKnowledge(starts, told)

    def totals(self) -> dict[tuple[str, str], float]:
        """What anybody reads there: the sum over lives of the greatest total."""
        return counter_totals(self.knowledge().told)


class World:
    """Boxes of one device and their centre."""

    def __init__(self) -> None:
        self.centre = Centre()
        self.witness: Tally[tuple[str, str]] = Tally()
        self._names = itertools.count()
        self.boxes: list[Box] = []

    def name(self, what: str) -> str:
        return f"{what}-{next(self._names)}"

    def new_box(self) -> Box:
        box = Box(self, Disk(self.name("store")))
        self.boxes.append(box)
        return box

    def come_to_rest(self) -> None:
        """Everybody is connected, nobody counts: each box delivers and reconciles until nothing changes."""
        for _ in range(len(self.boxes) + 2):
            for box in self.boxes:
                box.deliver()
                box.reconcile()
                box.deliver()


class Box:
    """One box at one start of its service."""

    def __init__(self, world: World, disk: Disk) -> None:
        self.world, self.disk = world, disk
        self._number = next(world._names)
        self.start()

    def start(self) -> None:
        """The service starts (again) on this disk."""
        self.counters = Counters(self.disk.store, self.world.name("boot"))
        newest = {(record.kind, record.subject): record for record in self.disk.records}
        self.counters.restore(newest.values())
        self.count(Counter.SERVICE_STARTS, "hall", 1)

    def count(self, counter: str, subject: str, amount: int) -> None:
        """Count, and bring it to the disk."""
        self.world.witness[counter, subject] += amount
        self.counters.add(counter, subject, amount)
        self._commit(self.counters.changed_records(0))

    def deliver(self, choose: Callable[[list[Record]], Iterable[Record]] = list) -> None:
        """The courier brings what waits; `choose` says what of it arrives, and how often. All is thought to
        be delivered: a centre that answers 204 and forgets is in it."""
        waiting = self.disk.records[self.disk.delivered :]
        for record in choose(waiting):
            self.world.centre.points[self._number, record.sequence] = record
        self.disk.delivered = len(self.disk.records)

    def reconcile(self) -> CounterOutcome:
        """As the shell does it."""
        counters = self.counters
        settled = self.disk.delivered == len(self.disk.records)
        here = CounterKnowledge(counters.committed_starts(), counters.committed_floors())
        centre = self.world.centre.knowledge()
        reason = fork_reason(counters.state(), centre.starts, counters.incarnation)
        fork = None if reason is None else counters.fork(self.world.name("life"), reason)
        if fork is not None:
            self._commit([fork_record(fork, 0)])
            counters.take_fork(fork)
        counters.merge(centre.starts)
        counters.learn_floors(centre.told)
        self._commit(counters.changed_records(0))
        known = merged_knowledge(here, centre).lives()
        repairs = repairs_here(here.lives(), known)
        if settled:
            lacking = repairs_at_centre(centre.told, known, here.lives())
            self.tell_again({one.life for one in lacking})
            repairs += lacking
        return CounterOutcome(len(known), tuple(repairs), fork, settled)

    def tell_again(self, lives: set[LifeKey] | None = None) -> None:
        """What happens daily to all lives."""
        self._commit(self.counters.asserted_records(len(self.disk.records), lives))

    def clone(self) -> Box:
        """Another box with a copy of this disk, started."""
        twin = Box(self.world, self.disk.copy())
        self.world.boxes.append(twin)
        return twin

    def restore(self, backup: Disk) -> None:
        """The disk dies, an older copy of it takes its place. What was on it had arrived at the centre: what
        had not is lost to everybody, and no merging brings it back."""
        self._arrive_all()
        self.disk = backup.copy()
        self._number = next(self.world._names)
        self.start()

    def lose_store(self) -> None:
        """The disk dies, an empty one takes its place; the device's key is kept."""
        self.restore(Disk(self.world.name("store")))

    def shown(self) -> dict[tuple[str, str], float]:
        return {(one.counter, one.subject): one.value for one in self.counters.committed()}

    def _arrive_all(self) -> None:
        for record in self.disk.records:
            self.world.centre.points[self._number, record.sequence] = record

    def _commit(self, records: list[NewRecord]) -> None:
        stored = []
        known = {record.key for record in self.disk.records}
        for new in records:
            if new.key not in known:
                stored.append(_stored(new, len(self.disk.records) + 1))
                self.disk.records.append(stored[-1])
        self.counters.confirm(records)


def _totals(record: Record) -> Iterable[tuple[LifeKey, float]]:
    said = orjson.loads(record.payload)
    if "life_total" in said:
        yield LifeKey(said["counter"], said["subject"], said["incarnation"]), said["life_total"]


def _stored(new: NewRecord, sequence: int) -> Record:
    return Record(
        sequence,
        new.record_class,
        new.kind,
        new.key,
        new.subject,
        "boot",
        new.monotonic_ns,
        1_800_000_000_000_000_000 + sequence,
        True,
        new.payload,
    )
