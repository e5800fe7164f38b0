"""Records that the centre refused for good: kept with its reason, until a person has them sent again.

Duty: their table in the courier's file, and what another process (a command, a page's thread) may do with
that file: list, count, and mark for another delivery. Marked ones are no dead letters while they wait; the
courier takes them from the journal by their sequence. Decides nothing. Blocking: called in a thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal.record import Record, RecordClass

MOST_DEAD_LETTERS = 10_000  # beyond, the oldest leave, counted

TABLE = """
CREATE TABLE IF NOT EXISTS dead (
  sequence INTEGER PRIMARY KEY, class TEXT NOT NULL, key TEXT NOT NULL, reason TEXT NOT NULL,
  time_ns INTEGER NOT NULL, kind TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '',
  refused_ns INTEGER NOT NULL DEFAULT 0, again INTEGER NOT NULL DEFAULT 0
);
"""
_ADDED = {"kind": "TEXT NOT NULL DEFAULT ''", "subject": "TEXT NOT NULL DEFAULT ''",
          "refused_ns": "INTEGER NOT NULL DEFAULT 0", "again": "INTEGER NOT NULL DEFAULT 0"}  # fmt: skip
_COLUMNS = "sequence, class, key, reason, time_ns, kind, subject, refused_ns"
_BEYOND = "(SELECT sequence FROM dead WHERE again=0 ORDER BY sequence DESC LIMIT -1 OFFSET ?)"
_COUNT_BEYOND = (
    "INSERT OR REPLACE INTO meta SELECT 'dead dropped', (SELECT count(*) FROM "  # noqa: S608
    f"{_BEYOND}) + coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name='dead dropped'), 0)"
)
_DROP_BEYOND = f"DELETE FROM dead WHERE sequence IN {_BEYOND}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that the centre refused for good. Times are UTC: the record's, the refusal's."""

    sequence: int
    record_class: RecordClass
    key: str
    reason: str
    time_ns: int
    kind: str = ""
    subject: str = ""
    refused_ns: int = 0

    @classmethod
    def of(cls, record: Record, reason: str, refused_ns: int) -> DeadLetter:
        """The letter of a record."""
        return cls(
            record.sequence,
            record.record_class,
            record.key,
            reason,
            record.time_ns,
            record.kind.value,
            record.subject,
            refused_ns,
        )


@dataclass(frozen=True, slots=True)
class DeadCounts:
    """How many records are refused, wait for another delivery, and had to leave the list."""

    refused: int
    again: int
    dropped: int


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the columns that a file of an earlier release lacks."""
    known = {row[1] for row in connection.execute("PRAGMA table_info(dead)")}
    for name, declared in _ADDED.items():
        if name not in known:
            connection.execute(f"ALTER TABLE dead ADD COLUMN {name} {declared}")


def put(connection: sqlite3.Connection, letters: Iterable[DeadLetter]) -> None:
    """Inside a transaction: these were refused, also if they were before."""
    rows = [
        (one.sequence, one.record_class.value, one.key, one.reason, one.time_ns, one.kind, one.subject,
         one.refused_ns)
        for one in letters
    ]  # fmt: skip
    if not rows:
        return
    connection.executemany("INSERT OR REPLACE INTO dead VALUES (?,?,?,?,?,?,?,?,0)", rows)
    connection.execute(_COUNT_BEYOND, (MOST_DEAD_LETTERS,))
    connection.execute(_DROP_BEYOND, (MOST_DEAD_LETTERS,))


def close_letters(connection: sqlite3.Connection, sequences: Iterable[int]) -> None:
    """Inside a transaction: these are no dead letters any more."""
    connection.executemany("DELETE FROM dead WHERE sequence=?", [(sequence,) for sequence in sequences])


def newest(connection: sqlite3.Connection, limit: int, *, again: bool = False) -> list[DeadLetter]:
    """Refused records, those refused last first; or those that wait to be sent again, oldest record first."""
    order = "sequence" if again else "refused_ns DESC, sequence DESC"
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM dead WHERE again=? ORDER BY {order} LIMIT ?",  # noqa: S608
        (int(again), limit),
    )
    return [DeadLetter(row[0], RecordClass(row[1]), *row[2:]) for row in rows]


def counts(connection: sqlite3.Connection) -> DeadCounts:
    """Counts of the file."""
    refused, again = connection.execute("SELECT count(*) - total(again), total(again) FROM dead").fetchone()
    dropped = connection.execute("SELECT value FROM meta WHERE name='dead dropped'").fetchone()
    return DeadCounts(int(refused), int(again), 0 if dropped is None else int(dropped[0]))


def read_dead_letters(path: Path, limit: int = MOST_DEAD_LETTERS) -> tuple[DeadCounts, list[DeadLetter]]:
    """Counts and the newest letters of a file that a service may have open. Raises Fatal."""
    if not path.exists():
        return DeadCounts(0, 0, 0), []
    with _opened(path, "ro") as connection:
        return counts(connection), newest(connection, limit)


def redrive_dead_letters(path: Path, sequences: Collection[int] | None = None) -> int:
    """Let refused records (all where none are named) be sent again; returns how many were marked just now.

    A running service sends them within seconds, another one once it runs. Raises Fatal.
    """
    if not path.exists():
        return 0
    with _opened(path, "rw") as connection, connection:
        if sequences is None:
            return connection.execute("UPDATE dead SET again=1 WHERE again=0").rowcount
        statement = "UPDATE dead SET again=1 WHERE again=0 AND sequence=?"
        return sum(connection.execute(statement, (sequence,)).rowcount for sequence in sequences)


@contextmanager
def _opened(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"file:{path}?mode={mode}", uri=True, timeout=5.0)) as connection:
            yield connection
    except sqlite3.Error as error:
        raise Fatal(f"the courier's file {path} cannot be used: {error}") from error
