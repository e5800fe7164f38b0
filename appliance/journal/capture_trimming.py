"""What leaves the class of captures, with its files: whole captures, the oldest that are sent first.

Duty: apply budget and age limit to captures alone. The records leave in one flushed transaction before
their files: a kill in between leaves a file that nobody names (found at the next start), never a name
without a file. Runs in the writer thread, in small steps.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from appliance.errors import Rejected
from appliance.journal import schema
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import booked_bytes, capture_id_of, capture_part
from appliance.journal.deliveries import NOBODY
from appliance.journal.pending import PendingGap
from appliance.journal.record import GapState, Record, RecordClass, RecordKind
from appliance.journal.retention import Budgets, stored_bytes
from appliance.journal.store import Store
from dsp.samples import GapCause

_log = logging.getLogger(__name__)
CAPTURES_AT_ONCE = 50
_KIND = schema.KIND_CODES[RecordKind.CAPTURE]


@dataclass(frozen=True, slots=True)
class _Leaving:
    """A capture that leaves, and what its leaving frees."""

    records: tuple[Record, ...]
    freed_bytes: int
    newest: int  # sequence of its newest record


def waveform_channel(channel_id: str) -> str:
    """The name under which the ledger enters a waveform that should have been captured and was not: the
    channel itself has its figures for that time, so its trend has no gap."""
    return f"{channel_id}/capture"


def trim_captures(store: Store, budgets: Budgets, now_ns: int | None) -> bool:
    """One step; True while more is due. `now_ns` is UTC, None if untrusted: age limits wait for it."""
    budget = budgets.of(RecordClass.CAPTURE)
    account = store.accounts[RecordClass.CAPTURE]
    excess_bytes = account.stored_bytes - budget.budget_bytes
    oldest_ns = store.oldest_ns.get(RecordClass.CAPTURE)
    limit_ns = None if budget.max_age_s is None or now_ns is None else now_ns - round(budget.max_age_s * 1e9)
    too_old = limit_ns is not None and oldest_ns is not None and oldest_ns < limit_ns
    if excess_bytes <= 0 and not too_old:
        return False
    chosen: list[_Leaving] = []
    known, unreadable = _in_order_of_leaving(store)
    for one in known:
        aged = limit_ns is not None and one.records[0].time_ns < limit_ns
        if len(chosen) >= CAPTURES_AT_ONCE or not (aged or excess_bytes > 0):
            break
        excess_bytes -= one.freed_bytes
        chosen.append(one)
    if not chosen and not unreadable:
        return False
    _remove(store, chosen, unreadable, pressed=account.stored_bytes > budget.budget_bytes)
    return len(chosen) >= CAPTURES_AT_ONCE


def _in_order_of_leaving(store: Store) -> tuple[list[_Leaving], list[int]]:
    """What is sent first, then the oldest first; one that still grows has the newest record and comes last.

    Beside them the sequences of rows that say nothing any more.
    """
    boots: dict[int, str] = dict(store.connection.execute("SELECT id, boot_id FROM boot"))
    rows = store.connection.execute(
        f"SELECT {schema.RECORD_COLUMNS} FROM record INDEXED BY record_durable "  # noqa: S608 - columns are ours
        f"WHERE class<>{schema.TELEMETRY} AND class=? AND kind=? ORDER BY sequence",
        (schema.CLASS_CODES[RecordClass.CAPTURE], _KIND),
    )
    of_capture: dict[str, list[Record]] = {}
    unreadable: list[int] = []
    for row in rows:
        record = schema.record_of(row, boots)
        if record is None:
            unreadable.append(row[0])
        else:
            of_capture.setdefault(capture_id_of(record.key), []).append(record)
    sent = store.deliveries.confirmed(RecordClass.CAPTURE)
    found = [
        _Leaving(tuple(records), sum(_size(record) for record in records), records[-1].sequence)
        for records in of_capture.values()
    ]
    return sorted(found, key=lambda one: (one.newest > sent, one.records[0].sequence)), unreadable


def _size(record: Record) -> int:
    own = stored_bytes(len(record.key), len(record.subject), len(record.payload))
    return own + booked_bytes(record.payload)


def _remove(store: Store, chosen: list[_Leaving], unreadable: list[int], *, pressed: bool) -> None:
    """Records first, then files. What leaves unsent, for want of room or for its age, is entered as lost
    before it leaves."""
    account = store.accounts[RecordClass.CAPTURE]
    sent = store.deliveries.confirmed(RecordClass.CAPTURE)
    if sent != NOBODY:
        gaps = [gap for one in chosen if one.newest > sent for gap in _gaps_of(one)]
        if gaps:
            store.write([], gaps)
    records = [record for one in chosen for record in one.records]
    freed_bytes = sum(one.freed_bytes for one in chosen)
    before = (account.records, account.stored_bytes, account.dropped)
    account.records -= len(records) + len(unreadable)
    account.stored_bytes -= freed_bytes
    account.dropped += len(chosen) if pressed else 0
    try:
        with store.transaction():
            store.connection.executemany(
                "DELETE FROM record WHERE sequence=?",
                [*((record.sequence,) for record in records), *((sequence,) for sequence in unreadable)],
            )
            store.connection.execute("DELETE FROM newest WHERE kind=?", (_KIND,))
            store.connection.execute(
                "INSERT INTO newest SELECT kind, subject, max(sequence) FROM record WHERE kind=? "
                "GROUP BY kind, subject",
                (_KIND,),
            )
            store.write_accounts()
    except BaseException:
        account.records, account.stored_bytes, account.dropped = before
        raise
    store.forget(RecordKind.CAPTURE, {record.sequence for record in records})
    store.books.refresh_oldest()
    files = CaptureFiles(store.path.parent)
    for record in records:
        try:
            name = capture_part(record).file
            if name:
                files.remove(name)
        except (Rejected, ValueError, OSError) as error:
            _log.error("captured file not removed key=%s error=%s", record.key, error)
    _log.info("captures left n=%d bytes=%d pressed=%s", len(chosen), freed_bytes, pressed)


def _gaps_of(one: _Leaving) -> list[PendingGap]:
    """What is lost with an unsent capture, per channel."""
    record = one.records[0]
    try:
        parts = [capture_part(each) for each in one.records]
    except Rejected:
        return []
    stretches = [stretch for part in parts for stretch in part.stretches]
    if not stretches:
        return []
    start_ns = record.time_ns + min(stretch[0] for stretch in stretches)
    end_ns = record.time_ns + max(start + round(n * 1e9 / rate_hz) for start, rate_hz, n in stretches)
    return [
        PendingGap(
            waveform_channel(channel_id),
            start_ns,
            end_ns,
            GapCause.BACKPRESSURE,
            GapState.LOST,
            None,
            record.monotonic_ns,
            record.time_trusted,
        )
        for channel_id in parts[0].channels
    ]
