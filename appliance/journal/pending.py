"""What waits in memory for the disk: bounded, in order, and never lost silently.

Duty: two queues (what must be durable before it is seen, and telemetry), the gaps to be written with them,
and the rule for what leaves when a bound is reached. Pure: no thread, no database, no clock; the writer
guards it with its lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from appliance.journal.features import duration_ns
from appliance.journal.record import GapState, NewRecord, Record, RecordClass, RecordKind
from appliance.journal.retention import stored_bytes
from dsp.samples import GapCause

MAX_GAPS = 10_000
MAX_BATCH_RECORDS = 2_000
MAX_BATCH_BYTES = 4 * 1024 * 1024


@dataclass(slots=True)
class Ticket:
    """One commit call: the records it waits for, and whom to tell."""

    wanted: int
    resolve: Callable[[tuple[Record, ...]], None]
    records: list[Record] = field(default_factory=list)

    def add(self, record: Record) -> None:
        self.records.append(record)
        if len(self.records) == self.wanted:
            self.resolve(tuple(self.records))


@dataclass(slots=True)
class PendingRecord:
    """A record with the wall time it got when it was handed over."""

    record: NewRecord
    time_ns: int
    time_trusted: bool
    accepted_ns: int  # monotonic, when it was handed over
    ticket: Ticket | None = None

    def held(self, boot_id: str) -> Record:
        """As a record that no disk has taken yet: its sequence is 0."""
        new = self.record
        return Record(
            0,
            new.record_class,
            new.kind,
            new.key,
            new.subject,
            boot_id,
            new.monotonic_ns,
            self.time_ns,
            self.time_trusted,
            new.payload,
        )

    @property
    def size_bytes(self) -> int:
        new = self.record
        return stored_bytes(len(new.key), len(new.subject), len(new.payload))


@dataclass(frozen=True, slots=True)
class BootTime:
    """A monotonic time of one boot of the kernel; `kernel` "": the UTC beside it is good."""

    kernel: str
    monotonic_ns: int


@dataclass(slots=True)
class PendingGap:
    """A gap on its way to the ledger. Times are UTC ns; `monotonic_ns` is when it began.

    `clock`, of provisional times: begin and end by the monotonic clock; None: both in this boot, from
    `monotonic_ns` on.
    """

    channel_id: str
    start_ns: int
    end_ns: int
    cause: GapCause
    state: GapState
    samples_missing: int | None
    monotonic_ns: int
    time_trusted: bool
    clock: tuple[BootTime, BootTime] | None = None

    def boot_times(self, kernel: str) -> tuple[BootTime, BootTime] | None:
        """Begin and end by the monotonic clock, this boot being `kernel`; None where both UTC are good."""
        if self.time_trusted or self.clock is not None:
            return None if self.time_trusted else self.clock
        end_ns = self.monotonic_ns + max(0, self.end_ns - self.start_ns)
        return BootTime(kernel, self.monotonic_ns), BootTime(kernel, end_ns)


@dataclass(slots=True)
class PendingGapState:
    """What became of a known gap, on its way to the ledger. `time_ns` (UTC) is when it became so."""

    gap_id: int
    state: GapState
    time_ns: int
    time_trusted: bool
    monotonic_ns: int


GapEntry = PendingGap | PendingGapState


class PendingQueue:
    """All that is not on the disk yet. Critical first, then telemetry; each in the order it came."""

    def __init__(self, telemetry_bound_bytes: int, critical_bound_bytes: int) -> None:
        self._telemetry_bound = telemetry_bound_bytes
        self._critical_bound = critical_bound_bytes
        self._critical: deque[PendingRecord] = deque()
        self._telemetry: deque[PendingRecord] = deque()
        self._gaps: deque[GapEntry] = deque()
        self._being_dropped: dict[str, PendingGap] = {}
        self.critical_bytes = 0
        self.telemetry_bytes = 0
        self.dropped: dict[RecordClass, int] = dict.fromkeys(RecordClass, 0)
        self.drop_cause = GapCause.BACKPRESSURE  # the writer says DISK_FULL while it is

    @property
    def critical_count(self) -> int:
        return len(self._critical)

    @property
    def telemetry_count(self) -> int:
        return len(self._telemetry)

    @property
    def empty(self) -> bool:
        return not (self._critical or self._telemetry or self._gaps or self._being_dropped)

    def oldest_critical_ns(self) -> int | None:
        """When the oldest waiting critical record was handed over (monotonic)."""
        return self._critical[0].accepted_ns if self._critical else None

    def oldest_telemetry_ns(self) -> int | None:
        """When the oldest waiting telemetry was handed over (monotonic)."""
        return self._telemetry[0].accepted_ns if self._telemetry else None

    def add_critical(self, pending: PendingRecord) -> None:
        self._critical.append(pending)
        self.critical_bytes += pending.size_bytes
        if self.critical_bytes > self._critical_bound:
            self._shed_critical()

    def add_telemetry(self, pending: PendingRecord) -> None:
        self._telemetry.append(pending)
        self.telemetry_bytes += pending.size_bytes
        while self.telemetry_bytes > self._telemetry_bound and len(self._telemetry) > 1:
            self.drop_oldest_telemetry()

    def add_gap(self, gap: GapEntry) -> None:
        """Beyond the bound, a gap is merged into the newest one of its channel: longer, but never unsaid."""
        if len(self._gaps) >= MAX_GAPS and isinstance(gap, PendingGap):
            for known in reversed(self._gaps):
                if isinstance(known, PendingGap) and known.channel_id == gap.channel_id:
                    known.start_ns = min(known.start_ns, gap.start_ns)
                    known.end_ns = max(known.end_ns, gap.end_ns)
                    known.samples_missing = None
                    return
        self._gaps.append(gap)

    def drop_oldest_telemetry(self) -> None:
        """Give up the oldest waiting telemetry; its interval becomes a gap once dropping has stopped."""
        if not self._telemetry:
            return
        pending = self._telemetry.popleft()
        self.telemetry_bytes -= pending.size_bytes
        self.dropped[RecordClass.TELEMETRY] += 1
        new = pending.record
        end_ns = pending.time_ns + (duration_ns(new.payload) if new.kind is RecordKind.FEATURES else 0)
        known = self._being_dropped.get(new.subject)
        if known is None or known.cause is not self.drop_cause:
            if known is not None:
                self.add_gap(known)
            self._being_dropped[new.subject] = PendingGap(
                new.subject,
                pending.time_ns,
                end_ns,
                self.drop_cause,
                GapState.LOST,
                None,
                new.monotonic_ns,
                pending.time_trusted,
            )
        else:
            known.end_ns = max(known.end_ns, end_ns)

    def drop_all_telemetry(self) -> None:
        while self._telemetry:
            self.drop_oldest_telemetry()

    def take(
        self, max_telemetry: int | None
    ) -> tuple[list[PendingRecord], list[PendingRecord], list[GapEntry]]:
        """The next batch: critical records, telemetry, gaps. `put_back` what was not written."""
        critical = self.take_critical()
        room = MAX_BATCH_RECORDS - len(critical)
        room = room if max_telemetry is None else min(room, max_telemetry)
        telemetry = _take(self._telemetry, room, MAX_BATCH_BYTES)
        self.telemetry_bytes -= sum(pending.size_bytes for pending in telemetry)
        for gap in self._being_dropped.values():
            self.add_gap(gap)
        self._being_dropped.clear()
        gaps = [self._gaps.popleft() for _ in range(min(len(self._gaps), MAX_BATCH_RECORDS))]
        return critical, telemetry, gaps

    def take_critical(self) -> list[PendingRecord]:
        """The critical records of the next batch, alone."""
        critical = _take(self._critical, MAX_BATCH_RECORDS, MAX_BATCH_BYTES)
        self.critical_bytes -= sum(pending.size_bytes for pending in critical)
        return critical

    def put_back(
        self,
        critical: Iterable[PendingRecord],
        telemetry: Iterable[PendingRecord],
        gaps: Iterable[GapEntry],
    ) -> None:
        """Return an unwritten batch to the head of the queues, bounds kept."""
        for pending in reversed(list(critical)):
            self._critical.appendleft(pending)
            self.critical_bytes += pending.size_bytes
        if self.critical_bytes > self._critical_bound:
            self._shed_critical()
        for pending in reversed(list(telemetry)):
            self._telemetry.appendleft(pending)
            self.telemetry_bytes += pending.size_bytes
        while self.telemetry_bytes > self._telemetry_bound and len(self._telemetry) > 1:
            self.drop_oldest_telemetry()
        for gap in reversed(list(gaps)):
            self._gaps.appendleft(gap)

    def take_dropped(self) -> dict[RecordClass, int]:
        """Counts of what was dropped since the last call."""
        dropped = {record_class: count for record_class, count in self.dropped.items() if count}
        self.dropped = dict.fromkeys(RecordClass, 0)
        return dropped

    def _shed_critical(self) -> None:
        """Bring held records below 90 % of the bound: first those that a newer one of the same subject
        supersedes, then the oldest. Only reached when a disk is dead for long; always counted."""
        goal = self._critical_bound * 9 // 10
        newest = {(p.record.kind, p.record.subject): p for p in self._critical}
        for keep_newest in (True, False):
            kept: deque[PendingRecord] = deque()
            for pending in self._critical:
                is_newest = newest[pending.record.kind, pending.record.subject] is pending
                if self.critical_bytes > goal and not (keep_newest and is_newest):
                    self.critical_bytes -= pending.size_bytes
                    self.dropped[pending.record.record_class] += 1
                else:
                    kept.append(pending)
            self._critical = kept
            if self.critical_bytes <= goal:
                return


def _take(queue: deque[PendingRecord], max_records: int, max_bytes: int) -> list[PendingRecord]:
    taken: list[PendingRecord] = []
    size_bytes = 0
    while queue and len(taken) < max_records and (not taken or size_bytes < max_bytes):
        pending = queue.popleft()
        size_bytes += pending.size_bytes
        taken.append(pending)
    return taken
