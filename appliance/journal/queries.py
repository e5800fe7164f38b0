"""What can be asked of the journal: read-only, in threads, beside the writer.

Duty: records after a sequence, series of one feature, score or tag over time, gaps. Each worker thread has a
connection of its own; the event loop never waits for the disk. Records whose CRC does not fit are left out
and counted: a broken byte becomes a missing record, never a wrong one. (Trends are cut out of the payloads
unchecked: a hundred thousand at a time.)
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from appliance.errors import Retryable
from appliance.journal import ledger, schema
from appliance.journal.features import NAMES_ID, NameList, decode_name_list, value_offset
from appliance.journal.record import Record, RecordKind, StoredGap

Int64Array = npt.NDArray[np.int64]
Float32Array = npt.NDArray[np.float32]
Answer = TypeVar("Answer")

_THREADS = 2
MAX_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Series:
    """Values over time. `times_ns` UTC, ascending; gaps are not marked here, ask the ledger."""

    times_ns: Int64Array  # (n,)
    values: Float32Array  # (n,)


class Queries:
    """Reads one journal file from a few threads. `path` may not exist yet: then there is nothing to read."""

    def __init__(self, path: Path, on_damage: Callable[[], None]) -> None:
        self._path = path
        self._on_damage = on_damage
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="journal-read")
        self._local = threading.local()
        self._open: list[sqlite3.Connection] = []
        self._generation = 0
        self._name_lists: dict[bytes, NameList] = {}
        self.damaged_rows = 0
        # Until the writer has the file: a connection per query, since one to a disk that cannot be written
        # keeps all others of this process from writing, once it can be.
        self.keep_open = False

    def reopen(self) -> None:
        """The file was replaced: every thread connects anew at its next query."""
        self._generation += 1

    async def run(self, query: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """One query in a thread. Raises Retryable if the file cannot be read now."""
        try:
            future = asyncio.get_running_loop().run_in_executor(self._threads, self._in_thread, query)
        except RuntimeError as error:  # shut down
            raise Retryable("the journal is closed") from error
        return await future

    def close(self) -> None:
        """Does not wait for a query that hangs on a dead disk."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for connection in self._open:
            connection.interrupt()

    async def read(
        self, after_sequence: int, kinds: Collection[RecordKind] | None, limit: int
    ) -> list[Record]:
        wanted = frozenset(RecordKind if kinds is None else kinds)
        if not wanted:
            return []
        count = max(0, min(limit, MAX_LIMIT))
        codes = ",".join(str(schema.KIND_CODES[kind]) for kind in sorted(wanted))
        if wanted & schema.TELEMETRY_KINDS:
            source, where = "NOT INDEXED", ""
        else:
            source, where = "INDEXED BY record_durable", f"class<>{schema.TELEMETRY} AND "
        sql = (
            f"SELECT {schema.RECORD_COLUMNS} FROM record {source} "  # noqa: S608 - codes are ours
            f"WHERE {where}kind IN ({codes}) AND sequence>? ORDER BY sequence LIMIT ?"
        )
        return await self.run(lambda connection: self._records(connection, sql, (after_sequence, count)))

    async def history(self, kind: RecordKind, subject: str, limit: int) -> list[Record]:
        """The newest `limit` records of one subject, oldest first."""
        sql = (
            f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_time "  # noqa: S608
            "WHERE kind=? AND subject=? ORDER BY time_ns DESC, sequence DESC LIMIT ?"
        )
        arguments = (schema.KIND_CODES[kind], subject, max(0, min(limit, MAX_LIMIT)))
        records = await self.run(lambda connection: self._records(connection, sql, arguments))
        return sorted(records, key=lambda record: record.sequence)

    async def between(
        self, kind: RecordKind, subject: str, start_ns: int, end_ns: int, limit: int
    ) -> list[Record]:
        """Records of one subject in an interval of UTC time, in order of time."""
        sql = (
            f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_time "  # noqa: S608
            "WHERE kind=? AND subject=? AND time_ns BETWEEN ? AND ? ORDER BY time_ns LIMIT ?"
        )
        arguments = (schema.KIND_CODES[kind], subject, start_ns, end_ns, max(0, min(limit, MAX_LIMIT)))
        return await self.run(lambda connection: self._records(connection, sql, arguments))

    async def features(self, channel_id: str, feature: str, start_ns: int, end_ns: int) -> Series:
        return await self.run(
            lambda connection: self._features(connection, channel_id, feature, start_ns, end_ns)
        )

    async def values(self, kind: RecordKind, subject: str, start_ns: int, end_ns: int) -> Series:
        """The field `value` of JSON payloads (scores, tags) over time."""
        return await self.run(lambda connection: _json_values(connection, kind, subject, start_ns, end_ns))

    async def gaps(self, channel_id: str, start_ns: int, end_ns: int) -> list[StoredGap]:
        return await self.run(
            lambda connection: ledger.gaps_between(connection, channel_id, start_ns, end_ns)
        )

    async def feature_names(self, channel_id: str) -> tuple[str, ...]:
        """Names of the channel's newest vector; empty if it has none."""
        records = await self.history(RecordKind.FEATURES, channel_id, 1)
        if not records:
            return ()
        names_id = records[0].payload[NAMES_ID]
        name_list = await self.run(lambda connection: self._name_list(connection, names_id))
        return () if name_list is None else name_list.names

    async def name_list(self, names_id: bytes) -> NameList | None:
        """The names that FEATURES payloads refer to by this id."""
        return await self.run(lambda connection: self._name_list(connection, names_id))

    # ---- in a worker thread ----

    def _in_thread(self, query: Callable[[sqlite3.Connection], Answer]) -> Answer:
        try:
            return query(self._connection())
        except sqlite3.Error as error:
            if schema.is_damage(error):
                self._on_damage()
            self._local.generation = -1  # whatever it was, the next query starts with a new connection
            raise Retryable(f"the journal cannot be read now: {error}") from error
        finally:
            if not self.keep_open:
                self._drop()

    def _drop(self) -> None:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None:
            self._open.remove(known)
            known.close()
            self._local.connection = None

    def _connection(self) -> sqlite3.Connection:
        known: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if known is not None and self._local.generation == self._generation:
            return known
        self._drop()
        generation = self._generation
        connection = schema.connect_reader(self._path)
        self._local.connection, self._local.generation = connection, generation
        self._open.append(connection)
        return connection

    def _records(
        self, connection: sqlite3.Connection, sql: str, arguments: tuple[object, ...]
    ) -> list[Record]:
        boots: dict[int, str] = dict(connection.execute("SELECT id, boot_id FROM boot"))
        records: list[Record] = []
        for row in connection.execute(sql, arguments):
            record = schema.record_of(row, boots)
            if record is None:
                self.damaged_rows += 1
            else:
                records.append(record)
        return records

    def _name_list(self, connection: sqlite3.Connection, names_id: bytes) -> NameList | None:
        known = self._name_lists.get(names_id)
        if known is None:
            row = connection.execute("SELECT encoded FROM name_list WHERE names_id=?", (names_id,)).fetchone()
            known = None if row is None else decode_name_list(names_id, row[0])
            if known is not None:
                self._name_lists[names_id] = known
        return known

    def _name_lists_with(self, connection: sqlite3.Connection, feature: str) -> dict[bytes, int]:
        """Names ids of all lists that hold the feature, and its index there."""
        index_of: dict[bytes, int] = {}
        for (names_id,) in connection.execute("SELECT names_id FROM name_list").fetchall():
            name_list = self._name_list(connection, names_id)
            if name_list is not None and feature in name_list.names:
                index_of[names_id] = name_list.names.index(feature)
        return index_of

    def _features(
        self, connection: sqlite3.Connection, channel_id: str, feature: str, start_ns: int, end_ns: int
    ) -> Series:
        index_of = self._name_lists_with(connection, feature)
        if not index_of:
            return _EMPTY
        cases = " ".join(
            f"WHEN x'{names_id.hex()}' THEN hex(substr(payload,{value_offset(index) + 1},4))"
            for names_id, index in index_of.items()
        )
        names_at = f"substr(payload,{NAMES_ID.start + 1},{NAMES_ID.stop - NAMES_ID.start})"
        value_sql = f"CASE {names_at} {cases} END"
        times, values = _gathered(
            connection, value_sql, "", (RecordKind.FEATURES, channel_id, start_ns, end_ns)
        )
        return _series(times, np.frombuffer(bytes.fromhex(values), dtype="<f4"))


_EMPTY = Series(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32))


def _gathered(
    connection: sqlite3.Connection, value_sql: str, separator: str, of: tuple[RecordKind, str, int, int]
) -> tuple[str, str]:
    """Times and values of a series, each joined to one text by SQLite.

    One row comes back, not 100,000: the sqlite3 module takes the interpreter's lock anew for every row, which
    in a busy process costs far more than the query itself.
    """
    kind, subject, start_ns, end_ns = of
    row = connection.execute(
        f"SELECT group_concat(time_ns, ','), group_concat(value, '{separator}') FROM ("  # noqa: S608
        f"SELECT time_ns, {value_sql} AS value FROM record INDEXED BY record_time "
        "WHERE kind=? AND subject=? AND time_ns BETWEEN ? AND ? ORDER BY time_ns) WHERE value IS NOT NULL",
        (schema.KIND_CODES[kind], subject, start_ns, end_ns),
    ).fetchone()
    return row[0] or "", row[1] or ""


def _series(times: str, values: Float32Array) -> Series:
    if not times:
        return _EMPTY
    times_ns = np.fromstring(times, dtype=np.int64, sep=",")
    order = np.argsort(times_ns, kind="stable")  # the order within group_concat is not promised
    return Series(times_ns[order], values[order].astype(np.float32))


def _json_values(
    connection: sqlite3.Connection, kind: RecordKind, subject: str, start_ns: int, end_ns: int
) -> Series:
    text = "CAST(payload AS TEXT)"
    value_sql = f"CASE WHEN json_valid({text}) THEN coalesce(json_extract({text}, '$.value'), 'nan') END"
    times, values = _gathered(connection, value_sql, ",", (kind, subject, start_ns, end_ns))
    numbers = [float(value) for value in values.split(",")] if values else []
    return _series(times, np.array(numbers, dtype=np.float32))
