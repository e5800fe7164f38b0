"""The table of clock anchors: when a trusted clock said what, per boot of the kernel.

Duty: note the begin of every span in which the clock was trusted and its latest instant, read the anchors of
a boot, and those on either side of some records. Decides nothing (`time_rules`). Called in the writer thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.journal.record import Record, RecordKind
from appliance.journal.time_rules import Anchor

SAVE_NS = 600_000_000_000  # the latest instant of a span is written this often
STEP_NS = 500_000_000  # UTC - monotonic that moves this far between two looks was set, not slewed
MOST = 4_000  # the oldest leave beyond it


@dataclass(frozen=True, slots=True)
class ClockLook:
    """What the appliance's clock says now."""

    monotonic_ns: int
    time_ns: int
    trusted: bool


def kernel_of(boot_id: str) -> str:
    """The kernel's boot in a boot id: the life of the monotonic clock, across restarts of the service."""
    return boot_id.rpartition(".")[0] or boot_id


def newest_trusted(records: Iterable[Record], kernel: str) -> Record | None:
    """Of these, the newest by monotonic time that a trusted clock stamped in this boot of the kernel."""
    found = (
        record
        for record in records
        if record.kind is not RecordKind.GAP  # its time may be another boot's
        and record.time_trusted
        and kernel_of(record.boot_id) == kernel
    )
    return max(found, key=lambda record: record.monotonic_ns, default=None)


class Anchors:
    """The anchors of one open file. Its methods write; the caller holds the transaction."""

    def __init__(self, connection: sqlite3.Connection, kernel: str) -> None:
        self._connection = connection
        self._kernel = kernel
        self._begin: ClockLook | None = None  # of the present span of trust
        self._saved: ClockLook | None = None
        self._latest: ClockLook | None = None

    def seed(self) -> None:
        """In a file that has none: the newest record of every subject, where its time is trusted. That is an
        old file, or one made of a damaged one."""
        if self._connection.execute("SELECT 1 FROM clock_anchor LIMIT 1").fetchone() is not None:
            return
        for boot_id, *anchor in self._connection.execute(
            "SELECT b.boot_id, r.monotonic_ns, r.time_ns, r.sequence FROM newest n "
            "JOIN record r ON r.sequence=n.sequence JOIN boot b ON b.id=r.boot "
            "WHERE r.trusted=1 AND r.kind<>7 ORDER BY r.sequence"  # a gap's record may be of another boot
        ).fetchall():
            self._put(kernel_of(boot_id), *anchor)

    def wants(self, look: ClockLook) -> bool:
        """Whether `note` would write."""
        latest = self._latest
        if not look.trusted:
            return latest is not None and latest is not self._saved
        begin, saved = self._begin, self._saved
        if begin is None or saved is None or latest is None or _stepped(latest, look):
            return True
        return look.monotonic_ns - saved.monotonic_ns >= SAVE_NS

    def note(self, look: ClockLook, sequence: int) -> bool:
        """Take up a look at the clock. True where a span of trust begins."""
        latest = self._latest
        ended = latest is not None and (not look.trusted or _stepped(latest, look))
        if ended and latest is not None:
            self._save(latest, sequence)
            self._begin = self._saved = self._latest = None
        if not look.trusted:
            return False
        begins = self._begin is None
        if begins:
            self._begin = self._saved = look
            self._put(self._kernel, look.monotonic_ns, look.time_ns, sequence)
            self._forget()
        elif self._saved is None or look.monotonic_ns - self._saved.monotonic_ns >= SAVE_NS:
            self._save(look, sequence)
        self._latest = look
        return begins

    def see(self, look: ClockLook) -> None:
        """The same, where `wants` says that there is nothing to write."""
        if look.trusted:
            self._latest = look

    def of(self, kernel: str) -> list[Anchor]:
        """The anchors of a kernel's boot, in order."""
        return [
            Anchor(*row)
            for row in self._connection.execute(
                "SELECT monotonic_ns, time_ns, bound_s FROM clock_anchor WHERE kernel=? "
                "ORDER BY monotonic_ns",
                (kernel,),
            )
        ]

    def last_before(self, sequence: int) -> tuple[int, int] | None:
        """(sequence, UTC ns) of the last trusted anchor noted before a record was stored."""
        row = self._connection.execute(
            "SELECT sequence, time_ns FROM clock_anchor WHERE bound_s=0 AND sequence<? "
            "ORDER BY sequence DESC, monotonic_ns DESC LIMIT 1",
            (sequence,),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def first_after(self, sequence: int) -> tuple[int, int] | None:
        """(sequence, UTC ns of the begin of that boot) of the first trusted anchor noted after a record."""
        row = self._connection.execute(
            "SELECT sequence, time_ns-monotonic_ns FROM clock_anchor WHERE bound_s=0 AND sequence>=? "
            "ORDER BY sequence, monotonic_ns LIMIT 1",
            (sequence,),
        ).fetchone()
        return None if row is None else (int(row[0]), int(row[1]))

    def place(self, kernel: str, anchor: Anchor, sequence: int) -> None:
        """Note where a boot without a trusted clock was placed."""
        self._put(kernel, anchor.monotonic_ns, anchor.time_ns, sequence, anchor.bound_s)

    def _save(self, look: ClockLook, sequence: int) -> None:
        """The latest instant of the present span, in place of the one saved before."""
        if self._saved is not None and self._saved is not self._begin:
            self._connection.execute(
                "DELETE FROM clock_anchor WHERE kernel=? AND monotonic_ns=?",
                (self._kernel, self._saved.monotonic_ns),
            )
        self._put(self._kernel, look.monotonic_ns, look.time_ns, sequence)
        self._saved = look

    def _put(self, kernel: str, monotonic_ns: int, time_ns: int, sequence: int, bound_s: int = 0) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO clock_anchor VALUES (?,?,?,?,?)",
            (kernel, monotonic_ns, time_ns, sequence, bound_s),
        )

    def _forget(self) -> None:
        self._connection.execute(
            "DELETE FROM clock_anchor WHERE sequence < (SELECT sequence FROM clock_anchor "
            "ORDER BY sequence DESC LIMIT 1 OFFSET ?)",
            (MOST,),
        )


def _stepped(before: ClockLook, look: ClockLook) -> bool:
    moved_ns = (look.time_ns - look.monotonic_ns) - (before.time_ns - before.monotonic_ns)
    return abs(moved_ns) > STEP_NS
