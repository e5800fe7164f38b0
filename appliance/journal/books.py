"""The journal's books: what each class holds, since when, and what of it is confirmed elsewhere.

Duty: running totals kept with the file, so that no start scans the table. Called by the store, in the writer
thread; reading `accounts` is safe from any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from appliance.journal import schema
from appliance.journal.capture_record import booked_bytes
from appliance.journal.deliveries import Deliveries
from appliance.journal.record import ClassBacklog, Record, RecordClass, RecordKind
from appliance.journal.retention import Accounts, Budgets, backlog_of, stored_bytes


class Books:
    """The accounts of one open file."""

    def __init__(self, connection: sqlite3.Connection, deliveries: Deliveries) -> None:
        self._connection = connection
        self.accounts = Accounts()
        self.oldest_ns: dict[RecordClass, int | None] = {}
        self.deliveries = deliveries  # how far each sink is; saved with the accounts
        self.kept_through = 0  # up to here all telemetry is the newest of its subject, and stays
        self.evicted_until_ns: dict[str, int] = {}  # by channel: end of what last left without delivery

    def load(self, through: int) -> None:
        """Read what was saved with sequence `through`, and count what came after it."""
        self.accounts, self.kept_through = Accounts(), 0
        self.deliveries.restore(
            (sink, schema.CLASS_OF_CODE[code], mark)
            for sink, code, mark in self._connection.execute("SELECT sink, class, sequence FROM delivered")
        )
        for code, *figures in self._connection.execute("SELECT * FROM account"):
            account = self.accounts[schema.CLASS_OF_CODE[code]]
            account.records, account.stored_bytes, account.dropped = figures[0], figures[1], figures[2]
            account.written_bytes, account.active_s, account.stored_total = figures[3:6]
        for code, records, key_bytes, subject_bytes, payload_bytes in self._connection.execute(
            "SELECT class, count(*), sum(length(key)), sum(length(subject)), sum(length(payload)) "
            "FROM record NOT INDEXED WHERE sequence>? GROUP BY class",
            (through,),
        ):
            account = self.accounts[schema.CLASS_OF_CODE[code]]
            size_bytes = stored_bytes(key_bytes, subject_bytes, payload_bytes)
            size_bytes += (records - 1) * stored_bytes(0, 0, 0)
            account.records += records
            account.stored_bytes += size_bytes
            account.stored_total += size_bytes
        for (payload,) in self._connection.execute(
            "SELECT payload FROM record INDEXED BY record_durable "  # noqa: S608
            f"WHERE class<>{schema.TELEMETRY} AND kind=? AND sequence>?",
            (schema.KIND_CODES[RecordKind.CAPTURE], through),
        ):
            self._count_file(payload)
        self.refresh_oldest()

    def save(self, sequence: int) -> None:
        """Store them as of this sequence, inside a transaction that is open already."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO account VALUES (?,?,?,?,?,?,?)",
            [
                (
                    schema.CLASS_CODES[record_class],
                    account.records,
                    account.stored_bytes,
                    account.dropped,
                    account.written_bytes,
                    account.active_s,
                    account.stored_total,
                )
                for record_class, account in self.accounts.by_class.items()
            ],
        )
        self._connection.execute("DELETE FROM delivered")
        self._connection.executemany(
            "INSERT INTO delivered VALUES (?,?,?)",
            [(sink, schema.CLASS_CODES[one], mark) for sink, one, mark in self.deliveries.rows()],
        )
        self._set_meta("accounts_through", str(sequence))

    def count(self, record: Record) -> None:
        """One more record is stored."""
        size_bytes = stored_bytes(len(record.key), len(record.subject), len(record.payload))
        account = self.accounts[record.record_class]
        account.records += 1
        account.stored_bytes += size_bytes
        account.stored_total += size_bytes
        if record.kind is RecordKind.CAPTURE:
            self._count_file(record.payload)
        if self.oldest_ns.get(record.record_class) is None:
            self.oldest_ns[record.record_class] = record.time_ns

    def superseded(self, records: Iterable[Record | None]) -> None:
        """These are the newest of their subjects no more: those of telemetry may leave from now on."""
        telemetry = [one.sequence for one in records if one and one.record_class is RecordClass.TELEMETRY]
        if min(telemetry, default=self.kept_through + 1) <= self.kept_through:
            self.kept_through = min(telemetry) - 1
            self.refresh_oldest()

    def backlog(self, budgets: Budgets, now_ns: int) -> list[ClassBacklog]:
        """What each class holds at this UTC."""
        table = []
        for record_class in RecordClass:
            oldest_ns = self.oldest_ns.get(record_class)
            age_s = None if oldest_ns is None else max(0.0, (now_ns - oldest_ns) / 1e9)
            account, budget = self.accounts[record_class], budgets.of(record_class)
            table.append(backlog_of(record_class, account, budget, age_s))
        return table

    def refresh_oldest(self) -> None:
        """Look up the time of the oldest record of every class (after a start and after trimming). What of
        telemetry stays whatever its age (the last word of a channel that is no more) does not count."""
        for record_class, code in schema.CLASS_CODES.items():
            if record_class is RecordClass.TELEMETRY:
                sql = (
                    "SELECT time_ns FROM record NOT INDEXED WHERE class=? "  # noqa: S608
                    f"AND sequence>{self.kept_through} ORDER BY sequence LIMIT 1"
                )
            else:
                sql = (
                    "SELECT time_ns FROM record WHERE sequence=(SELECT sequence FROM record "  # noqa: S608
                    f"INDEXED BY record_durable WHERE class<>{schema.TELEMETRY} AND class=? "
                    "ORDER BY sequence LIMIT 1)"
                )
            row = self._connection.execute(sql, (code,)).fetchone()
            self.oldest_ns[record_class] = None if row is None else row[0]

    def _count_file(self, payload: bytes) -> None:
        """The class of captures pays for its files, too."""
        account, size_bytes = self.accounts[RecordClass.CAPTURE], booked_bytes(payload)
        account.stored_bytes += size_bytes
        account.stored_total += size_bytes
        account.written_bytes += size_bytes

    def _set_meta(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, value))
