"""What leaves by age: all of it, in steps that cost the same however long the table is."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.journal import schema
from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.retention import Budgets, ClassBudget
from appliance.journal.store import FILE_NAME, Store
from appliance.journal.trimming import STEP_RECORDS, trim, trim_step
from dsp.samples import GapCause
from tests.appliance.journal.builders import SECOND_NS, START_NS

AGED = Budgets(reserve_transitions=0, telemetry=ClassBudget(1 << 40, 100.0, False))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / FILE_NAME, "kernel.1")
    yield opened
    opened.close()


def add(store: Store, subject: str, seconds: range) -> None:
    store.write([PendingRecord(_tag(subject, second), _at(second), True, 0) for second in seconds], [])


def held(store: Store) -> list[tuple[str, int]]:
    rows = store.connection.execute("SELECT subject, time_ns FROM record ORDER BY sequence").fetchall()
    return [(subject, (time_ns - START_NS) // SECOND_NS) for subject, time_ns in rows]


def steps_of(store: Store, now_s: int) -> int:
    """Hundreds of instructions of SQLite's machine that one round of trimming takes."""
    counted = 0

    def one_more() -> int:
        nonlocal counted
        counted += 1
        return 0

    store.connection.set_progress_handler(one_more, 100)
    trim_step(store, AGED, _at(now_s))
    store.connection.set_progress_handler(None, 0)
    return counted


def test_the_last_word_of_a_channel_that_is_no_more_costs_no_walk_through_the_table(store: Store) -> None:
    add(store, "retired", range(1))
    for begin in range(1, 20 * STEP_RECORDS, STEP_RECORDS):
        add(store, "live", range(begin, begin + STEP_RECORDS))
    first = steps_of(store, 105)  # four records are too old, and that of the retired channel, which stays
    assert held(store)[:2] == [("retired", 0), ("live", 5)]
    assert first < 1_000  # a walk takes some 4,000
    assert steps_of(store, 105) == 0  # nothing more to do: the table is not even asked


def test_a_channel_that_comes_back_lets_go_of_its_old_records(store: Store) -> None:
    add(store, "quiet", range(1))
    add(store, "live", range(1, 301))
    trim_step(store, AGED, _at(200))
    assert held(store)[:2] == [("quiet", 0), ("live", 100)]
    add(store, "quiet", range(301, 302))
    trim_step(store, AGED, _at(200))
    assert held(store)[:1] == [("live", 100)]


def test_more_silent_channels_than_one_step_looks_at_hold_nothing_up(store: Store) -> None:
    for number in range(STEP_RECORDS + 10):
        add(store, f"retired-{number}", range(1))
    add(store, "live", range(1, 301))
    for _ in range(3):
        trim_step(store, AGED, _at(200))
    assert next(one for one in held(store) if one[0] == "live") == ("live", 100)
    assert len(held(store)) == STEP_RECORDS + 10 + 201


@pytest.mark.parametrize("pressure", [GapCause.DISK_FULL, None])
def test_no_kill_finds_what_has_left_without_the_gap_that_tells_of_it(
    store: Store, pressure: GapCause | None
) -> None:
    """Every state that the file has between two commits: all of the channel, or less of it and a gap."""
    add(store, "speed", range(2 * STEP_RECORDS))
    store.deliveries.mark("central", RecordClass.TELEMETRY, 1)  # asked for it, has next to nothing
    seen = set()

    def look(statement: str) -> None:
        if statement.startswith("BEGIN"):
            seen.add(_held_and_gaps(store.path))

    store.connection.set_trace_callback(look)
    trimmed = trim(store, RecordClass.TELEMETRY, 1 << 20, budgets=AGED, pressure=pressure)
    store.connection.set_trace_callback(None)
    assert trimmed.records > 100
    assert seen == {(2 * STEP_RECORDS, 0)}
    assert _held_and_gaps(store.path) == (2 * STEP_RECORDS - trimmed.records, 1)


def _held_and_gaps(path: Path) -> tuple[int, int]:
    """What another process finds: values in the file, entries of the ledger."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        (values,) = other.execute(
            "SELECT count(*) FROM record WHERE kind=?", (schema.KIND_CODES[RecordKind.TAG],)
        ).fetchone()
        (gaps,) = other.execute("SELECT count(*) FROM gap").fetchone()
    return values, gaps


def _at(second: int) -> int:
    return START_NS + second * SECOND_NS


def _tag(subject: str, second: int) -> NewRecord:
    return NewRecord(
        RecordClass.TELEMETRY,
        RecordKind.TAG,
        f"{subject}/{second}",
        subject,
        second * SECOND_NS,
        b'{"value":1.0}',
    )
