"""A damaged file never stops the appliance: set aside, salvaged, said, and work goes on."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.journal import schema
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.pages import PageFile
from appliance.journal.record import RecordKind
from appliance.journal.store import FILE_NAME, LIFE_STEP
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, START_NS, alarm, counter, vector
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.test_durability import until

N_ALARMS = 300
N_WINDOWS = 1_000
BIG = 900  # the number of an alarm whose payload needs overflow pages


async def filled(open_journal: OpenJournal) -> Path:
    """A journal with records of every sort, closed; returns its file."""
    journal = await open_journal()
    for start in range(0, N_ALARMS, 50):
        await journal.commit([alarm(n, f"pump-1.{n % 7}") for n in range(start, start + 50)])
        await journal.commit([counter(start + 1)])
        for second in range(start * 4, start * 4 + 200):
            if second < N_WINDOWS:
                journal.submit(features_record(vector(second * SECOND_NS, second, 1.0, 2.0)))
    await journal.commit([alarm(BIG, payload=orjson.dumps({"number": BIG, "text": "x" * 30_000}))])
    journal.record_gap(Gap("pump-1.de.x", 400 * SECOND_NS, 401 * SECOND_NS, GapCause.SERIAL_LOSS, 5))
    await journal.close()
    return journal.folder / FILE_NAME


async def alarm_numbers(journal: Journal) -> list[int]:
    records = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    return [orjson.loads(record.payload)["number"] for record in records]


def garble(path: Path, start: int, size: int, seed: int = 1) -> None:
    content = bytearray(path.read_bytes())
    content[start : start + size] = random.Random(seed).randbytes(size)[: len(content) - start]
    path.write_bytes(content)


def page_at(path: Path, part: float) -> int:
    return int(path.stat().st_size * part) // 4_096 * 4_096


def set_aside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*damaged*") if not path.name.endswith(("-wal", "-shm")))


def truncate_to_a_half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2 + 100])


DAMAGES: dict[str, Callable[[Path], None]] = {
    "garbled header": lambda path: garble(path, 0, 100),
    "garbled schema page": lambda path: garble(path, 0, 4_096),
    "garbled pages in the middle": lambda path: garble(path, page_at(path, 1 / 2), 10 * 4_096),
    "garbled end": lambda path: garble(path, path.stat().st_size - 20_480, 20_480),
    "truncated": truncate_to_a_half,
    "every 50th byte": lambda path: path.write_bytes(
        bytes(byte ^ (index % 4_096 == 50) for index, byte in enumerate(path.read_bytes()))
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_salvaged(open_journal: OpenJournal, damage: str) -> None:
    path = await filled(open_journal)
    pages = path.stat().st_size // 4_096
    DAMAGES[damage](path)
    journal = await open_journal()
    assert journal.durable
    report = journal.damage_report
    assert report is not None
    assert set_aside(path.parent) == [Path(report.set_aside)]
    assert "set aside" in report.text and "Check the disk" in report.text
    numbers = await alarm_numbers(journal)
    assert len(numbers) == len(set(numbers))
    assert set(numbers) <= {*range(N_ALARMS), BIG}
    if damage in {"garbled header", "garbled schema page"}:
        assert set(numbers) >= set(range(N_ALARMS))  # only the first page was lost: all rows are elsewhere
    elif damage != "every 50th byte":
        assert report.salvaged > 400, f"of {N_ALARMS + N_WINDOWS} records on {pages} pages"
    _, values = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    assert set(values.tolist()) <= set(range(N_WINDOWS))
    committed = await journal.commit([alarm(1_000)])
    assert committed.durable
    assert committed.records[0].sequence > LIFE_STEP  # no client has ever seen that number
    assert (await alarm_numbers(journal))[-1] == 1_000


async def test_what_is_salvaged_is_what_was_stored(open_journal: OpenJournal, tmp_path: Path) -> None:
    path = await filled(open_journal)
    journal = await open_journal()
    before = await journal.read(0, limit=5_000)
    _, trend = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    gaps = await journal.gaps("pump-1.de.x", *ALL_TIME)
    incarnation = journal.incarnation
    await journal.close()
    garble(path, 0, 100)
    journal = await open_journal()
    assert await journal.read(0, limit=5_000) == before  # sequence, key, boot and time included
    np.testing.assert_array_equal((await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME))[1], trend)
    assert await journal.gaps("pump-1.de.x", *ALL_TIME) == gaps
    assert journal.incarnation != incarnation
    assert len(journal.latest(RecordKind.ALARM_TRANSITION)) == 8
    assert sum(row.records for row in journal.backlog()) == len(before)


@pytest.mark.parametrize("content", [b"", b"garbage" * 5_000, bytes(8_192), b"SQLite format 3\0" + bytes(84)])
async def test_a_file_that_is_no_database(open_journal: OpenJournal, tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "journal"
    folder.mkdir()
    (folder / FILE_NAME).write_bytes(content)
    journal = await open_journal(folder=folder)
    assert (await journal.commit([alarm(1)])).durable
    assert (journal.damage_report is None) is (content == b"")
    if journal.damage_report is not None:
        assert "nothing could be saved" in journal.damage_report.text


async def test_a_hole_in_the_log_is_told_and_what_lies_behind_it_is_saved(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """SQLite would take the log up to the noise and forget in silence what was acknowledged after it."""
    journal = await open_journal()
    for number in range(60):
        await journal.commit([alarm(number)])
    crashed = tmp_path / "crashed"
    shutil.copytree(journal.folder, crashed)
    (crashed / (FILE_NAME + "-shm")).unlink()
    log = crashed / (FILE_NAME + "-wal")
    garble(log, log.stat().st_size // 2, 512)
    opened = await open_journal(folder=crashed)
    report = opened.damage_report
    assert report is not None and "of its log is damaged" in report.what
    numbers = await alarm_numbers(opened)
    assert len(numbers) == len(set(numbers)) >= 59, "a page that a later frame holds anew costs nothing"
    assert {0, 58, 59} <= set(numbers)
    assert (await opened.commit([alarm(500)])).durable


async def test_no_noise_in_the_log_costs_anything_in_silence(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """20 seeds: what is lost is told; only damage of the last transactions looks like a torn end."""
    journal = await open_journal()
    for number in range(60):
        await journal.commit([alarm(number)])
    crashed = tmp_path / "crashed"
    shutil.copytree(journal.folder, crashed)
    (crashed / (FILE_NAME + "-shm")).unlink()
    told = 0
    for seed in range(20):
        folder = tmp_path / f"noise-{seed}"
        shutil.copytree(crashed, folder)
        log = folder / (FILE_NAME + "-wal")
        garble(log, random.Random(seed).randrange(log.stat().st_size - 512), 512, seed)
        opened = await open_journal(folder=folder)
        lost = set(range(60)) - set(await alarm_numbers(opened))
        if opened.damage_report is None:
            assert lost <= {58, 59}, f"seed {seed} lost {lost} in silence"
        else:
            told += 1
            assert len(lost) <= 4, f"seed {seed} lost {lost}"
        await opened.close()
    assert told >= 15, "the noise hit little"


async def test_torn_logs_open_with_whole_transactions_only(open_journal: OpenJournal, tmp_path: Path) -> None:
    """The log cut or garbled at any place: what is before opens, in order, without a hole."""
    journal = await open_journal()
    for number in range(60):
        await journal.commit([alarm(number)])
    crashed = tmp_path / "crashed"
    shutil.copytree(journal.folder, crashed)
    log = (crashed / (FILE_NAME + "-wal")).read_bytes()
    rng = random.Random(3)
    counts = set()
    for attempt in range(12):
        folder = tmp_path / f"cut-{attempt}"
        shutil.copytree(crashed, folder)
        (folder / (FILE_NAME + "-shm")).unlink()
        where = rng.randrange(len(log))
        torn = log[:where] if attempt % 2 else log[:where] + rng.randbytes(64) + log[where + 64 :]
        (folder / (FILE_NAME + "-wal")).write_bytes(torn)
        opened = await open_journal(folder=folder)
        numbers = await alarm_numbers(opened)
        assert numbers == list(range(len(numbers)))
        counts.add(len(numbers))
        assert (await opened.commit([alarm(500)])).durable
        await opened.close()
    assert len(counts) > 3


async def test_a_lost_log_keeps_what_was_checkpointed(open_journal: OpenJournal, tmp_path: Path) -> None:
    path = await filled(open_journal)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    journal = await open_journal()
    assert len(await alarm_numbers(journal)) == N_ALARMS + 1


async def test_damage_while_running_is_noticed_by_a_reader_and_mended(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for start in range(0, N_ALARMS, 50):
        await journal.commit([alarm(n) for n in range(start, start + 50)])
    store = journal._writer.store
    assert store is not None
    incarnation, path = journal.incarnation, store.path
    bring_log_in(store.path)
    garble_in_place(path, 4_096, path.stat().st_size - 4_096)
    with pytest.raises(Exception, match="cannot be read"):
        for _ in range(50):
            await journal.queries.run(lambda connection: connection.execute("PRAGMA cache_size=0").fetchall())
            await journal.read(0)
    await until(lambda: journal.damage_report is not None and journal.durable)
    assert journal.incarnation != incarnation
    assert (await journal.commit([alarm(700)])).durable
    assert (await alarm_numbers(journal))[-1] == 700


def bring_log_in(path: Path) -> None:
    """Bring the log into the file by a connection of our own: the writer's belongs to its thread."""
    with contextlib.closing(sqlite3.connect(path, timeout=10.0)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def garble_in_place(path: Path, start: int, size: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(random.Random(5).randbytes(size))


async def test_damage_while_running_loses_no_newest_alarm_counter_or_limit(open_journal: OpenJournal) -> None:
    """What a restart would take up is in the running service's memory: a file of garbage cannot take it."""
    journal = await open_journal()
    await journal.commit([alarm(1), alarm(2), alarm(3, "pump-2.check-sensor.x"), counter(17)])
    before = {kind: journal.latest(kind) for kind in (RecordKind.ALARM_TRANSITION, RecordKind.COUNTER_VALUE)}
    store = journal._writer.store
    assert store is not None
    bring_log_in(store.path)
    for suffix in ("", "-wal"):
        part = store.path.with_name(store.path.name + suffix)
        garble_in_place(part, 0, part.stat().st_size)
    journal._writer.suspect()
    await until(lambda: journal.damage_report is not None and journal.durable)
    await journal.commit([alarm(4, "fan-1.machine-condition")])
    await journal.close()
    journal = await open_journal()
    assert journal.damage_report is None
    for kind, records in before.items():
        assert journal.latest(kind)[: len(records)] == records
    assert sum(row.records for row in journal.backlog()) == 4


async def test_no_sequence_is_given_twice_though_files_set_aside_are_deleted(
    open_journal: OpenJournal,
) -> None:
    seen = 0
    for number in range(3):
        journal = await open_journal()
        (record,) = (await journal.commit([alarm(number)])).records
        assert record.sequence > seen
        await journal.commit([alarm(100 + n) for n in range(10 * number, 10 * number + 10)])
        seen, path = journal.last_sequence, journal.folder / FILE_NAME
        await journal.close()
        path.write_bytes(b"garbage" * 5_000)
        for suffix in ("-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        for aside in set_aside(path.parent):  # as the runbook allows
            aside.unlink()


async def test_damage_while_running_is_a_gap_of_the_telemetry_it_took(open_journal: OpenJournal) -> None:
    clock = ReplayClock(START_NS)
    journal = await open_journal(clock=clock)
    for second in range(200):
        journal.submit(features_record(vector(second * SECOND_NS)))
    await until(lambda: len(journal.channels_last_seen()) == 1 and journal._writer.in_memory()[1] == 0)
    await journal.commit([alarm(1)])
    store = journal._writer.store
    assert store is not None
    bring_log_in(store.path)
    for suffix in ("", "-wal"):
        part = store.path.with_name(store.path.name + suffix)
        garble_in_place(part, 0, part.stat().st_size)
    journal._writer.suspect()
    await until(lambda: journal.damage_report is not None)
    await journal.commit([alarm(2)])
    await until(lambda: journal._writer._queue.empty)
    gaps = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert [gap.cause for gap in gaps] == ["damaged store"]


async def test_a_large_file_is_checked_beside_the_running_service(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start does not wait for the check; what it finds is mended all the same."""
    path = await filled(open_journal)
    garble(path, page_at(path, 1 / 2), 10 * 4_096)
    monkeypatch.setattr("appliance.journal.recovery.CHECK_AT_ONCE_BYTES", 4_096)
    journal = await open_journal()
    await until(lambda: journal.damage_report is not None and journal.durable)
    assert len(set_aside(path.parent)) == 1
    assert (await journal.commit([alarm(700)])).durable
    assert (await alarm_numbers(journal))[-1] == 700


async def test_a_garbled_payload_is_left_out_and_counted(open_journal: OpenJournal) -> None:
    """A flipped bit inside a row that SQLite itself cannot see: a missing record, never a wrong one."""
    path = await filled(open_journal)
    connection = schema.connect_writer(path)
    connection.execute(
        "UPDATE record SET payload=? WHERE key=?", (b'{"number": 7}', alarm(3, "pump-1.3").key)
    )
    connection.close()
    journal = await open_journal()
    assert journal.damage_report is None
    assert 3 not in await alarm_numbers(journal)
    assert (await alarm_numbers(journal)).count(7) == 1
    assert journal.damaged_rows > 0


async def test_holes_in_salvaged_telemetry_are_gaps(open_journal: OpenJournal) -> None:
    path = await filled(open_journal)
    garble(path, page_at(path, 1 / 3), 30 * 4_096)
    journal = await open_journal()
    times, _ = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    steps_s = np.diff(times) / SECOND_NS
    holes = [(int(times[i]), int(times[i + 1])) for i in np.flatnonzero(steps_s > 10)]
    assert holes, "the test's damage must hit telemetry"
    gaps = [gap for gap in await journal.gaps("pump-1.de.x", *ALL_TIME) if gap.cause == "damaged store"]
    for start_ns, end_ns in holes:
        assert any(gap.start_ns <= start_ns + 2 * SECOND_NS and gap.end_ns >= end_ns for gap in gaps)


def test_pages_of_garbage_give_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "garbage"
    for seed in range(40):
        content = bytearray(random.Random(seed).randbytes(8 * 4_096))
        for page in range(8):
            content[page * 4_096] = 0x0D  # looks like a leaf
        path.write_bytes(content)
        pages = PageFile(path)
        assert list(pages.rows()) == []
        pages.close()


async def test_a_stored_record_that_is_damaged_does_not_hold_up_its_second_delivery(
    open_journal: OpenJournal,
) -> None:
    journal = await open_journal()
    for number in range(3):
        await journal.commit([alarm(number)])
    await journal.close()
    path = journal.folder / FILE_NAME
    content = path.read_bytes()
    at = content.index(b'"number":1,')
    path.write_bytes(content[: at + 9] + b"7" + content[at + 10 :])  # a bit of flash that tipped over
    journal = await open_journal()
    assert (await journal.commit([alarm(1)])).durable  # the same key, from a source that was restarted
    assert (await journal.commit([alarm(4)])).durable
    assert sorted(await alarm_numbers(journal)) == [0, 1, 2, 4]
