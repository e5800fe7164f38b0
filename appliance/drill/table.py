"""The drill's table, for people. Pure but for the console that it is given."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from appliance.drill.outcome import Report, Row

_HEADS = ("faults", "class", "produced", "lost", "declared", "doubled", "late s", "wrong order", "")


def show(report: Report, console: Console) -> None:
    """The rows, what is equal, what differs, what was not run."""
    table = Table(*_HEADS)
    before: tuple[str, ...] | None = None
    for row in report.rows:
        table.add_row(*_cells(row, named=row.faults != before))
        before = row.faults
    console.print(table)
    for name, equal in (
        ("counters", report.counters_equal),
        ("alarms", report.alarms_equal),
        ("limits", report.limits_equal),
    ):
        said = {None: "not compared", True: "the same on both sides", False: "NOT the same on both sides"}[
            equal
        ]
        console.print(f"{name}: {said}")
    for sentence in (*report.differences, *(f"not run: {one}" for one in report.not_run)):
        console.print(f"  {sentence}", markup=False, soft_wrap=True)
    console.print("every promise was kept" if report.kept else "NOT every promise was kept")


def _cells(row: Row, *, named: bool) -> tuple[str, ...]:
    one = row.outcome
    return (
        " + ".join(row.faults) if named else "",
        row.record_class,
        f"{one.produced:,}",
        f"{one.lost:,}",
        f"{one.declared:,}",
        f"{one.doubled:,}",
        f"{one.late_s:.1f}",
        f"{one.out_of_order:,}",
        _verdict(row),
    )


def _verdict(row: Row) -> str:
    if not row.tried:
        return "NOT TRIED"
    if not row.holds:
        return "BROKEN"
    return "" if row.in_time else f"LATE, over {row.late_bound_s:g} s"
