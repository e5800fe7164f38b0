"""The gap ledger: intervals that should have data and have none, as stored objects.

Duty: the `gap` table and the GAP record that announces each entry. A gap that touches one of the same
channel, cause and state extends it, so that a bad hour is one entry and not a thousand. Nothing is
ever interpolated. Called by the writer thread inside a transaction; queries get a reader's connection.
"""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import dataclass

import orjson

from appliance.journal import gap_clock
from appliance.journal.anchors import kernel_of
from appliance.journal.pending import PendingGap, PendingGapState
from appliance.journal.record import GapState, NewRecord, RecordClass, RecordKind, StoredGap
from dsp.samples import GapCause

# Causes whose data may still exist elsewhere (a server's history, the device's buffer), and for how long
# after its end such a gap stays open: then it is lost.
OPEN_FOR_NS = 86_400_000_000_000
_LAST_ID = "last_gap_id"
_NAMES = f"'life', 'incarnation', '{_LAST_ID}'"
BACKFILLABLE = frozenset({GapCause.OPCUA_DOWN, GapCause.CLOCK_UNSET})


def first_state(cause: GapCause) -> GapState:
    """The state a new gap is born in."""
    return GapState.OPEN if cause in BACKFILLABLE else GapState.LOST


@dataclass(frozen=True, slots=True)
class GapPayload:
    """What a GAP record says. Times are UTC ns."""

    gap_id: int
    start_ns: int
    end_ns: int
    cause: str
    state: str
    samples_missing: int | None


def write_gap(connection: sqlite3.Connection, gap: PendingGap, boot: int, boot_id: str) -> NewRecord:
    """Enter a gap or extend the one it touches; returns the record that announces it.

    Only times of one clock can be said to touch: UTC that is good, or of one boot.
    """
    end_ns = max(gap.end_ns, gap.start_ns)
    clock = gap.boot_times(kernel_of(boot_id))
    touching = connection.execute(
        "SELECT id, start_ns, end_ns, samples_missing FROM gap LEFT JOIN gap_clock c ON c.gap_id=gap.id "
        "WHERE channel=? AND end_ns>=? AND start_ns<=? AND cause=? AND state=? "
        "AND coalesce(c.end_kernel,'')=? ORDER BY end_ns DESC LIMIT 1",
        (
            gap.channel_id,
            gap.start_ns,
            end_ns,
            gap.cause.value,
            gap.state.value,
            "" if clock is None else clock[0].kernel,
        ),
    ).fetchone()
    start_ns, missing = gap.start_ns, gap.samples_missing
    if touching is None:
        gap_id = _new_id(connection)
        connection.execute(
            "INSERT INTO gap (id, channel, start_ns, end_ns, cause, state, samples_missing, boot) "
            "VALUES (?,?,?,?,?,?,?,?)",
            (gap_id, gap.channel_id, start_ns, end_ns, gap.cause.value, gap.state.value, missing, boot),
        )
    else:
        gap_id, known_start_ns, known_end_ns, known_missing = touching
        overlapping = known_end_ns > start_ns
        if missing is None or known_missing is None:
            missing = None
        else:  # the same gap told again, longer: its own count holds; a neighbour: both counts hold
            missing = max(missing, known_missing) if overlapping else missing + known_missing
        start_ns, end_ns = min(start_ns, known_start_ns), max(end_ns, known_end_ns)
        connection.execute(
            "UPDATE gap SET start_ns=?, end_ns=?, samples_missing=? WHERE id=?",
            (start_ns, end_ns, missing, gap_id),
        )
    if clock is not None:
        gap_clock.enter(connection, gap_id, *clock)
    stored = GapPayload(gap_id, start_ns, end_ns, gap.cause.value, gap.state.value, missing)
    return gap_record(gap.channel_id, gap.monotonic_ns, stored)


def _new_id(connection: sqlite3.Connection) -> int:
    """A number that no gap of this box has had: the centre keeps what it was told of those that have left.

    Numbers grow within a life of the store; each life has a base of its own, also where the folder was
    emptied and lives are counted from the first again. Below 2**53.
    """
    meta = dict(connection.execute(f"SELECT name, value FROM meta WHERE name IN ({_NAMES})"))  # noqa: S608
    within = zlib.crc32(str(meta.get("incarnation")).encode()) % (1 << 20)
    base = (int(meta.get("life", 0)) << 40) + (within << 20)
    gap_id = max(base, int(meta.get(_LAST_ID, 0))) + 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?,?)", (_LAST_ID, str(gap_id)))
    return gap_id


def change_state(connection: sqlite3.Connection, change: PendingGapState) -> NewRecord | None:
    """Note what became of a gap; returns the record that announces it, None if there is no such gap."""
    row = connection.execute(
        "SELECT channel, start_ns, end_ns, cause, samples_missing FROM gap WHERE id=?", (change.gap_id,)
    ).fetchone()
    if row is None:
        return None
    connection.execute("UPDATE gap SET state=? WHERE id=?", (change.state.value, change.gap_id))
    channel_id, start_ns, end_ns, cause, missing = row
    stored = GapPayload(change.gap_id, start_ns, end_ns, cause, change.state.value, missing)
    return gap_record(channel_id, change.monotonic_ns, stored)


def overdue(connection: sqlite3.Connection, before_ns: int) -> list[int]:
    """Ids of open gaps that ended before a UTC time: nobody has filled them, and nobody will."""
    return [
        gap_id
        for (gap_id,) in connection.execute(
            "SELECT id FROM gap WHERE state=? AND end_ns<? AND id NOT IN (SELECT gap_id FROM gap_clock) "
            "ORDER BY id LIMIT 1000",
            (GapState.OPEN.value, before_ns),
        )
    ]


def gap_record(channel_id: str, monotonic_ns: int, stored: GapPayload) -> NewRecord:
    """The record that announces an entry, or its change."""
    return NewRecord(
        record_class=RecordClass.TELEMETRY,
        kind=RecordKind.GAP,
        key=f"gap/{stored.gap_id}/{stored.end_ns}/{stored.state}",
        subject=channel_id,
        monotonic_ns=monotonic_ns,
        payload=orjson.dumps(stored),
    )


def gaps_between(
    connection: sqlite3.Connection, channel_id: str, start_ns: int, end_ns: int
) -> list[StoredGap]:
    """Entries of a channel that overlap the interval, in order of time."""
    rows = connection.execute(
        "SELECT g.id, g.channel, g.start_ns, g.end_ns, g.cause, g.state, g.samples_missing, b.boot_id, "
        "c.gap_id FROM gap g LEFT JOIN boot b ON b.id=g.boot LEFT JOIN gap_clock c ON c.gap_id=g.id "
        "WHERE g.channel=? AND g.end_ns>=? AND g.start_ns<=? "
        "ORDER BY g.start_ns, g.id",
        (channel_id, start_ns, end_ns),
    )
    return [
        StoredGap(
            row[0],
            row[1],
            row[2],
            row[3],
            GapCause(row[4]),
            GapState(row[5]),
            row[6],
            row[7] or "unknown",
            row[8] is not None,
        )
        for row in rows
    ]
