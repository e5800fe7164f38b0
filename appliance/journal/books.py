"""The journal's books: what each class holds, since when, and what of it is confirmed elsewhere.

Duty: running totals kept with the file, so that no start scans the table. Called by the store, in the writer
thread; reading `accounts` is safe from any thread.
"""

from __future__ import annotations

import sqlite3

from appliance.journal import schema
from appliance.journal.record import Record, RecordClass
from appliance.journal.retention import Accounts, stored_bytes

NOBODY = -1  # no sink has ever asked for records of the class


class Books:
    """The accounts of one open file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.accounts = Accounts()
        self.oldest_ns: dict[RecordClass, int | None] = {}
        # Sequence up to which every record of the class is confirmed elsewhere. Saved with the accounts: what
        # a crash forgets is delivered again, which changes nothing.
        self.delivered: dict[RecordClass, int] = dict.fromkeys(RecordClass, NOBODY)
        self.evicted_until_ns: dict[str, int] = {}  # by channel: end of what last left without delivery

    def load(self, through: int) -> None:
        """Read what was saved with sequence `through`, and count what came after it."""
        self.accounts = Accounts()
        for record_class in RecordClass:
            self.delivered[record_class] = int(self._meta(f"delivered/{record_class}") or NOBODY)
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
        for record_class, delivered in self.delivered.items():
            if delivered != NOBODY:
                self._set_meta(f"delivered/{record_class}", str(delivered))
        self._set_meta("accounts_through", str(sequence))

    def count(self, record: Record) -> None:
        """One more record is stored."""
        size_bytes = stored_bytes(len(record.key), len(record.subject), len(record.payload))
        account = self.accounts[record.record_class]
        account.records += 1
        account.stored_bytes += size_bytes
        account.stored_total += size_bytes
        if self.oldest_ns.get(record.record_class) is None:
            self.oldest_ns[record.record_class] = record.time_ns

    def refresh_oldest(self) -> None:
        """Look up the time of the oldest record of every class (after a start and after trimming)."""
        for record_class, code in schema.CLASS_CODES.items():
            if record_class is RecordClass.TELEMETRY:
                sql = "SELECT time_ns FROM record NOT INDEXED WHERE class=? ORDER BY sequence LIMIT 1"
            else:
                sql = (
                    "SELECT time_ns FROM record WHERE sequence=(SELECT sequence FROM record "  # noqa: S608
                    f"INDEXED BY record_durable WHERE class<>{schema.TELEMETRY} AND class=? "
                    "ORDER BY sequence LIMIT 1)"
                )
            row = self._connection.execute(sql, (code,)).fetchone()
            self.oldest_ns[record_class] = None if row is None else row[0]

    def _meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def _set_meta(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, value))
