"""What no disk takes outlives a kill in the memory's file system: told as not durable, and still not lost."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.journal.pending import PendingRecord
from appliance.journal.record import NewRecord, RecordKind
from appliance.journal.refuge import FILE_NAME, Refuge
from appliance.journal.series import tag_record
from appliance.journal.store import FILE_NAME as JOURNAL_FILE
from tests.appliance.journal.builders import QUICK, alarm, counter
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.test_durability import held, until

DOOMED = """
import asyncio, sys
from pathlib import Path
from appliance.clock import ReplayClock
from appliance.journal.journal import Journal
from tests.appliance.journal.builders import QUICK, SMALL, START_NS, alarm, counter

async def main(folder, refuge):
    journal = await Journal.open(
        Path(folder), SMALL, ReplayClock(START_NS), QUICK, refuge_folder=Path(refuge)
    )
    while not (await journal.commit([alarm(1), counter(5)])).durable:
        await asyncio.sleep(0.01)
    print(True, flush=True)
    sys.stdin.readline()
    told = [(await journal.commit([alarm(n), counter(5 + n)])).durable for n in range(2, 10)]
    print(any(told), flush=True)
    sys.stdin.readline()

asyncio.run(main(*sys.argv[1:]))
"""


def pending(record: NewRecord) -> PendingRecord:
    return PendingRecord(record, record.monotonic_ns, True, 0)


def keys(refuge: Refuge) -> list[str]:
    return [one.record.key for one in refuge.recall(0)]


async def test_a_service_killed_while_the_disk_hangs_finds_its_alarms_again(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    folder, memory = tmp_path / "journal", tmp_path / "run"
    memory.mkdir()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", DOOMED, str(folder), str(memory)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert (await child.stdout.readline()).strip() == b"True"
    with held(folder / JOURNAL_FILE):
        child.stdin.write(b"\n")
        assert (await child.stdout.readline()).strip() == b"False"
        child.send_signal(signal.SIGKILL)
        await child.wait()
    assert stat.S_IMODE((memory / FILE_NAME).stat().st_mode) == 0o600

    # A start waits for the disk as long as a commit does; two looks at the refuge are an eighth of it apart.
    slow = replace(QUICK, commit_limit_s=16.0)
    journal = await open_journal(folder=folder, refuge_folder=memory, timing=slow)
    assert [one.key for one in journal.latest(RecordKind.ALARM_TRANSITION)] == [alarm(9).key]
    assert [one.key for one in journal.latest(RecordKind.COUNTER_VALUE)] == [counter(14).key]
    stored = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert [one.key for one in stored] == [alarm(number).key for number in range(1, 10)]
    await until(lambda: not (memory / FILE_NAME).exists())


async def test_it_is_empty_again_once_the_disk_takes_records(
    open_journal: OpenJournal, tmp_path: Path
) -> None:
    memory = tmp_path / "run"
    memory.mkdir()
    journal = await open_journal(refuge_folder=memory, timing=QUICK)
    with held(journal.folder / JOURNAL_FILE):
        assert not (await journal.commit([alarm(1)])).durable
        await asyncio.sleep(0.3)  # several looks at the disk
        assert keys(Refuge(memory)) == [alarm(1).key]
    await until(lambda: journal.durable and not (memory / FILE_NAME).exists())
    assert [one.key for one in await journal.read(0)] == [alarm(1).key]


def test_what_comes_back_is_what_was_held(tmp_path: Path) -> None:
    every_byte = NewRecord(
        alarm(1).record_class, RecordKind.AUDIT, "audit/ä", "subject", -5, bytes(range(256)), late=True
    )
    held_back = [PendingRecord(every_byte, 17, False, 0), pending(counter(3))]
    Refuge(tmp_path).hold(held_back)
    assert Refuge(tmp_path).recall(0) == held_back


def test_telemetry_is_left_out_since_its_key_is_of_one_start_alone(tmp_path: Path) -> None:
    value = replace(tag_record("speed", 0, 24.5, "Hz"), late=True)
    Refuge(tmp_path).hold([pending(value), pending(alarm(1))])
    assert keys(Refuge(tmp_path)) == [alarm(1).key]


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_end_costs_what_came_after_it(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    refuge = Refuge(tmp_path)
    for number in range(3):
        refuge.hold([pending(alarm(number))])
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    if damage == "cut":
        del content[-20:]
    else:
        content[-20] ^= 1
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        assert keys(Refuge(tmp_path)) == [alarm(0).key, alarm(1).key]
    assert "damaged, lost=1" in caplog.text


def test_it_is_bounded_superseded_values_leave_first(tmp_path: Path) -> None:
    refuge = Refuge(tmp_path, limit_bytes=40_000)
    refuge.hold([pending(alarm(0))])
    for value in range(1_000):
        refuge.hold([pending(counter(value))])
        assert (tmp_path / FILE_NAME).stat().st_size <= 40_000
    assert keys(Refuge(tmp_path))[0] == alarm(0).key
    assert keys(Refuge(tmp_path))[-1] == counter(999).key
    for number in range(1, 100):
        refuge.hold([pending(alarm(number, f"alarm-{number}"))])
    kept = keys(Refuge(tmp_path))
    assert (tmp_path / FILE_NAME).stat().st_size <= 40_000
    assert kept[-1] == alarm(99, "alarm-99").key
    assert len(kept) > 5


def test_without_a_folder_and_where_none_can_be_written_the_service_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = Refuge(None)
    nowhere.hold([pending(alarm(1))])
    assert nowhere.recall(0) == []
    nowhere.clear()
    missing = Refuge(tmp_path / os.fspath("not-there"))
    for number in range(3):
        missing.hold([pending(alarm(number))])
    assert caplog.text.count("live in this process alone") == 1
    assert missing.recall(0) == []
