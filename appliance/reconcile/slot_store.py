"""What the audit remembers: slots with what was sent in them, repairs, wishes of people, reports.

Duty: one SQLite file beside the courier's. A power cut may take back the last commits: then a slot is added
up, or asked about, once more; repairs are written before they are sent, so that they are never forgotten.
Blocking: called in a thread. A file that cannot be used is moved away: all of it can be made anew from the
journal, but for the repairs so far and old reports.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Collection, Iterable
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal.census import Touched
from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile import audit_book
from appliance.reconcile.audit import KIND_CLASS, READ_BACK, Slot, SlotState
from appliance.reconcile.audit_book import AuditTally, ResendRequest
from appliance.reconcile.report import Report
from appliance.reconcile.slot_sums import SLOT_NS, SlotSums, packed, unpacked

logger = logging.getLogger(__name__)

FILE_NAME = "audit.sqlite"
FILE_MODE = 0o600
MOST_REFUSED = 10_000
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS slot (
  kind TEXT NOT NULL, start_ns INTEGER NOT NULL, subject TEXT NOT NULL, last_sequence INTEGER NOT NULL,
  summed_sequence INTEGER NOT NULL DEFAULT -1, points INTEGER NOT NULL DEFAULT 0, state TEXT NOT NULL,
  repairs INTEGER NOT NULL DEFAULT 0, note TEXT NOT NULL DEFAULT '', sums BLOB,
  earlier_repairs INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (kind, start_ns, subject)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refused (sequence INTEGER PRIMARY KEY);
"""
_SLOT = (
    "kind, subject, start_ns, last_sequence, summed_sequence, points, state, repairs, note, earlier_repairs"
)
_KEY = "kind=? AND start_ns=? AND subject=?"


class SlotStore:
    """The open file. `close` it."""

    def __init__(self, path: Path) -> None:
        """Open or create (mode 0600); one that is damaged is moved away. Raises Fatal."""
        self.path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = _open(path)
        except (OSError, sqlite3.Error) as error:
            logger.error("audit's file cannot be used, begun anew path=%s error=%s", path, error)
            self._connection = _opened_anew(path)

    def begin_anew(self) -> None:
        """The file is damaged: move it away and begin another one. Raises Fatal."""
        with self._lock:
            self._connection.close()
            self._connection = _opened_anew(self.path)

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    # ---- slots ----

    def followed(self, last_sequence: int) -> tuple[int, int]:
        """The journal's sequence up to which slots are known, and the one from which on it is to be read
        again (0: none). A journal that began anew begins them anew."""
        with self._lock, self._connection:
            known = dict(self._connection.execute("SELECT name, value FROM meta"))
            followed, again_from = int(known.get("followed", 0)), int(known.get("again from", 0))
            if followed > last_sequence:
                self._connection.execute("DELETE FROM slot")
                self._connection.execute("DELETE FROM refused")
                followed, again_from = 0, 0
                self._put_meta("followed", 0)
            return followed, again_from

    def again_from(self, sequence: int) -> None:
        """From here on the journal is to be read again the next time; 0: nowhere."""
        with self._lock, self._connection:
            self._put_meta("again from", sequence)

    def touch(self, touched: Iterable[Touched], followed: int, *, anew: bool = False) -> None:
        """Records were written in these spans (an hour each), up to a sequence. `anew`: what was added up
        there is no longer true."""
        rows: dict[tuple[str, int, str], int] = {}
        for one in touched:
            key = (one.kind.value, one.start_ns, "" if one.kind in READ_BACK else one.subject)
            rows[key] = max(rows.get(key, 0), one.last_sequence)
        forget = ", summed_sequence=-1" if anew else ""
        with self._lock, self._connection:
            self._connection.executemany(
                "INSERT INTO slot (kind, start_ns, subject, last_sequence, state) VALUES (?,?,?,?,?) "  # noqa: S608
                f"ON CONFLICT DO UPDATE SET last_sequence=max(last_sequence, excluded.last_sequence){forget}",
                [(*key, last, SlotState.SENT.value) for key, last in rows.items()],
            )
            self._put_meta("followed", followed)

    def slots(
        self,
        kinds: Collection[RecordKind],
        from_ns: int,
        to_ns: int,
        *,
        states: Collection[SlotState] = tuple(SlotState),
        subjects: Collection[str] = (),
    ) -> list[Slot]:
        """Slots that begin in [from, to), by kind, subject and time; of some subjects where they are said."""
        of_some = f"AND subject IN ({_marks(subjects)}) " if subjects else ""
        with self._lock:
            rows = self._connection.execute(
                f"SELECT {_SLOT} FROM slot WHERE kind IN ({_marks(kinds)}) AND start_ns>=? AND start_ns<? "  # noqa: S608
                f"AND state IN ({_marks(states)}) {of_some}ORDER BY kind, subject, start_ns",
                (*(k.value for k in kinds), from_ns, to_ns, *(s.value for s in states), *subjects),
            ).fetchall()
        return [_slot(row) for row in rows]

    def sums(self, slot: Slot) -> SlotSums:
        """What was sent in a slot; nothing where it was not added up, or cannot be read."""
        with self._lock:
            row = self._connection.execute(f"SELECT sums FROM slot WHERE {_KEY}", _key(slot)).fetchone()  # noqa: S608
        if row is None or row[0] is None:
            return {}
        try:
            return unpacked(row[0])
        except ValueError as error:
            logger.error("sums of a slot cannot be read error=%s", error)
            return {}

    def put_sums(self, slots: Iterable[tuple[Slot, SlotSums]]) -> None:
        """These were added up: `summed_sequence` and `points` of each slot say so."""
        rows = [
            (slot.summed_sequence, slot.points, packed(sums) if sums else None, *_key(slot))
            for slot, sums in slots
        ]
        with self._lock, self._connection:
            self._connection.executemany(
                f"UPDATE slot SET summed_sequence=?, points=?, sums=? WHERE {_KEY}",  # noqa: S608
                rows,
            )

    def put_states(self, slots: Iterable[Slot]) -> None:
        """State, repairs and note of each."""
        rows = [
            (one.state.value, one.repairs, one.earlier_repairs, one.note[:500], *_key(one)) for one in slots
        ]
        with self._lock, self._connection:
            self._connection.executemany(
                f"UPDATE slot SET state=?, repairs=?, earlier_repairs=?, note=? WHERE {_KEY}",  # noqa: S608
                rows,
            )

    def end_incidents(self) -> None:
        """One side was away: what of repaired slots is missing from now on is missing anew."""
        seen = (SlotState.CONFIRMED.value, SlotState.AHEAD.value)
        with self._lock, self._connection:
            self._connection.execute(
                "UPDATE slot SET earlier_repairs=earlier_repairs+repairs, repairs=0 "
                "WHERE repairs>0 AND state IN (?,?)",
                seen,
            )

    def forget(self, before_ns: int) -> None:
        """Slots older than the audit looks."""
        with self._lock, self._connection:
            self._connection.execute("DELETE FROM slot WHERE start_ns<?", (before_ns - SLOT_NS,))

    def tally(self) -> AuditTally:
        """Points by state."""
        with self._lock:
            return audit_book.tally_of(self._connection)

    # ---- refused records ----

    def refuse(self, sequences: Iterable[int]) -> None:
        """The centre will never take these: they are not missed."""
        with self._lock, self._connection:
            self._connection.executemany(
                "INSERT OR IGNORE INTO refused VALUES (?)", [(sequence,) for sequence in sequences]
            )
            self._connection.execute(
                "DELETE FROM refused WHERE sequence IN "
                "(SELECT sequence FROM refused ORDER BY sequence DESC LIMIT -1 OFFSET ?)",
                (MOST_REFUSED,),
            )

    def refused(self) -> frozenset[int]:
        with self._lock:
            return frozenset(row[0] for row in self._connection.execute("SELECT sequence FROM refused"))

    def take_again(self, slots: Iterable[Slot]) -> None:
        """A person had these sent again: they are asked about anew, and may be repaired anew."""
        with self._lock, self._connection:
            self._connection.executemany(
                f"UPDATE slot SET state=?, repairs=0, earlier_repairs=0, note='' WHERE {_KEY}",  # noqa: S608
                [(SlotState.SENT.value, *_key(one)) for one in slots],
            )

    # ---- wishes and reports ----

    def next_request(self) -> ResendRequest | None:
        """The oldest wish that is not done."""
        with self._lock:
            return audit_book.next_request(self._connection)

    def put_request(self, request_id: int, state: str, sent: int, note: str = "") -> None:
        """How a wish stands."""
        with self._lock, self._connection:
            self._connection.execute(
                "UPDATE request SET state=?, sent=?, note=? WHERE id=?", (state, sent, note[:500], request_id)
            )

    def put_report(self, report: Report) -> None:
        with self._lock, self._connection:
            audit_book.put_report(self._connection, report)

    def reports(self, limit: int) -> list[Report]:
        """The newest first."""
        with self._lock:
            return audit_book.reports_of(self._connection, limit)

    def _put_meta(self, name: str, value: int) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, str(value)))


def is_damaged(error: sqlite3.Error) -> bool:
    """Whether this says that the file itself is broken, not that the disk refuses or is full."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def kinds_of(classes: Collection[RecordClass]) -> tuple[RecordKind, ...]:
    """The audited kinds of some classes."""
    return tuple(kind for kind, one in KIND_CLASS.items() if one in classes)


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=FILE_MODE)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_TABLES + audit_book.TABLES)
        if "earlier_repairs" not in {row[1] for row in connection.execute("PRAGMA table_info(slot)")}:
            connection.execute("ALTER TABLE slot ADD COLUMN earlier_repairs INTEGER NOT NULL DEFAULT 0")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened_anew(path: Path) -> sqlite3.Connection:
    try:
        for suffix in ("", "-wal", "-shm"):
            found = path.with_name(path.name + suffix)
            if found.exists():
                found.replace(path.with_name(f"{path.name}.damaged{suffix}"))
        return _open(path)
    except (OSError, sqlite3.Error) as error:
        raise Fatal(f"the audit's file {path} cannot be used: {error}") from error


def _slot(row: tuple[str, str, int, int, int, int, str, int, str, int]) -> Slot:
    kind, subject, start_ns, last, summed, points, state, repairs, note, earlier = row
    return Slot(
        RecordKind(kind),
        subject,
        start_ns,
        last,
        summed,
        points,
        SlotState(state),
        repairs,
        note,
        earlier_repairs=earlier,
    )


def _key(slot: Slot) -> tuple[str, int, str]:
    return slot.kind.value, slot.start_ns, slot.subject


def _marks(values: Collection[object]) -> str:
    return ",".join("?" * len(values))
