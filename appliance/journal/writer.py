"""The one thread that writes the journal's file.

Duty: group commit (at once for what must be durable, with company for telemetry), what happens when the disk
is full (the reserve, the ring of telemetry), refuses or is damaged, and the upkeep between commits.
Records that cannot be written stay in the bounded queue, in order, until they can.

It never gives up and never ends on an error: a journal that cannot write says so and tries again.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.journal import schema
from appliance.journal.pending import PendingGap, PendingQueue, PendingRecord
from appliance.journal.record import RecordClass
from appliance.journal.reserve import Reserve
from appliance.journal.retention import Accounts, Budgets, Timing
from appliance.journal.store import Store
from appliance.journal.trimming import trim, trim_step
from dsp.samples import GapCause

_log = logging.getLogger(__name__)

CHECKPOINT_BYTES = 4 * 1024 * 1024
SAVE_ACCOUNTS_S = 60.0
_TELEMETRY_WITH_CRITICAL = 200  # an alarm does not wait behind a backlog of telemetry
_RING_STEP_BYTES = 1024 * 1024
_REOPEN_AFTER = 3  # failed rounds before the file is opened anew

OpenStore = Callable[[Exception | None], Store]  # the error that made it necessary, None at the start


class Writer:
    """Owns the store. `add_*` may be called from any thread and never block on the disk."""

    def __init__(
        self,
        open_store: OpenStore,
        reserve: Reserve,
        *,
        budgets: Budgets,
        timing: Timing,
        wall_now: Callable[[], tuple[int, bool]],
        on_commit: Callable[[], None],
    ) -> None:
        self._open_store = open_store
        self._reserve = reserve
        self._budgets = budgets
        self._timing = timing
        self._wall_now = wall_now
        self._on_commit = on_commit
        self._queue = PendingQueue(budgets.pending_telemetry_bytes, budgets.held_critical_bytes)
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="journal-writer", daemon=True)
        self._stopping = False
        self.opened = threading.Event()  # after the first attempt to open, successful or not
        self.store: Store | None = None
        self.failure: Exception | None = None  # why the latest attempt failed; None when it went well
        self.space_low = False
        self._failing_since_ns: int | None = None
        self._failed_at_ns = 0
        self._failed_rounds = 0
        self._busy_since_ns: int | None = None
        self._spare_accounts = Accounts()  # counts kept while no store is open
        now_ns = time.monotonic_ns()
        self._saved_ns = self._active_ns = now_ns
        self._space_checked_ns: int | None = None  # not yet: the reserve is made in the first upkeep
        self._written_at_checkpoint = self._written_seen = 0

    def start(self) -> None:
        self._thread.start()

    def add_critical(self, pending: Sequence[PendingRecord]) -> None:
        with self._condition:
            for one in pending:
                self._queue.add_critical(one)
            self._condition.notify()

    def add_telemetry(self, pending: PendingRecord) -> None:
        with self._condition:
            first = self._queue.telemetry_count == 0
            self._queue.add_telemetry(pending)
            if first:
                self._condition.notify()

    def add_gap(self, gap: PendingGap) -> None:
        with self._condition:
            self._queue.add_gap(gap)
            self._condition.notify()

    def stalled_s(self) -> float:
        """For how long the disk has not taken a batch that it was offered; 0.0 when all is well."""
        with self._condition:
            since = [ns for ns in (self._failing_since_ns, self._busy_since_ns) if ns is not None]
        return (time.monotonic_ns() - min(since)) / 1e9 if since else 0.0

    def backlog_in_memory(self) -> tuple[int, int, int]:
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
            self._attempt(self._upkeep)
        while True:
            with self._condition:
                while not self._stopping and (wait_s := self._wait_s()) > 0.0:
                    self._condition.wait(wait_s)
                if self._stopping and (self._queue.empty or self._failed_rounds > 0):
                    break
            wrote = self._attempt(self._round)
            if wrote:
                self._attempt(self._upkeep)
        self._attempt(self._finish)

    def _wait_s(self) -> float:
        """Seconds until the next round is due (<= 0: now)."""
        now_ns = time.monotonic_ns()
        if self._failing_since_ns is not None:
            pause_s = self._timing.retry_s * min(8.0, 2.0 ** max(0, self._failed_rounds - 1))
            return pause_s - (now_ns - self._failed_at_ns) / 1e9
        if self._queue.critical_count:
            return 0.0
        oldest_ns = self._queue.oldest_telemetry_ns()
        if oldest_ns is not None:
            return self._timing.group_s - (now_ns - oldest_ns) / 1e9
        if not self._queue.empty:
            return 0.0
        return self._timing.space_check_s  # then an idle round: upkeep

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

    def _reopen(self, error: Exception | None) -> None:
        if self.store is not None:
            accounts = self.store.accounts
            self.store.close()
            self.store = None
            for record_class, account in accounts.by_class.items():
                self._spare_accounts[record_class].dropped += account.dropped
        store = self._open_store(error)
        for record_class, account in self._spare_accounts.by_class.items():
            known = store.accounts[record_class]
            known.dropped = max(known.dropped, account.dropped)
        self._spare_accounts = Accounts()
        self.store = store

    def _round(self) -> None:
        if self.store is None or self._failed_rounds >= _REOPEN_AFTER:
            self._reopen(None)
        with self._condition:
            limit = _TELEMETRY_WITH_CRITICAL if self._queue.critical_count else None
            critical, telemetry, gaps = self._queue.take(limit)
            dropped = self._queue.take_dropped()
        store = self._open()
        for record_class, count in dropped.items():
            store.accounts[record_class].dropped += count
        left = (critical, telemetry, gaps)
        try:
            if self.space_low:
                self._write_while_full(critical, telemetry, gaps)
            else:
                try:
                    self._write(critical + telemetry, gaps)
                except (sqlite3.Error, OSError) as error:
                    if not self._is_full(error):
                        raise
                    self._enter_low_space(error)
                    self._write_while_full(critical, telemetry, gaps)
            left = ([], [], [])
        finally:
            with self._condition:
                self._queue.put_back(*left)
        if critical or telemetry or gaps:
            self._on_commit()

    def _write(self, batch: Sequence[PendingRecord], gaps: Sequence[PendingGap]) -> None:
        if not batch and not gaps:
            return
        store = self._open()
        records = store.write(batch, gaps)
        self._book(batch)
        for pending, record in zip(batch, records, strict=True):
            if pending.ticket is not None:
                pending.ticket.add(record)
                pending.ticket = None

    def _open(self) -> Store:
        if self.store is None:
            raise OSError("the journal's file is not open")
        return self.store

    # ---- a full disk ----

    def _is_full(self, error: Exception) -> bool:
        if schema.is_full(error):
            return True
        # A quota shows as a plain write error; so does a disk that is about to be full.
        code = getattr(error, "sqlite_errorcode", 0)
        return code == sqlite3.SQLITE_IOERR_WRITE and self._reserve.held_bytes > 0

    def _enter_low_space(self, error: Exception) -> None:
        _log.error(
            "journal disk full, reserve in use error=%s reserve_bytes=%d", error, self._reserve.held_bytes
        )
        self.space_low = True
        with self._condition:
            self._queue.drop_cause = GapCause.DISK_FULL

    def _write_while_full(
        self,
        critical: list[PendingRecord],
        telemetry: list[PendingRecord],
        gaps: list[PendingGap],
    ) -> None:
        """Alarms from the reserve; telemetry only into room that older telemetry has left."""
        while True:
            try:
                self._write(critical, gaps)
                break
            except (sqlite3.Error, OSError) as error:
                if not self._is_full(error) or not self._reserve.release():
                    raise
        if not telemetry:
            return
        try:
            self._make_room(sum(pending.size_bytes for pending in telemetry))
            self._write(telemetry, [])
        except (sqlite3.Error, OSError) as error:
            if not self._is_full(error):
                with self._condition:  # the critical ones are written: only these go back
                    self._queue.put_back([], telemetry, [])
                raise
            with self._condition:
                self._queue.put_back([], telemetry, [])
                self._queue.drop_all_telemetry()

    def _make_room(self, wanted_bytes: int) -> None:
        """Free pages inside the file for telemetry, at the cost of the oldest telemetry, told as gaps."""
        store = self._open()
        goal_bytes = 3 * wanted_bytes + 16 * schema.PAGE_BYTES
        while True:
            (free_pages,) = store.connection.execute("PRAGMA freelist_count").fetchone()
            if free_pages * schema.PAGE_BYTES >= goal_bytes:
                return
            trimmed = trim(
                store,
                RecordClass.TELEMETRY,
                max(goal_bytes, _RING_STEP_BYTES),
                budgets=self._budgets,
                pressure=GapCause.DISK_FULL,
            )
            with self._condition:
                for gap in trimmed.gaps:
                    self._queue.add_gap(gap)
            if not trimmed.records:
                raise OSError(28, "no room on the disk, and no older telemetry to give up")

    # ---- upkeep ----

    def _upkeep(self) -> None:
        store = self._open()
        now_ns = time.monotonic_ns()
        wall_ns, trusted = self._wall_now()
        if not self.space_low:
            trim_step(store, self._budgets, wall_ns if trusted else None)
        if now_ns - self._saved_ns >= SAVE_ACCOUNTS_S * 1e9:
            self._saved_ns = now_ns
            store.save_accounts()
        written = _thread_written_bytes()
        if written - self._written_at_checkpoint >= CHECKPOINT_BYTES:
            store.checkpoint()
            self._written_at_checkpoint = _thread_written_bytes()
        checked_ns = self._space_checked_ns
        if checked_ns is None or now_ns - checked_ns >= self._timing.space_check_s * 1e9:
            self._space_checked_ns = now_ns
            self._check_space()

    def _check_space(self) -> None:
        if (
            not self._reserve.whole
            and self._reserve.fill(spare_bytes=2 * CHECKPOINT_BYTES)
            and self.space_low
        ):
            _log.warning("journal disk has room again, reserve restored")
            self.space_low = False
            with self._condition:
                self._queue.drop_cause = GapCause.BACKPRESSURE

    def _book(self, batch: Sequence[PendingRecord]) -> None:
        """Charge what the thread has written since the last batch to the classes of this one."""
        store = self._open()
        written = _thread_written_bytes()
        delta, self._written_seen = written - self._written_seen, written
        total = sum(pending.size_bytes for pending in batch)
        for pending in batch:
            account = store.accounts[pending.record.record_class]
            account.written_bytes += delta * pending.size_bytes // total
        now_ns = time.monotonic_ns()
        for account in store.accounts.by_class.values():
            account.active_s += (now_ns - self._active_ns) / 1e9
        self._active_ns = now_ns

    def _finish(self) -> None:
        if self.store is not None:
            self.store.save_accounts()
            self.store.checkpoint()
            self.store.close()


def _thread_written_bytes() -> int:
    """Bytes this thread has handed to write(2), by the kernel's account; 0 where it keeps none."""
    try:
        text = Path("/proc/thread-self/io").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0
