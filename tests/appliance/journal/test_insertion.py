"""A batch written by statements of many rows is what its records are, written one by one."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.journal import schema
from appliance.journal import store as store_module
from appliance.journal.features import features_record
from appliance.journal.insertion import ROWS_AT_ONCE, Insertion
from appliance.journal.pending import PendingRecord
from appliance.journal.record import CommitResult, NewRecord
from appliance.journal.series import tag_record
from appliance.journal.store import Store
from tests.appliance.journal.builders import SECOND_NS, START_NS, alarm, vector
from tests.appliance.journal.conftest import OpenJournal


def rows(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT * FROM record ORDER BY sequence").fetchall()
    found += connection.execute("SELECT * FROM newest ORDER BY kind, subject").fetchall()
    connection.close()
    return found


def pending(new: NewRecord, time_ns: int, trusted: bool) -> PendingRecord:
    return PendingRecord(new, time_ns, trusted, 0)


news = st.one_of(
    st.builds(lambda at: tag_record("speed", at * SECOND_NS, float(at), "Hz"), st.integers(0, 200)),
    st.builds(lambda at: features_record(vector(at * SECOND_NS)), st.integers(0, 200)),
    st.builds(alarm, st.integers(0, 200)),
)
batches = st.lists(
    st.lists(
        st.builds(
            pending,
            news,
            st.integers(START_NS, START_NS + 4) | st.integers(START_NS, START_NS + 1_000),
            st.booleans(),
        ),
        max_size=130,
    ),
    min_size=1,
    max_size=3,
)


@given(batches=batches)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_batch_is_its_records(
    batches: Sequence[Sequence[PendingRecord]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keys that come twice or are stored, times that meet, all in one batch or in the one before."""
    folder = tmp_path_factory.mktemp("stores")
    told = []
    for name, at_once in (("many", 0), ("one", 1 << 30)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store_module, "AT_ONCE", at_once)
            store = Store(folder / f"{name}.sqlite", "boot", "incarnation")
            told.append([store.write(batch, []) for batch in batches])
            assert store.last_sequence == max((r.sequence for out in told[-1] for r in out), default=0)
            store.close()
    assert told[0] == told[1]
    assert rows(folder / "many.sqlite") == rows(folder / "one.sqlite")


def test_a_batch_of_new_keys_is_a_few_statements(tmp_path: Path) -> None:
    store = Store(tmp_path / "journal.sqlite", "boot")
    statements: list[str] = []
    store.connection.set_trace_callback(statements.append)
    records = store.write(
        [pending(tag_record("speed", at, 1.0, "Hz"), START_NS + at, True) for at in range(1_000)], []
    )
    store.connection.set_trace_callback(None)
    assert [record.sequence for record in records] == list(range(1, 1_001))
    inserts = [one for one in statements if "INTO record " in one]
    assert len(inserts) == 1_000 // ROWS_AT_ONCE
    store.close()


def test_what_is_urgent_takes_the_place_of_the_rest(tmp_path: Path) -> None:
    """It is in the same transaction, and the caller sees what is left."""
    store = Store(tmp_path / "journal.sqlite", "boot")
    waiting = [pending(tag_record("speed", at, 1.0, "Hz"), START_NS + at, True) for at in range(1_000)]
    urgent = [pending(alarm(1), START_NS, True)]
    commits: list[str] = []
    store.connection.set_trace_callback(lambda sql: commits.append(sql) if sql == "COMMIT" else None)
    batch = list(waiting)
    records = store.write(batch, [], lambda: [urgent.pop()] if urgent else [])
    assert commits == ["COMMIT"]
    assert [record.key for record in records] == [one.record.key for one in batch]
    assert batch[:-1] == waiting[:ROWS_AT_ONCE]
    assert batch[-1].record.key == alarm(1).key
    rest = store.write(waiting[ROWS_AT_ONCE:], [])
    assert [record.sequence for record in records + rest] == list(range(1, 1_002))
    store.close()


async def test_an_alarm_does_not_wait_for_the_telemetry_that_is_being_written(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await open_journal()
    loop, waiting = asyncio.get_running_loop(), []
    insert = Insertion._insert

    def seen(self: Insertion, rows: list[schema.Row]) -> None:
        insert(self, rows)
        if not waiting:  # the first telemetry is on its way: now the alarm comes
            waiting.append(asyncio.run_coroutine_threadsafe(journal.commit([alarm(1)]), loop))
            while journal._writer._queue.critical_count == 0:
                time.sleep(0.001)

    monkeypatch.setattr(Insertion, "_insert", seen)
    with journal._writer._condition:  # the writer takes all of them at once, however long this takes
        for at in range(1_500):
            journal.submit(tag_record("speed", at, 1.0, "Hz"))
    result = await until_set(waiting)
    assert result.durable
    assert result.records[0].sequence == ROWS_AT_ONCE + 1, "it waited for the whole batch"
    async with asyncio.timeout(60):
        while journal.last_sequence < 1_501:
            await asyncio.sleep(0.01)
    stored = await journal.read(0, None, 10_000)
    assert [record.sequence for record in stored] == list(range(1, 1_502))
    assert len({record.key for record in stored}) == 1_501


async def until_set(futures: list[concurrent.futures.Future[CommitResult]]) -> CommitResult:
    async with asyncio.timeout(60):
        while not futures:
            await asyncio.sleep(0.005)
        return await asyncio.wrap_future(futures[0])
