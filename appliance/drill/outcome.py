"""What a fault did to one class of records, counted by witnesses outside the appliance. Pure.

Duty: the figures of one row, and when they keep the promise. Every rule of counting stands in `oracle`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

NEVER_DECLARED = frozenset(
    {"alarm", "command", "counter", "limit"}
)  # a gap is no excuse for losing one of these


@dataclass(frozen=True, slots=True)
class Outcome:
    """Counts of one class. `lost` contains `declared`: what the appliance itself has told as a gap."""

    produced: int = 0
    lost: int = 0
    declared: int = 0
    doubled: int = 0
    late_s: float = 0.0  # the longest wait for a record after it was made and all was healed
    out_of_order: int = 0

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.produced + other.produced,
            self.lost + other.lost,
            self.declared + other.declared,
            self.doubled + other.doubled,
            max(self.late_s, other.late_s),
            self.out_of_order + other.out_of_order,
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the drill's table."""

    faults: tuple[str, ...]
    record_class: str
    outcome: Outcome
    only_copy: bool = False  # the fault may have hit the only copy: then a durable class may be declared
    late_bound_s: float | None = None  # the most that `late_s` may be; None: nothing was timed

    @property
    def kept(self) -> bool:
        """Whether it was tried, and the promise was kept, in time: zeros of nothing show nothing."""
        return self.tried and self.holds and self.in_time

    @property
    def tried(self) -> bool:
        """Whether there was anything to lose."""
        return self.outcome.produced > 0

    @property
    def in_time(self) -> bool:
        """Whether the last record was there within the bound."""
        return self.late_bound_s is None or self.outcome.late_s <= self.late_bound_s

    @property
    def holds(self) -> bool:
        """Whether nothing is lost untold, nothing doubled, nothing in disorder."""
        one = self.outcome
        excused = self.record_class not in NEVER_DECLARED or self.only_copy
        return (
            one.lost == one.declared
            and (excused or one.declared == 0)
            and one.doubled == 0
            and one.out_of_order == 0
        )

    def line(self) -> dict[str, Any]:
        """The row for a script."""
        figures = {**asdict(self.outcome), "late_s": round(self.outcome.late_s, 2)}
        return {
            "faults": list(self.faults),
            "class": self.record_class,
            **figures,
            "late_bound_s": self.late_bound_s,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The whole table; `*_equal` None: not compared (no appliance was run, or no limits were waited for)."""

    rows: tuple[Row, ...]
    counters_equal: bool | None
    alarms_equal: bool | None
    limits_equal: bool | None
    not_run: tuple[str, ...] = ()  # sentences: which fault, and why not
    differences: tuple[str, ...] = ()  # sentences: what is not equal, after which fault

    @property
    def kept(self) -> bool:
        """Whether every promise was kept that was looked at. Without a row none was."""
        equal = (self.counters_equal, self.alarms_equal, self.limits_equal)
        rows = bool(self.rows) and all(row.kept for row in self.rows)
        return rows and not self.differences and False not in equal

    def line(self) -> dict[str, Any]:
        """The report for a script."""
        return {
            "rows": [row.line() for row in self.rows],
            "counters_equal": self.counters_equal,
            "alarms_equal": self.alarms_equal,
            "limits_equal": self.limits_equal,
            "kept": self.kept,
            "not_run": list(self.not_run),
            "differences": list(self.differences),
        }


def joined(reports: Iterable[Report]) -> Report:
    """Several reports as one; rows of the same faults and class, of several seeds, are added up."""
    parts = tuple(reports)
    rows: dict[tuple[tuple[str, ...], str], Row] = {}
    for row in (row for part in parts for row in part.rows):
        name = (row.faults, row.record_class)
        known = rows.get(name)
        rows[name] = row if known is None else replace(known, outcome=known.outcome + row.outcome)
    return Report(
        tuple(rows.values()),
        _all(part.counters_equal for part in parts),
        _all(part.alarms_equal for part in parts),
        _all(part.limits_equal for part in parts),
        tuple(sentence for part in parts for sentence in part.not_run),
        tuple(sentence for part in parts for sentence in part.differences),
    )


def _all(found: Iterable[bool | None]) -> bool | None:
    said = [one for one in found if one is not None]
    return all(said) if said else None
