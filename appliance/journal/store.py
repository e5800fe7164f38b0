"""The journal's file as its writer sees it: batches in, records with sequences out.

Duty: one durable transaction per call, the newest record of every subject, the accounts of the classes.
Synchronous and single-threaded: only the writer thread calls it, but for `latest` and `accounts`, which are
safe from any thread. Decides nothing about when to write, what to do when the disk refuses, or what to trim.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from appliance.journal import ledger, schema
from appliance.journal.books import Books
from appliance.journal.deliveries import Deliveries
from appliance.journal.features import NAMES_ID, seen_name_list
from appliance.journal.insertion import Insertion, row_of
from appliance.journal.pending import GapEntry, PendingGap, PendingRecord
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.journal.retention import Accounts

FILE_NAME = "journal.sqlite"
# Each life of the store numbers its records from its own base, so that a sequence that a client has seen
# never names another record after the store was lost. 2**53 (exact in JSON) leaves room for 8,000 lives.
LIFE_STEP = 1 << 40
AT_ONCE = 8  # records from which on a batch is written by statements of many rows


class Store:
    """An open journal file. `incarnation` names this life of it."""

    def __init__(
        self,
        path: Path,
        boot_id: str,
        incarnation: str | None = None,
        life: int = 0,
        *,
        deliveries: Deliveries | None = None,
        read_only: bool = False,
    ) -> None:
        """Open or create. A new file gets `incarnation` (or a fresh one) and numbers from `life`.
        `deliveries` outlive the store and take up the marks that it holds. `read_only`: a file that is there,
        of this release, for `latest`, `newest` and `accounts` alone.

        Raises sqlite3.Error, OSError or appliance.errors.Fatal (written by a newer release).
        """
        self.path = path
        self.boot_id = boot_id
        self._connection = schema.connect_unchanging(path) if read_only else schema.connect_writer(path)
        self._lock = threading.Lock()
        self._newest: dict[RecordKind, dict[str, Record]] = {kind: {} for kind in RecordKind}
        self._known_names: set[bytes] = set()
        self._boots: dict[int, str] = {}
        self._boot = 0
        self._sequence = 0
        self.incarnation = ""
        self.life = life
        self.books = Books(self._connection, deliveries or Deliveries())
        self._insertion = Insertion(self._connection)
        self._provisional = False
        try:
            if read_only:
                schema.check_version(self._connection)
            else:
                with self.transaction():
                    self._create_meta(incarnation or str(uuid.uuid4()), life)
            self.incarnation = self.get_meta("incarnation") or ""
            self.life = int(self.get_meta("life") or 0)
            self.reload()
            if read_only:  # while it is open, no other connection of this process may write the log's index
                self._connection.close()
        except BaseException:
            self._connection.close()
            raise

    @property
    def connection(self) -> sqlite3.Connection:
        """For trimming and the ledger, in the writer thread."""
        return self._connection

    @property
    def accounts(self) -> Accounts:
        """Running totals of the classes; safe to read from any thread."""
        return self.books.accounts

    @property
    def boots(self) -> dict[int, str]:
        """Boot ids by their number in the file."""
        return self._boots

    def boot_id_of(self, boot: int) -> str:
        return self._boots.get(boot, "unknown")

    def take_provisional(self) -> bool:
        """Whether a record of provisional time was written since the last call."""
        provisional, self._provisional = self._provisional, False
        return provisional

    @property
    def oldest_ns(self) -> dict[RecordClass, int | None]:
        """UTC of the oldest record of each class."""
        return self.books.oldest_ns

    @property
    def deliveries(self) -> Deliveries:
        """How far each sink has taken over the records."""
        return self.books.deliveries

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, flushed to the disk on leaving."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk or an I/O error may have rolled back already.
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            raise

    def write(
        self,
        batch: list[PendingRecord],
        gaps: Sequence[GapEntry],
        urgent: Callable[[], list[PendingRecord]] = list,
        leave: Callable[[], object] = int,
    ) -> list[Record]:
        """Commit a batch in one flushed transaction; returns its records in order, sequences given.

        A record whose key is stored already is returned as stored. `urgent` is asked on the way for what
        cannot wait: it takes the place of what is not written yet, in `batch`, too. `leave` removes, first
        and in the same transaction, what the gaps tell of. Raises sqlite3.Error or OSError with nothing
        written.
        """
        sequence = self._sequence
        added: list[Record] = []
        name_lists: set[bytes] = set()
        with self.transaction():
            leave()
            records = self._inserted(batch, sequence, urgent)
            for record in records:
                if record.sequence == sequence + 1:
                    sequence += 1
                    added.append(record)
                    if record.kind is RecordKind.FEATURES:
                        name_lists.add(record.payload[NAMES_ID])
            for gap in gaps:
                if isinstance(gap, PendingGap):
                    new, time_ns = (
                        ledger.write_gap(self._connection, gap, self._boot, self.boot_id),
                        gap.start_ns,
                    )
                else:
                    changed = ledger.change_state(self._connection, gap)
                    if changed is None:
                        continue
                    new, time_ns = changed, gap.time_ns
                record = self._insertion.one(new, time_ns, gap.time_trusted, sequence + 1)
                if record.sequence == sequence + 1:
                    sequence += 1
                    added.append(record)
            late = {pending.record.key for pending in batch if pending.record.late}
            newest = {(one.kind, one.subject): one for one in added if one.key not in late}
            self._connection.executemany(
                "INSERT INTO newest VALUES (?,?,?) ON CONFLICT DO UPDATE SET sequence=excluded.sequence",
                [(schema.KIND_CODES[kind], subject, r.sequence) for (kind, subject), r in newest.items()],
            )
            for names_id in name_lists - self._known_names:
                name_list = seen_name_list(names_id)
                if name_list is not None:
                    self._connection.execute(
                        "INSERT OR IGNORE INTO name_list VALUES (?,?)", (names_id, name_list.encoded())
                    )
        self._known_names |= name_lists
        self._sequence = sequence
        with self._lock:
            superseded = [self._newest[kind].get(subject) for kind, subject in newest]
            for (kind, subject), record in newest.items():
                self._newest[kind][subject] = record
        self.books.superseded(superseded)
        for record in added:
            self.books.count(record)
            self._provisional |= not record.time_trusted
        return records

    def _inserted(
        self, batch: list[PendingRecord], after: int, urgent: Callable[[], list[PendingRecord]]
    ) -> list[Record]:
        """The batch's rows, with the sequences after this one."""
        came: list[PendingRecord] = []

        def enough() -> bool:
            came.extend(urgent())
            return bool(came)

        records: list[Record] | None = None
        if len(batch) >= AT_ONCE:
            records = self._insertion.many(batch, after, enough)
        if records is None:
            records = []
            batch.extend(came)
        elif came:
            batch[len(records) :] = came
        sequence = after + len(records)
        for pending in batch[len(records) :]:
            record = self._insertion.one(pending.record, pending.time_ns, pending.time_trusted, sequence + 1)
            sequence += record.sequence == sequence + 1
            records.append(record)
        return records

    def free_time(self, class_code: int, kind_code: int, record: Record, time_ns: int) -> int:
        """This time, or the first after it that the record's series does not have."""
        if class_code != schema.TELEMETRY or record.kind is RecordKind.GAP or time_ns == record.time_ns:
            return time_ns
        return self._insertion.times.free(kind_code, record.subject, time_ns)

    def restamp(self, record: Record, time_ns: int, trust_code: int, payload: bytes) -> Record:
        """Write a record's true time, inside a transaction that is open already; `renew` it afterwards."""
        class_code, kind_code = schema.CLASS_CODES[record.record_class], schema.KIND_CODES[record.kind]
        crc = schema.crc_of(
            class_code,
            kind_code,
            record.monotonic_ns,
            subject=record.subject,
            key=record.key,
            payload=payload,
        )
        values: list[int | bytes]
        if payload is record.payload:  # then its pages stay as they are
            sql, values = "time_ns=?, trusted=?", [time_ns, trust_code]
        else:
            sql, values = "time_ns=?, trusted=?, payload=?, crc=?", [time_ns, trust_code, payload, crc]
        self._connection.execute(
            f"UPDATE record SET {sql} WHERE sequence=?",  # noqa: S608 - columns are ours
            (*values, record.sequence),
        )
        bound_s = trust_code - schema.BOUNDED if trust_code >= schema.BOUNDED else None
        return record._replace(
            time_ns=time_ns,
            time_trusted=bound_s is None,
            payload=payload,
            time_resolved=True,
            time_bound_s=bound_s,
        )

    def renew(self, records: Iterable[Record]) -> None:
        """Take up restamped records where they are the newest of their subject."""
        with self._lock:
            for record in records:
                newest = self._newest[record.kind]
                known = newest.get(record.subject)
                if known is not None and known.sequence == record.sequence:
                    newest[record.subject] = record

    def forget(self, kind: RecordKind, sequences: Collection[int]) -> None:
        """These records have left: none of them is the newest of its subject any more."""
        with self._lock:
            newest = self._newest[kind]
            self._newest[kind] = {name: one for name, one in newest.items() if one.sequence not in sequences}

    def adopt(self, records: Iterable[Record]) -> int:
        """Take in what an earlier life of the store knew as the newest of its subjects and this one lacks.

        Sequence, key, boot and times stay. Returns how many were lacking.
        """
        adopted = 0
        with self.transaction():
            for record in records:
                known = self.newest(record.kind, record.subject)
                if known is not None and known.sequence >= record.sequence:
                    continue
                self._connection.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (record.boot_id,))
                (boot,) = self._connection.execute(
                    "SELECT id FROM boot WHERE boot_id=?", (record.boot_id,)
                ).fetchone()
                if self._connection.execute(schema.INSERT_RECORD, row_of(record, boot)).rowcount == 1:
                    adopted += 1
                    self._connection.execute(
                        "INSERT OR REPLACE INTO newest VALUES (?,?,?)",
                        (schema.KIND_CODES[record.kind], record.subject, record.sequence),
                    )
        if adopted:
            self.reload()
        return adopted

    def latest(self, kind: RecordKind) -> list[Record]:
        """The newest record of every subject, in order of sequence."""
        with self._lock:
            records = list(self._newest[kind].values())
        return sorted(records, key=lambda record: record.sequence)

    def newest(self, kind: RecordKind, subject: str) -> Record | None:
        with self._lock:
            return self._newest[kind].get(subject)

    def is_newest(self, kind: RecordKind, subject: str, sequence: int) -> bool:
        """Whether a record is the newest of its subject."""
        known = self.newest(kind, subject)
        return known is not None and known.sequence == sequence

    def newest_time_ns(self) -> int | None:
        """The latest UTC time in the journal; None while it is empty."""
        with self._lock:
            times = [record.time_ns for records in self._newest.values() for record in records.values()]
        return max(times, default=None)

    @property
    def last_sequence(self) -> int:
        return self._sequence

    def save_accounts(self) -> None:
        """Store the accounts, so that the next start needs to count only what came after."""
        with self.transaction():
            self.write_accounts()

    def write_accounts(self) -> None:
        """The same, inside a transaction that is open already."""
        self.books.save(self._sequence)

    def checkpoint(self) -> None:
        """Bring the log's pages into the file, as far as no reader needs them where they are."""
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def log_bytes(self) -> int:
        """Size of the write-ahead log's file."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            return 0

    def durability_settings(self) -> tuple[str, int]:
        """(journal mode, synchronous) of the live connection: ("wal", 2) is what durability rests on."""
        (mode,) = self._connection.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = self._connection.execute("PRAGMA synchronous").fetchone()
        return str(mode), int(synchronous)

    def close(self) -> None:
        self._connection.close()

    def get_meta(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM meta WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, name: str, value: str) -> None:
        """Inside a transaction that is open already."""
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, value))

    def _create_meta(self, incarnation: str, life: int) -> None:
        if self.get_meta("incarnation") is None:
            self.set_meta("incarnation", incarnation)
            self.set_meta("life", str(life))
        self._connection.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (self.boot_id,))

    def reload(self) -> None:
        """Take up what the file holds (at opening, and after a salvage has filled it)."""
        self._boots = dict(self._connection.execute("SELECT id, boot_id FROM boot"))
        own = [boot for boot, boot_id in self._boots.items() if boot_id == self.boot_id]
        if own:  # a file that is only read does not know this start
            self._boot = own[0]
            self._insertion.belongs_to(self._boot, self._boots)
        (last,) = self._connection.execute("SELECT max(sequence) FROM record").fetchone()
        through = int(self.get_meta("accounts_through") or 0)
        self._sequence = max(last or 0, through, self.life * LIFE_STEP)
        columns = ", ".join(f"r.{name}" for name in schema.RECORD_COLUMNS.split(", "))
        for row in self._connection.execute(
            f"SELECT {columns} FROM newest n JOIN record r ON r.sequence=n.sequence"  # noqa: S608
        ):
            record = schema.record_of(row, self._boots)
            if record is not None:
                self._newest[record.kind][record.subject] = record
        self._known_names = {row[0] for row in self._connection.execute("SELECT names_id FROM name_list")}
        self.books.load(through)
