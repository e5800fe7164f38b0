"""The journal's door: what is put in comes out, in order, once, with its time."""

from __future__ import annotations

import asyncio
import math
import stat
import threading
from pathlib import Path

import numpy as np
import orjson
import pytest

from appliance.clock import ReplayClock, SystemClock
from appliance.errors import Fatal, Retryable
from appliance.journal import schema
from appliance.journal.errors import JournalLocked, JournalRejected
from appliance.journal.features import features_record
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.journal.series import score_record, tag_record
from appliance.journal.store import FILE_NAME
from models.detector import AnomalyScore
from tests.appliance.journal.builders import (
    ALL_TIME,
    NAMES,
    QUICK,
    SECOND_NS,
    START_NS,
    alarm,
    counter,
    vector,
)
from tests.appliance.journal.conftest import OpenJournal


async def test_a_commit_comes_back_with_sequence_and_time(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    result = await journal.commit([alarm(1), alarm(2)])
    assert result.durable
    assert [record.sequence for record in result.records] == [1, 2]
    assert [record.time_ns for record in result.records] == [START_NS + SECOND_NS, START_NS + 2 * SECOND_NS]
    assert all(record.boot_id == journal.boot_id and record.time_trusted for record in result.records)
    assert await journal.read(0) == list(result.records)


async def test_a_durable_commit_rests_on_wal_and_full_sync(open_journal: OpenJournal) -> None:
    """The settings of the live connection, after commits: what SQLite promises under them is that the log is
    flushed (fdatasync) before COMMIT returns. tests/appliance/journal/test_power_cut.py watches it do so."""
    journal = await open_journal()
    await journal.commit([alarm(1)])
    store = journal._writer.store
    assert store is not None
    assert store.durability_settings() == ("wal", 2)


async def test_folder_and_files_are_private(open_journal: OpenJournal, tmp_path: Path) -> None:
    journal = await open_journal()
    await journal.commit([alarm(1)])
    assert stat.S_IMODE(journal.folder.stat().st_mode) == 0o700
    files = list(journal.folder.iterdir())
    assert {path.name for path in files} >= {FILE_NAME, FILE_NAME + "-wal", "lock", "reserve"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_the_same_key_is_stored_once(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    first = await journal.commit([alarm(1)])
    again = await journal.commit([alarm(2), alarm(1, payload=b"{}"), alarm(2)])
    assert again.records[1] == first.records[0]
    assert again.records[0] == again.records[2]
    assert len(await journal.read(0)) == 2


async def test_telemetry_keys_are_told_apart_by_boot(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for _ in range(2):
        journal.submit(features_record(vector(5)))
    await journal.close()
    journal = await open_journal()
    journal.submit(features_record(vector(5)))
    await journal.close()
    journal = await open_journal()
    assert len(await journal.read(0, {RecordKind.FEATURES})) == 2


async def test_concurrent_commits_are_all_there_and_in_order(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    results = await asyncio.gather(*(journal.commit([alarm(n), counter(n)]) for n in range(1, 201)))
    assert all(result.durable for result in results)
    sequences = [record.sequence for result in results for record in result.records]
    assert sorted(sequences) == list(range(1, 401))
    assert sequences == sorted(sequences)
    assert [record.sequence for record in await journal.read(0)] == list(range(1, 401))


async def test_concurrent_commits_share_flushes(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = await open_journal()
    await journal.commit([alarm(0)])
    store = journal._writer.store
    assert store is not None
    transactions = 0
    write, all_asked = store.write, threading.Event()

    def counted(*arguments: object) -> list[Record]:
        nonlocal transactions
        transactions += 1
        assert all_asked.wait(60)  # else more would wait for a writer that is quick than for one that is not
        return write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "write", counted)
    commits = [asyncio.create_task(journal.commit([alarm(n)])) for n in range(1, 101)]
    await asyncio.sleep(0)  # each has handed its record over, and waits
    all_asked.set()
    await asyncio.gather(*commits)
    assert transactions <= 2, "the one that was under way, and one for all who came meanwhile"


async def test_latest_is_the_newest_of_every_subject_and_survives(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await journal.commit([alarm(1, "pump-1.a"), alarm(2, "pump-1.b"), alarm(3, "pump-1.a")])
    expected = [("pump-1.b", 2), ("pump-1.a", 3)]
    latest = journal.latest(RecordKind.ALARM_TRANSITION)
    assert [(record.subject, record.sequence) for record in latest] == expected
    boot_id = journal.boot_id
    await journal.close()
    journal = await open_journal()
    assert journal.latest(RecordKind.ALARM_TRANSITION) == latest
    assert latest[0].boot_id == boot_id != journal.boot_id
    assert journal.latest(RecordKind.COUNTER_VALUE) == []


async def test_sequences_go_on_after_a_restart(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await journal.commit([alarm(1)])
    incarnation = journal.incarnation
    await journal.close()
    journal = await open_journal()
    assert (await journal.commit([alarm(2)])).records[0].sequence == 2
    assert journal.incarnation == incarnation
    assert journal.damage_report is None


async def test_read_by_kind_and_limit(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for number in range(1, 6):
        await journal.commit([alarm(number), counter(number)])
        journal.submit(features_record(vector(number)))
    await journal.close()
    journal = await open_journal()
    alarms = await journal.read(0, {RecordKind.ALARM_TRANSITION}, limit=3)
    assert [orjson.loads(record.payload)["number"] for record in alarms] == [1, 2, 3]
    rest = await journal.read(alarms[-1].sequence, {RecordKind.ALARM_TRANSITION, RecordKind.FEATURES})
    assert {record.kind for record in rest} == {RecordKind.ALARM_TRANSITION, RecordKind.FEATURES}
    assert all(record.sequence > alarms[-1].sequence for record in rest)
    assert await journal.read(0, set()) == []


async def test_history_of_one_subject(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await journal.commit([alarm(n, f"pump-1.{n % 2}") for n in range(1, 9)])
    history = await journal.history(RecordKind.ALARM_TRANSITION, "pump-1.0", limit=3)
    assert [orjson.loads(record.payload)["number"] for record in history] == [4, 6, 8]
    between = await journal.between(
        RecordKind.ALARM_TRANSITION, "pump-1.0", START_NS + 3 * SECOND_NS, START_NS + 6 * SECOND_NS
    )
    assert [orjson.loads(record.payload)["number"] for record in between] == [4, 6]


async def test_follow_gives_what_was_and_what_comes(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await journal.commit([alarm(1), counter(1), alarm(2)])
    seen: list[int] = []

    async def follow() -> None:
        async for record in journal.follow(1, {RecordKind.ALARM_TRANSITION}):
            seen.append(orjson.loads(record.payload)["number"])  # noqa: PERF401 - watched while it grows

    task = asyncio.create_task(follow())
    for number in range(3, 30):
        await journal.commit([counter(number)])
        await journal.commit([alarm(number)])
    async with asyncio.timeout(60):
        while len(seen) < 28:
            await asyncio.sleep(0.01)
    await journal.close()
    await task  # closing ends it
    assert seen == list(range(2, 30))


async def test_trend_of_a_feature(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for second in range(10):
        value = math.nan if second == 4 else float(second)
        journal.submit(features_record(vector(second * SECOND_NS, value, 0.0, 0.0)))
        journal.submit(features_record(vector(second * SECOND_NS, 77.0, 0.0, 0.0, channel_id="other")))
    other = vector(20 * SECOND_NS, 5.0, 6.0, names=("new", "rms_mps2"), version="trend-2")
    journal.submit(features_record(other))
    await journal.close()
    journal = await open_journal()
    times, values = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    np.testing.assert_array_equal(values, [0, 1, 2, 3, np.nan, 5, 6, 7, 8, 9, 6])
    assert times.dtype == np.int64 and values.dtype == np.float32
    assert times[0] == START_NS and times[-1] == START_NS + 20 * SECOND_NS
    times, values = await journal.features(
        "pump-1.de.x", "rms_mps2", START_NS + 2 * SECOND_NS, START_NS + 3 * SECOND_NS
    )
    assert list(values) == [2.0, 3.0]
    _, values = await journal.features("pump-1.de.x", "new", *ALL_TIME)
    assert list(values) == [5.0]
    _, values = await journal.features("pump-1.de.x", "no such feature", *ALL_TIME)
    assert len(values) == 0
    assert await journal.feature_names("pump-1.de.x") == ("new", "rms_mps2")
    assert await journal.feature_names("other") == NAMES
    assert await journal.feature_names("nobody") == ()


async def test_scores_and_tags_over_time(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    shares = np.array([0.1, -0.7, 0.2], dtype=np.float32)
    score = AnomalyScore("pump-1.de.x", SECOND_NS, 1.25, "baseline-1", "numpy", shares)
    journal.submit(score_record(score, NAMES))
    journal.submit(tag_record("pump-1.speed", SECOND_NS, 24.75, "Hz"))
    journal.submit(tag_record("pump-1.speed", 2 * SECOND_NS, math.nan, "Hz"))
    foreign = NewRecord(RecordClass.TELEMETRY, RecordKind.TAG, "t", "pump-1.speed", 3 * SECOND_NS, b"no JSON")
    journal.submit(foreign)
    await journal.close()
    journal = await open_journal()
    times, values = await journal.scores("pump-1.de.x", *ALL_TIME)
    assert (list(times), list(values)) == ([START_NS + SECOND_NS], [1.25])
    _, values = await journal.tags("nobody", *ALL_TIME)
    assert len(values) == 0
    _, values = await journal.tags("pump-1.speed", *ALL_TIME)
    np.testing.assert_array_equal(values, [24.75, np.nan])
    payload = orjson.loads(journal.latest(RecordKind.SCORE)[0].payload)
    assert payload["model_version"] == "baseline-1"
    assert [name for name, _ in payload["top"]] == ["peak_mps2", "kurtosis", "rms_mps2"]


async def test_backlog_counts_without_scanning(open_journal: OpenJournal) -> None:
    clock = ReplayClock(START_NS)
    journal = await open_journal(clock=clock)
    await journal.commit([alarm(1), alarm(2), counter(1)])
    clock.set(60 * SECOND_NS)
    table = {row.record_class: row for row in journal.backlog()}
    assert table[RecordClass.ALARM].records == 2
    assert table[RecordClass.ALARM].stored_bytes > 2 * len(alarm(1).payload)
    assert table[RecordClass.ALARM].oldest_age_s == 59.0
    assert table[RecordClass.COUNTER].records == 1
    assert table[RecordClass.LIMIT].oldest_age_s is None
    assert table[RecordClass.ALARM].days_left is None  # no rate after a moment
    before = [(row.records, row.stored_bytes) for row in journal.backlog()]
    await journal.close()
    journal = await open_journal(clock=clock)
    assert [(row.records, row.stored_bytes) for row in journal.backlog()] == before


async def test_two_processes_cannot_share_a_journal(open_journal: OpenJournal) -> None:
    await open_journal()
    with pytest.raises(JournalLocked, match="open in another process"):
        await open_journal()


async def test_a_newer_schema_is_refused_and_left_alone(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await journal.commit([alarm(1)])
    path = journal.folder / FILE_NAME
    await journal.close()
    connection = schema.connect_writer(path)
    connection.execute(f"PRAGMA user_version={schema.SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(Fatal, match="newer release"):
        await open_journal()
    assert path.exists() and not list(path.parent.glob("*damaged*"))


async def test_no_row_says_1970(open_journal: OpenJournal) -> None:
    """A first start with the right time, then one whose clock stands at 1970."""
    journal = await open_journal(clock=SystemClock(lambda: 5, lambda: START_NS))
    first = (await journal.commit([alarm(1)])).records[0]
    await journal.close()
    unset = SystemClock(lambda: 7 * SECOND_NS, lambda: 12_000_000)
    journal = await open_journal(clock=unset)
    second = (await journal.commit([alarm(2)])).records[0]
    assert second.time_ns >= first.time_ns - 60 * SECOND_NS
    assert not second.time_trusted


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "", "s", 0, b""), "key and subject"),
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "k", "s" * 513, 0, b""), "key and subject"),
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "k\ud800", "s", 0, b""), "Unicode"),
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "k", "s", 1 << 63, b""), "64-bit"),
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "k", "s", 0, bytes(1 << 21)), "exceeds"),
        (NewRecord(RecordClass.ALARM, RecordKind.AUDIT, "k", "s", 0, "text"), "bytes are needed"),  # type: ignore[arg-type]
        (NewRecord(RecordClass.ALARM, RecordKind.TAG, "k", "s", 0, b""), "does not belong"),
        (NewRecord(RecordClass.TELEMETRY, RecordKind.AUDIT, "k", "s", 0, b""), "does not belong"),
        (NewRecord(RecordClass.TELEMETRY, RecordKind.FEATURES, "k", "s", 0, b"short"), "shorter"),
    ],
)
async def test_bad_records_are_refused_and_the_rest_goes_on(
    open_journal: OpenJournal, record: NewRecord, message: str
) -> None:
    journal = await open_journal()
    with pytest.raises(JournalRejected, match=message):
        await journal.commit([alarm(1), record])
    with pytest.raises(JournalRejected):
        journal.submit(record)
    assert (await journal.commit([alarm(2)])).durable
    assert [record.key for record in await journal.read(0)] == [alarm(2).key]


async def test_what_must_be_durable_cannot_be_submitted(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    with pytest.raises(JournalRejected, match="use `commit`"):
        journal.submit(alarm(1))


async def test_an_empty_commit_is_durable(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    assert (await journal.commit([])).durable


async def test_a_closed_journal_says_so(open_journal: OpenJournal) -> None:
    journal = await open_journal(timing=QUICK)
    await journal.close()
    await journal.close()
    with pytest.raises(Retryable, match="closed"):
        await journal.read(0)
