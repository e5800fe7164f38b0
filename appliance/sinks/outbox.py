"""The courier's memory: how far each class was delivered, and what was refused for good.

Duty: one small SQLite file beside the journal. The journal itself holds the records until they are delivered;
written here is only what the journal cannot know: per class the sequence up to which live records went out,
the stretches behind it that still wait (a backlog), the ranges held back for their untrusted time, the dead
letters (`outbox_dead`), and a copy of which machine a channel belonged to (`channel_owners`).

A commit that a power cut takes back (`synchronous=NORMAL`) is a batch delivered twice, which changes nothing
at the centre. Blocking: called in a thread.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal.record import RecordClass
from appliance.sinks import outbox_dead
from appliance.sinks.channel_owners import FILE_NAME as OWNERS_NAME
from appliance.sinks.channel_owners import History, Owners, read_owners, united, with_present, write_owners
from appliance.sinks.outbox_dead import MOST_DEAD_LETTERS, DeadCounts, DeadLetter

logger = logging.getLogger(__name__)

FILE_MODE = 0o600
FILE_NAME = "outbox.sqlite"
ONE_RANGE = 2_000  # held records no further apart than so many sequences are one range
MOST_RANGES = 1_000
_LIFE_BITS = 40  # the journal numbers each life of its store from a base of its own

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lane (
  class TEXT PRIMARY KEY, live INTEGER NOT NULL, held_from INTEGER NOT NULL, held INTEGER NOT NULL,
  delivered INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stretch (class TEXT NOT NULL, after INTEGER NOT NULL, upto INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS held (
  class TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, records INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS owner (
  channel TEXT NOT NULL, from_sequence INTEGER NOT NULL, asset TEXT NOT NULL,
  PRIMARY KEY (channel, from_sequence)
) WITHOUT ROWID;
"""


@dataclass(slots=True)
class Stretch:
    """Records of a class that wait behind the live ones: those after `after`, up to and with `upto`."""

    after: int
    upto: int


@dataclass(slots=True)
class HeldRange:
    """Records of a class that are held back for their time; others of it between the first and the last went
    out, where trust came and went between two of them."""

    first: int
    last: int
    records: int


@dataclass(slots=True)
class Lane:
    """How far one class was delivered."""

    record_class: RecordClass
    live: int = 0  # every record up to here went out, is held back, or lies in a stretch
    stretches: list[Stretch] = field(default_factory=list)  # oldest first
    held_ranges: list[HeldRange] = field(default_factory=list)  # oldest first
    delivered: int = 0  # records, ever

    @property
    def held(self) -> int:
        """How many records are held back for their time."""
        return sum(one.records for one in self.held_ranges)

    @property
    def held_from(self) -> int:
        """The first of them; 0: none."""
        return min((one.first for one in self.held_ranges), default=0)

    @property
    def confirmed(self) -> int:
        """The sequence up to which every record of the class is at the centre, or refused for good."""
        return min(self.sent, self.held_from - 1) if self.held_from else self.sent

    @property
    def sent(self) -> int:
        """The same, with what is held back for its time counted as dealt with."""
        return min([self.live, *(stretch.after for stretch in self.stretches)])

    def split(self, head: int) -> None:
        """Let what waits up to `head` be a backlog; what comes after it is live."""
        if head > self.live:
            if self.stretches and self.stretches[-1].upto == self.live:
                self.stretches[-1].upto = head
            else:
                self.stretches.append(Stretch(self.live, head))
            self.live = head

    def advance(self, stretch: Stretch | None, sequence: int) -> None:
        """Everything up to `sequence` is dealt with: of a stretch, or of the live records (None)."""
        if stretch is None:
            self.live = max(self.live, sequence)
            return
        stretch.after = max(stretch.after, sequence)
        if stretch.after >= stretch.upto:
            self.stretches.remove(stretch)

    def hold(self, sequences: Sequence[int], upto: int) -> None:
        """These of the records up to `upto`, which were dealt with at once, are held back."""
        held = sorted(sequence for sequence in sequences if sequence <= upto)
        if not held:
            return
        for known in reversed(self.held_ranges):
            if 0 <= held[0] - known.last <= ONE_RANGE:
                known.last, known.records = held[-1], known.records + len(held)
                return
        self.held_ranges.append(HeldRange(held[0], held[-1], len(held)))
        self.held_ranges.sort(key=lambda one: one.first)
        while len(self.held_ranges) > MOST_RANGES:  # what lies between goes again, which is harmless
            first, second = self.held_ranges[:2]
            merged = HeldRange(first.first, max(first.last, second.last), first.records + second.records)
            self.held_ranges[:2] = [merged]

    def release(self, held: HeldRange, *, anything_left: bool = True) -> None:
        """The range's records have their time now: they are a backlog. Without anything left it is gone."""
        self.held_ranges.remove(held)
        if anything_left:
            self.stretches.append(Stretch(held.first - 1, held.last))
            self.stretches.sort(key=lambda one: one.after)


class Outbox:
    """The open file; `open` it with the journal's incarnation, `close` it."""

    def __init__(self, path: Path) -> None:
        """Open or create (mode 0600). A damaged file is set aside, and all that the journal still has is then
        delivered again, which changes nothing at the centre. Raises Fatal if there can be no file here."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                self._connection = _connected(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise  # the disk, not the file
                _set_aside(path, error)
                self._connection = _connected(path)
        except (OSError, sqlite3.Error) as error:
            raise Fatal(f"the courier's file {path} cannot be used: {error}") from error
        self._owners_path = path.with_name(OWNERS_NAME)
        self._lock = threading.Lock()

    def lanes(self, incarnation: str, last_sequence: int) -> dict[RecordClass, Lane]:
        """What was delivered of each class of this journal.

        Another life of the journal that continues the numbers (a damaged file was replaced) keeps the
        cursors; one that begins anew (the folder was emptied), or cannot be opened yet, is delivered from its
        beginning: twice is harmless, never is not.
        """
        lanes = {record_class: Lane(record_class) for record_class in RecordClass}
        for name, live, held_from, held, delivered in self._connection.execute("SELECT * FROM lane"):
            lane = lanes[RecordClass(name)] = Lane(RecordClass(name), live, delivered=delivered)
            lane.held_ranges += self._held_of(name, HeldRange(held_from, live, held))
        for name, after, upto in self._connection.execute("SELECT * FROM stretch ORDER BY after"):
            lanes[RecordClass(name)].stretches.append(Stretch(after, upto))
        known = self._connection.execute("SELECT value FROM meta WHERE name='incarnation'").fetchone()
        furthest = max(lane.live for lane in lanes.values())
        another = known is not None and known[0] != incarnation
        begins_anew = another and last_sequence >> _LIFE_BITS <= furthest >> _LIFE_BITS
        if begins_anew or furthest > last_sequence:
            for lane in lanes.values():
                lane.live = 0
                lane.held_ranges.clear()
                lane.stretches.clear()
        if last_sequence:  # else it cannot be read yet, or has nothing to tell: what is known stays
            self._take_up(incarnation, lanes.values())
        return lanes

    def _take_up(self, incarnation: str, lanes: Iterable[Lane]) -> None:
        """Write down which journal these cursors are of: never one's name beside another's cursors."""
        try:
            with self._transaction() as execute:
                for lane in lanes:
                    self._put_lane(lane)
                execute("INSERT OR REPLACE INTO meta VALUES ('incarnation', ?)", (incarnation,))
        except sqlite3.Error as error:  # the old name stands beside the old cursors
            logger.error("courier's file cannot be written error=%s", error)

    def _held_of(self, name: str, in_all: HeldRange) -> list[HeldRange]:
        """The ranges of a class; of a file of an earlier release, which knew the first and the number only,
        one over all."""
        rows = self._connection.execute(
            "SELECT first, last, records FROM held WHERE class=? ORDER BY first", (name,)
        ).fetchall()
        ranges = [HeldRange(*row) for row in rows]
        return ranges or ([in_all] if in_all.first and in_all.records else [])

    def uplink(self) -> dict[str, int]:
        """The account of what went out, as it was saved."""
        rows = self._connection.execute("SELECT name, value FROM meta WHERE name LIKE 'uplink/%'")
        return {name.partition("/")[2]: int(value) for name, value in rows}

    def save(
        self,
        lane: Lane,
        refused: Iterable[DeadLetter] = (),
        closed: Iterable[int] = (),
        uplink: Mapping[str, int] | None = None,
    ) -> None:
        """Write down where a class stands and what was refused on the way, in one transaction.

        `closed`: sequences of dead letters that are none any more; `uplink`: the account of what went out.
        """
        with self._transaction() as execute:
            self._put_lane(lane)
            if uplink is not None:
                execute("DELETE FROM meta WHERE name LIKE 'uplink/%'")
                self._connection.executemany(
                    "INSERT INTO meta VALUES (?,?)",
                    [(f"uplink/{key}", str(value)) for key, value in uplink.items()],
                )
            outbox_dead.close_letters(self._connection, closed)
            outbox_dead.put(self._connection, refused)

    def _put_lane(self, lane: Lane) -> None:
        """Inside a transaction: where a class stands."""
        name, execute = lane.record_class.value, self._connection.execute
        execute(
            "INSERT OR REPLACE INTO lane VALUES (?,?,?,?,?)",
            (name, lane.live, lane.held_from, lane.held, lane.delivered),
        )
        execute("DELETE FROM stretch WHERE class=?", (name,))
        self._connection.executemany(
            "INSERT INTO stretch VALUES (?,?,?)", [(name, s.after, s.upto) for s in lane.stretches]
        )
        execute("DELETE FROM held WHERE class=?", (name,))
        self._connection.executemany(
            "INSERT INTO held VALUES (?,?,?,?)",
            [(name, one.first, one.last, one.records) for one in lane.held_ranges],
        )

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        with self._lock:
            execute = self._connection.execute
            execute("BEGIN IMMEDIATE")
            try:
                yield execute
                execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a disk that fails may have rolled back already
                    execute("ROLLBACK")
                raise

    def dead_letters(self, limit: int = MOST_DEAD_LETTERS, *, again: bool = False) -> list[DeadLetter]:
        """Refused records, the latest refusal first; with `again` those that a person has sent again."""
        with self._lock:
            return outbox_dead.newest(self._connection, limit, again=again)

    def dead_counts(self) -> DeadCounts:
        """How many records are refused, and wait to be sent again."""
        with self._lock:
            return outbox_dead.counts(self._connection)

    def owners(self, present: Mapping[str, str], next_sequence: int) -> Owners:
        """Which machine a channel belongs to, now and before: a record keeps the tag it was first sent with.

        `present` is the configuration's channel -> machine; it holds from `next_sequence` on where it is new.
        """
        table: History = {}
        for channel, from_sequence, asset in self._connection.execute("SELECT * FROM owner"):
            table.setdefault(channel, {})[from_sequence] = asset
        own_file = read_owners(self._owners_path)
        history = with_present(united(own_file, table), present, next_sequence)
        if next_sequence <= 1 and (table or own_file):
            return Owners(history)  # a journal that cannot be read yet does not say from which record on
        if history != table:
            rows = [(channel, *entry) for channel, entries in history.items() for entry in entries.items()]
            try:
                self._connection.executemany("INSERT OR REPLACE INTO owner VALUES (?,?,?)", rows)
            except sqlite3.Error as error:
                logger.error("courier's file cannot be written error=%s", error)
        if history != own_file:
            try:
                write_owners(self._owners_path, history)
            except OSError as error:
                logger.error(
                    "history of the channels' machines not written path=%s error=%s", self._owners_path, error
                )
        return Owners(history)

    def close(self) -> None:
        with self._lock:  # a cancelled courier leaves a question behind in its thread
            self._connection.close()


def _connected(path: Path) -> sqlite3.Connection:
    """The file, sound, with its tables. Raises OSError, sqlite3.Error."""
    path.touch(mode=FILE_MODE)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(_TABLES + outbox_dead.TABLE)
        outbox_dead.upgrade(connection)
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    """Keep a damaged file for inspection, its log with it."""
    aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    logger.error("courier's file damaged, set aside path=%s reason=%s", aside, error)
