"""What a start knows where its file opens late, not at all, or only for reading."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from appliance.clock import ReplayClock
from appliance.journal import knowledge, recovery, salvage, schema
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.recovery import Recovery
from appliance.journal.series import tag_record
from appliance.journal.store import FILE_NAME, Store
from tests.appliance.journal.builders import ALL_TIME, QUICK, SECOND_NS, START_NS, alarm, counter, vector
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.disks import freezable_disk, remount, small_disk
from tests.appliance.journal.test_damage import filled, garble
from tests.appliance.journal.test_durability import until

KILLED = """
import asyncio, os, sys
from pathlib import Path
from appliance.clock import ReplayClock
from appliance.journal.journal import Journal
from tests.appliance.journal.builders import PATIENT, SMALL, START_NS, alarm

async def main(folder):
    journal = await Journal.open(Path(folder), SMALL, ReplayClock(START_NS), PATIENT)
    await journal.commit([alarm(1), alarm(2)])
    os.kill(os.getpid(), 9)

asyncio.run(main(sys.argv[1]))
"""


def limit(version: int) -> NewRecord:
    payload = b'{"version": %d}' % version
    return NewRecord(RecordClass.LIMIT, RecordKind.LIMIT_VERSION, f"limit/{version}", "m.x", 5, payload)


async def limits(journal: Journal) -> list[str]:
    return [record.key for record in await journal.read(0, {RecordKind.LIMIT_VERSION})]


async def test_a_start_waits_for_a_salvage_however_long_it_takes(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await filled(open_journal)
    garble(path, 0, 100)
    monkeypatch.setattr(knowledge, "IDLE_LIMIT_S", 0.3)
    monkeypatch.setattr(knowledge, "_LOOK_S", 0.05)
    sound, passed_s = salvage._sound, 0.0

    def slowly(rowid: int, values: list[salvage.Value]) -> schema.Row | None:
        nonlocal passed_s
        passed_s += 0.001
        time.sleep(0.001)
        return sound(rowid, values)

    # Time goes on with the work alone: a machine that stands still is not a salvage that does.
    clock = SimpleNamespace(monotonic=lambda: passed_s)
    monkeypatch.setattr(knowledge, "time", clock)
    monkeypatch.setattr(recovery, "time", clock)
    monkeypatch.setattr(salvage, "_sound", slowly)
    journal = await open_journal()
    assert passed_s > 3 * knowledge.IDLE_LIMIT_S
    assert journal.durable and not journal.began_blind
    assert journal.damage_report is not None
    assert len(journal.latest(RecordKind.ALARM_TRANSITION)) >= 7


async def test_a_start_says_that_it_saves_a_damaged_file(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await filled(open_journal)
    garble(path, 0, 100)
    monkeypatch.setattr(knowledge, "_LOOK_S", 0.01)
    monkeypatch.setattr(knowledge, "_TELL_S", 0.02)
    said: list[str] = []
    sound = salvage._sound

    def not_before(rowid: int, values: list[salvage.Value]) -> schema.Row | None:
        give_up_s = time.monotonic() + 20.0
        while not said and time.monotonic() < give_up_s:
            time.sleep(0.005)
        return sound(rowid, values)

    monkeypatch.setattr(salvage, "_sound", not_before)
    await open_journal(told=said.append)
    assert said and "damaged" in said[0]


async def test_a_blind_start_takes_alarms_and_counters_but_no_limit(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    """What was learned by a start that knew nothing must not take the place of what a person locked."""
    memory = tmp_path / "run"
    memory.mkdir()
    journal = await open_journal(refuge_folder=memory)
    await journal.commit([limit(3), alarm(1), counter(5)])
    await journal.close()
    path = journal.folder / FILE_NAME
    away = path.rename(tmp_path / "away")
    path.mkdir()
    journal = await open_journal(refuge_folder=memory)
    assert journal.began_blind and not journal.durable
    learned = await journal.commit([limit(1), alarm(2)])
    assert [record.sequence for record in learned.records] == [0, 0] and not learned.durable
    assert not (await journal.commit([limit(2)])).durable
    path.rmdir()
    away.rename(path)
    await until(lambda: journal.durable and journal.waiting == 0)
    assert not (await journal.commit([limit(1), counter(6)])).durable, "not before the next start"
    assert journal.durable, "that is no word on the disk"
    assert await limits(journal) == [limit(3).key]
    await journal.close()
    journal = await open_journal(refuge_folder=memory)
    assert not journal.began_blind
    assert await limits(journal) == [limit(3).key]
    assert [one.key for one in journal.latest(RecordKind.ALARM_TRANSITION)] == [alarm(2).key]
    assert [one.key for one in journal.latest(RecordKind.COUNTER_VALUE)] == [counter(6).key]
    assert (await journal.commit([limit(4)])).durable


@pytest.mark.parametrize("how", ["closed", "killed"])
async def test_on_a_read_only_disk_a_start_knows_what_was(
    open_journal: OpenJournal, tmp_path: Path, how: str
) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        folder = disk / "journal"
        if how == "killed":  # the newest records are in the log alone
            child = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(folder))
            assert await child.wait() == -signal.SIGKILL
        else:
            journal = await open_journal(folder=folder)
            await journal.commit([alarm(1), alarm(2)])
            await journal.close()
        incarnation = None
        remount(disk, "ro")
        journal = await open_journal(folder=folder, timing=QUICK)
        assert not journal.durable and "disk refuses" in journal.not_durable_because
        assert not journal.began_blind
        incarnation, sequence = journal.incarnation, journal.last_sequence
        assert [one.key for one in journal.latest(RecordKind.ALARM_TRANSITION)] == [alarm(2).key]
        assert sequence == 2
        assert [one.key for one in await journal.read(0)] == [alarm(1).key, alarm(2).key]
        assert not (await journal.commit([alarm(3), limit(4)])).durable
        remount(disk, "rw")
        await until(lambda: journal.durable and journal.waiting == 0)
        assert journal.incarnation == incarnation
        stored = await journal.read(0)
        assert [one.key for one in stored] == [alarm(1).key, alarm(2).key, alarm(3).key, limit(4).key]
        assert [one.sequence for one in stored] == [1, 2, 3, 4]
        with pytest.raises(knowledge.Fatal, match="open in another process"):
            await open_journal(folder=folder)
        await journal.close()


async def test_on_a_disk_that_hangs_from_the_start_it_knows_what_was(
    open_journal: OpenJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knowledge, "IDLE_LIMIT_S", 0.5)
    with freezable_disk(tmp_path / "disk") as disk:
        folder = disk.mount_point / "journal"
        journal = await open_journal(folder=folder)
        await journal.commit([alarm(1), limit(3)])
        await journal.close()
        os.sync()
        disk.freeze()
        try:
            journal = await open_journal(folder=folder, timing=QUICK)
            assert not journal.durable and not journal.began_blind
            assert [one.key for one in journal.latest(RecordKind.LIMIT_VERSION)] == [limit(3).key]
            assert not (await journal.commit([alarm(2)])).durable
        finally:
            disk.thaw()
        await until(lambda: journal.durable and journal.waiting == 0)
        assert [one.key for one in await journal.read(0)] == [alarm(1).key, limit(3).key, alarm(2).key]
        await journal.close()


@pytest.mark.parametrize("readable", [False, True], ids=["blind", "read only"])
async def test_the_stop_before_a_start_without_a_file_is_told_once_it_opens(
    open_journal: OpenJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, readable: bool
) -> None:
    clock = ReplayClock(START_NS)
    journal = await open_journal(clock=clock)
    for channel in ("speed", "load"):
        journal.submit(tag_record(channel, SECOND_NS, 24.0, "1"))
    journal.submit(features_record(vector(SECOND_NS)))  # 1.25 s long
    await journal.close()
    clock.set(3600 * SECOND_NS)
    opened, refusing = Recovery.open_store, True

    def open_store(self: Recovery, error: Exception | None, thorough: bool = False) -> Store:
        if refusing:
            raise OSError(30, "Read-only file system")
        return opened(self, error, thorough)

    monkeypatch.setattr(Recovery, "open_store", open_store)
    if not readable:
        monkeypatch.setattr(Recovery, "read_only", _unreadable)
    journal = await open_journal(clock=clock, timing=QUICK)
    assert journal.began_blind is not readable
    journal.submit(tag_record("speed", 3600 * SECOND_NS, 25.0, "1"))
    journal.submit(features_record(vector(3600 * SECOND_NS)))
    refusing = False
    await until(lambda: journal.durable and journal.waiting == 0)
    journal.submit(tag_record("load", 3601 * SECOND_NS, 25.0, "1"))
    journal.submit(tag_record("speed", 3601 * SECOND_NS, 25.0, "1"))
    await journal.close()
    journal = await open_journal(clock=clock)
    told = {
        channel: [
            ((gap.start_ns - START_NS) / SECOND_NS, (gap.end_ns - START_NS) / SECOND_NS, str(gap.cause))
            for gap in await journal.gaps(channel, *ALL_TIME)
        ]
        for channel in ("speed", "load", "pump-1.de.x")
    }
    assert told == {
        "speed": [(1.0, 3600.0, "power off")],
        "load": [(1.0, 3601.0, "power off")],
        "pump-1.de.x": [(2.25, 3600.0, "power off")],
    }


def _unreadable(self: Recovery) -> Store:
    raise OSError(5, "Input/output error")
