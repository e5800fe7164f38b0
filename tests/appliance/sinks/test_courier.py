"""From the journal to a real influxd: nothing lost, nothing doubled, whatever breaks on the way."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import signal
import sys
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks.courier_patience import PROBE_EVERY_S, wait_until_answers
from appliance.sinks.influx import InfluxSink
from appliance.sinks.outbox import Lane, Outbox
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import (
    CHANNEL,
    DEVICE,
    FAST,
    alarms,
    at_centre,
    everything,
    flushed,
    journal_in,
    spoil_score_type,
    stored,
    telemetry,
    until,
    way,
)


async def test_every_kind_arrives_once_also_when_delivered_twice(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        await everything(journal, clock)
        async with way(journal, tmp_path, influxd) as one:
            await one.drained()
        wanted = await stored(journal)
        assert wanted["alarm"] == 50
        assert wanted["score"] == 36
        assert await at_centre(influxd) == wanted
        (tmp_path / "central" / "outbox.sqlite").unlink()  # all that the courier remembers
        async with way(journal, tmp_path, influxd) as again:
            await again.drained()
            assert again.courier.report().delivered == sum(wanted.values())
        assert await at_centre(influxd) == wanted

    (row,) = await asyncio.to_thread(
        influxd.ask, "SELECT * FROM alarm WHERE alarm_id = 'pump-1.rule-7' GROUP BY *"
    )
    assert row["device_id"] == DEVICE
    assert (row["asset"], row["channel"], row["severity"]) == ("pump-1", CHANNEL, "warn")
    assert row["reason"] == 'outer race, 14 dB "over" baseline\nrising, \\ 30 %'
    assert row["time_ns"] == START_NS + 5 * SECOND_NS
    assert 0 <= row["time"] - row["time_ns"] < 1_000_000
    rows = await asyncio.to_thread(influxd.ask, "SELECT rms_mps2 FROM features")
    assert [row["rms_mps2"] for row in rows] == [1.0 + second for second in range(40)]
    keys = await asyncio.to_thread(influxd.ask, "SHOW FIELD KEYS FROM features")
    assert "peak_mps2" not in {row["fieldKey"] for row in keys}, "a NaN was written"
    tags = await asyncio.to_thread(influxd.ask, "SHOW TAG KEYS")
    assert {row["tagKey"] for row in tags} == {"device_id", "asset", "channel", "counter", "incarnation"}


async def test_an_outage_under_load_loses_and_doubles_nothing(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    pace = dataclasses.replace(FAST, live_lag=50)
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd, pace=pace) as one:
        make = alarms(journal, clock)
        ended = asyncio.Event()

        async def load() -> int:
            for number in itertools.count():
                telemetry(journal, number * 5, 5)
                await journal.commit([make(number, number * SECOND_NS)])
                await asyncio.sleep(0.01)
                if ended.is_set() and number > 50:  # a machine that is busy takes its time
                    return number * 5 + 4
            raise AssertionError("it counts for ever")

        loading = asyncio.create_task(load())
        for stop in (influxd.stop, influxd.kill):
            await until(lambda: one.courier.report().state == "connected")
            await stop()
            await until(lambda: one.courier.report().state == "not reachable")
            await asyncio.sleep(0.5)
            assert "not reachable" in one.courier.report().text
            await influxd.start()
        await until(lambda: one.courier.report().state == "connected")
        ended.set()
        newest_ns = START_NS + await loading * SECOND_NS
        async with asyncio.timeout(60):  # the group commit of the last telemetry
            while (await journal.history(RecordKind.TAG, "speed", 1))[-1].time_ns < newest_ns:
                await asyncio.sleep(0.01)
        await one.drained()
        wanted = await stored(journal)
        assert wanted["alarm"] > 50
        assert await at_centre(influxd) == wanted
        assert one.courier.report().refused == 0


async def test_an_alarm_after_a_long_outage_does_not_wait_for_the_back_off(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    """The next attempt would come in minutes: the probes find the centre before."""
    clock = ReplayClock(START_NS)
    patient = dataclasses.replace(FAST, backoff=Backoff(base_s=300.0, cap_s=300.0, floor_s=300.0))
    async with journal_in(tmp_path, clock) as journal:
        make = alarms(journal, clock)
        async with way(journal, tmp_path, influxd, pace=patient) as one:
            await influxd.kill()
            await journal.commit([make(1, SECOND_NS)])
            await until(lambda: one.courier.report().state == "not reachable")
            assert one.courier.report().wait_s == 300.0
            assert isinstance(one.sink, InfluxSink)
            asked = one.sink.requests
            await until(lambda: one.sink.requests >= asked + 2)  # type: ignore[attr-defined] # one has failed
            await influxd.start()
            await journal.commit([make(2, 2 * SECOND_NS)])
            await one.drained()
        assert (await at_centre(influxd))["alarm"] == 2


async def test_a_centre_that_answers_and_takes_nothing_is_not_asked_sooner(tmp_path: Path) -> None:
    asked = []

    async def answers() -> bool:
        asked.append(1)
        return True

    began_s = asyncio.get_running_loop().time()
    await wait_until_answers(answers, 4 * PROBE_EVERY_S, lambda: 0.5)
    assert asyncio.get_running_loop().time() - began_s >= 4 * PROBE_EVERY_S - 0.01
    assert asked


async def test_new_alarms_overtake_the_backlog(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    # One batch of the backlog, and the next after 20 s: it cannot drain while this test looks.
    pace = dataclasses.replace(FAST, live_lag=50, batch_records=20, backlog_points_per_s=1.0)
    async with journal_in(tmp_path, clock) as journal:
        telemetry(journal, 0, 200)
        await flushed(journal, RecordKind.TAG, 200)
        async with way(journal, tmp_path, influxd, pace=pace) as one:
            await until(lambda: one.courier.report().delivered >= 20)
            await journal.commit([alarms(journal, clock)(1, 500 * SECOND_NS)])
            telemetry(journal, 600, 1)
            await flushed(journal, RecordKind.TAG, 201)
            await until(lambda: one.courier.lanes[RecordClass.ALARM].delivered == 1)
            await until(lambda: one.courier.lanes[RecordClass.TELEMETRY].live >= journal.last_sequence)
            (newest,) = await asyncio.to_thread(influxd.ask, "SELECT last(value) FROM process_value")
            assert newest["time"] == START_NS + 600 * SECOND_NS
            assert one.courier.lanes[RecordClass.TELEMETRY].stretches, "the backlog had drained already"
            assert one.courier.report().waiting > 100


async def test_a_courier_killed_between_post_and_cursor_doubles_nothing(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        await everything(journal, clock)
        wanted = await stored(journal)
    kills = 0
    for _ in range(3):
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.appliance.sinks.killed_courier", str(tmp_path), influxd.url
        )
        kills += await child.wait() == -signal.SIGKILL
    assert kills == 3
    assert sum((await at_centre(influxd)).values()) > 0, "the killed ones had posted nothing"
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        await one.drained()
        assert await at_centre(influxd) == wanted


async def test_untrusted_times_are_held_back_counted_and_kept(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        make = alarms(journal, clock)
        await journal.commit([make(1, SECOND_NS)])
        await until(lambda: one.courier.report().held == 1)
        report = one.courier.report()
        assert report.delivered == 0
        assert "1 held back until the clock is trusted" in report.text
        held = (await journal.read(0, {RecordKind.ALARM_TRANSITION}))[0].sequence
        assert one.courier.lanes[RecordClass.ALARM].confirmed == held - 1, "the journal might let it go"
        clock.set_trusted(True)
        await journal.commit([make(2, 2 * SECOND_NS)])
        await until(lambda: one.courier.report().delivered == 2)
        await one.drained()
        assert one.courier.report().held == 0
        rows = await asyncio.to_thread(influxd.ask, "SELECT * FROM alarm")
        assert [(row["alarm_id"], row["time_resolved"]) for row in rows] == [
            ("pump-1.rule-1", True),
            ("pump-1.rule-2", None),
        ]


async def test_provisional_times_are_sent_marked_where_that_is_asked_for(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    async with journal_in(tmp_path, clock) as journal:
        await journal.commit([alarms(journal, clock)(1, SECOND_NS)])
        async with way(journal, tmp_path, influxd, send_provisional=True) as one:
            await one.drained()
    (row,) = await asyncio.to_thread(influxd.ask, "SELECT * FROM alarm")
    assert row["time_trusted"] is False


async def test_a_refused_record_becomes_a_dead_letter_and_stops_nothing(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    await asyncio.to_thread(spoil_score_type, influxd)
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        telemetry(journal, 1, 20)
        await flushed(journal, RecordKind.TAG, 20)
        await one.drained()
        wanted = await stored(journal)
        report = one.courier.report()
        assert report.refused == wanted["score"] == 18
        assert "field type conflict" in report.last_error
        assert {letter.key for letter in one.outbox.dead_letters()} == {
            record.key
            for record in await journal.read(0, {RecordKind.SCORE})
            if b"null" not in record.payload
        }
        there = await at_centre(influxd)
        assert (there["features"], there["process_value"]) == (20, 20)


async def test_the_age_of_what_waits_is_told(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    wall_ns = lambda: clock.wall(clock.monotonic_ns()).time_ns  # noqa: E731
    async with (
        journal_in(tmp_path, clock) as journal,
        way(journal, tmp_path, influxd, wall_ns=wall_ns) as one,
    ):
        make = alarms(journal, clock)
        await journal.commit([make(1, SECOND_NS)])
        await one.drained()
        assert one.courier.report().oldest_s is None
        await influxd.stop()
        await journal.commit([make(2, 2 * SECOND_NS)])
        await journal.commit([make(3, 90 * SECOND_NS)])
        await until(lambda: one.courier.report().oldest_s is not None)
        clock.set(302 * SECOND_NS)
        assert one.courier.report().oldest_s == pytest.approx(300.0)
        assert "wait, the oldest for 5 min, kept here" in one.courier.report().text
        await influxd.start()
        await one.drained()
        assert one.courier.report().oldest_s is None


async def test_a_missing_database_keeps_everything_and_raises_the_alarm_until_it_is_there(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    await asyncio.to_thread(influxd.ask, "DROP DATABASE stethos")
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        await everything(journal, clock)
        await until(lambda: one.courier.report().state == "stopped")
        assert "404" in one.courier.report().text
        assert one.watch.said[0].startswith("refuses: the centre answers 404")
        await asyncio.to_thread(influxd.ask, "CREATE DATABASE stethos")
        await one.drained()
        assert one.watch.said[-1] == "accepts"
        assert one.courier.report().refused == 0
        assert await at_centre(influxd) == await stored(journal)


async def test_the_cursor_outlives_the_courier_and_a_new_journal_begins_anew(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path / "a", clock) as journal:
        await everything(journal, clock)
        async with way(journal, tmp_path, influxd) as one:
            await one.drained()
            delivered = one.courier.report().delivered
        async with way(journal, tmp_path, influxd) as one:
            telemetry(journal, 81, 1)  # so that it is seen to have looked
            await flushed(journal, RecordKind.TAG, 41)
            await one.drained()
            assert one.courier.report().delivered == delivered + 3
    async with journal_in(tmp_path / "b", clock) as journal, way(journal, tmp_path, influxd) as one:
        await journal.commit([alarms(journal, clock)(99, 90 * SECOND_NS)])
        await one.drained()
        assert one.courier.report().delivered == delivered + 4


async def test_a_damaged_courier_file_is_set_aside_and_all_is_delivered_again(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    path = tmp_path / "central" / "outbox.sqlite"
    async with journal_in(tmp_path, clock) as journal:
        await everything(journal, clock)
        for damaged in (b"x" * 4096, b""):
            async with way(journal, tmp_path, influxd) as one:
                await one.drained()
            if damaged:
                path.write_bytes(damaged)
            else:  # a page in the middle: what opens does not see it
                content = path.read_bytes()
                path.write_bytes(content[:4096] + b"y" * 4096 + content[8192:])
        async with way(journal, tmp_path, influxd) as again:
            await again.drained()
        wanted = await stored(journal)
        assert again.courier.report().delivered == sum(wanted.values())
        assert await at_centre(influxd) == wanted
    assert len(list(path.parent.glob("outbox.sqlite.damaged-*[0-9]"))) == 2


def test_a_place_where_no_outbox_can_be_is_told(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.mkdir()
    with pytest.raises(Exception, match="cannot be used"):
        Outbox(path)


def test_a_channel_keeps_the_machine_it_was_first_sent_with(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    assert outbox.owners({"x": "pump"}, 10).asset_of("x", 3) == "pump"
    owners = outbox.owners({"x": "fan"}, 20)
    assert [owners.asset_of("x", sequence) for sequence in (3, 19, 20)] == ["pump", "pump", "fan"]
    assert owners.asset_of("unknown", 1) == ""
    outbox.close()


def test_cursors_outlive_a_replaced_journal_and_end_with_an_emptied_one(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox.sqlite")
    lane = outbox.lanes("life-a", 100)[RecordClass.ALARM]
    lane.split(60)
    lane.advance(None, 80)
    outbox.save(lane)

    def cursors(incarnation: str, last_sequence: int) -> tuple[int, int]:
        found = outbox.lanes(incarnation, last_sequence)[RecordClass.ALARM]
        return found.live, found.confirmed

    assert cursors("life-a", 100) == (80, 0)
    assert cursors("life-b", (1 << 40) + 5) == (80, 0), "a replaced file counts on from another base"
    assert cursors("life-c", 3) == (0, 0), "an emptied folder begins anew"
    outbox.close()


def test_cursors_that_began_anew_are_written_down_with_the_journals_name(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"

    def start(incarnation: str, last_sequence: int) -> list[Lane]:
        outbox = Outbox(path)
        lanes = outbox.lanes(incarnation, last_sequence)
        outbox.close()
        return list(lanes.values())

    outbox = Outbox(path)
    for lane in outbox.lanes("life-a", 500).values():
        lane.hold([7], 10)
        lane.split(400)
        lane.advance(None, 450)
        outbox.save(lane)
    outbox.close()
    known = start("life-a", 500)
    assert {lane.live for lane in known} == {450}
    start("a name of the moment", 0)  # a disk that hangs: the journal could not be read
    assert start("life-a", 500) == known, "all would be sent again"
    assert all(lane.live == 0 for lane in start("life-b", 3)), "the folder was emptied; the centre is away"
    for lane in start("life-b", 600):
        assert (lane.live, lane.stretches, lane.held_ranges) == (0, [], []), "a record is passed over"
