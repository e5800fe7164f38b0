"""How much each class may keep, and what leaves first.

Duty: budgets, their defaults, and the arithmetic of a class's account (records, bytes, rate, days left).
Pure: no database, no clock. The store applies what this decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from appliance.journal.record import ClassBacklog, RecordClass

MIB = 1024 * 1024
DAY_S = 86_400.0

# What a row costs beside key, subject and payload: fixed columns, cell and page overhead, its index entries
# (the key and the subject are stored a second time there). Measured by tests/benchmarks/bench_journal.py.
ROW_OVERHEAD_BYTES = 72
# An alarm transition as it goes to the disk, its frame in the write-ahead log included.
TRANSITION_BYTES = 2_048
# The write-ahead log beside them: it must exist for anything to be written.
LOG_BYTES = 8 * MIB


def stored_bytes(key_bytes: int, subject_bytes: int, payload_bytes: int) -> int:
    """Bytes that one record takes in the file, its index entries included (an estimate within some 10 %)."""
    return payload_bytes + 2 * (key_bytes + subject_bytes) + ROW_OVERHEAD_BYTES


@dataclass(frozen=True, slots=True)
class ClassBudget:
    """What one class may keep. `keep_unsent`: nothing leaves before a sink keeps it and none needs
    it from here any more (`deliveries`); without such a sink all stays, beyond the budget, too."""

    budget_bytes: int
    max_age_s: float | None
    keep_unsent: bool


@dataclass(frozen=True, slots=True)
class Budgets:
    """The budgets of all classes, the reserve, and the bounds in memory."""

    alarm: ClassBudget = ClassBudget(256 * MIB, None, True)
    counter: ClassBudget = ClassBudget(64 * MIB, None, True)
    limit: ClassBudget = ClassBudget(64 * MIB, None, True)
    telemetry: ClassBudget = ClassBudget(4_096 * MIB, 30 * DAY_S, False)
    capture: ClassBudget = ClassBudget(1_024 * MIB, 30 * DAY_S, False)
    reserve_transitions: int = 100_000  # alarm transitions that stay writable on a full disk
    pending_telemetry_bytes: int = 16 * MIB  # in memory, waiting for the group commit
    held_critical_bytes: int = 64 * MIB  # in memory, while the disk takes nothing

    def of(self, record_class: RecordClass) -> ClassBudget:
        budget: ClassBudget = getattr(self, record_class.value)
        return budget

    @property
    def reserve_bytes(self) -> int:
        return self.reserve_transitions * TRANSITION_BYTES + LOG_BYTES if self.reserve_transitions else 0


@dataclass(frozen=True, slots=True)
class Timing:
    """When the journal gives up waiting, and how long telemetry may wait for company."""

    group_s: float = 0.8  # with the flush itself, telemetry is on the disk within 1 s
    commit_limit_s: float = 2.0
    retry_s: float = 0.25  # between attempts on a disk that refuses
    space_check_s: float = 5.0


@dataclass(slots=True)
class ClassAccount:
    """Running totals of one class; kept with the file, so that no start scans the table."""

    records: int = 0
    stored_bytes: int = 0
    dropped: int = 0  # records lost to pressure (not those that reached their age limit)
    written_bytes: int = 0  # bytes handed to the disk for it, log and indexes included
    active_s: float = 0.0  # time over which `stored_total` and `written_bytes` were gathered
    stored_total: int = 0  # all bytes ever stored, those trimmed since included


@dataclass(slots=True)
class Accounts:
    """The accounts of all classes."""

    by_class: dict[RecordClass, ClassAccount] = field(
        default_factory=lambda: {record_class: ClassAccount() for record_class in RecordClass}
    )

    def __getitem__(self, record_class: RecordClass) -> ClassAccount:
        return self.by_class[record_class]


def backlog_of(
    record_class: RecordClass,
    account: ClassAccount,
    budget: ClassBudget,
    oldest_age_s: float | None,
) -> ClassBacklog:
    """The account of a class as an operator reads it. Rates are stated after a minute of running."""
    days = account.active_s / DAY_S
    stored_per_day = account.stored_total / days if account.active_s >= 60.0 else 0.0
    written_per_day = account.written_bytes / days if account.active_s >= 60.0 else 0.0
    free_bytes = max(0, budget.budget_bytes - account.stored_bytes)
    return ClassBacklog(
        record_class=record_class,
        records=account.records,
        stored_bytes=account.stored_bytes,
        budget_bytes=budget.budget_bytes,
        oldest_age_s=oldest_age_s,
        days_left=free_bytes / stored_per_day if stored_per_day > 0.0 else None,
        dropped=account.dropped,
        written_bytes_per_day=written_per_day,
        written_bytes=account.written_bytes,
    )


def over_budget(
    accounts: Mapping[RecordClass, ClassAccount] | Accounts, budgets: Budgets
) -> list[RecordClass]:
    """The classes that hold more than they may, each judged by its own budget alone."""
    table = accounts.by_class if isinstance(accounts, Accounts) else accounts
    return [
        record_class
        for record_class in RecordClass
        if table[record_class].stored_bytes > budgets.of(record_class).budget_bytes
    ]
