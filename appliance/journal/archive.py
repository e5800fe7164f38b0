"""A journal's file read from outside: without its lock, beside a running service or after it.

Duty: a read-only connection to the file of a state folder, and its records in order of time, in short reads
that never hold up the service's checkpoints. Writes nothing, salvages nothing: records whose CRC does not
fit are left out and counted.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from appliance.errors import Fatal
from appliance.journal import ledger, schema
from appliance.journal.features import NAMES_ID, NameList, decode_name_list
from appliance.journal.record import Record, RecordKind, StoredGap
from appliance.journal.store import FILE_NAME

_ROWS_AT_ONCE = 2_000
_MOST_ROWS = 50_000  # in memory: of all subjects together


class Archive:
    """An open journal file that can only be read. Use it from one thread, `close` it."""

    def __init__(self, folder: Path) -> None:
        """Open the journal in `folder`. Raises Fatal: none there, not readable, or of another release."""
        self.path = folder / FILE_NAME
        self.damaged_rows = 0
        if not self.path.is_file():
            raise Fatal(f"there is no journal in {folder}: name the state folder of an appliance")
        try:
            self._connection = schema.connect_reader(self.path)
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version != schema.SCHEMA_VERSION:
                self._connection.close()
                raise Fatal(
                    f"the journal {self.path} has schema {version}, this release reads "
                    f"{schema.SCHEMA_VERSION}: start the appliance once with this release, or use the "
                    "release that wrote it"
                )
            self._name_lists = {
                bytes(names_id): decode_name_list(bytes(names_id), encoded)
                for names_id, encoded in self._connection.execute("SELECT names_id, encoded FROM name_list")
            }
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error

    def close(self) -> None:
        self._connection.close()

    def subjects(self, kind: RecordKind) -> list[str]:
        """What records of this kind are about, in order."""
        return [
            str(subject)
            for (subject,) in self._fetched(
                "SELECT subject FROM newest WHERE kind=? ORDER BY subject", (schema.KIND_CODES[kind],)
            )
        ]

    def feature_names(self) -> list[str]:
        """Names of all features that vectors of this journal may hold, in the order of the longest vector."""
        lists = [names for names in self._name_lists.values() if names is not None]
        lists.sort(key=lambda names: (-len(names.names), names.extractor_version, names.names))
        return list(dict.fromkeys(name for names in lists for name in names.names))

    def name_list(self, record: Record) -> NameList | None:
        """The names of a FEATURES record's values; None if the list is not there."""
        names_id = record.payload[NAMES_ID]
        if names_id not in self._name_lists:  # a new list of a running service
            rows = self._fetched("SELECT encoded FROM name_list WHERE names_id=?", (names_id,))
            self._name_lists[names_id] = decode_name_list(names_id, rows[0][0]) if rows else None
        return self._name_lists[names_id]

    def records(
        self, subjects: Collection[tuple[RecordKind, str]], start_ns: int, end_ns: int
    ) -> Iterator[Record]:
        """Records of these kinds and subjects from `start_ns` to `end_ns` (UTC), in order of time."""
        boots: dict[int, str] = dict(self._fetched("SELECT id, boot_id FROM boot", ()))
        at_once = max(20, min(_ROWS_AT_ONCE, _MOST_ROWS // max(1, len(subjects))))
        streams = [
            self._of_subject(kind, subject, (start_ns, end_ns), boots, at_once) for kind, subject in subjects
        ]
        return heapq.merge(*streams, key=lambda record: (record.time_ns, record.sequence))

    def gaps(self, channels: Collection[str] | None, start_ns: int, end_ns: int) -> list[StoredGap]:
        """Entries of the gap ledger that overlap the interval, of these channels or all, in order."""
        known = [str(channel) for (channel,) in self._fetched("SELECT DISTINCT channel FROM gap", ())]
        chosen = [channel for channel in known if channels is None or channel in channels]
        try:
            found = [
                gap
                for channel in chosen
                for gap in ledger.gaps_between(self._connection, channel, start_ns, end_ns)
            ]
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error
        return sorted(found, key=lambda gap: (gap.start_ns, gap.gap_id))

    def _of_subject(
        self,
        kind: RecordKind,
        subject: str,
        interval_ns: tuple[int, int],
        boots: dict[int, str],
        at_once: int,
    ) -> Iterator[Record]:
        after_ns, after_sequence = interval_ns[0], -1
        sql = (
            f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_time "  # noqa: S608 - columns are ours
            "WHERE kind=? AND subject=? AND time_ns BETWEEN ? AND ? AND (time_ns>? OR sequence>?) "
            "ORDER BY time_ns, sequence LIMIT ?"
        )
        while True:
            bounds = (after_ns, interval_ns[1], after_ns, after_sequence)
            rows = self._fetched(sql, (schema.KIND_CODES[kind], subject, *bounds, at_once))
            for row in rows:
                record = schema.record_of(row, boots)
                if record is None:
                    self.damaged_rows += 1
                else:
                    yield record
            if len(rows) < at_once:
                return
            after_sequence, after_ns = rows[-1][0], rows[-1][5]

    def _fetched(self, sql: str, arguments: tuple[object, ...]) -> list[tuple]:  # type: ignore[type-arg]
        """All rows at once: an open statement would keep the service's log from being reset."""
        try:
            return self._connection.execute(sql, arguments).fetchall()
        except sqlite3.Error as error:
            raise _unreadable(self.path, error) from error


def _unreadable(path: Path, error: sqlite3.Error) -> Fatal:
    what = (
        "it is damaged; start the appliance, which salvages it"
        if schema.is_damage(error)
        else "try as its owner"
    )
    return Fatal(f"the journal {path} cannot be read ({error}): {what}")
