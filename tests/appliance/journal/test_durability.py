"""A disk that hangs or refuses: alarms go on, marked not durable, and are committed on recovery, in order."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import CommitResult, RecordKind
from appliance.journal.retention import Budgets
from appliance.journal.store import FILE_NAME
from tests.appliance.journal.builders import ALL_TIME, QUICK, SECOND_NS, alarm, vector
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.disks import freezable_disk

TURN_S = 0.01


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """The file's write lock in other hands: the writer's transaction waits, as on a disk that hangs."""
    other = sqlite3.connect(path, timeout=60.0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.01)


async def waited_for(journal: Journal, number: int) -> tuple[CommitResult, float, float]:
    """A commit, how long it took, and for how long of it others had their turn.

    Nobody has one while the whole machine stands still.
    """
    turns, ended = 0, asyncio.Event()

    async def bystander() -> None:
        nonlocal turns
        while not ended.is_set():
            await asyncio.sleep(TURN_S)
            turns += 1

    beside, started = asyncio.create_task(bystander()), time.monotonic()
    result = await journal.commit([alarm(number)])
    took_s = time.monotonic() - started
    ended.set()
    await beside
    return result, took_s, turns * TURN_S


def at_once(journal: Journal, number: int) -> CommitResult:
    """A commit that waits for nothing at all: its first step is its last."""
    with pytest.raises(StopIteration) as told:
        journal.commit([alarm(number)]).send(None)
    assert isinstance(told.value.value, CommitResult)
    return told.value.value


async def taken(journal: Journal, number: int) -> None:
    """A commit to a disk that may be slow, beyond what the journal waits for one that hangs."""
    async with asyncio.timeout(60):
        while not (await journal.commit([alarm(number)])).durable:
            await asyncio.sleep(TURN_S)


async def check_hang(journal: Journal, hang: contextlib.AbstractContextManager[None]) -> None:
    """The promises of a hang and its end, whatever makes the disk hang."""
    changes: list[tuple[bool, str]] = []
    await taken(journal, 1)
    journal.watch_durability(lambda durable, reason: changes.append((durable, reason)))
    with hang:
        result, took_s, others_s = await waited_for(journal, 2)
        assert not result.durable
        assert QUICK.commit_limit_s <= took_s
        assert others_s < QUICK.commit_limit_s + 2.0
        assert (result.records[0].sequence, result.records[0].key) == (0, alarm(2).key)
        assert not journal.durable
        for number in range(3, 30):
            assert not at_once(journal, number).durable
    assert changes[0][0] is False and changes[0][1]
    await until(lambda: journal.durable)
    assert [durable for durable, _ in changes] == [False, True]
    await taken(journal, 30)
    stored = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert [record.key for record in stored] == [alarm(number).key for number in range(1, 31)]
    assert [record.sequence for record in stored] == list(range(1, 31))


async def test_a_hang_at_the_lock(open_journal: OpenJournal) -> None:
    journal = await open_journal(timing=QUICK)
    await check_hang(journal, held(journal.folder / FILE_NAME))


async def test_a_file_system_that_hangs_for_real(open_journal: OpenJournal, tmp_path: Path) -> None:
    with freezable_disk(tmp_path / "disk") as disk:
        journal = await open_journal(folder=disk.mount_point / "journal", timing=QUICK)

        @contextlib.contextmanager
        def frozen() -> Iterator[None]:
            disk.freeze()
            try:
                yield
            finally:
                disk.thaw()

        await check_hang(journal, frozen())
        await journal.close()


async def test_a_disk_that_refuses(open_journal: OpenJournal) -> None:
    """Errors instead of silence: every attempt fails at once ("database is locked")."""
    journal = await open_journal(timing=QUICK)
    store = journal._writer.store
    assert store is not None
    store.connection.execute("PRAGMA busy_timeout=1")
    await check_hang(journal, held(journal.folder / FILE_NAME))


async def test_a_hang_is_noticed_without_any_alarm(open_journal: OpenJournal) -> None:
    journal = await open_journal(timing=QUICK)
    with held(journal.folder / FILE_NAME):
        journal.submit(features_record(vector(0)))
        await until(lambda: not journal.durable)
    await until(lambda: journal.durable and journal.last_sequence > 0)
    assert len(await journal.read(0, {RecordKind.FEATURES})) == 1


async def test_telemetry_beyond_the_bound_is_a_gap(open_journal: OpenJournal) -> None:
    small = Budgets(reserve_transitions=0, pending_telemetry_bytes=20_000)
    journal = await open_journal(budgets=small, timing=QUICK)
    with held(journal.folder / FILE_NAME):
        started = time.monotonic()
        for second in range(2_000):
            journal.submit(features_record(vector(second * SECOND_NS)))
        assert time.monotonic() - started < 60.0  # never blocks: the disk would hang for ever
        await until(lambda: not journal.durable)
    await until(lambda: journal.durable)
    await journal.close()
    journal = await open_journal(budgets=small)
    times, _ = await journal.features("pump-1.de.x", "rms_mps2", *ALL_TIME)
    (gap,) = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert gap.cause == "backpressure"
    assert gap.start_ns < gap.end_ns
    dropped = sum(row.dropped for row in journal.backlog())
    assert dropped > 1_000
    assert dropped + len(times) == 2_000


async def test_a_disk_that_cannot_even_be_opened(open_journal: OpenJournal, tmp_path: Path) -> None:
    """The appliance starts all the same, alarms not durable, and catches up."""
    folder = tmp_path / "journal"
    (folder / FILE_NAME).mkdir(parents=True)
    journal = await open_journal(folder=folder, timing=QUICK)
    assert not journal.durable
    assert "disk refuses" in journal.not_durable_because
    assert journal.latest(RecordKind.ALARM_TRANSITION) == []
    incarnation = journal.incarnation
    assert not at_once(journal, 1).durable
    (folder / FILE_NAME).chmod(0o700)
    (folder / FILE_NAME).rmdir()
    await until(lambda: journal.durable)
    assert [record.key for record in await journal.read(0)] == [alarm(1).key]
    assert journal.incarnation == incarnation


async def test_a_failing_watcher_does_not_keep_others_from_knowing(open_journal: OpenJournal) -> None:
    journal = await open_journal(timing=QUICK)
    changes: list[bool] = []

    def broken(durable: bool, reason: str) -> None:
        raise RuntimeError("a mistake elsewhere")

    journal.watch_durability(broken)
    journal.watch_durability(lambda durable, reason: changes.append(durable))
    with held(journal.folder / FILE_NAME):
        await journal.commit([alarm(1)])
    await until(lambda: journal.durable)
    assert changes == [False, True]


async def test_a_cancelled_commit_is_still_committed(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    task = asyncio.create_task(journal.commit([alarm(1)]))
    await asyncio.sleep(0)
    task.cancel()
    await journal.commit([alarm(2)])
    assert [record.key for record in await journal.read(0)] == [alarm(1).key, alarm(2).key]


async def test_closing_does_not_wait_for_ever(open_journal: OpenJournal) -> None:
    journal = await open_journal(timing=QUICK)
    store = journal._writer.store
    assert store is not None
    store.connection.execute("PRAGMA busy_timeout=100")
    with held(journal.folder / FILE_NAME):
        await journal.commit([alarm(1)])
        async with asyncio.timeout(60):
            await journal.close()
