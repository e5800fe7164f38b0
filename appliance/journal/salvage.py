"""From a damaged file into a new one: every record whose CRC still fits.

Duty: durable classes first and all of them, then telemetry, newest first, for a limited time. Rows keep
their sequence, key and times, so that what was delivered is recognised. Gaps are rebuilt from the GAP
records. Deleted or uncommitted rows that pages still hold may come back: they were true when written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson

from appliance.journal import schema
from appliance.journal.features import decode_name_list
from appliance.journal.pages import PageFile, Value
from appliance.journal.record import GapState, RecordKind
from appliance.journal.store import Store
from dsp.samples import GapCause

TELEMETRY_LIMIT_S = 60.0
HOLE_NS = 5_000_000_000  # windows of one run are at most some seconds apart
_BATCH = 2_000
_STEPS = 100_000  # of SQLite's machine, between two signs of life
_N_COLUMNS = len(schema.RECORD_COLUMNS.split(","))


@dataclass(slots=True)
class Salvage:
    """What was saved. `complete` False: the time limit left telemetry behind in the file set aside."""

    records: int = 0
    telemetry: int = 0
    newest_time_ns: int | None = None
    complete: bool = True


def salvage_into(
    store: Store,
    damaged: Path,
    limit_s: float = TELEMETRY_LIMIT_S,
    worked: Callable[[], None] | None = None,
) -> Salvage:
    """Copy what can be saved from `damaged` (and its log) into a new, empty store. `worked` is called while
    it gets on."""
    salvage = Salvage()
    pages = PageFile(damaged, worked)
    store.connection.set_progress_handler(worked, _STEPS)
    try:
        boots = _small_tables_and_durable(store, pages, salvage)
        _telemetry(store, pages, salvage, boots, time.monotonic() + limit_s)
    finally:
        pages.close()
    with store.transaction():
        _rebuild(store)
        _enter_holes(store)
    store.reload()
    store.connection.set_progress_handler(None, 0)
    return salvage


def _enter_holes(store: Store) -> None:
    """Telemetry that the damage took from between what was saved: a gap wherever a channel's windows are
    further apart than windows of one run are."""
    features = schema.KIND_CODES[RecordKind.FEATURES]
    for channel_id, boot, start_ns, end_ns in store.connection.execute(
        "SELECT subject, boot, before_ns, time_ns FROM (SELECT subject, boot, time_ns, "
        "lag(time_ns) OVER channel AS before_ns, lag(boot) OVER channel AS boot_before "
        "FROM record WHERE kind=? WINDOW channel AS (PARTITION BY subject ORDER BY time_ns)) "
        "WHERE boot=boot_before AND time_ns-before_ns>?",
        (features, HOLE_NS),
    ).fetchall():
        store.connection.execute(
            "INSERT INTO gap (channel, start_ns, end_ns, cause, state, samples_missing, boot) "
            "VALUES (?,?,?,?,?,NULL,?)",
            (channel_id, start_ns, end_ns, GapCause.DAMAGED_STORE.value, GapState.LOST.value, boot),
        )


def _small_tables_and_durable(store: Store, pages: PageFile, salvage: Salvage) -> dict[int, int]:
    """First pass. Returns the new number of every old boot number."""
    boot_ids: dict[int, str] = {}
    rows: list[schema.Row] = []
    with store.transaction():
        for rowid, values in pages.rows():
            if len(values) == 2:
                first, second = values
                if first is None and isinstance(second, str):
                    boot_ids[rowid] = second
                elif (
                    isinstance(first, bytes) and isinstance(second, bytes) and decode_name_list(first, second)
                ):
                    store.connection.execute("INSERT OR IGNORE INTO name_list VALUES (?,?)", (first, second))
            elif len(values) == _N_COLUMNS and values[1] != schema.TELEMETRY:
                row = _sound(rowid, values)
                if row is not None:
                    rows.append(row)
        boots: dict[int, int] = {}
        for old, boot_id in boot_ids.items():
            store.connection.execute("INSERT OR IGNORE INTO boot (boot_id) VALUES (?)", (boot_id,))
            (boots[old],) = store.connection.execute(
                "SELECT id FROM boot WHERE boot_id=?", (boot_id,)
            ).fetchone()
        _insert(store, rows, boots, salvage)
    return boots


def _telemetry(
    store: Store, pages: PageFile, salvage: Salvage, boots: dict[int, int], deadline: float
) -> None:
    """Second pass: in batches, until done or out of time."""
    for batch in _batches(pages):
        with store.transaction():
            before = salvage.records
            _insert(store, batch, boots, salvage)
            salvage.telemetry += salvage.records - before
        if time.monotonic() > deadline:
            salvage.complete = False
            return


def _batches(pages: PageFile) -> Iterator[list[schema.Row]]:
    batch: list[schema.Row] = []
    for rowid, values in pages.rows():
        if len(values) == _N_COLUMNS and values[1] == schema.TELEMETRY:
            row = _sound(rowid, values)
            if row is not None:
                batch.append(row)
                if len(batch) >= _BATCH:
                    yield batch
                    batch = []
    if batch:
        yield batch


def _sound(rowid: int, values: list[Value]) -> schema.Row | None:
    """The row if its CRC fits, its sequence put in place (SQLite keeps it as the rowid)."""
    _, *rest = values
    if [type(value) for value in rest] != [int] * 7 + [str, str, bytes]:
        return None
    row = cast(schema.Row, (rowid, *rest))
    try:
        return None if schema.record_of(row, {}) is None else row
    except KeyError:  # a class or kind that this release does not know
        return None


def _insert(store: Store, rows: list[schema.Row], boots: dict[int, int], salvage: Salvage) -> None:
    for row in rows:
        boot = boots.get(row[3], 0)
        moved = (*row[:3], boot, *row[4:])
        if store.connection.execute(schema.INSERT_RECORD, moved).rowcount == 1:
            salvage.records += 1
            salvage.newest_time_ns = max(salvage.newest_time_ns or 0, row[5])


def _rebuild(store: Store) -> None:
    """The tables that follow from the records: newest of each subject, the gap ledger."""
    connection = store.connection
    connection.execute(
        "INSERT OR REPLACE INTO newest SELECT kind, subject, max(sequence) FROM record GROUP BY kind, subject"
    )
    for channel, boot, payload in connection.execute(
        "SELECT subject, boot, payload FROM record WHERE kind=? ORDER BY sequence",
        (schema.KIND_CODES[RecordKind.GAP],),
    ).fetchall():
        gap = orjson.loads(payload)
        connection.execute(
            "INSERT OR REPLACE INTO gap (id, channel, start_ns, end_ns, cause, state, samples_missing, boot) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (
                gap["gap_id"],
                channel,
                gap["start_ns"],
                gap["end_ns"],
                gap["cause"],
                gap["state"],
                gap["samples_missing"],
                boot,
            ),
        )
