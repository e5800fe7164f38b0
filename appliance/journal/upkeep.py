"""What the writer does between commits: trims, checkpoints, keeps the accounts.

Duty: each step small, so that the next alarm never waits long behind it. Runs in the writer thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from appliance.journal import ledger, schema
from appliance.journal.anchors import ClockLook
from appliance.journal.pending import PendingGapState, PendingRecord
from appliance.journal.record import GapState
from appliance.journal.retention import Budgets
from appliance.journal.store import Store
from appliance.journal.trimming import trim_step

CHECKPOINT_BYTES = 4 * 1024 * 1024
SAVE_ACCOUNTS_S = 60.0
_KEEP_FREE_BYTES = 64 * 1024 * 1024  # free pages that stay in the file for reuse
_VACUUM_PAGES = 1_000


class Upkeep:
    """The journal's housekeeping, and the books on what was written for whom."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._saved_ns = self._active_ns = time.monotonic_ns()
        self._written_seen = self._written_at_checkpoint = 0
        self._overdue_looked_ns = -(1 << 62)

    def book(self, store: Store, batch: Sequence[PendingRecord]) -> None:
        """Charge what this thread has written since the last batch (its log and index pages, the checkpoint
        and trims before it) to the classes of this batch."""
        written = thread_written_bytes()
        delta, self._written_seen = written - self._written_seen, written
        total = sum(pending.size_bytes for pending in batch)
        for pending in batch:
            account = store.accounts[pending.record.record_class]
            account.written_bytes += delta * pending.size_bytes // total
        now_ns = time.monotonic_ns()
        for account in store.accounts.by_class.values():
            account.active_s += (now_ns - self._active_ns) / 1e9
        self._active_ns = now_ns

    def run(self, store: Store, wall_ns: int | None, trimming: bool, *, hurry: bool = False) -> bool:
        """One round of upkeep; True while more trimming is due. `wall_ns` None: the clock is not trusted.
        `hurry`: an alarm waits; the log may then grow to twice its size before it is brought in.

        Raises sqlite3.Error or OSError.
        """
        due = trimming and trim_step(store, self._budgets, wall_ns)
        if trimming:
            _shrink(store)
        now_ns = time.monotonic_ns()
        if now_ns - self._saved_ns >= SAVE_ACCOUNTS_S * 1e9:
            self._saved_ns = now_ns
            store.save_accounts()
        written = thread_written_bytes()
        if written - self._written_at_checkpoint >= CHECKPOINT_BYTES * (2 if hurry else 1):
            store.checkpoint()
            self._written_at_checkpoint = thread_written_bytes()
        return due

    def close_overdue(self, store: Store, look: ClockLook) -> None:
        """Gaps that nobody has filled in time are lost; now and then, by a trusted clock.

        Raises sqlite3.Error or OSError.
        """
        now_ns = time.monotonic_ns()
        if not look.trusted or now_ns - self._overdue_looked_ns < SAVE_ACCOUNTS_S * 1e9:
            return
        self._overdue_looked_ns = now_ns
        overdue = ledger.overdue(store.connection, look.time_ns - ledger.OPEN_FOR_NS)
        if overdue:
            store.write(
                [],
                [
                    PendingGapState(gap_id, GapState.LOST, look.time_ns, True, look.monotonic_ns)
                    for gap_id in overdue
                ],
            )

    def finish(self, store: Store) -> None:
        """Leave a file that opens at once: accounts saved, log brought in."""
        store.save_accounts()
        store.checkpoint()


def _shrink(store: Store) -> None:
    """Give pages back to the disk when far more are free than will be reused (a budget was lowered)."""
    (free_pages,) = store.connection.execute("PRAGMA freelist_count").fetchone()
    if free_pages * schema.PAGE_BYTES > _KEEP_FREE_BYTES:
        # A script is stepped to its end; `execute` steps once, and each step gives back a single page.
        store.connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")


def thread_written_bytes() -> int:
    """Bytes this thread has handed to write(2), by the kernel's account; 0 where it keeps none."""
    try:
        text = Path("/proc/thread-self/io").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith("wchar:"):
            return int(line.split()[1])
    return 0
