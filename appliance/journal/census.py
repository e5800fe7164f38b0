"""Which hours of which subjects have records, and these records: for holding them against a copy.

Duty: three questions over a reading connection (`Queries.run`). Knows nothing of who asks.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from appliance.journal import schema
from appliance.journal.record import Record, RecordKind

PAGE_RECORDS = 5_000


@dataclass(frozen=True, slots=True)
class Touched:
    """A span of time of one subject in which records were written. `start_ns` UTC."""

    kind: RecordKind
    subject: str
    start_ns: int
    last_sequence: int


def touched_spans(
    connection: sqlite3.Connection, kinds: Collection[RecordKind], after_sequence: int, span_ns: int
) -> tuple[list[Touched], int | None]:
    """The spans into which the next records after a sequence fall, and the last of these records' sequence.

    None: there are no more. Raises sqlite3.Error.
    """
    (upto,) = connection.execute(
        "SELECT max(sequence) FROM "
        "(SELECT sequence FROM record NOT INDEXED WHERE sequence>? ORDER BY sequence LIMIT ?)",
        (after_sequence, PAGE_RECORDS),
    ).fetchone()
    if upto is None:
        return [], None
    codes = ",".join(str(schema.KIND_CODES[kind]) for kind in sorted(kinds))
    rows = connection.execute(
        f"SELECT kind, subject, time_ns / ?, max(sequence) FROM record NOT INDEXED "  # noqa: S608 - our codes
        f"WHERE sequence>? AND sequence<=? AND kind IN ({codes}) GROUP BY 1, 2, 3",
        (span_ns, after_sequence, upto),
    )
    spans = [
        Touched(schema.KIND_OF_CODE[kind], subject, span * span_ns, last)
        for kind, subject, span, last in rows
    ]
    return spans, int(upto)


def subjects_of(connection: sqlite3.Connection, kind: RecordKind) -> list[str]:
    """All subjects that ever had a record of a kind. Raises sqlite3.Error."""
    rows = connection.execute("SELECT subject FROM newest WHERE kind=?", (schema.KIND_CODES[kind],))
    return [subject for (subject,) in rows]


def span_records(  # noqa: PLR0917 - an interval of a subject is four words
    connection: sqlite3.Connection,
    kind: RecordKind,
    subject: str | None,
    start_ns: int,
    end_ns: int,
    after: tuple[int, int] = (-1, -1),
) -> tuple[list[Record], tuple[int, int] | None]:
    """Records in [start, end) of one subject (None: of all), in order of time, a page at a time.

    With the (time, sequence) to ask with for the next page; None after the last. Damaged ones are left out.
    Raises sqlite3.Error.
    """
    boots: dict[int, str] = dict(connection.execute("SELECT id, boot_id FROM boot"))
    of_subject = "" if subject is None else "subject=? AND "
    rows = connection.execute(
        f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_time "  # noqa: S608 - our own names
        f"WHERE kind=? AND {of_subject}time_ns>=? AND time_ns<? AND (time_ns, sequence)>(?,?) "
        "ORDER BY time_ns, sequence LIMIT ?",
        (
            schema.KIND_CODES[kind],
            *(() if subject is None else (subject,)),
            max(start_ns, after[0]),
            end_ns,
            *after,
            PAGE_RECORDS,
        ),
    ).fetchall()
    records = [record for row in rows if (record := schema.record_of(row, boots)) is not None]
    follows = (rows[-1][5], rows[-1][0]) if len(rows) == PAGE_RECORDS else None
    return records, follows
