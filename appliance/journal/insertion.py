"""Rows of the table `record` as they are written: one, or a batch of them.

Duty: a new record's row with its CRC, its sequence and a time that its series does not have; what is stored
already under its key. A batch whose keys are all new goes in by statements of many rows: half the work, and
the interpreter's lock is given away once a statement, not once a record. Called by the store, in the writer
thread, inside its transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

from appliance.journal import schema
from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, Record, RecordKind
from appliance.journal.series_times import SeriesTimes

ROWS_AT_ONCE = 100
_ROW = "(?,?,?,?,?,?,?,?,?,?,?)"
_INSERT_MANY = schema.INSERT_RECORD + f",{_ROW}" * (ROWS_AT_ONCE - 1)


class Insertion:
    """Writes rows of one start of the service into one open file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.times = SeriesTimes(connection)
        self._boots: Mapping[int, str] = {}
        self._boot, self._boot_id = 0, ""

    def belongs_to(self, boot: int, boots: Mapping[int, str]) -> None:
        """What is written from now on is of this start of the service."""
        self._boot, self._boots, self._boot_id = boot, boots, boots[boot]

    def one(self, new: NewRecord, time_ns: int, trusted: bool, sequence: int) -> Record:
        """Write a record with this sequence; one whose key is stored already comes back as stored.

        Raises sqlite3.Error; what is stored and damaged is told as damage of the file.
        """
        record = self._record(new, time_ns, trusted, sequence)
        if self._connection.execute(schema.INSERT_RECORD, row_of(record, self._boot)).rowcount == 1:
            return record
        scope = self._boot if schema.CLASS_CODES[new.record_class] == schema.TELEMETRY else 0
        stored = self._connection.execute(
            f"SELECT {schema.RECORD_COLUMNS} FROM record WHERE key=? AND "  # noqa: S608
            f"(CASE class WHEN {schema.TELEMETRY} THEN boot ELSE 0 END)=?",
            (new.key, scope),
        ).fetchone()
        known = schema.record_of(stored, dict(self._boots))
        if known is None:
            damage = sqlite3.DatabaseError(f"the stored record with key {new.key} is damaged")
            damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT  # to be salvaged, not tried again for ever
            raise damage
        return known

    def many(
        self, batch: Sequence[PendingRecord], after: int, enough: Callable[[], bool]
    ) -> list[Record] | None:
        """Write a batch, with the sequences after this one; None, and nothing is written, if any of its keys
        is stored already or comes twice. Raises sqlite3.Error.

        `enough` is asked between statements: after a True the rest is left out.
        """
        connection = self._connection
        connection.execute("SAVEPOINT batch")
        before = connection.total_changes
        records: list[Record] = []
        rows: list[schema.Row] = []
        for sequence, pending in enumerate(batch, after + 1):
            new = pending.record
            if rows and (len(rows) == ROWS_AT_ONCE or self._may_meet(new, pending.time_ns)):
                self._insert(rows)
                if enough():
                    break
            record = self._record(new, pending.time_ns, pending.time_trusted, sequence)
            records.append(record)
            rows.append(row_of(record, self._boot))
        self._insert(rows)
        if connection.total_changes - before == len(records):
            connection.execute("RELEASE batch")
            return records
        connection.execute("ROLLBACK TO batch")
        connection.execute("RELEASE batch")
        return None

    def _insert(self, rows: list[schema.Row]) -> None:
        if len(rows) == ROWS_AT_ONCE:
            self._connection.execute(_INSERT_MANY, [value for row in rows for value in row])
        else:
            self._connection.executemany(schema.INSERT_RECORD, rows)
        rows.clear()

    def _may_meet(self, new: NewRecord, time_ns: int) -> bool:
        """Whether the record's time may be taken by one that is not in the table yet."""
        return _keeps_apart(new) and not self.times.is_ahead(
            schema.KIND_CODES[new.kind], new.subject, time_ns
        )

    def _record(self, new: NewRecord, time_ns: int, trusted: bool, sequence: int) -> Record:
        if _keeps_apart(new):
            time_ns = self.times.free(schema.KIND_CODES[new.kind], new.subject, time_ns)
        return Record(
            sequence,
            new.record_class,
            new.kind,
            new.key,
            new.subject,
            self._boot_id,
            new.monotonic_ns,
            time_ns,
            trusted,
            new.payload,
        )


def row_of(record: Record, boot: int) -> schema.Row:
    """A record as its row; `boot` is the number of its start in this file."""
    class_code, kind_code = schema.CLASS_CODES[record.record_class], schema.KIND_CODES[record.kind]
    crc = schema.crc_of(
        class_code,
        kind_code,
        record.monotonic_ns,
        subject=record.subject,
        key=record.key,
        payload=record.payload,
    )
    return (
        record.sequence,
        class_code,
        kind_code,
        boot,
        record.monotonic_ns,
        record.time_ns,
        schema.code_of_trust(record),
        crc,
        record.subject,
        record.key,
        record.payload,
    )


def _keeps_apart(new: NewRecord) -> bool:
    """Whether no two records of its series may have one time; a gap is told again and again."""
    return schema.CLASS_CODES[new.record_class] == schema.TELEMETRY and new.kind is not RecordKind.GAP
