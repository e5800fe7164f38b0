"""The arrival audit in trouble: answers too large, lost files, a silent centre, no budget."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass, RecordKind
from appliance.reconcile.audit import KIND_CLASS, MOST_REPAIRS, SlotState
from appliance.reconcile.audit_book import FAILED, ask_for_resend, read_request
from appliance.reconcile.reconciler import ASKED, START
from appliance.sinks.outbox import Stretch
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.reconcile.side import ALL, HOUR_NS, ask, side
from tests.appliance.sinks.way import alarms, at_centre, everything, flushed, stored, telemetry, until


async def test_an_answer_that_is_too_large_is_asked_for_in_parts_and_told_where_that_is_not_possible(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock, most_bytes=4_000) as edge:
        await everything(edge.journal, clock)  # with fifty alarms at one instant
        report = await edge.round()
        assert report is not None
        assert not report.agrees
        assert report.figures["slots_unanswered"] == 1
        assert any("exceeds 4,000 bytes" in line.text for line in report.lines)
        assert report.figures["slots_confirmed"] == report.figures["slots_audited"] - 1
        await ask(influxd, f"DELETE FROM features WHERE time < {START_NS + 20 * SECOND_NS}")
        report = await edge.round()  # forty points do not fit into one answer
        assert report is not None
        assert report.figures["records_resent"] == 20
        assert (await at_centre(influxd))["features"] == 40


async def test_repairs_so_far_are_known_after_a_restart_and_a_damaged_file_is_made_anew(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    path = tmp_path / "central" / "audit.sqlite"
    for turn in (1, 2):
        async with side(tmp_path, influxd) as edge:
            telemetry(edge.journal, 0, 5)
            await flushed(edge.journal, RecordKind.TAG, 5)
            await edge.round()
            await ask(influxd, "DROP SERIES FROM features")
            await edge.round()
            (slot,) = edge.store.slots((RecordKind.FEATURES,), 0, 1 << 62)
            assert (slot.state, slot.repairs, slot.earlier_repairs) == (SlotState.CONFIRMED, 1, turn - 1)
    path.write_bytes(b"not a database" * 1000)
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 10, 2)
        await flushed(edge.journal, RecordKind.TAG, 12)
        report = await edge.round()
        assert report is not None
        assert report.agrees
        assert path.with_name("audit.sqlite.damaged").exists()
        assert edge.reconciler.status.tally.confirmed == sum((await stored(edge.journal)).values())


async def test_what_the_journal_has_no_more_is_told_as_such(tmp_path: Path, influxd: LocalInflux) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        telemetry(edge.journal, 0, 10)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await edge.round()
        database = tmp_path / "journal" / "journal.sqlite"
        with sqlite3.connect(database) as connection:  # as a class's budget would
            connection.execute("DELETE FROM record WHERE kind=4 AND time_ns<?", (START_NS + 4 * SECOND_NS,))
        assert await edge.round() is None, "the centre has all that was sent"
        await ask(influxd, f"DELETE FROM features WHERE time < {START_NS + 6 * SECOND_NS}")
        report = await edge.round()
        assert report is not None
        assert (report.figures["records_resent"], report.figures["slots_gone"]) == (2, 1)
        assert any("4 of 10 points are no longer kept here" in line.text for line in report.lines)
        assert await edge.round() is None


async def test_a_centre_that_answers_no_question_holds_no_record_up(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side gives up
        writer.close()

    clock = ReplayClock(START_NS)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = "http://{}:{}".format(*server.sockets[0].getsockname()[:2])
    async with server, side(tmp_path, influxd, clock=clock, read_url=url) as edge:
        await everything(edge.journal, clock)
        await edge.way.drained()
        round_ = asyncio.create_task(edge.reconciler.look())
        await until(lambda: edge.reconciler.status.running)
        for number in range(100, 110):
            await edge.journal.commit([alarms(edge.journal, clock)(number, number * SECOND_NS)])
        telemetry(edge.journal, 100, 10)
        await flushed(edge.journal, RecordKind.TAG, 50)
        await edge.way.drained()
        assert await at_centre(influxd) == await stored(edge.journal)
        assert not round_.done()
        round_.cancel()
        await asyncio.gather(round_, return_exceptions=True)


async def test_what_came_shortly_before_a_round_is_looked_at_soon_after_it(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with side(tmp_path, influxd) as edge:
        edge.now_ns = START_NS + 90 * SECOND_NS
        telemetry(edge.journal, 0, 80)
        await flushed(edge.journal, RecordKind.TAG, 80)
        report = await edge.round()
        assert report is not None
        assert report.cause == START
        assert edge.reconciler.status.tally.sent == 30 + 30 + 27
        edge.monotonic_s += 120.0
        edge.now_ns += 120 * SECOND_NS
        await edge.reconciler.look()
        assert edge.reconciler.status.rounds == 2
        assert edge.reconciler.status.tally.confirmed == 80 + 80 + 72
        edge.monotonic_s += 120.0
        await edge.reconciler.look()
        assert edge.reconciler.status.rounds == 2, "the next one is due in an hour"


async def test_a_spent_budget_waits_and_costs_no_repair(tmp_path: Path, influxd: LocalInflux) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 10)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await edge.round()
        await ask(influxd, "DROP SERIES FROM features")
        edge.may_send = False
        for _ in range(MOST_REPAIRS + 1):
            await edge.round()
            (slot,) = edge.store.slots((RecordKind.FEATURES,), 0, 1 << 62)
            assert (slot.state, slot.repairs) == (SlotState.DIFFERS, 0)
            assert "tomorrow's budget" in slot.note
        number = ask_for_resend(edge.store.path, START_NS, START_NS + HOUR_NS, set(KIND_CLASS.values()))
        await edge.reconciler.look()
        request = read_request(edge.store.path, number)
        assert request is not None
        assert (request.state, request.sent, "ask again tomorrow" in request.note) == (FAILED, 0, True)
        edge.may_send = True
        report = await edge.round()
        assert report is not None
        assert report.figures["slots_repaired"] == 1
        assert (await at_centre(influxd))["features"] == 10


async def test_a_file_that_is_damaged_while_in_use_is_begun_anew(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 10)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await edge.round()
        with sqlite3.connect(edge.store.path) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw = bytearray(edge.store.path.read_bytes())
        raw[4096:] = b"\xff" * (len(raw) - 4096)
        edge.store.path.write_bytes(raw)
        edge.monotonic_s += 1e6
        running = asyncio.create_task(edge.reconciler.run())
        await until(lambda: edge.reconciler.status.error != "")
        assert "its file cannot be used" in edge.reconciler.status.text
        edge.monotonic_s += 1e6
        await until(lambda: edge.reconciler.status.rounds == 2)
        assert edge.reconciler.status.tally.confirmed == 10 + 10 + 9
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_wish_that_waits_at_the_start_takes_no_report_away(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    async with side(tmp_path, influxd) as edge:
        telemetry(edge.journal, 0, 10)
        await flushed(edge.journal, RecordKind.TAG, 10)
        await edge.way.drained()
        ask_for_resend(edge.store.path, START_NS, START_NS + HOUR_NS, set(KIND_CLASS.values()))
        await edge.reconciler.look()  # the wish
        await edge.reconciler.look()
        assert [report.cause for report in edge.told.reports] == [START]
        ask_for_resend(edge.store.path, START_NS, START_NS + HOUR_NS, set(KIND_CLASS.values()))
        await edge.reconciler.look()
        await edge.reconciler.look()
        assert [report.cause for report in edge.told.reports] == [START, ASKED]
        assert edge.told.reports[-1].agrees


async def test_a_backlog_is_waited_for_and_one_for_tomorrow_is_not(
    tmp_path: Path, influxd: LocalInflux
) -> None:
    clock = ReplayClock(START_NS)
    async with side(tmp_path, influxd, clock=clock) as edge:
        await everything(edge.journal, clock)
        await edge.way.drained()
        lane = edge.way.courier.lanes[RecordClass.TELEMETRY]
        lane.stretches.append(Stretch(0, 1))
        edge.way.task.cancel()  # nobody drains it
        await edge.reconciler.look()
        assert edge.reconciler.status.rounds == 0
        edge.may_send = False
        await edge.reconciler.look()
        assert edge.reconciler.status.rounds == 1
        audited = {slot.kind for slot in edge.store.slots(ALL, 0, 1 << 62) if slot.points}
        assert RecordKind.ALARM_TRANSITION in audited
        assert RecordKind.FEATURES not in audited, "what was not sent yet was missed"
