"""Opening the store whatever state it is in.

Duty: check the file, set a damaged one aside, save its records into a new one, and say what was lost. A
damaged file never stops the appliance.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from appliance.journal import schema
from appliance.journal.anchors import ClockLook
from appliance.journal.deliveries import Deliveries
from appliance.journal.errors import JournalLocked
from appliance.journal.log_check import log_damage
from appliance.journal.record import DamageReport
from appliance.journal.salvage import Salvage, salvage_into
from appliance.journal.store import FILE_NAME, Store

_log = logging.getLogger(__name__)
SET_ASIDE = "damaged"
LIVES_NAME = "lives"  # how many lives the store has had, beside it: files set aside may be deleted
CHECK_AT_ONCE_BYTES = 256 * 1024 * 1024  # about a second; a larger file would delay the start
_STEPS = 100_000  # of SQLite's machine, between two signs of life


class Recovery:
    """Opens the store of one folder, as often as it must be."""

    def __init__(
        self,
        folder: Path,
        boot_id: str,
        clock_now: Callable[[], ClockLook],
        deliveries: Deliveries,
    ) -> None:
        self._folder = folder
        self._path = folder / FILE_NAME
        self._boot_id = boot_id
        self._clock_now = clock_now
        self._deliveries = deliveries
        self._lock = threading.Lock()
        self._folder_lock: int | None = None
        self._replaced = False
        self._unchecked_bytes = 0
        self.report: DamageReport | None = None
        # Stands until a store says otherwise; a store created later in this start takes it over.
        self.incarnation = str(uuid.uuid4())
        self.worked_s = time.monotonic()  # when the opening last got on; of any thread

    def lock(self) -> None:
        """Make the folder, private to us, and hold its lock while the process lives. Raises JournalLocked,
        OSError."""
        if self._folder_lock is None:
            self._folder_lock = _lock_folder(self._folder)

    def release(self) -> None:
        """Let others open the journal."""
        if self._folder_lock is not None:
            os.close(self._folder_lock)
            self._folder_lock = None

    def read_only(self) -> Store:
        """What the file says, where it cannot be written. Raises sqlite3.Error, OSError or Fatal."""
        store = Store(self._path, self._boot_id, deliveries=self._deliveries, read_only=True)
        self.incarnation = store.incarnation
        return store

    def open_store(self, error: Exception | None, thorough: bool = False) -> Store:
        """The store, sound. `error` is the damage that made a new opening necessary, None for a plain one.

        A file beyond CHECK_AT_ONCE_BYTES is checked before only if `thorough`; else call `check_all` beside
        the running service.

        Raises sqlite3.Error or OSError when the disk refuses, Fatal when a newer release wrote the file.
        """
        self.lock()
        damage = str(error) if error is not None else self._log_damage() or self._damage(thorough)
        if damage is None:
            try:
                store = Store(self._path, self._boot_id, self.incarnation, deliveries=self._deliveries)
            except sqlite3.Error as failure:
                if not schema.is_damage(failure):
                    raise
                damage = str(failure)
            else:
                self.incarnation = store.incarnation
                return store
        return self._replace(damage)

    def take_replaced(self) -> bool:
        """Whether the file was replaced since the last call: readers must connect anew."""
        with self._lock:
            replaced, self._replaced = self._replaced, False
        return replaced

    def check_all(self) -> bool:
        """Check a file that was too large to be checked at its opening; False if it is damaged."""
        try:
            return self._unchecked_bytes == 0 or self._damage(thorough=True) is None
        except (sqlite3.Error, OSError):
            return True  # it cannot be read now: the writer meets that by itself

    def _log_damage(self) -> str | None:
        """What is wrong with the log that the last service left; before SQLite opens it, and forgets that."""
        return log_damage(self._path.with_name(FILE_NAME + "-wal")) if self._path.exists() else None

    def _damage(self, thorough: bool) -> str | None:
        """What the check finds wrong with the file; None if it is sound or not there."""
        size_bytes = self._path.stat().st_size if self._path.exists() else 0
        self._unchecked_bytes = 0 if thorough or size_bytes <= CHECK_AT_ONCE_BYTES else size_bytes
        if size_bytes == 0 or self._unchecked_bytes > 0:
            return None
        try:
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5.0)
            try:
                connection.set_progress_handler(self._worked, _STEPS)
                (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            finally:
                connection.close()
        except sqlite3.DatabaseError as error:
            if not schema.is_damage(error):
                raise
            return str(error)
        return None if verdict == "ok" else str(verdict)

    def _replace(self, damage: str) -> Store:
        """Set the file aside and begin a new life with what can be saved from the old one."""
        now_ns = self._clock_now().time_ns
        stamp = datetime.fromtimestamp(now_ns / 1e9, UTC).strftime("%Y%m%dT%H%M%S")
        aside = self._folder / f"{FILE_NAME}.{SET_ASIDE}-{stamp}-{uuid.uuid4().hex[:4]}"
        for suffix in ("", "-wal", "-shm"):
            part = self._path.with_name(FILE_NAME + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        life = self._next_life()
        self.incarnation = str(uuid.uuid4())
        store = Store(self._path, self._boot_id, self.incarnation, life, deliveries=self._deliveries)
        salvaged = salvage_into(store, aside, worked=self._worked)
        with self._lock:
            self._replaced = True
        self.report = _report(now_ns, damage, aside, salvaged)
        _log.error("journal damaged, set aside what=%s aside=%s salvaged=%d", damage, aside, salvaged.records)
        return store

    def _worked(self) -> None:
        self.worked_s = time.monotonic()

    def _next_life(self) -> int:
        """A life that no store in this folder has had: two lives must never give one sequence twice."""
        aside = sum(1 for path in self._folder.glob(f"{FILE_NAME}.{SET_ASIDE}-*") if not _is_part(path))
        noted = self._folder / LIVES_NAME
        try:
            known = int(noted.read_text(encoding="ascii"))
        except (OSError, ValueError):
            known = 0
        life = 1 + max(aside, known)
        fresh = noted.with_suffix(".new")
        with fresh.open("w", encoding="ascii") as file:
            file.write(f"{life}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(noted)
        return life


def _is_part(path: Path) -> bool:
    return path.name.endswith(("-wal", "-shm"))


def _report(now_ns: int, damage: str, aside: Path, salvaged: Salvage) -> DamageReport:
    if salvaged.newest_time_ns is None:
        lost = "nothing could be saved from it"
    else:
        until = datetime.fromtimestamp(salvaged.newest_time_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        lost = f"{salvaged.records} records up to {until} were saved from it"
    return DamageReport(
        found_time_ns=now_ns,
        what=damage,
        set_aside=str(aside),
        salvaged=salvaged.records,
        lost_from_ns=salvaged.newest_time_ns,
        text=f"The journal's file was damaged ({damage}). It was set aside as {aside.name}; {lost}. "
        "The appliance goes on with a new file. Check the disk.",
    )


def _lock_folder(folder: Path) -> int:
    """What is as it should be is not touched: on a disk that takes no change that would fail, or hang."""
    if not folder.is_dir():
        folder.mkdir(mode=schema.FOLDER_MODE, parents=True, exist_ok=True)
    schema.make_private(folder, schema.FOLDER_MODE)
    path = folder / "lock"
    create = 0 if path.exists() else os.O_CREAT
    descriptor = os.open(path, os.O_RDWR | create | os.O_CLOEXEC, schema.FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise JournalLocked(
            f"journal {folder} is open in another process: stop that one, or give this one its own folder"
        ) from None
    return descriptor
