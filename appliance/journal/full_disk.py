"""What the writer does while the disk is full.

Duty: the store opens and alarms go on with the reserve, given up piece by piece; telemetry goes on only into
room that older telemetry leaves inside the file, told as gaps. Ends when the reserve could be made whole
again. Runs in the writer thread.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable, Sequence

from appliance.journal import schema
from appliance.journal.pending import GapEntry, PendingRecord
from appliance.journal.record import RecordClass
from appliance.journal.reserve import Reserve
from appliance.journal.retention import Budgets
from appliance.journal.store import Store
from appliance.journal.trimming import trim
from dsp.samples import GapCause

_log = logging.getLogger(__name__)

_RING_STEP_BYTES = 1024 * 1024
_MAX_LOG_BYTES = 8 * 1024 * 1024
_NO_ROOM_BYTES = 256 * 1024
_SPARE_BYTES = 8 * 1024 * 1024  # must be free beside a whole reserve before the disk counts as usable again

Write = Callable[[list[PendingRecord], Sequence[GapEntry]], None]


class FullDisk:
    """The state "disk full" and what is possible in it. `low` True: the reserve is being used."""

    def __init__(self, reserve: Reserve, budgets: Budgets) -> None:
        self.low = False
        self._reserve = reserve
        self._budgets = budgets

    def is_full(self, error: Exception) -> bool:
        """Whether this error means "no room". A quota shows as a plain write error: then it is worth trying
        with a piece of the reserve."""
        if schema.is_full(error):
            return True
        code = getattr(error, "sqlite_errorcode", 0)
        return code == sqlite3.SQLITE_IOERR_WRITE and self._reserve.held_bytes > 0

    def enter(self, error: Exception) -> None:
        if not self.low:
            held_bytes = self._reserve.held_bytes
            _log.error("journal disk full, reserve in use error=%s reserve_bytes=%d", error, held_bytes)
            self.low = True

    def opened(self, open_store: Callable[[], Store]) -> Store:
        """The store, with pieces of the reserve where the disk is full already: without it a start would know
        no alarm and no limit. Raises what `open_store` raises once the reserve is used up."""
        while True:
            try:
                return open_store()
            except (sqlite3.Error, OSError) as error:
                # The file beside the log is mapped: that it finds no room is an error of reading and writing.
                io_error = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
                full = self.is_full(error) or (io_error and self._reserve.free_bytes() < _NO_ROOM_BYTES)
                if not full or self._reserve.held_bytes == 0:
                    raise
                self.enter(error)
                self._reserve.release()

    def write_critical(self, write: Write, critical: list[PendingRecord], gaps: Sequence[GapEntry]) -> None:
        """Write, giving up the reserve as far as it takes. Raises what `write` raises once it is used up."""
        while True:
            try:
                write(critical, gaps)
                return
            except (sqlite3.Error, OSError) as error:
                if not self.is_full(error) or not self._reserve.release():
                    raise

    def write_telemetry(self, store: Store, write: Write, telemetry: list[PendingRecord]) -> None:
        """Write telemetry in place of older telemetry, which leaves together with the gaps that tell of it.

        The file does not grow by it, but the log may, up to its bound: that much of the reserve is given.
        Raises what `write` raises, ENOSPC included, when there is nothing older to give up.
        """
        wanted_bytes = sum(pending.size_bytes for pending in telemetry)
        while True:
            try:
                self._make_room(store, wanted_bytes)
                write(telemetry, [])
                return
            except sqlite3.Error as error:
                log_bytes = store.log_bytes()
                if not self.is_full(error) or log_bytes > _MAX_LOG_BYTES or not self._reserve.release():
                    raise

    def _make_room(self, store: Store, wanted_bytes: int) -> None:
        """Free pages inside the file for telemetry, at the cost of the oldest.

        Raises OSError (ENOSPC) when there is no older telemetry to give up.
        """
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
            if not trimmed.records:
                raise OSError(errno.ENOSPC, "no room on the disk, and no older telemetry to give up")

    def relieve(self, error: Exception) -> None:
        """Upkeep found the disk full: give it a piece of the reserve."""
        self.enter(error)
        self._reserve.release()

    def check(self) -> None:
        """Make the reserve whole if there is room; then the disk is not full any more. Raises OSError."""
        if not self._reserve.whole and not self._reserve.fill(_SPARE_BYTES):
            return
        if self.low:
            _log.warning("journal disk has room again, reserve restored")
            self.low = False
