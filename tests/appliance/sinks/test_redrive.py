"""What the centre refused for good: listed with its reason, and brought there once the cause is gone."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks import outbox_dead
from appliance.sinks.outbox import Outbox
from appliance.sinks.outbox_dead import DeadCounts, DeadLetter, read_dead_letters, redrive_dead_letters
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import (
    CHANNEL,
    alarms,
    at_centre,
    flushed,
    journal_in,
    spoil_score_type,
    stored,
    telemetry,
    until,
    way,
)


async def test_refused_records_arrive_after_all_once_their_cause_is_gone(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    path = tmp_path / "central" / "outbox.sqlite"
    await asyncio.to_thread(spoil_score_type, influxd)
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        telemetry(journal, 1, 20)
        await flushed(journal, RecordKind.TAG, 20)
        await one.drained()
        counted, letters = read_dead_letters(path)
        assert (counted.refused, len(letters)) == (18, 18)
        assert {letter.kind for letter in letters} == {"score"}
        assert {letter.subject for letter in letters} == {CHANNEL}
        assert all("field type conflict" in letter.reason for letter in letters)
        assert [letter.sequence for letter in letters] == sorted((x.sequence for x in letters), reverse=True)

        assert redrive_dead_letters(path, [letters[0].sequence, 12345]) == 1, "an unknown one is none"
        assert redrive_dead_letters(path, [letters[0].sequence]) == 0, "twice is once"
        await until(
            lambda: "field type" in one.courier.report().last_error and one.outbox.dead_counts().again == 0
        )
        again = read_dead_letters(path)[1]
        assert len(again) == 18, "still refused"
        assert again[0].refused_ns > letters[0].refused_ns

        await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT score")
        assert redrive_dead_letters(path) == 18
        await until(lambda: one.courier.report().refused == 0 and one.courier.report().sent_again == 0)
        assert read_dead_letters(path) == (DeadCounts(0, 0, 0), [])
        assert await at_centre(influxd) == await stored(journal)
        assert one.courier.report().last_error == ""


async def test_what_a_person_sends_again_waits_through_an_outage_and_a_restart(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    path = tmp_path / "central" / "outbox.sqlite"
    await asyncio.to_thread(spoil_score_type, influxd)
    async with journal_in(tmp_path, clock) as journal:
        async with way(journal, tmp_path, influxd) as one:
            telemetry(journal, 1, 20)
            await flushed(journal, RecordKind.TAG, 20)
            await one.drained()
            await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT score")
            await influxd.stop()
            redrive_dead_letters(path)
            await until(lambda: one.courier.report().state == "not reachable")
            assert one.courier.report().sent_again == 18
            assert "18 refused ones are sent again" in one.courier.report().text
        await influxd.start()
        async with way(journal, tmp_path, influxd) as one:
            await until(lambda: one.courier.report().sent_again == 0)
            assert await at_centre(influxd) == await stored(journal)


async def test_a_letter_of_another_journal_is_closed_and_not_taken_for_a_new_record(
    tmp_path: Path, influxd: LocalInflux, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ReplayClock(START_NS)
    path = tmp_path / "central" / "outbox.sqlite"
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, influxd) as one:
        await journal.commit([alarms(journal, clock)(1, SECOND_NS)])
        await one.drained()
        letter = DeadLetter(journal.last_sequence, RecordClass.ALARM, "another", "no", START_NS, "", "", 1)
        one.outbox.save(one.courier.lanes[RecordClass.ALARM], [letter])
        redrive_dead_letters(path)
        await until(lambda: "no longer kept" in caplog.text)
        await until(lambda: one.outbox.dead_counts() == DeadCounts(0, 0, 0))
        assert one.courier.report().delivered == 1


def test_a_file_of_an_earlier_release_keeps_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE dead (sequence INTEGER PRIMARY KEY, class TEXT NOT NULL, key TEXT NOT NULL,"
            " reason TEXT NOT NULL, time_ns INTEGER NOT NULL)"
        )
        old.execute("INSERT INTO dead VALUES (7, 'alarm', 'k', 'no', 5)")
        old.commit()
    Outbox(path).close()
    Outbox(path).close()
    counted, (letter,) = read_dead_letters(path)
    assert counted == DeadCounts(1, 0, 0)
    assert letter == DeadLetter(7, RecordClass.ALARM, "k", "no", 5)


def test_too_many_refused_records_leave_oldest_first_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_dead, "MOST_DEAD_LETTERS", 3)
    outbox = Outbox(tmp_path / "outbox.sqlite")
    lane = outbox.lanes("life", 100)[RecordClass.ALARM]
    for first in (1, 3):
        outbox.save(
            lane, [DeadLetter(n, RecordClass.ALARM, f"k{n}", "no", n) for n in range(first, first + 2)]
        )
    outbox.save(lane, [DeadLetter(5, RecordClass.ALARM, "k5", "no", 5)])
    assert outbox.dead_counts() == DeadCounts(3, 0, 2)
    assert [letter.sequence for letter in outbox.dead_letters()] == [5, 4, 3]
    outbox.close()
