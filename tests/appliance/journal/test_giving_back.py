"""Pages that are free go back to the disk: a journal whose budget was lowered becomes a smaller file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from appliance.journal import schema, upkeep
from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.store import FILE_NAME, Store
from tests.appliance.journal.builders import SECOND_NS, START_NS, alarm, budgets
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.test_durability import until

KEPT_FREE_BYTES, STEP_PAGES = 1 << 20, 50  # instead of 64 MiB and 1,000, so that a few MB of records show it
RECORDS, PAYLOAD_BYTES = 8_000, 1_000
LARGE, SMALL = budgets(telemetry=64 << 20), budgets(telemetry=1 << 20)


@pytest.fixture(autouse=True)
def keep_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_KEEP_FREE_BYTES", KEPT_FREE_BYTES)
    monkeypatch.setattr(upkeep, "_VACUUM_PAGES", STEP_PAGES)


def tag(number: int) -> NewRecord:
    return NewRecord(
        RecordClass.TELEMETRY,
        RecordKind.TAG,
        f"tag/{number}",
        "pump-1.speed",
        number * SECOND_NS,
        b'{"value":1.0,"unit":"Hz","note":"' + b"x" * PAYLOAD_BYTES + b'"}',
    )


def fill(store: Store) -> None:
    for begin in range(0, RECORDS, 1_000):
        numbers = range(begin, begin + 1_000)
        store.write([PendingRecord(tag(n), START_NS + n * SECOND_NS, True, 0) for n in numbers], [])


def free_bytes(connection: sqlite3.Connection) -> int:
    (pages,) = connection.execute("PRAGMA freelist_count").fetchone()
    return int(pages) * schema.PAGE_BYTES


def test_free_pages_go_back_in_small_steps_until_enough_are_left_for_reuse(tmp_path: Path) -> None:
    """Each step is small, for an alarm may wait behind it."""
    path = tmp_path / FILE_NAME
    store = Store(path, "kernel.1")
    fill(store)
    store.checkpoint()
    full_bytes = path.stat().st_size
    keeping = upkeep.Upkeep(SMALL)
    before, steps = free_bytes(store.connection), 0
    while keeping.run(store, START_NS, trimming=True) or free_bytes(store.connection) > KEPT_FREE_BYTES:
        now = free_bytes(store.connection)
        assert before - now <= STEP_PAGES * schema.PAGE_BYTES, "no more than a step at once"
        before, steps = now, steps + 1
        assert steps < 100
    store.checkpoint()
    assert steps > 1
    assert full_bytes > 8 << 20
    assert path.stat().st_size < SMALL.telemetry.budget_bytes * 2 + KEPT_FREE_BYTES
    left = store.connection.execute("SELECT count(*), max(sequence) FROM record").fetchone()
    assert 500 < left[0] < 1_200 and left[1] == RECORDS + len(store.latest(RecordKind.GAP))
    assert store.connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    store.close()


def test_what_is_kept_free_is_used_again(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    store = Store(path, "kernel.1")
    fill(store)
    keeping = upkeep.Upkeep(SMALL)
    while keeping.run(store, START_NS, trimming=True) or free_bytes(store.connection) > KEPT_FREE_BYTES:
        pass
    store.checkpoint()
    size, free = path.stat().st_size, free_bytes(store.connection)
    assert free > KEPT_FREE_BYTES // 2, "a file that has no room to breathe grows with the next record"
    store.write([PendingRecord(tag(RECORDS + n), START_NS, True, 0) for n in range(200)], [])
    store.checkpoint()
    assert path.stat().st_size == size
    assert free_bytes(store.connection) < free
    store.close()


async def test_a_lower_budget_makes_the_file_smaller_by_itself(
    tmp_path: Path, open_journal: OpenJournal
) -> None:
    journal = await open_journal(budgets=LARGE)
    for number in range(RECORDS):
        journal.submit(tag(number))
    await until(lambda: journal.waiting == 0)
    await journal.commit([alarm(1)])
    await journal.close()
    path = tmp_path / "journal" / FILE_NAME
    full_bytes = path.stat().st_size
    journal = await open_journal(budgets=SMALL)
    reader = schema.connect_reader(path)
    await until(lambda: free_bytes(reader) <= KEPT_FREE_BYTES and journal.backlog()[3].stored_bytes < 1 << 20)
    reader.close()
    await journal.close()
    assert path.stat().st_size < full_bytes / 2
    journal = await open_journal(budgets=SMALL)
    assert journal.damage_report is None
    assert [r.key for r in await journal.read(0, {RecordKind.ALARM_TRANSITION})] == [alarm(1).key]
    assert (await journal.read(0, {RecordKind.TAG}, limit=5_000))[-1].key == f"tag/{RECORDS - 1}"
