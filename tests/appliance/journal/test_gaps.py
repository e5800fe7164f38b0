"""The gap ledger: every interval without data is an entry; a stop of the appliance makes one by itself."""

from __future__ import annotations

import asyncio
import random
import shutil
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from appliance.clock import ReplayClock
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import GapState, RecordKind, StoredGap
from appliance.journal.retention import ClassBudget
from appliance.journal.series import tag_record
from appliance.journal.store import FILE_NAME
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, SMALL, START_NS, vector
from tests.appliance.journal.conftest import OpenJournal


def gap(start_s: float, end_s: float, cause: GapCause, missing: int | None = None) -> Gap:
    return Gap("pump-1.de.x", round(start_s * SECOND_NS), round(end_s * SECOND_NS), cause, missing)


async def flushed(journal: Journal) -> None:
    """Wait until the writer has nothing in memory."""
    await journal.commit([])
    async with asyncio.timeout(60):
        while not journal._writer._queue.empty or journal._writer._busy_since_ns is not None:
            await asyncio.sleep(0.005)


def spans(gaps: list[StoredGap]) -> list[tuple[float, float, str, str, int | None]]:
    return [
        (
            (one.start_ns - START_NS) / SECOND_NS,
            (one.end_ns - START_NS) / SECOND_NS,
            str(one.cause),
            str(one.state),
            one.samples_missing,
        )
        for one in gaps
    ]


async def test_gaps_are_stored_and_found_by_overlap(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.record_gap(gap(0, 100, GapCause.OPCUA_DOWN))
    journal.record_gap(gap(10, 10.5, GapCause.SEQUENCE_GAP, 12_800))
    journal.record_gap(gap(200, 201, GapCause.SERIAL_LOSS, 25_600))
    await flushed(journal)
    assert spans(await journal.gaps("pump-1.de.x", *ALL_TIME)) == [
        (0, 100, "OPC UA server down", "open", None),
        (10, 10.5, "sequence gap", "lost", 12_800),
        (200, 201, "serial loss", "lost", 25_600),
    ]
    middle = await journal.gaps("pump-1.de.x", START_NS + 50 * SECOND_NS, START_NS + 60 * SECOND_NS)
    assert spans(middle) == [(0, 100, "OPC UA server down", "open", None)]
    assert await journal.gaps("another", *ALL_TIME) == []


async def test_a_gap_is_announced_by_a_record(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.record_gap(gap(1, 2, GapCause.SERIAL_LOSS, 7))
    await flushed(journal)
    (record,) = await journal.read(0, {RecordKind.GAP})
    payload = orjson.loads(record.payload)
    assert (record.subject, payload["cause"], payload["samples_missing"]) == ("pump-1.de.x", "serial loss", 7)
    assert payload["end_ns"] - payload["start_ns"] == SECOND_NS
    assert record.time_ns == START_NS + SECOND_NS


async def test_touching_gaps_of_one_cause_become_one(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for second in range(5):
        journal.record_gap(gap(second, second + 1, GapCause.SERIAL_LOSS, 100))
    journal.record_gap(gap(5, 6, GapCause.OVERLOAD, 100))
    journal.record_gap(gap(9, 10, GapCause.SERIAL_LOSS, 100))
    await flushed(journal)
    assert spans(await journal.gaps("pump-1.de.x", *ALL_TIME)) == [
        (0, 5, "serial loss", "lost", 500),
        (5, 6, "overload", "lost", 100),
        (9, 10, "serial loss", "lost", 100),
    ]


async def test_a_gap_told_again_longer_is_not_counted_twice(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.record_gap(gap(1, 2, GapCause.SERIAL_LOSS, 100))
    journal.record_gap(gap(1, 4, GapCause.SERIAL_LOSS, 300))
    await flushed(journal)
    assert spans(await journal.gaps("pump-1.de.x", *ALL_TIME)) == [(1, 4, "serial loss", "lost", 300)]


async def test_a_backfilled_gap_changes_its_state(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.record_gap(gap(1, 4, GapCause.OPCUA_DOWN))
    await flushed(journal)
    (stored,) = await journal.gaps("pump-1.de.x", *ALL_TIME)
    journal.resolve_gap(stored.gap_id, GapState.BACKFILLED)
    journal.resolve_gap(12_345, GapState.LOST)
    await flushed(journal)
    assert spans(await journal.gaps("pump-1.de.x", *ALL_TIME)) == [
        (1, 4, "OPC UA server down", "backfilled", None)
    ]
    states = [orjson.loads(record.payload)["state"] for record in await journal.read(0, {RecordKind.GAP})]
    assert states == ["open", "backfilled"]


async def test_a_stop_is_a_gap_from_the_last_window_to_the_first(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    for second in range(3):
        journal.submit(features_record(vector(second * SECOND_NS)))
        journal.submit(tag_record("pump-1.speed", second * SECOND_NS, 25.0, "Hz"))
    await journal.close()
    clock = ReplayClock(START_NS)
    journal = await open_journal(clock=clock)
    assert journal.channels_last_seen() == {
        "pump-1.de.x": START_NS + round(3.25 * SECOND_NS),
        "pump-1.speed": START_NS + 2 * SECOND_NS,
    }
    for second in (60, 61):
        journal.submit(features_record(vector(second * SECOND_NS)))
        journal.submit(tag_record("pump-1.speed", second * SECOND_NS, 25.0, "Hz"))
    await flushed(journal)
    assert spans(await journal.gaps("pump-1.de.x", *ALL_TIME)) == [(3.25, 60, "power off", "lost", None)]
    assert spans(await journal.gaps("pump-1.speed", *ALL_TIME)) == [(2, 60, "power off", "lost", None)]


async def test_the_first_start_has_no_gap(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    journal.submit(features_record(vector(0)))
    await flushed(journal)
    assert await journal.gaps("pump-1.de.x", *ALL_TIME) == []


async def number_of_a_gap(journal: Journal, clock: ReplayClock, at_s: int) -> int:
    """The number under which a gap of this time is told."""
    clock.set(at_s * SECOND_NS)
    journal.record_gap(gap(at_s, at_s + 1, GapCause.BACKPRESSURE))
    await flushed(journal)
    told = (await journal.read(0, {RecordKind.GAP}))[-1]
    assert told.time_ns == START_NS + at_s * SECOND_NS
    return int(orjson.loads(told.payload)["gap_id"])


@pytest.mark.parametrize("between", ["age", "damage", "an emptied folder"])
async def test_the_number_of_a_gap_is_never_given_to_another(
    open_journal: OpenJournal, tmp_path: Path, between: str
) -> None:
    """The centre keeps what it was told: there the last word on a number holds."""
    clock, path = ReplayClock(START_NS), tmp_path / "journal" / FILE_NAME
    short = replace(SMALL, telemetry=ClassBudget(1 << 30, 86_400.0, False))
    journal = await open_journal(clock=clock, budgets=short)
    first = await number_of_a_gap(journal, clock, 10)
    at_s = 20
    if between == "age":
        journal.submit(features_record(vector(11 * SECOND_NS)))
        async with asyncio.timeout(60):
            while await journal.gaps("pump-1.de.x", *ALL_TIME):
                at_s += 10 * 86_400
                clock.set(at_s * SECOND_NS)
                journal.submit(features_record(vector(at_s * SECOND_NS)))
                await flushed(journal)
                await asyncio.sleep(0.2)  # a round of upkeep
    else:
        await journal.close()
        if between == "damage":  # nothing of it can be saved
            path.write_bytes(random.Random(1).randbytes(path.stat().st_size))
            path.with_name(f"{FILE_NAME}-wal").unlink(missing_ok=True)
        else:
            shutil.rmtree(path.parent)
        journal = await open_journal(clock=clock, budgets=short)
    second = await number_of_a_gap(journal, clock, at_s + 10)
    third = await number_of_a_gap(journal, clock, at_s + 100)
    assert len({first, second, third}) == 3
    assert 0 < max(first, second, third) < 1 << 53, "exact in JSON"
    await journal.close()
    journal = await open_journal(clock=clock, budgets=short)
    assert await number_of_a_gap(journal, clock, at_s + 200) not in {first, second, third}
