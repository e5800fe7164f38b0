"""The one thread that writes the journal's file.

Duty: group commit (at once for what must be durable, with company for telemetry), and what happens when the
disk hangs, refuses, is full or the file is damaged. Records that cannot be written stay in the bounded queue,
in order, until they can.

It never gives up and never ends on an error: a journal that cannot write says so and tries again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence

from appliance.journal import schema
from appliance.journal.anchors import ClockLook
from appliance.journal.features import end_ns
from appliance.journal.full_disk import FullDisk
from appliance.journal.pending import MAX_BATCH_RECORDS, GapEntry, PendingGap, PendingQueue, PendingRecord
from appliance.journal.record import GapState, Record, RecordKind
from appliance.journal.reserve import Reserve
from appliance.journal.restamping import Restamping
from appliance.journal.retention import Budgets, Timing
from appliance.journal.store import Store
from appliance.journal.upkeep import Upkeep
from dsp.samples import GapCause

_log = logging.getLogger(__name__)

_TELEMETRY_WITH_CRITICAL = 200  # an alarm does not wait behind a backlog of telemetry
_REOPEN_AFTER = 3  # failed rounds before the file is opened anew
_POISON = (TypeError, ValueError, OverflowError, sqlite3.InterfaceError, sqlite3.DataError)

# Opens the file: after this damage (None: none is known), and whether to check all of it first.
OpenStore = Callable[[Exception | None, bool], Store]


def _measured_by_nobody(seconds: float, records: int) -> None:
    """Nobody wants to know how long a flush took."""


class Writer:
    """Owns the store. `add_*` may be called from any thread and never block on the disk."""

    def __init__(
        self,
        open_store: OpenStore,
        reserve: Reserve,
        *,
        budgets: Budgets,
        timing: Timing,
        clock_now: Callable[[], ClockLook],
        on_commit: Callable[[], None],
        restamping: Restamping,
    ) -> None:
        self._open_store = open_store
        self._timing = timing
        self._clock_now = clock_now
        self._on_commit = on_commit
        self._restamping = restamping
        self._queue = PendingQueue(budgets.pending_telemetry_bytes, budgets.held_critical_bytes)
        self._full_disk = FullDisk(reserve, budgets)
        self._upkeep = Upkeep(budgets)
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._stopping = False
        self.on_flush: Callable[[float, int], None] = _measured_by_nobody  # (seconds, records), this thread
        self.failures = 0  # rounds that the disk refused, since the start
        self._suspect = False  # a reader met a damaged page
        self._upkeep_due = False
        self.opened = threading.Event()  # after the first attempt to open, successful or not
        self.store: Store | None = None
        self._left: Store | None = None  # closed, until another is open: what it knew is taken over
        self.failure: Exception | None = None  # why the latest attempt failed; None when it went well
        self._failing_since_ns: int | None = None
        self._failed_at_ns = 0
        self._failed_rounds = 0
        self._busy_since_ns: int | None = None
        self._round_ns = time.monotonic_ns()
        self._space_checked_ns: int | None = None  # not yet: the reserve is made in the first upkeep

    def start(self) -> None:
        self._thread.start()

    @property
    def space_low(self) -> bool:
        return self._full_disk.low

    def add_critical(self, pending: Sequence[PendingRecord]) -> None:
        with self._condition:
            for one in pending:
                self._queue.add_critical(one)
            self._condition.notify()

    def add_telemetry(self, pending: PendingRecord) -> None:
        with self._condition:
            first = self._queue.telemetry_count == 0
            self._queue.add_telemetry(pending)
            if first or self._queue.telemetry_count == MAX_BATCH_RECORDS:
                self._condition.notify()

    def add_gap(self, gap: GapEntry) -> None:
        with self._condition:
            self._queue.add_gap(gap)
            self._condition.notify()

    def suspect(self) -> None:
        """A reader met damage: check the file before the next batch."""
        with self._condition:
            self._suspect = True
            self._condition.notify()

    def waiting_s(self) -> float:
        """For how long the disk has not taken what it was offered; 0.0 when all is well."""
        with self._condition:
            since = [
                ns
                for ns in (self._failing_since_ns, self._busy_since_ns, self._queue.oldest_critical_ns())
                if ns is not None
            ]
        return (time.monotonic_ns() - min(since)) / 1e9 if since else 0.0

    def in_memory(self) -> tuple[int, int, int]:
        """(critical records held, telemetry records waiting, telemetry bytes waiting)."""
        with self._condition:
            return self._queue.critical_count, self._queue.telemetry_count, self._queue.telemetry_bytes

    def stop(self, limit_s: float) -> bool:
        """Flush what waits, as far as the disk takes it, and end. False if the disk still hangs then."""
        with self._condition:
            self._stopping = True
            self._condition.notify()
        self._thread.join(limit_s)
        return not self._thread.is_alive()

    # ---- the thread ----

    def _run(self) -> None:
        opened = self._attempt(lambda: self._reopen(None))
        self.opened.set()
        if opened:
            self._attempt(self._keep_up)
        while True:
            with self._condition:
                while not self._stopping and (wait_s := self._wait_s()) > 0.0:
                    self._condition.wait(wait_s)
                if self._stopping and (self._queue.empty or self._failed_rounds > 0):
                    break
            if self._attempt(self._round):
                self._attempt(self._keep_up)
        if self.store is not None:
            self._attempt(lambda: self._upkeep.finish(self._opened_store()))
            self.store.close()

    def _wait_s(self) -> float:
        """Seconds until the next round is due (<= 0: now)."""
        now_ns = time.monotonic_ns()
        if self._failed_rounds > 0:
            pause_s = self._timing.retry_s * min(8.0, 2.0 ** (self._failed_rounds - 1))
            return pause_s - (now_ns - self._failed_at_ns) / 1e9
        if self._queue.critical_count or self._suspect or self._upkeep_due:
            return 0.0
        oldest_ns = self._queue.oldest_telemetry_ns()
        if self._queue.telemetry_count >= MAX_BATCH_RECORDS:
            return 0.0
        if oldest_ns is not None:
            return self._timing.group_s - (now_ns - oldest_ns) / 1e9
        if not self._queue.empty:
            return 0.0
        return self._timing.space_check_s - (now_ns - self._round_ns) / 1e9  # then a round of upkeep only

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Run one step; note when the disk refuses, mend what can be mended."""
        with self._condition:
            self._busy_since_ns = time.monotonic_ns()
        try:
            try:
                action()
            except (sqlite3.Error, OSError) as error:
                if not schema.is_damage(error):
                    raise
                _log.error("journal file damaged while running error=%s", error)
                self._reopen(error)
                action()
        except Exception as error:
            # Whatever it is, the thread lives on: an appliance whose journal thread died would be silent.
            self._note_failure(error)
            return False
        finally:
            with self._condition:
                self._busy_since_ns = None
        with self._condition:
            self._failing_since_ns = None
            self.failure = None
            self._failed_rounds = 0
        return True

    def _note_failure(self, error: Exception) -> None:
        with self._condition:
            self._failed_at_ns = time.monotonic_ns()
            if self._failing_since_ns is None:
                self._failing_since_ns = self._failed_at_ns
                _log.error("journal cannot commit error=%r", error)
            self.failure = error
            self._failed_rounds += 1
            self.failures += 1

    def _reopen(self, error: Exception | None, thorough: bool = False) -> None:
        if self.store is not None:
            self._left, self.store = self.store, None
            self._left.close()
        store = self._full_disk.opened(lambda: self._open_store(error, thorough))
        if self._left is not None:
            self._take_over(self._left, store)
            self._left = None
        self.store = store

    def _take_over(self, before: Store, store: Store) -> None:
        """What the running service knew and the file does not: newest alarms, counters and limits, dropped
        counts, telemetry lost by damage."""
        durable = [kind for kind in RecordKind if kind not in schema.TELEMETRY_KINDS]
        if saved := store.adopt(record for kind in durable for record in before.latest(kind)):
            _log.warning("records saved from memory after damage n=%d", saved)
        for record_class, account in before.accounts.by_class.items():
            known = store.accounts[record_class]
            known.dropped = max(known.dropped, account.dropped)
        for kind in (RecordKind.FEATURES, RecordKind.TAG):
            newest = {record.subject: record for record in store.latest(kind)}
            for record in before.latest(kind):
                kept = newest.get(record.subject)
                start_ns = 0 if kept is None else end_ns(kept)
                if start_ns < end_ns(record):
                    gap = PendingGap(
                        record.subject,
                        start_ns or record.time_ns,
                        end_ns(record),
                        GapCause.DAMAGED_STORE,
                        GapState.LOST,
                        None,
                        record.monotonic_ns,
                        record.time_trusted,
                    )
                    self.add_gap(gap)

    def _round(self) -> None:
        with self._condition:
            suspect, self._suspect = self._suspect, False
            self._round_ns = time.monotonic_ns()
        if self.store is None or suspect or self._failed_rounds >= _REOPEN_AFTER:
            self._reopen(None, thorough=suspect)
        store = self._opened_store()
        with self._condition:
            limit = _TELEMETRY_WITH_CRITICAL if self._queue.critical_count else None
            self._queue.drop_cause = GapCause.DISK_FULL if self._full_disk.low else GapCause.BACKPRESSURE
            critical, telemetry, gaps = self._queue.take(limit)
            dropped = self._queue.take_dropped()
        for record_class, count in dropped.items():
            store.accounts[record_class].dropped += count
        wrote = bool(critical or telemetry or gaps)
        try:
            self._write_round(critical, telemetry, gaps)
        finally:
            with self._condition:
                self._queue.put_back(critical, telemetry, gaps)
        if wrote:
            self._on_commit()

    def _write_round(
        self, critical: list[PendingRecord], telemetry: list[PendingRecord], gaps: list[GapEntry]
    ) -> None:
        """Write a batch; what is written is removed from the lists, the rest stays for another attempt."""
        if not self._full_disk.low:
            batch = critical + telemetry
            try:
                self._write(batch, gaps, self._urgent(critical))
            except (sqlite3.Error, OSError) as error:
                if not self._full_disk.is_full(error):
                    raise
                self._full_disk.enter(error)
            else:
                del telemetry[: len(batch) - len(critical)]  # the rest had to let an alarm pass
                critical.clear()
                gaps.clear()
                return
        self._full_disk.write_critical(self._write, critical, gaps)
        critical.clear()
        gaps.clear()
        if not telemetry:
            return
        try:
            self._full_disk.write_telemetry(self._opened_store(), self._write, telemetry)
        except (sqlite3.Error, OSError) as error:
            if not self._full_disk.is_full(error):
                raise
            with self._condition:
                self._queue.drop_cause = GapCause.DISK_FULL
                self._queue.put_back([], telemetry, [])
                self._queue.drop_all_telemetry()
        telemetry.clear()

    def _urgent(self, critical: list[PendingRecord]) -> Callable[[], list[PendingRecord]]:
        """Takes what must be durable and came while telemetry was being written; it is `critical` then."""
        if critical:  # a round that has such records is short anyway
            return list

        def came() -> list[PendingRecord]:
            if not self._queue.critical_count:
                return []
            with self._condition:
                urgent = self._queue.take_critical()
            critical.extend(urgent)
            return urgent

        return came

    def _write(
        self,
        batch: list[PendingRecord],
        gaps: Sequence[GapEntry],
        urgent: Callable[[], list[PendingRecord]] = list,
    ) -> None:
        """One flushed transaction; then tell who waits for it."""
        if not batch and not gaps:
            return
        store, begin_ns = self._opened_store(), time.monotonic_ns()
        try:
            records: list[Record | None] = list(store.write(batch, gaps, urgent))
        except _POISON:
            records = self._write_one_by_one(batch)
            store.write([], gaps)
        self.on_flush((time.monotonic_ns() - begin_ns) / 1e9, len(batch))
        self._upkeep.book(store, batch)
        for pending, record in zip(batch, records, strict=True):
            if pending.ticket is not None and record is not None:
                pending.ticket.add(record)
                pending.ticket = None

    def _write_one_by_one(self, batch: Sequence[PendingRecord]) -> list[Record | None]:
        """A batch that cannot be encoded: find the offender, refuse it, keep the rest."""
        records: list[Record | None] = []
        for pending in batch:
            try:
                records.extend(self._opened_store().write([pending], []))
            except _POISON as error:
                _log.error("record refused key=%r error=%r", pending.record.key, error)
                self._opened_store().accounts[pending.record.record_class].dropped += 1
                records.append(None)
        return records

    def _keep_up(self) -> None:
        look, passes = self._clock_now(), self._restamping.passes
        now_ns = time.monotonic_ns()
        checked_ns = self._space_checked_ns
        try:
            resolving = self._restamping.step(self._opened_store(), look)
            # No record leaves for its age before it is known.
            wall_ns = look.time_ns if look.trusted and not resolving else None
            trimming = self._upkeep.run(
                self._opened_store(),
                wall_ns,
                trimming=not self._full_disk.low,
                hurry=self._queue.critical_count > 0,
            )
            if not resolving:
                self._upkeep.close_overdue(self._opened_store(), look)
            self._upkeep_due = resolving or trimming
            if checked_ns is None or now_ns - checked_ns >= self._timing.space_check_s * 1e9:
                self._space_checked_ns = now_ns
                self._full_disk.check()
        except (sqlite3.Error, OSError) as error:
            if not self._full_disk.is_full(error):
                raise
            self._full_disk.relieve(error)
        if self._restamping.passes != passes:
            self._on_commit()

    def _opened_store(self) -> Store:
        if self.store is None:
            raise OSError("the journal's file is not open")
        return self.store
