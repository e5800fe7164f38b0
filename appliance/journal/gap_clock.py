"""The monotonic times of gaps whose UTC is provisional, and what becomes of them once it is known.

Duty: the table `gap_clock`, one row per entry of the ledger that was made on an untrusted clock: for its
begin and its end the kernel's boot and the monotonic time, or no boot where that UTC was good already. Called
in the writer thread inside a transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from appliance.journal.pending import BootTime
from appliance.journal.record import Record
from appliance.journal.time_rules import Resolved

WhenOf = Callable[[str, int], Resolved | None]


@dataclass(frozen=True, slots=True)
class GapTold:
    """The resolved announcement of a gap."""

    time_ns: int
    bound_s: int
    payload: bytes


def enter(connection: sqlite3.Connection, gap_id: int, start: BootTime, end: BootTime) -> None:
    """Note the monotonic times of an entry, or let it grow by them."""
    known = connection.execute(
        "SELECT start_kernel, start_monotonic_ns, end_kernel, end_monotonic_ns FROM gap_clock WHERE gap_id=?",
        (gap_id,),
    ).fetchone()
    if known is not None:
        if known[0] != start.kernel or known[1] < start.monotonic_ns:
            start = BootTime(known[0], known[1])
        if known[2] == end.kernel and known[3] > end.monotonic_ns:
            end = BootTime(known[2], known[3])
    connection.execute(
        "INSERT OR REPLACE INTO gap_clock VALUES (?,?,?,?,?)",
        (gap_id, start.kernel, start.monotonic_ns, end.kernel, end.monotonic_ns),
    )


def resolve(
    connection: sqlite3.Connection, record: Record, when: Resolved, when_of: WhenOf
) -> GapTold | None:
    """Put a gap to its true times, in the ledger and in the record that announces it.

    `when` is the UTC of the record's own monotonic time. None while one end lies in a boot of which nothing
    is known: the gap stays provisional with it.
    """
    told = orjson.loads(record.payload)
    gap_id = int(told["gap_id"])
    clock = connection.execute(
        "SELECT start_kernel, start_monotonic_ns, end_kernel, end_monotonic_ns FROM gap_clock WHERE gap_id=?",
        (gap_id,),
    ).fetchone()
    entry = connection.execute("SELECT start_ns, end_ns FROM gap WHERE id=?", (gap_id,)).fetchone()
    bound_s = 0
    if clock is not None and entry is not None:
        ends = []
        for utc_ns, kernel, monotonic_ns in ((entry[0], *clock[:2]), (entry[1], *clock[2:])):
            found = Resolved(utc_ns, 0) if not kernel else when_of(kernel, monotonic_ns)
            if found is None:
                return None
            ends.append(found)
        start_ns, end_ns = ends[0].time_ns, max(ends[0].time_ns, ends[1].time_ns)
        bound_s = max(one.bound_s for one in ends)
        connection.execute("UPDATE gap SET start_ns=?, end_ns=? WHERE id=?", (start_ns, end_ns, gap_id))
        connection.execute("DELETE FROM gap_clock WHERE gap_id=?", (gap_id,))
    elif entry is not None:  # told before, and resolved with its first announcement
        start_ns, end_ns = entry
    else:  # its entry is gone (age, or damage): it moves as its announcement does
        moved_ns = when.time_ns - record.time_ns
        start_ns, end_ns = told["start_ns"] + moved_ns, told["end_ns"] + moved_ns
    # The announcement bears the time of the begin, which may lie in an earlier boot, or that of a change.
    time_ns = start_ns if record.time_ns == told["start_ns"] else when.time_ns
    payload = orjson.dumps({**told, "start_ns": start_ns, "end_ns": end_ns})
    return GapTold(time_ns, bound_s, payload)
