"""Records of an untrusted clock in a real journal: restamped once the clock is trusted, each exactly once."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from appliance.clock import EARLIEST_PLAUSIBLE_NS, ReplayClock
from appliance.journal import journal as journal_module
from appliance.journal import restamping
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordKind
from appliance.journal.series import tag_record
from appliance.journal.store import FILE_NAME, Store
from dsp.samples import Gap, GapCause
from tests.appliance.journal.builders import ALL_TIME, SECOND_NS, START_NS, alarm, vector
from tests.appliance.journal.conftest import OpenJournal
from tests.fakes.set_clock import HOUR_NS, StandingClock

CHANNEL = "pump-1.de.x"


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


async def flushed(journal: Journal) -> None:
    await until(lambda: journal._writer._queue.empty and journal._writer._busy_since_ns is None)


async def resolved(journal: Journal) -> None:
    """Until this life of the journal has resolved something, which may be before anybody asks."""
    await until(lambda: journal.resolutions > 0)


def boot(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The kernel was booted anew."""
    monkeypatch.setattr(journal_module, "kernel_boot_id", lambda: name)


def seconds(journal: Journal, host: StandingClock, first: int, number: int) -> None:
    for second in range(first, first + number):
        host.now_ns = second * SECOND_NS
        journal.submit(features_record(vector(second * SECOND_NS)))
        journal.submit(tag_record("speed", second * SECOND_NS, 24.0, "Hz"))


async def true_and_unique(journal: Journal, offset_ns: int) -> list[Record]:
    """Every record is where monotonic time says, but for +k ns of a series that had that time."""
    records = await journal.read(0, None, 10_000)
    for record in records:
        assert record.time_known, record.key
        assert 0 <= record.time_ns - (offset_ns + record.monotonic_ns) < 1_000, record.key
    series = [
        (record.kind, record.subject, record.time_ns)
        for record in records
        if record.kind is not RecordKind.GAP
    ]
    assert len(set(series)) == len(series)
    return records


@pytest.mark.parametrize(
    "wrong_ns", [-START_NS, HOUR_NS, -HOUR_NS, 400 * 24 * HOUR_NS], ids=["1970", "+1h", "-1h", "+400d"]
)
async def test_what_was_recorded_before_the_clock_was_right_gets_its_true_time(
    open_journal: OpenJournal, wrong_ns: int
) -> None:
    host = StandingClock(START_NS)
    host.disciplined, host.offset_ns = False, START_NS + wrong_ns
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 700)  # more than one step of the work
    journal.record_gap(Gap(CHANNEL, 300 * SECOND_NS, 302 * SECOND_NS, GapCause.SERIAL_LOSS, 7))
    await journal.commit([alarm(number) for number in range(1, 700, 70)])
    await flushed(journal)
    before = await journal.read(0, None, 10_000)
    assert len(before) == 1_411
    assert not any(record.time_known for record in before)
    assert min(record.time_ns for record in before) >= EARLIEST_PLAUSIBLE_NS
    (gap,) = await journal.gaps(CHANNEL, *ALL_TIME)
    assert gap.provisional

    host.now_ns += 5 * SECOND_NS
    host.offset_ns, host.disciplined = START_NS, True  # in this order: the writer's thread looks at any time
    await resolved(journal)
    seconds(journal, host, 710, 5)
    await flushed(journal)
    records = await true_and_unique(journal, START_NS)
    assert [record.key for record in records[: len(before)]] == [record.key for record in before]
    assert [record.time_resolved for record in records].count(True) == len(before)
    assert all(record.time_trusted for record in records)
    (gap,) = await journal.gaps(CHANNEL, *ALL_TIME)
    assert (gap.start_ns, gap.end_ns) == (START_NS + 300 * SECOND_NS, START_NS + 302 * SECOND_NS)
    assert not gap.provisional
    (told,) = await journal.read(0, {RecordKind.GAP})
    assert orjson.loads(told.payload)["start_ns"] == gap.start_ns == told.time_ns
    times_ns, _ = await journal.tags("speed", START_NS, START_NS + 701 * SECOND_NS)
    assert len(times_ns) == 700
    newest = {record.subject: record.time_ns for record in journal.latest(RecordKind.ALARM_TRANSITION)}
    assert newest == {"pump-1.machine-condition": START_NS + 631 * SECOND_NS}
    await journal.close()
    journal = await open_journal(clock=host.clock)
    await flushed(journal)
    assert await journal.read(0, None, 10_000) == records, "a record is moved once"
    assert journal.resolutions == 0


async def test_a_stop_within_an_unknown_time_is_a_gap_of_its_true_length(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trusted, then off for a day, then up with a dead battery, then the time server is found."""
    boot(monkeypatch, "boot-a")
    host = StandingClock(START_NS)
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 3)
    await flushed(journal)
    await journal.close()
    boot(monkeypatch, "boot-b")
    host = StandingClock(0)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 3)
    await flushed(journal)
    host.now_ns, host.offset_ns, host.disciplined = 60 * SECOND_NS, START_NS + 24 * HOUR_NS, True
    await resolved(journal)
    (gap,) = await journal.gaps("speed", *ALL_TIME)
    assert (gap.cause, gap.provisional) == (GapCause.POWER_OFF, False)
    assert (gap.start_ns, gap.end_ns) == (START_NS + 3 * SECOND_NS, START_NS + 24 * HOUR_NS + SECOND_NS)


async def test_a_boot_that_never_knew_the_time_is_placed_between_its_neighbours(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = []
    for name, offset_ns, trusted in (
        ("boot-a", START_NS, True),
        ("boot-b", 0, False),  # at 1970
        ("boot-c", START_NS + 900 * 24 * HOUR_NS, False),  # years ahead
        ("boot-d", START_NS + 10 * HOUR_NS, True),
    ):
        boot(monkeypatch, name)
        host = StandingClock(offset_ns)
        host.disciplined = trusted
        journal = await open_journal(clock=host.clock)
        seconds(journal, host, 1, 4)
        await journal.commit([alarm(3, f"pump-1.{name}")])
        await flushed(journal)
        hosts.append(journal)
        if name != "boot-d":
            await journal.close()
    await until(lambda: journal.resolutions > 0)
    records = await journal.read(0, None, 10_000)
    by_boot = {
        name: [one for one in records if one.boot_id.startswith(name)] for name in ("boot-b", "boot-c")
    }
    for name, own in by_boot.items():
        assert len(own) >= 9
        for record in own:
            assert not record.time_trusted, "nobody vouches for it"
            assert record.time_bound_s is not None, name
            assert START_NS + 4 * SECOND_NS <= record.time_ns <= START_NS + 10 * HOUR_NS + SECOND_NS
            assert record.time_bound_s >= 10 * 3600 // 2 - 10
    plain = {
        name: [record.time_ns for record in own if record.kind is RecordKind.TAG]
        for name, own in by_boot.items()
    }
    assert [b - a for a, b in zip(plain["boot-b"], plain["boot-b"][1:], strict=False)] == [SECOND_NS] * 3
    assert max(plain["boot-b"]) <= min(plain["boot-c"]), "one boot after the other"


async def test_a_first_boot_that_never_knew_the_time_stays_provisional(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot(monkeypatch, "boot-a")
    host = StandingClock(0)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    await journal.commit([alarm(1)])
    await journal.close()
    boot(monkeypatch, "boot-b")
    journal = await open_journal(clock=StandingClock(START_NS).clock)
    await journal.commit([alarm(2)])
    await flushed(journal)
    first, second = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert (first.time_known, second.time_trusted) == (False, True)


async def test_a_restart_of_the_service_within_the_boot_knows_what_came_before(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trusted, lost, restarted, found again with 30 ms of drift: what lies between is spread over it."""
    boot(monkeypatch, "boot-a")
    host = StandingClock(START_NS)
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 2)
    await flushed(journal)
    host.disciplined = False
    host.now_ns = 5 * SECOND_NS
    seconds(journal, host, 5, 1)
    await flushed(journal)
    await journal.close()
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1_000, 1)
    await flushed(journal)
    host.now_ns, host.offset_ns, host.disciplined = 2_000 * SECOND_NS, START_NS + 30_000_000, True
    await resolved(journal)
    tags = {one.monotonic_ns // SECOND_NS: one for one in await journal.read(0, {RecordKind.TAG})}
    assert [tags[at].time_resolved for at in (1, 2, 5, 1_000)] == [False, False, True, True]
    assert tags[5].time_ns - START_NS == pytest.approx(5 * SECOND_NS, abs=200_000)
    assert tags[1_000].time_ns - START_NS - 1_000 * SECOND_NS == pytest.approx(15_000_000, abs=200_000)


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_work_that_is_cut_off_goes_on_at_the_next_boot(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(restamping, "STEP_RECORDS", 4)
    boot(monkeypatch, "boot-a")
    host = StandingClock(START_NS + HOUR_NS)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 1, 10)
    await flushed(journal)
    some = restamping.Restamping._restamp_some
    left = [after]

    def cut(self: restamping.Restamping, *arguments: object) -> None:
        if left[0] == 0:
            raise OSError("cut off")
        left[0] -= 1
        some(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(restamping.Restamping, "_restamp_some", cut)
    host.now_ns, host.offset_ns, host.disciplined = 20 * SECOND_NS, START_NS, True
    await until(lambda: left[0] == 0 and journal._writer.failures > 0)
    await journal.close()
    monkeypatch.setattr(restamping.Restamping, "_restamp_some", some)
    boot(monkeypatch, "boot-b")
    journal = await open_journal(clock=StandingClock(START_NS + 24 * HOUR_NS).clock)
    await resolved(journal)
    records = await true_and_unique(journal, START_NS)
    assert len(records) == 20
    assert all(record.time_resolved for record in records)


async def test_times_that_are_sent_as_they_are_are_final(open_journal: OpenJournal) -> None:
    host = StandingClock(START_NS + HOUR_NS)
    host.disciplined = False
    journal = await open_journal(clock=host.clock, resolve_times=False)
    await journal.commit([alarm(1)])
    host.now_ns, host.offset_ns, host.disciplined = 20 * SECOND_NS, START_NS, True
    await journal.commit([alarm(2)])
    await journal.close()
    host.disciplined = False
    host.now_ns += 5 * SECOND_NS
    journal = await open_journal(clock=host.clock)  # from now on they are held back
    await journal.commit([alarm(26)])
    host.now_ns += 10 * SECOND_NS
    host.disciplined = True
    await resolved(journal)
    known = [
        (one.time_trusted, one.time_resolved) for one in await journal.read(0, {RecordKind.ALARM_TRANSITION})
    ]
    assert known == [(False, False), (True, False), (True, True)]


async def test_resolved_times_survive_damage(open_journal: OpenJournal, tmp_path: Path) -> None:
    host = StandingClock(START_NS + HOUR_NS)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    await journal.commit([alarm(number) for number in range(1, 40)])
    host.now_ns, host.offset_ns, host.disciplined = 60 * SECOND_NS, START_NS, True
    await resolved(journal)
    before = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    await journal.close()
    connection = sqlite3.connect(tmp_path / "journal" / FILE_NAME)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name='record_time'").fetchone()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with (tmp_path / "journal" / FILE_NAME).open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)
    journal = await open_journal(clock=host.clock)
    assert journal.damage_report is not None
    assert await journal.read(0, {RecordKind.ALARM_TRANSITION}) == before


async def test_a_file_of_the_second_schema_is_resolved_too(open_journal: OpenJournal, tmp_path: Path) -> None:
    host = StandingClock(START_NS + HOUR_NS)
    host.disciplined = False
    journal = await open_journal(clock=host.clock)
    await journal.commit([alarm(1)])
    await journal.close()
    connection = sqlite3.connect(tmp_path / "journal" / FILE_NAME)
    connection.executescript(
        "DROP TABLE clock_anchor; DROP TABLE gap_clock; DROP INDEX record_provisional; PRAGMA user_version=2"
    )
    connection.close()
    host.now_ns, host.offset_ns, host.disciplined = 9 * SECOND_NS, START_NS, True
    journal = await open_journal(clock=host.clock)
    await until(lambda: journal.resolutions > 0)
    (record,) = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert (record.time_ns, record.time_resolved) == (START_NS + SECOND_NS, True)


@pytest.mark.parametrize("step_ns", [HOUR_NS, -HOUR_NS, -SECOND_NS], ids=["+1h", "-1h", "-1s"])
@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
async def test_a_clock_set_for_a_while_leaves_no_time_out_of_order(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch, step_ns: int, restart: bool
) -> None:
    """Trusted, set, put right within the minute: every record lies where monotonic time says."""
    boot(monkeypatch, "boot-a")
    host = StandingClock(START_NS)
    journal = await open_journal(clock=host.clock)
    seconds(journal, host, 2, 10)
    await flushed(journal)
    host.now_ns, host.offset_ns = 14 * SECOND_NS, START_NS + step_ns
    if restart:
        await journal.close()
        host.clock = host.started_anew()
        journal = await open_journal(clock=host.clock)
    seconds(journal, host, 15, 20)
    await journal.commit([alarm(1)])
    await flushed(journal)
    assert not (await journal.read(0, {RecordKind.ALARM_TRANSITION}))[0].time_known
    host.now_ns, host.offset_ns = 40 * SECOND_NS, START_NS
    seconds(journal, host, 41, 10)
    await resolved(journal)
    await flushed(journal)
    tags = await journal.read(0, {RecordKind.TAG})
    assert len(tags) == 40
    alarms = await journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert all(0 <= one.time_ns - START_NS - one.monotonic_ns < 1_000 for one in (*tags, *alarms))
    assert all(one.time_known for one in await journal.read(0, None, 1_000))


async def test_a_disk_that_refuses_once_leaves_no_record_provisional(
    open_journal: OpenJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    journal = await open_journal(clock=clock)
    for number in range(3):
        await journal.commit([alarm(number)])
    refused: list[Record] = []
    restamp = Store.restamp

    def refuses_once(store: Store, record: Record, *rest: Any) -> Record:
        if not refused:
            refused.append(record)
            raise sqlite3.OperationalError("disk I/O error")
        return restamp(store, record, *rest)

    monkeypatch.setattr(Store, "restamp", refuses_once)
    clock.set_trusted(True)
    await until(lambda: journal.resolutions > 0)
    assert refused
    assert all(record.time_resolved for record in await journal.read(0, {RecordKind.ALARM_TRANSITION}))
