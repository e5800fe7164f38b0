"""What leaves the journal, oldest first, one class at a time.

Duty: apply budgets and age limits to the file in small steps, so that an alarm never waits long behind
a trim. The newest record of a subject never leaves. Runs in the writer thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from appliance.journal import schema
from appliance.journal.pending import PendingGap
from appliance.journal.record import GapState, RecordClass, RecordKind
from appliance.journal.retention import Budgets, stored_bytes
from appliance.journal.store import Store
from dsp.samples import GapCause

STEP_RECORDS = 2_000
_SLACK = 0.01  # trim a little below the budget, not at every commit


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one step removed. `gaps` tell of telemetry that left before its time."""

    records: int
    freed_bytes: int
    gaps: list[PendingGap]


_NOTHING = Trimmed(0, 0, [])


def trim_step(store: Store, budgets: Budgets, now_ns: int | None) -> bool:
    """One step of retention over all classes; True while more is due. `now_ns` is UTC, None if untrusted:
    age limits wait for a trusted clock (a clock that jumped to 2099 must not empty the journal)."""
    due = False
    for record_class in RecordClass:
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

    At most STEP_RECORDS in one flushed transaction. With `pressure` the loss is counted as dropped and told
    as gaps. Raises sqlite3.Error or OSError.
    """
    code = schema.CLASS_CODES[record_class]
    through = _may_leave_through(store, record_class, budgets)
    where = "class=? AND sequence<=?"
    arguments: list[object] = [code, through]
    index = "NOT INDEXED"
    if record_class is not RecordClass.TELEMETRY:
        index = "INDEXED BY record_durable"
        where += f" AND class<>{schema.TELEMETRY}"
    if older_than_ns is not None:
        where += " AND time_ns<?"
        arguments.append(older_than_ns)
    rows = store.connection.execute(
        f"SELECT sequence, kind, subject, time_ns, monotonic_ns, trusted, length(key), length(subject), "  # noqa: S608
        f"length(payload) FROM record {index} WHERE {where} "
        "AND NOT EXISTS (SELECT 1 FROM newest n WHERE n.kind=record.kind AND n.subject=record.subject "
        "AND n.sequence=record.sequence) ORDER BY sequence LIMIT ?",
        (*arguments, STEP_RECORDS),
    ).fetchall()
    chosen: list[tuple[int, int, str, int, int, int]] = []
    freed_bytes = 0
    for row in rows:
        if goal_bytes is not None and freed_bytes >= goal_bytes:
            break
        freed_bytes += stored_bytes(row[6], row[7], row[8])
        chosen.append(row[:6])
    if not chosen:
        return _NOTHING
    account = store.accounts[record_class]
    account.records -= len(chosen)
    account.stored_bytes -= freed_bytes
    if older_than_ns is None:
        account.dropped += len(chosen)
    try:
        with store.transaction():
            store.connection.executemany("DELETE FROM record WHERE sequence=?", [(row[0],) for row in chosen])
            if record_class is RecordClass.TELEMETRY:
                last_ns = chosen[-1][3]
                store.connection.execute("DELETE FROM gap WHERE end_ns<?", (last_ns,))
            store.write_accounts()
    except BaseException:
        account.records += len(chosen)
        account.stored_bytes += freed_bytes
        if older_than_ns is None:
            account.dropped -= len(chosen)
        raise
    store.refresh_oldest()
    gaps = _gaps_of(chosen, pressure) if pressure is not None else []
    return Trimmed(len(chosen), freed_bytes, gaps)


def _may_leave_through(store: Store, record_class: RecordClass, budgets: Budgets) -> int:
    """The last sequence that may leave: all, or what every sink has confirmed.

    A counter's older values may always leave: the newest of the same key, which never does, contains them.
    """
    if record_class is RecordClass.COUNTER or not budgets.of(record_class).keep_unsent:
        return store.last_sequence
    return store.delivered[record_class]


def _gaps_of(chosen: Sequence[tuple[int, int, str, int, int, int]], cause: GapCause) -> list[PendingGap]:
    """The intervals per channel whose features left."""
    gaps: dict[str, PendingGap] = {}
    features = schema.KIND_CODES[RecordKind.FEATURES]
    for _, kind, subject, time_ns, monotonic_ns, trusted in chosen:
        if kind != features:
            continue
        gap = gaps.get(subject)
        if gap is None:
            gaps[subject] = PendingGap(
                subject, time_ns, time_ns, cause, GapState.LOST, None, monotonic_ns, bool(trusted)
            )
        else:
            gap.start_ns = min(gap.start_ns, time_ns)
            gap.end_ns = max(gap.end_ns, time_ns)
    return list(gaps.values())
