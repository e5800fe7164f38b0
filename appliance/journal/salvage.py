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
from typing import Any, cast

import orjson

from appliance.journal import gap_clock, schema
from appliance.journal.anchors import kernel_of
from appliance.journal.features import decode_name_list
from appliance.journal.pages import PageFile, Value
from appliance.journal.pending import BootTime, PendingGap
from appliance.journal.record import GapState, RecordKind
from appliance.journal.store import Store
from dsp.samples import GapCause

TELEMETRY_LIMIT_S = 60.0
HOLE_NS = 5_000_000_000  # windows of one run are at most some seconds apart
_BATCH = 2_000
_STEPS = 100_000  # of SQLite's machine, between two signs of life
_CHANNEL_CODES = [schema.KIND_CODES[kind] for kind in (RecordKind.FEATURES, RecordKind.TAG)]
_STOPS = (GapCause.POWER_OFF.value, GapCause.DAMAGED_STORE.value)
UNKNOWN_BOOT = "unknown"  # whose name the damage took; `schema.record_of` calls it so, too
_BOOT_ID = "SELECT boot_id FROM boot WHERE id=?"
_N_COLUMNS = len(schema.RECORD_COLUMNS.split(","))


@dataclass(frozen=True, slots=True)
class _Announcement:
    """What a GAP record said."""

    channel_id: str
    boot: int
    monotonic_ns: int
    time_known: bool
    told: dict[str, Any]


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
        _rebuild_newest(store)
        _rebuild_ledger(store)
    store.reload()
    store.write([], _holes(store))
    store.connection.set_progress_handler(None, 0)
    return salvage


def _holes(store: Store) -> list[PendingGap]:
    """Telemetry that the damage took from between what was saved: a gap wherever a channel's windows are
    further apart than windows of one run are."""
    features, holes = schema.KIND_CODES[RecordKind.FEATURES], []
    for channel_id, boot, start_ns, end_ns, begin_ns, monotonic_ns, known in store.connection.execute(
        "SELECT subject, boot, before_ns, time_ns, monotonic_before_ns, monotonic_ns, known FROM ("
        "SELECT subject, boot, time_ns, monotonic_ns, lag(time_ns) OVER channel AS before_ns, "
        "lag(boot) OVER channel AS boot_before, lag(monotonic_ns) OVER channel AS monotonic_before_ns, "
        "min(trusted, lag(trusted) OVER channel)<>0 AS known "
        "FROM record WHERE kind=? WINDOW channel AS (PARTITION BY subject ORDER BY time_ns)) "
        "WHERE boot=boot_before AND time_ns-before_ns>?",
        (features, HOLE_NS),
    ):
        kernel = kernel_of(store.boot_id_of(boot))
        clock = BootTime(kernel, begin_ns), BootTime(kernel, monotonic_ns)
        interval = (channel_id, start_ns, end_ns, GapCause.DAMAGED_STORE, GapState.LOST, None, begin_ns)
        holes.append(PendingGap(*interval, bool(known), None if known else clock))
    return holes


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


def _rebuild_newest(store: Store) -> None:
    store.connection.execute(
        "INSERT OR REPLACE INTO newest SELECT kind, subject, max(sequence) FROM record GROUP BY kind, subject"
    )


def _rebuild_ledger(store: Store) -> None:
    """The gaps as their announcements tell them, provisional those whose first one still is."""
    connection = store.connection
    announced: dict[int, list[_Announcement]] = {}
    for channel, boot, monotonic_ns, trusted, payload in connection.execute(
        "SELECT subject, boot, monotonic_ns, trusted, payload FROM record WHERE kind=? ORDER BY sequence",
        (schema.KIND_CODES[RecordKind.GAP],),
    ):
        told = orjson.loads(payload)
        one = _Announcement(channel, boot, monotonic_ns, trusted != schema.PROVISIONAL, told)
        announced.setdefault(told["gap_id"], []).append(one)
    for gap_id, all_told in announced.items():
        first, last = all_told[0], all_told[-1].told
        # What was told of a gap on an untrusted clock after it was resolved has times of that clock.
        times = next(one.told for one in reversed(all_told) if one.time_known or not first.time_known)
        start_ns, end_ns = times["start_ns"], times["end_ns"]
        connection.execute(
            "INSERT OR REPLACE INTO gap (id, channel, start_ns, end_ns, cause, state, samples_missing, boot) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (
                gap_id,
                first.channel_id,
                start_ns,
                end_ns,
                last["cause"],
                last["state"],
                last["samples_missing"],
                first.boot,
            ),
        )
        if not first.time_known:
            gap_clock.enter(connection, gap_id, *_boot_times(store, first, start_ns, end_ns))


def _boot_times(store: Store, first: _Announcement, start_ns: int, end_ns: int) -> tuple[BootTime, BootTime]:
    """Begin and end of a provisional gap by the monotonic clock, as its first announcement has it.

    That tells when it began; of a stop of the appliance, which began in another start, when it ended.
    """
    found = store.connection.execute(_BOOT_ID, (first.boot,)).fetchone()
    kernel = kernel_of(found[0] if found else UNKNOWN_BOOT)
    if first.told["cause"] in _STOPS:
        end = BootTime(kernel, first.monotonic_ns)
        before = store.connection.execute(
            "SELECT b.boot_id, r.monotonic_ns, r.time_ns, r.trusted "
            "FROM record r LEFT JOIN boot b ON b.id=r.boot "
            "WHERE r.kind IN (?,?) AND r.subject=? AND r.boot<>? AND r.time_ns<=? "
            "ORDER BY r.time_ns DESC LIMIT 1",
            (*_CHANNEL_CODES, first.channel_id, first.boot, start_ns),
        ).fetchone()
        if before is not None:
            boot_id, monotonic_ns, time_ns, trusted = before
            known = trusted != schema.PROVISIONAL
            return BootTime(
                "" if known else kernel_of(boot_id or UNKNOWN_BOOT), monotonic_ns + start_ns - time_ns
            ), end
    begin_ns = first.monotonic_ns + start_ns - int(first.told["start_ns"])
    return BootTime(kernel, begin_ns), BootTime(kernel, begin_ns + end_ns - start_ns)
