"""What leaves the journal, oldest first, one class at a time.

Duty: apply budgets and age limits to the file in small steps, so that an alarm never waits long behind
a trim. The newest record of a subject never leaves. Telemetry that leaves before the centre has it becomes a
gap, so that the centre learns what it will never get. Runs in the writer thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from appliance.journal import schema
from appliance.journal.anchors import kernel_of
from appliance.journal.capture_trimming import trim_captures
from appliance.journal.deliveries import NOBODY
from appliance.journal.features import DURATION, part_duration_ns
from appliance.journal.pending import BootTime, PendingGap
from appliance.journal.record import GapState, RecordClass, RecordKind
from appliance.journal.restamping import holds_untrusted
from appliance.journal.retention import Budgets, stored_bytes
from appliance.journal.store import Store
from dsp.samples import GapCause

STEP_RECORDS = 2_000
_SLACK = 0.01  # trim a little below the budget, not at every commit
GAP_GRACE_NS = (
    86_400_000_000_000  # entries of the ledger outlive their time by a day: one that grows stays one
)
_FEATURES = schema.KIND_CODES[RecordKind.FEATURES]
_GAP = schema.KIND_CODES[RecordKind.GAP]
_OF_CHANNELS = frozenset(
    schema.KIND_CODES[kind] for kind in (RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG)
)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one step removed."""

    records: int
    freed_bytes: int


_NOTHING = Trimmed(0, 0)


class _Leaving(NamedTuple):
    """A record that leaves. Times are UTC ns; `kind` is its code in the file."""

    sequence: int
    kind: int
    subject: str
    time_ns: int
    monotonic_ns: int
    trusted: int
    end_ns: int
    kernel: str  # "": its time is good


def trim_step(store: Store, budgets: Budgets, now_ns: int | None) -> bool:
    """One step of retention over all classes; True while more is due. `now_ns` is UTC, None if untrusted:
    age limits wait for a trusted clock (a clock that jumped to 2099 must not empty the journal)."""
    due = trim_captures(store, budgets, now_ns)
    for record_class in RecordClass:
        if record_class is RecordClass.CAPTURE:
            continue  # leaves with its files
        budget = budgets.of(record_class)
        account = store.accounts[record_class]
        excess_bytes = account.stored_bytes - budget.budget_bytes
        if excess_bytes > 0:
            goal_bytes = excess_bytes + int(budget.budget_bytes * _SLACK)
            trimmed = trim(store, record_class, goal_bytes, budgets=budgets)
            due |= trimmed.records > 0 and account.stored_bytes > budget.budget_bytes
        oldest_ns = store.oldest_ns.get(record_class)
        if budget.max_age_s is not None and now_ns is not None and oldest_ns is not None:
            limit_ns = now_ns - round(budget.max_age_s * 1e9)
            if oldest_ns < limit_ns:
                trimmed = trim(store, record_class, None, older_than_ns=limit_ns, budgets=budgets)
                due |= trimmed.records >= STEP_RECORDS
    return due


def trim(
    store: Store,
    record_class: RecordClass,
    goal_bytes: int | None,
    *,
    budgets: Budgets,
    older_than_ns: int | None = None,
    pressure: GapCause | None = None,
) -> Trimmed:
    """Remove the oldest records of one class: until `goal_bytes` are freed, or those before a UTC time.

    At most STEP_RECORDS in one flushed transaction, and in the same one what the ledger says of a loss: with
    `pressure` whatever leaves, otherwise what no sink has had. Raises sqlite3.Error or OSError.
    """
    chosen: list[_Leaving] = []
    freed_bytes = 0
    through = _may_leave_through(store, record_class, budgets)
    for row in _candidates(store, record_class, through, older_than_ns):
        if goal_bytes is not None and freed_bytes >= goal_bytes:
            break
        freed_bytes += stored_bytes(row[6], row[7], row[8])
        sequence, kind, subject, time_ns, monotonic_ns, trusted = row[:6]
        end_ns = time_ns + (part_duration_ns(row[9]) if kind == _FEATURES else 0)
        kernel = "" if trusted else kernel_of(store.boot_id_of(row[10]))
        chosen.append(_Leaving(sequence, kind, subject, time_ns, monotonic_ns, trusted, end_ns, kernel))
    if not chosen:
        return _NOTHING
    gaps: list[PendingGap] = []
    if pressure:  # whatever was delivered: the box's own trend has a hole, and could not mend the centre's
        gaps = _gaps_of([one for one in chosen if one.kind in _OF_CHANNELS], pressure)
    elif record_class is RecordClass.TELEMETRY:
        gaps = _gaps_of_unsent(store, chosen)

    def leave() -> None:
        store.connection.executemany(
            "DELETE FROM record WHERE sequence=?", [(one.sequence,) for one in chosen]
        )
        if record_class is RecordClass.TELEMETRY and chosen[-1].trusted:
            store.connection.execute(
                "DELETE FROM gap WHERE end_ns<? AND id NOT IN (SELECT gap_id FROM gap_clock)",
                (chosen[-1].time_ns - GAP_GRACE_NS,),
            )
        store.write_accounts()

    account = store.accounts[record_class]
    account.records -= len(chosen)
    account.stored_bytes -= freed_bytes
    if older_than_ns is None:
        account.dropped += len(chosen)
    try:
        store.write([], gaps, leave=leave)
    except BaseException:
        account.records += len(chosen)
        account.stored_bytes += freed_bytes
        if older_than_ns is None:
            account.dropped -= len(chosen)
        raise
    store.books.refresh_oldest()
    if not pressure:
        store.books.evicted_until_ns.update((gap.channel_id, gap.end_ns) for gap in gaps)
    return Trimmed(len(chosen), freed_bytes)


def _candidates(
    store: Store, record_class: RecordClass, through: int, older_than_ns: int | None
) -> list[tuple]:  # type: ignore[type-arg]
    """Rows that may leave, the oldest first. Of telemetry no more rows are looked at than one step removes,
    from the first on that is not the newest of its subject: the table is never walked, however long it is."""
    code = schema.CLASS_CODES[record_class]
    columns = (
        "sequence, kind, subject, time_ns, monotonic_ns, trusted, length(key), length(subject), "
        f"length(payload), substr(payload,{DURATION.start + 1},4), boot, key"
    )
    if record_class is not RecordClass.TELEMETRY:
        of_age = "" if older_than_ns is None else "AND time_ns<? "
        return store.connection.execute(
            f"SELECT {columns} FROM record INDEXED BY record_durable "  # noqa: S608
            f"WHERE class<>{schema.TELEMETRY} AND class=? AND sequence<=? {of_age}"
            "AND NOT EXISTS (SELECT 1 FROM newest n WHERE n.kind=record.kind AND n.subject=record.subject "
            "AND n.sequence=record.sequence) ORDER BY sequence LIMIT ?",
            (code, through, *(() if older_than_ns is None else (older_than_ns,)), STEP_RECORDS),
        ).fetchall()
    books = store.books
    rows = store.connection.execute(
        f"SELECT {columns} FROM record NOT INDEXED "  # noqa: S608
        "WHERE class=? AND sequence>? AND sequence<=? ORDER BY sequence LIMIT ?",
        (code, books.kept_through, through, STEP_RECORDS),
    ).fetchall()
    may_leave = [row for row in rows if not store.is_newest(schema.KIND_OF_CODE[row[1]], row[2], row[0])]
    told = _last_told(store, may_leave)
    may_leave = [row for row in may_leave if row[0] not in told] or may_leave
    passed = may_leave[0][0] - 1 if may_leave else rows[-1][0] if rows else books.kept_through
    if passed > books.kept_through:
        books.kept_through = passed
        books.refresh_oldest()
    return [row for row in may_leave if older_than_ns is None or row[3] < older_than_ns]


def _last_told(store: Store, rows: Iterable[tuple]) -> set[int]:  # type: ignore[type-arg]
    """Of these rows the sequences that tell last of a gap and are not delivered: the only word of a loss.

    They stay for as long as anything else can leave in their place.
    """
    delivered = store.deliveries.confirmed(RecordClass.TELEMETRY)
    gaps = [row for row in rows if row[1] == _GAP] if delivered != NOBODY else []
    held = holds_untrusted(store) if gaps else False
    last = set()
    for row in gaps:
        sequence, trusted, key = row[0], row[5], row[11]
        if sequence > delivered or (held and not trusted):
            of_gap = key.rsplit("/", 2)[0] + "/"  # gap/ID/END/STATE
            later = store.connection.execute(
                "SELECT 1 FROM record INDEXED BY record_key WHERE key>=? AND key<? AND sequence>? LIMIT 1",
                (of_gap, of_gap[:-1] + "0", sequence),  # "0" is what follows "/"
            ).fetchone()
            if later is None:
                last.add(sequence)
    return last


def _may_leave_through(store: Store, record_class: RecordClass, budgets: Budgets) -> int:
    """The last sequence that may leave: all, or what is sent: kept by a sink, and needed by none.

    A counter's older values may always leave: the newest of the same key, which never does, contains them.
    """
    if record_class is RecordClass.COUNTER or not budgets.of(record_class).keep_unsent:
        return store.last_sequence
    return store.deliveries.sent(record_class)


def _gaps_of_unsent(store: Store, chosen: Sequence[_Leaving]) -> list[PendingGap]:
    """What leaves without delivery, as gaps; only where a sink has ever asked for telemetry.

    What leaves step by step becomes one gap of a channel.
    """
    books = store.books
    delivered = books.deliveries.confirmed(RecordClass.TELEMETRY)
    if delivered == NOBODY:
        return []
    if chosen[0].sequence <= delivered:
        books.evicted_until_ns.clear()  # what comes between is at the centre
    gaps = _gaps_of(_unsent(store, chosen), GapCause.BACKPRESSURE)
    for gap in gaps:
        gap.start_ns = min(gap.start_ns, books.evicted_until_ns.get(gap.channel_id, gap.start_ns))
    return gaps


def _unsent(store: Store, chosen: Iterable[_Leaving]) -> list[_Leaving]:
    """What of a channel's records no sink has had, where one has ever asked for telemetry.

    Marks count what is held back for its time as dealt with, so that budgets do not wait for it: it has not
    been delivered all the same.
    """
    delivered = store.deliveries.confirmed(RecordClass.TELEMETRY)
    if delivered == NOBODY:
        return []
    held = holds_untrusted(store)
    return [
        one
        for one in chosen
        if one.kind in _OF_CHANNELS and (one.sequence > delivered or (held and not one.trusted))
    ]


def _gaps_of(chosen: Iterable[_Leaving], cause: GapCause) -> list[PendingGap]:
    """The intervals per channel that leave."""
    gaps: dict[str, PendingGap] = {}
    for one in chosen:
        gap = gaps.get(one.subject)
        if gap is None:
            gaps[one.subject] = PendingGap(
                one.subject,
                one.time_ns,
                one.end_ns,
                cause,
                GapState.LOST,
                None,
                one.monotonic_ns,
                bool(one.trusted),
                _boot_times(one),
            )
        else:
            begin, end = gap.clock or _boot_times(one)
            if one.time_ns < gap.start_ns:
                gap.start_ns, begin = one.time_ns, _boot_times(one)[0]
            if one.end_ns > gap.end_ns:
                gap.end_ns, end = one.end_ns, _boot_times(one)[1]
            gap.clock, gap.time_trusted = (begin, end), gap.time_trusted and bool(one.trusted)
    return list(gaps.values())


def _boot_times(one: _Leaving) -> tuple[BootTime, BootTime]:
    end_ns = one.monotonic_ns + one.end_ns - one.time_ns
    return BootTime(one.kernel, one.monotonic_ns), BootTime(one.kernel, end_ns)
