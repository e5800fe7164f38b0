"""What webhooks remember across a restart: how far the journal was taken, what waits, what was given up.

Duty: one small SQLite file beside the journal's, written by one thread, flushed at every change. Decides
nothing. What is on its disk the journal may let go of; it is bounded: of each receiver, what the sender takes
in to wait (`webhook.MAX_WAITING`) and MAX_DEAD dead letters.

A disk that refuses does not stop alarms from being sent: changes are held in memory and written when it takes
them again; should the appliance die before, messages are sent once more, with the same ids.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from appliance.errors import Fatal, Retryable
from appliance.sinks.webhook_message import Message
from appliance.sinks.webhook_queue import Fate, Settled

logger = logging.getLogger(__name__)

FILE_NAME = "webhooks.sqlite"
MAX_DEAD = 2_000  # per receiver; beyond, the oldest leave, counted
MAX_HELD = 20_000  # changes in memory while the disk refuses
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE cursor (hook TEXT PRIMARY KEY, sequence INTEGER NOT NULL, dropped INTEGER NOT NULL)"
    " WITHOUT ROWID",
    "CREATE TABLE announced (hook TEXT, alarm_id TEXT, activation INTEGER NOT NULL,"
    " PRIMARY KEY (hook, alarm_id)) WITHOUT ROWID",
    "CREATE TABLE message (hook TEXT, sequence INTEGER, message_id TEXT NOT NULL, alarm_id TEXT NOT NULL,"
    " what TEXT NOT NULL, body BLOB NOT NULL, attempts INTEGER NOT NULL, age_s REAL NOT NULL,"
    " next_time_ns INTEGER NOT NULL, wait_s REAL NOT NULL, reason TEXT NOT NULL, dead_time_ns INTEGER,"
    " PRIMARY KEY (hook, sequence))",
    f"PRAGMA user_version={_VERSION}",
)
_COLUMNS = (
    "sequence, message_id, alarm_id, what, body, attempts, age_s, next_time_ns, wait_s, reason, dead_time_ns"
)
_BEYOND = (  # dead letters over their limit, the oldest
    "(SELECT sequence FROM message WHERE hook=? AND dead_time_ns IS NOT NULL"
    " ORDER BY dead_time_ns DESC, sequence DESC LIMIT -1 OFFSET ?)"
)
_COUNT_BEYOND = f"UPDATE cursor SET dropped=dropped+(SELECT count(*) FROM {_BEYOND}) WHERE hook=?"  # noqa: S608
_DROP_BEYOND = f"DELETE FROM message WHERE hook=? AND sequence IN {_BEYOND}"  # noqa: S608
_Answer = TypeVar("_Answer")
_Found = TypeVar("_Found")
_Change = tuple[str, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A message that waits (`dead_time_ns` None) or was given up. Times are UTC ns."""

    message: Message
    attempts: int
    age_s: float
    next_time_ns: int
    wait_s: float
    reason: str
    dead_time_ns: int | None

    def remaining_s(self, now_time_ns: int) -> float:
        """What is left of the wait, s; a clock set meanwhile makes it neither negative nor longer."""
        return min(max((self.next_time_ns - now_time_ns) / 1e9, 0.0), self.wait_s)


class WebhookStore:
    """The open file; one for all receivers. Build it with `open`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, replaced: bool) -> None:
        self.path = path
        self.replaced = replaced  # the old file was damaged and set aside
        self._connection = connection
        self._thread = ThreadPoolExecutor(1, "webhook-store")
        self._held: deque[_Change] = deque()
        self._refusing = False

    @classmethod
    def open(cls, folder: Path) -> WebhookStore:
        """Open or create the file in a folder; a damaged one is set aside. Raises Fatal."""
        path = folder / FILE_NAME
        try:
            try:
                return cls(path, _connect(path), False)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise  # the disk, not the file
                aside = path.with_name(f"{FILE_NAME}.damaged-{time.time_ns()}")
                path.rename(aside)
                for suffix in ("-wal", "-shm"):
                    path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
                logger.error("webhook file damaged, set aside path=%s reason=%s", aside, error)
                return cls(path, _connect(path), True)
        except (sqlite3.Error, OSError) as error:
            raise Fatal(f"the webhooks' file {path} cannot be used: {error}") from error

    def cursor(self, hook: str) -> int | None:
        """The journal's sequence up to which everything was taken; None for a receiver never seen."""
        row = self._connection.execute("SELECT sequence FROM cursor WHERE hook=?", (hook,)).fetchone()
        return None if row is None else int(row[0])

    def begin(self, hook: str, sequence: int) -> None:
        """A new receiver is told what comes after this sequence. Raises sqlite3.Error."""
        self._connection.execute("INSERT OR REPLACE INTO cursor VALUES (?,?,0)", (hook, sequence))

    def announced(self, hook: str) -> dict[str, int]:
        """The newest activation of each alarm that was sent to a receiver."""
        rows = self._connection.execute("SELECT alarm_id, activation FROM announced WHERE hook=?", (hook,))
        return dict(rows.fetchall())

    def messages(self, hook: str, *, dead: bool) -> list[StoredMessage]:
        """What waits, or what was given up, in order of sequence."""
        return _messages(self._connection, hook, dead=dead)

    def counts(self, hook: str) -> tuple[int, int]:
        """(dead letters, dead letters that had to leave)."""
        return _counts(self._connection, hook)

    def outside_changes(self) -> int:
        """A number that changes when another process changes the file."""
        (number,) = self._connection.execute("PRAGMA data_version").fetchone()
        return int(number)

    async def ask(self, question: Callable[[WebhookStore], _Answer]) -> _Answer:
        """Ask in the store's thread. Raises Retryable."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, question, self)
        except sqlite3.Error as error:
            raise Retryable(f"the webhooks' file cannot be read: {error}") from error

    async def take(
        self, hook: str, message: Message | None, announced: tuple[str, int] | None, sequence: int
    ) -> bool:
        """Everything up to `sequence` was taken, `message` with it (None: nothing is to be sent).

        `announced`: the alarm and the activation that the receiver is told of. Returns whether that is on the
        disk; False: it is held in memory, and the journal must keep what it was made of.
        """
        changes: list[_Change] = []
        if message is not None:
            row = (hook, sequence, message.message_id, message.alarm_id, message.what, message.body)
            changes.append(("INSERT OR IGNORE INTO message VALUES (?,?,?,?,?,?,0,0,0,0,'',NULL)", row))
        if announced is not None:
            changes.append(("INSERT OR REPLACE INTO announced VALUES (?,?,?)", (hook, *announced)))
        changes.append(("UPDATE cursor SET sequence=max(sequence,?) WHERE hook=?", (sequence, hook)))
        return await self._write(changes)

    async def settle(self, hook: str, settled: Settled, reason: str, now_time_ns: int) -> None:
        """What became of a message after an attempt."""
        where = (hook, settled.message.sequence)
        if settled.fate is Fate.DELIVERED:
            await self._write([("DELETE FROM message WHERE hook=? AND sequence=?", where)])
            return
        dead_ns = now_time_ns if settled.fate is Fate.DEAD else None
        next_ns = now_time_ns + round(settled.wait_s * 1e9)
        row = (settled.attempts, settled.age_s, next_ns, settled.wait_s, reason, dead_ns, *where)
        changes: list[_Change] = [(
            "UPDATE message SET attempts=?, age_s=?, next_time_ns=?, wait_s=?, reason=?, dead_time_ns=?"
            " WHERE hook=? AND sequence=?", row,
        )]  # fmt: skip
        if dead_ns is not None:
            beyond = (hook, MAX_DEAD, hook)
            changes.append((_COUNT_BEYOND, beyond))
            changes.append((_DROP_BEYOND, (hook, *beyond[:2])))
        await self._write(changes)

    def close(self) -> None:
        """Write what is held, and end."""
        self._thread.submit(self._flush).result()
        self._thread.shutdown()
        self._connection.close()

    async def _write(self, changes: Sequence[_Change]) -> bool:
        if len(self._held) > MAX_HELD:
            raise Retryable(f"the webhooks' file {self.path} has not been writable for long")
        self._held.extend(changes)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._flush)

    def _flush(self) -> bool:
        """In the store's thread: write what is held, in order, in one transaction. False if refused."""
        count = len(self._held)
        if not count:
            return True
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for index in range(count):
                self._connection.execute(*self._held[index])
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if not self._refusing:
                logger.error("webhook file refuses, changes held path=%s reason=%s", self.path, error)
            self._refusing = True
            return False
        self._refusing = False
        for _ in range(count):
            self._held.popleft()
        return True


@dataclass(frozen=True, slots=True)
class HookState:
    """One receiver in the file, for a person who lists."""

    hook: str
    cursor: int
    dropped: int
    waiting: tuple[StoredMessage, ...]
    dead: tuple[StoredMessage, ...]


def read_states(folder: Path) -> list[HookState]:
    """All receivers of a file, which a service may have open. Empty where there is none. Raises Fatal."""

    def states(connection: sqlite3.Connection) -> list[HookState]:
        rows = connection.execute("SELECT hook, sequence, dropped FROM cursor ORDER BY hook").fetchall()
        return [
            HookState(
                hook,
                sequence,
                dropped,
                tuple(_messages(connection, hook, dead=False)),
                tuple(_messages(connection, hook, dead=True)),
            )
            for hook, sequence, dropped in rows
        ]

    return _read(folder, states)


def read_dead(folder: Path, hook: str, limit: int) -> list[StoredMessage]:
    """The dead letters of a receiver, the latest given up first, without their bodies. Raises Fatal."""
    return _read(folder, lambda connection: _messages(connection, hook, dead=True, newest=limit))


def redrive(folder: Path, hook: str, message_ids: Collection[str]) -> int:
    """Let dead letters wait anew (all of a receiver if no ids are given); returns how many.

    A running service sees them within seconds. Raises Fatal.
    """
    path = folder / FILE_NAME
    if not path.exists():
        return 0
    statement = (
        "UPDATE message SET dead_time_ns=NULL, attempts=0, age_s=0, wait_s=0, next_time_ns=0"
        " WHERE hook=? AND dead_time_ns IS NOT NULL"
    )
    if message_ids:
        statement += f" AND message_id IN ({','.join('?' * len(message_ids))})"
    try:
        connection = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            return connection.execute(statement, (hook, *message_ids)).rowcount
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Fatal(f"the webhooks' file {path} cannot be written: {error}") from error


def _read(folder: Path, question: Callable[[sqlite3.Connection], list[_Found]]) -> list[_Found]:
    path = folder / FILE_NAME
    if not path.exists():
        return []
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            return question(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Fatal(f"the webhooks' file {path} cannot be read: {error}") from error


def _messages(
    connection: sqlite3.Connection, hook: str, *, dead: bool, newest: int | None = None
) -> list[StoredMessage]:
    condition = "IS NOT NULL" if dead else "IS NULL"
    columns, order = _COLUMNS, "sequence"
    if newest is not None:
        columns, order = _COLUMNS.replace("body", "x''"), "dead_time_ns DESC, sequence DESC"
    rows = connection.execute(
        f"SELECT {columns} FROM message WHERE hook=? AND dead_time_ns {condition} ORDER BY {order} LIMIT ?",  # noqa: S608
        (hook, -1 if newest is None else newest),
    )
    return [
        StoredMessage(Message(message_id, alarm_id, sequence, what, body), *rest)
        for sequence, message_id, alarm_id, what, body, *rest in rows
    ]


def _counts(connection: sqlite3.Connection, hook: str) -> tuple[int, int]:
    (dead,) = connection.execute(
        "SELECT count(*) FROM message WHERE hook=? AND dead_time_ns IS NOT NULL", (hook,)
    ).fetchone()
    row = connection.execute("SELECT dropped FROM cursor WHERE hook=?", (hook,)).fetchone()
    return int(dead), 0 if row is None else int(row[0])


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise Fatal(f"{path} was written by a newer release: install that one, or move the file away")
        if version == 0:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
    except BaseException:
        connection.close()
        raise
    return connection
