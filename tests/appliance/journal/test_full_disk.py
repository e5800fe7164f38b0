"""A disk that is really full: alarms from the reserve, telemetry in place of older telemetry, and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.reserve import Reserve
from appliance.journal.retention import MIB, Budgets
from appliance.journal.series import tag_record
from tests.appliance.journal.builders import ALL_TIME, NAMES, QUICK, SECOND_NS, alarm, vector
from tests.appliance.journal.conftest import OpenJournal
from tests.appliance.journal.disks import fill, small_disk
from tests.appliance.journal.test_durability import until

TRANSITIONS = 6_000
N_OLD = 25_000  # windows that are there before the disk is full
BUDGETS = Budgets(reserve_transitions=TRANSITIONS)
WIDE = tuple(f"band_{index}_level_dB" for index in range(40))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as folder:
        yield folder


async def settled(journal: Journal) -> None:
    """Until nothing waits, and nothing is being written."""
    await until(lambda: journal._writer._queue.empty and journal._writer._busy_since_ns is None)


async def has_room(journal: Journal, records: list[NewRecord]) -> bool:
    """Whether the disk takes the records, however slow it is about it."""
    if (await journal.commit(records)).durable:
        return True
    await until(lambda: journal.durable or journal._writer.failure is not None)
    return journal._writer.failure is None


async def test_the_reserve_holds_the_promised_transitions_and_telemetry_goes_on(
    open_journal: OpenJournal, disk: Path
) -> None:
    journal = await open_journal(folder=disk / "journal", budgets=BUDGETS)
    await until(lambda: journal.reserve.whole)
    for second in range(N_OLD):
        journal.submit(features_record(vector(second * SECOND_NS, *range(40), names=WIDE)))
    await journal.commit([alarm(0)])
    await settled(journal)
    fill(disk / "filler")

    stored = 0
    while stored < TRANSITIONS:
        batch = [alarm(number, f"alarm-{number % 50}") for number in range(stored + 1, stored + 101)]
        result = await journal.commit(batch)
        assert result.durable, f"after {stored} transitions"
        stored += len(batch)
        second = N_OLD + stored // 100
        journal.submit(features_record(vector(second * SECOND_NS, *range(40), names=WIDE)))
    assert journal.space_low
    assert journal.reserve.held_bytes < journal.reserve.size_bytes
    assert journal.durable

    await settled(journal)
    times, _ = await journal.features("pump-1.de.x", WIDE[0], *ALL_TIME)
    oldest_s, newest_s = (int(time_ns) // SECOND_NS - 1_800_000_000 for time_ns in (times[0], times[-1]))
    assert newest_s == N_OLD + TRANSITIONS // 100  # the newest telemetry is there
    assert oldest_s > 0  # at the cost of the oldest
    await settled(journal)
    gaps = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert gaps and gaps[0].cause == "disk full"

    (disk / "filler").unlink()
    await until(lambda: not journal.space_low)
    assert journal.reserve.whole
    await journal.commit([alarm(TRANSITIONS + 1)])
    numbers = []
    sequence = 0
    while records := await journal.read(sequence, {RecordKind.ALARM_TRANSITION}):
        numbers += [orjson.loads(record.payload)["number"] for record in records]
        sequence = records[-1].sequence
    assert numbers == list(range(TRANSITIONS + 2))


async def test_a_reserve_used_up_is_not_durable_and_nothing_is_lost(
    open_journal: OpenJournal, disk: Path
) -> None:
    journal = await open_journal(
        folder=disk / "journal", budgets=replace(BUDGETS, reserve_transitions=3_000), timing=QUICK
    )
    await until(lambda: journal.reserve.whole)
    fill(disk / "filler")
    stored = 0
    while await has_room(journal, [alarm(n) for n in range(stored, stored + 200)]):
        stored += 200
        assert stored < 50_000
    assert stored >= 3_000  # as many as the reserve was made for
    assert journal.reserve.held_bytes == 0
    assert not journal.durable
    assert not (await journal.commit([alarm(stored + 200)])).durable
    (disk / "filler").unlink()
    await until(lambda: journal.durable and journal.reserve.whole)
    records = [record async for record in _all(journal.read, stored + 201)]
    assert records == [alarm(n).key for n in range(stored + 201)]


async def _all(read, count):  # type: ignore[no-untyped-def]
    sequence = 0
    while records := await read(sequence, {RecordKind.ALARM_TRANSITION}):
        for record in records:
            yield record.key
        sequence = records[-1].sequence


async def test_a_disk_full_at_the_start(open_journal: OpenJournal, disk: Path) -> None:
    """No room for a reserve: the journal says so by its size, and works on once there is room."""
    fill(disk / "filler")
    journal = await open_journal(folder=disk / "journal", budgets=BUDGETS, timing=QUICK)
    assert not (await journal.commit([alarm(1)])).durable
    (disk / "filler").unlink()
    await until(lambda: journal.durable and journal.reserve.whole)
    assert [record.key for record in await journal.read(0)] == [alarm(1).key]


async def test_a_start_on_a_full_disk_knows_what_was_and_keeps_what_comes(
    open_journal: OpenJournal, disk: Path
) -> None:
    """The log that the file needs beside it has no room but the reserve's."""
    journal = await open_journal(folder=disk / "journal", budgets=BUDGETS)
    await until(lambda: journal.reserve.whole)
    await journal.commit([alarm(1)])
    await journal.close()
    fill(disk / "filler")
    again = await open_journal(folder=disk / "journal", budgets=BUDGETS)
    assert [record.key for record in again.latest(RecordKind.ALARM_TRANSITION)] == [alarm(1).key]
    assert (await again.commit([alarm(2)])).durable
    assert again.space_low
    (disk / "filler").unlink()
    await until(lambda: not again.space_low)
    assert [record.key for record in await again.read(0)] == [alarm(1).key, alarm(2).key]


@pytest.mark.parametrize("delivered", [0, 1 << 40])
async def test_values_that_leave_are_told_as_the_disk_s(
    open_journal: OpenJournal, disk: Path, delivered: int
) -> None:
    """Whether the centre has them or not: rolled back to a backup, it could not get them from here again."""
    journal = await open_journal(folder=disk / "journal", budgets=BUDGETS)
    await until(lambda: journal.reserve.whole)
    journal.mark_delivered("central", RecordClass.TELEMETRY, delivered)
    for second in range(N_OLD):
        journal.submit(features_record(vector(second * SECOND_NS, *range(40), names=WIDE)))
        if second % 10 == 0:
            journal.submit(tag_record("speed", second * SECOND_NS, 24.5, "Hz"))
    await journal.commit([alarm(0)])
    await settled(journal)
    fill(disk / "filler")
    for second in range(N_OLD, N_OLD + 200):
        journal.submit(features_record(vector(second * SECOND_NS, *range(40), names=WIDE)))
        await journal.commit([alarm(second)])
    await settled(journal)
    assert journal.space_low
    (first_kept, *_) = await journal.read(0, {RecordKind.TAG})
    assert first_kept.time_ns > 1_800_000_000 * SECOND_NS  # some left
    gaps = [gap for gap in await journal.gaps("speed", *ALL_TIME) if gap.cause == "disk full"]
    assert len(gaps) == 1
    assert all(gap.end_ns >= first_kept.time_ns - 10 * SECOND_NS for gap in gaps)


async def test_telemetry_alone_on_a_full_disk_is_told_as_lost(open_journal: OpenJournal, disk: Path) -> None:
    """Nothing older to give up: the new telemetry leaves, and the ledger says so."""
    journal = await open_journal(folder=disk / "journal", budgets=replace(BUDGETS, reserve_transitions=600))
    await until(lambda: journal.reserve.whole)
    fill(disk / "filler")
    big = tuple(f"feature_{index}" for index in range(20_000))
    for second in range(60):
        journal.submit(features_record(vector(second * SECOND_NS, names=big)))
        if second % 20 == 19:
            await settled(journal)
    await settled(journal)
    assert journal.space_low
    assert journal.durable
    gaps = await journal.gaps("pump-1.de.x", *ALL_TIME)
    assert {gap.cause for gap in gaps} == {"disk full"}
    assert (await journal.commit([alarm(1)])).durable
    assert await journal.feature_names("pump-1.de.x") in {(), NAMES, big}


async def test_what_left_in_vain_is_told_as_well(open_journal: OpenJournal, disk: Path) -> None:
    """All older telemetry leaves, and what should take its place finds too little room even so."""
    journal = await open_journal(folder=disk / "journal", budgets=replace(BUDGETS, reserve_transitions=600))
    await until(lambda: journal.reserve.whole)
    journal.mark_delivered("central", RecordClass.TELEMETRY, 0)
    for second in range(200):
        journal.submit(tag_record("speed", second * SECOND_NS, 24.5, "Hz"))
    await settled(journal)
    fill(disk / "filler")
    big = tuple(f"feature_{index}" for index in range(20_000))
    for second in range(200, 260):
        journal.submit(features_record(vector(second * SECOND_NS, names=big)))
        if second % 20 == 19:
            await settled(journal)
    await settled(journal)
    kept = await journal.read(0, {RecordKind.TAG})
    assert len(kept) == 1  # the newest of its subject
    gaps = await journal.gaps("speed", *ALL_TIME)
    covered_s = sum(gap.end_ns - gap.start_ns for gap in gaps if gap.cause == "disk full") / SECOND_NS
    assert covered_s >= 198 - len(gaps)


def test_the_reserve_is_given_up_in_pieces(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 8 * MIB)
    assert not reserve.whole
    assert reserve.fill()
    assert reserve.held_bytes == 8 * MIB
    pieces = 0
    while reserve.release():
        pieces += 1
        assert not reserve.whole
    assert pieces == 8
    assert reserve.held_bytes == 0
    assert reserve.fill() and reserve.whole


def test_a_reserve_that_does_not_fit_is_not_made(disk: Path) -> None:
    reserve = Reserve(disk, 100 * MIB)
    assert not reserve.fill()
    assert reserve.held_bytes == 0
