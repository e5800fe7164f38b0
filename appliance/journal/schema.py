"""The journal's file: its tables, its version, and how a connection to it is opened.

Duty: DDL, migrations by `PRAGMA user_version`, the codes that stand for classes and kinds, and the settings
that make a commit durable. Knows nothing of what is written.

Every row of `record` is complete in itself (subject and key as text, a CRC over its content), so that a
single page found in a damaged file gives back its records.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal.record import CENTRAL, Record, RecordClass, RecordKind

PAGE_BYTES = 4096
Row = tuple[int, int, int, int, int, int, int, int, str, str, bytes]  # as RECORD_COLUMNS
FILE_MODE = 0o600
FOLDER_MODE = 0o700

# Codes are on disks in the field: never renumber, never reuse.
CLASS_CODES: dict[RecordClass, int] = {
    RecordClass.ALARM: 1,
    RecordClass.COUNTER: 2,
    RecordClass.LIMIT: 3,
    RecordClass.TELEMETRY: 4,
    RecordClass.CAPTURE: 5,
}
KIND_CODES: dict[RecordKind, int] = {
    RecordKind.ALARM_TRANSITION: 1,
    RecordKind.COUNTER_VALUE: 2,
    RecordKind.LEARNED_LIMIT: 3,
    RecordKind.FEATURES: 4,
    RecordKind.SCORE: 5,
    RecordKind.TAG: 6,
    RecordKind.GAP: 7,
    RecordKind.AUDIT: 8,
    RecordKind.HEALTH: 9,
    RecordKind.LIMIT_VERSION: 10,
    RecordKind.CAPTURE: 11,
    RecordKind.ADVISORY: 12,
}
CLASS_OF_CODE = {code: record_class for record_class, code in CLASS_CODES.items()}
KIND_OF_CODE = {code: kind for kind, code in KIND_CODES.items()}

# Kinds of the bulk class. All others are few, and found by sequence through an index of their own.
TELEMETRY_KINDS = frozenset(
    {RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG, RecordKind.GAP, RecordKind.HEALTH}
)
TELEMETRY = CLASS_CODES[RecordClass.TELEMETRY]

_VERSION_1 = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boot (id INTEGER PRIMARY KEY, boot_id TEXT NOT NULL UNIQUE);
CREATE TABLE name_list (names_id BLOB PRIMARY KEY, encoded BLOB NOT NULL);
CREATE TABLE record (
  sequence INTEGER PRIMARY KEY,
  class INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  boot INTEGER NOT NULL,
  monotonic_ns INTEGER NOT NULL,
  time_ns INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  crc INTEGER NOT NULL,
  subject TEXT NOT NULL,
  key TEXT NOT NULL,
  payload BLOB NOT NULL
);
CREATE UNIQUE INDEX record_key ON record (key, (CASE class WHEN {TELEMETRY} THEN boot ELSE 0 END));
CREATE INDEX record_time ON record (kind, subject, time_ns);
CREATE INDEX record_durable ON record (sequence, class, kind) WHERE class <> {TELEMETRY};
CREATE TABLE newest (
  kind INTEGER NOT NULL, subject TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
CREATE TABLE gap (
  id INTEGER PRIMARY KEY,
  channel TEXT NOT NULL,
  start_ns INTEGER NOT NULL,
  end_ns INTEGER NOT NULL,
  cause TEXT NOT NULL,
  state TEXT NOT NULL,
  samples_missing INTEGER,
  boot INTEGER NOT NULL
);
CREATE INDEX gap_end ON gap (channel, end_ns);
CREATE TABLE account (
  class INTEGER PRIMARY KEY,
  records INTEGER NOT NULL,
  stored_bytes INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  written_bytes INTEGER NOT NULL,
  active_s REAL NOT NULL,
  stored_total INTEGER NOT NULL
);
"""


def _marks_of_every_sink(connection: sqlite3.Connection) -> None:
    """Version 2: marks by sink and class; those of version 1 were the centre's."""
    connection.execute(
        "CREATE TABLE delivered (sink TEXT, class INTEGER, sequence INTEGER NOT NULL, "
        "PRIMARY KEY (sink, class)) WITHOUT ROWID"
    )
    for record_class, code in CLASS_CODES.items():
        connection.execute(
            "INSERT INTO delivered SELECT ?, ?, CAST(value AS INTEGER) FROM meta WHERE name=?",
            (CENTRAL, code, f"delivered/{record_class}"),
        )
    connection.execute("DELETE FROM meta WHERE name LIKE 'delivered/%'")


_CLOCK = """
CREATE TABLE clock_anchor (
  kernel TEXT, monotonic_ns INTEGER, time_ns INTEGER NOT NULL, sequence INTEGER NOT NULL,
  bound_s INTEGER NOT NULL, PRIMARY KEY (kernel, monotonic_ns)
) WITHOUT ROWID;
CREATE TABLE gap_clock (
  gap_id INTEGER PRIMARY KEY,
  start_kernel TEXT NOT NULL, start_monotonic_ns INTEGER NOT NULL,
  end_kernel TEXT NOT NULL, end_monotonic_ns INTEGER NOT NULL
);
CREATE INDEX record_provisional ON record (boot, sequence) WHERE trusted=0
"""  # when a trusted clock said what, and what waits for that


# Step i brings a file of version i to i + 1. A new step is appended, an old one is never changed.
MIGRATIONS: tuple[str | Callable[[sqlite3.Connection], None], ...] = (
    _VERSION_1,
    _marks_of_every_sink,
    _CLOCK,
)
SCHEMA_VERSION = len(MIGRATIONS)

# The column `trusted`. From BOUNDED on the rest is the seconds by which the time may be wrong, either way.
PROVISIONAL, TRUSTED, RESOLVED, BOUNDED = 0, 1, 2, 16
_MOST_BOUND_S = 1 << 40

RECORD_COLUMNS = "sequence, class, kind, boot, monotonic_ns, time_ns, trusted, crc, subject, key, payload"
INSERT_RECORD = f"INSERT OR IGNORE INTO record ({RECORD_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608


def crc_of(record_class: int, kind: int, monotonic_ns: int, *, subject: str, key: str, payload: bytes) -> int:
    """CRC-32 over all of a record that never changes (its time may be resolved later)."""
    head = f"{record_class}/{kind}/{monotonic_ns}/{subject}/{key}".encode()
    return zlib.crc32(payload, zlib.crc32(head))


def trust_code(bound_s: int) -> int:
    """The column `trusted` of a record whose time was resolved; `bound_s` 0: by a trusted clock."""
    return RESOLVED if bound_s == 0 else BOUNDED + min(bound_s, _MOST_BOUND_S)


def code_of_trust(record: Record) -> int:
    """The column `trusted` of a record."""
    if record.time_bound_s is not None:
        return trust_code(record.time_bound_s)
    return RESOLVED if record.time_resolved else int(record.time_trusted)


def record_of(row: Row, boots: dict[int, str]) -> Record | None:
    """The record of a row (columns as RECORD_COLUMNS); None if its content is not what was written."""
    sequence, class_code, kind_code, boot, monotonic_ns, time_ns, trusted, crc, subject, key, payload = row
    if crc != crc_of(class_code, kind_code, monotonic_ns, subject=subject, key=key, payload=payload):
        return None
    return Record(
        sequence,
        CLASS_OF_CODE[class_code],
        KIND_OF_CODE[kind_code],
        key,
        subject,
        boots.get(boot, "unknown"),
        monotonic_ns,
        time_ns,
        trusted in (TRUSTED, RESOLVED),
        payload,
        trusted >= RESOLVED,
        trusted - BOUNDED if trusted >= BOUNDED else None,
    )


def connect_writer(path: Path) -> sqlite3.Connection:
    """The one writing connection: every commit is flushed to the disk before it returns.

    Raises sqlite3.Error or OSError when the file cannot be opened or is not a database, Fatal when a newer
    release has written it.
    """
    if not path.exists():
        path.touch(mode=FILE_MODE)
    make_private(path, FILE_MODE)
    # Only the writer thread uses it after it is opened; the check of Python would forbid that hand-over.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # the writer checkpoints between commits
        connection.execute(f"PRAGMA journal_size_limit={16 * 1024 * 1024}")
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises sqlite3.Error.

    On a disk that cannot be written SQLite reads a file whose log was brought in only as one that nobody
    changes; one with its log beside it needs the log's index there, too.
    """
    connection = _reader(path, "mode=ro")
    try:
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.OperationalError:
        connection.close()
        if not path.is_file() or _has_log(path):
            raise
        connection = _reader(path, "mode=ro&immutable=1")
    return connection


def connect_unchanging(path: Path) -> sqlite3.Connection:
    """The same on a disk that takes or answers no write: a file without a log is opened by no other means.
    Raises sqlite3.Error."""
    return connect_reader(path) if _has_log(path) else _reader(path, "mode=ro&immutable=1")


def _has_log(path: Path) -> bool:
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def _reader(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{path}?{how}", uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    connection.execute("PRAGMA query_only=ON")
    return connection


def check_version(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.NotSupportedError where the file would have to be migrated first, Fatal where a newer
    release wrote it."""
    if (version := _version(connection)) < SCHEMA_VERSION:
        raise sqlite3.NotSupportedError(f"the journal is of an earlier release (schema {version})")


def make_private(path: Path, mode: int) -> None:
    """Give a file or folder its mode, if it has another. Raises OSError."""
    if path.stat().st_mode & 0o7777 != mode:
        path.chmod(mode)


def is_damage(error: Exception) -> bool:
    """Whether this error says that the file itself is broken (not that the disk refuses or is full)."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return False
    return (code & 0xFF) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def is_full(error: Exception) -> bool:
    """Whether this error says that there is no room on the disk."""
    if isinstance(error, OSError):
        return error.errno in {27, 28, 122}  # EFBIG, ENOSPC, EDQUOT
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and (code & 0xFF) == sqlite3.SQLITE_FULL


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > SCHEMA_VERSION:
        raise Fatal(
            f"the journal was written by a newer release (schema {version}, this one knows "
            f"{SCHEMA_VERSION}): install that release or newer, or move the journal folder away"
        )
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    for step in range(_version(connection), SCHEMA_VERSION):
        migration = MIGRATIONS[step]
        connection.execute("BEGIN IMMEDIATE")
        try:
            if callable(migration):
                migration(connection)
            else:
                for statement in migration.split(";"):
                    if statement.strip():
                        connection.execute(statement)
            connection.execute(f"PRAGMA user_version={step + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
