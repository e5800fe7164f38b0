"""Dead letters of a real influxd and a real receiver in one list, until their cause is gone."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from pathlib import Path

import httpx
import pytest

from appliance.__main__ import main
from appliance.backoff import Backoff
from appliance.clock import ReplayClock, SystemClock
from appliance.config_file import load_settings
from appliance.dead_letters import CentralLetters, DeadLetters, RefusedRecord, WebhookLetters
from appliance.errors import Retryable
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.service_notifier import service_notifier
from appliance.sinks.courier_report import CourierReport, CourierState
from appliance.sinks.outbox_dead import read_dead_letters
from appliance.sinks.webhook_queue import Schedule
from appliance.station_views import dead_letter_page
from appliance.supervisor import Supervisor
from appliance.wiring import Appliance
from appliance.wiring_central import outbox_path
from appliance.wiring_web import Address
from tests.appliance.journal.builders import PATIENT, SECOND_NS, SMALL, START_NS
from tests.appliance.sinks.influx_server import local_influx
from tests.appliance.sinks.receiver import Plant, answers, receiver, sending
from tests.appliance.sinks.way import (
    CHANNEL,
    at_centre,
    flushed,
    journal_in,
    spoil,
    spoil_score_type,
    stored,
    telemetry,
    until,
    way,
)
from tests.appliance.test_config import GOOD

SOON_DEAD = Schedule(Backoff(0.01, 0.02, 0.01), 0.05)


async def listed(letters: DeadLetters, n: int) -> list[RefusedRecord]:
    """All of them, once the files of those who send know them, too: they are written after it was counted."""
    async with asyncio.timeout(60):
        while len(found := await letters.page(None, 0, 50)) != n:
            await asyncio.sleep(0.01)
    return found


async def test_what_was_refused_appears_and_vanishes_once_it_is_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    influxd = local_influx(tmp_path)
    await influxd.start()
    clock = SystemClock()  # the receiver compares signed times with its own clock
    path = tmp_path / "central" / "outbox.sqlite"
    try:
        await asyncio.to_thread(spoil_score_type, influxd, clock.wall(10 * SECOND_NS).time_ns)
        async with contextlib.AsyncExitStack() as stack:
            journal = await Journal.open(tmp_path / "journal", SMALL, clock, PATIENT)
            stack.push_async_callback(journal.close)
            cmms = await stack.enter_async_context(receiver())
            plant = Plant(journal, clock)
            cmms.for_alarm = {"a": answers(400), "b": answers(400)}
            async with (
                way(journal, tmp_path, influxd, send_provisional=True) as one,
                sending(plant, cmms.target(), schedule=SOON_DEAD) as sink,
            ):
                central = CentralLetters(path, one.courier.report)
                letters = DeadLetters([central, WebhookLetters(journal.folder, "cmms", sink.report)])
                assert [tally.refused for tally in letters.tallies()] == [0, 0]
                assert await letters.page(None, 0, 50) == []

                telemetry(journal, 1, 20)
                await flushed(journal, RecordKind.TAG, 20)
                await plant.raised("a")
                await plant.raised("b")
                await until(lambda: [tally.refused for tally in letters.tallies()] == [18, 2])
                everything = await listed(letters, 20)
                await one.drained()
                assert await letters.page(None, 5, 3) == everything[5:8]
                assert {(letter.destination, letter.kind) for letter in everything} == {
                    ("central", "score"),
                    ("webhook cmms", "alarm raised"),
                }
                by_record = {letter.record_id: letter for letter in everything}
                assert "field type conflict" in by_record[CHANNEL].reason
                assert "400" in by_record["a"].reason
                times = [letter.refused_ns for letter in everything]
                assert times == sorted(times, reverse=True)
                assert dead_letter_page(everything, letters.tallies(), "webhook cmms").total == 2

                cmms.for_alarm = {}
                first = by_record["a"].letter_id
                assert await letters.redrive("webhook cmms", [first, "msg_unknown"], "jo") == 1
                assert await letters.redrive("webhook cmms", [first], "jo") == 0
                assert await letters.redrive("webhook cmms", [], "jo") == 0
                await cmms.until(lambda: cmms.ids == [first])
                assert await letters.redrive("webhook cmms", None, "jo") == 1
                await until(lambda: letters.tallies()[1].refused == 0)
                await cmms.until(lambda: len(cmms.ids) == 2)

                await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT score")
                assert await letters.redrive("central", ["no number", "9" * 40], "jo") == 0
                assert await letters.redrive("central", None, "jo") == 18
                await until(lambda: letters.tallies()[0].refused == 0)
                await until(lambda: one.courier.report().sent_again == 0)
                await listed(letters, 0)
                await one.drained()
                assert await at_centre(influxd) == await stored(journal)
    finally:
        await influxd.kill()
    assert "dead letters sent again destination=central count=18 letters='all' user='jo'" in caplog.text


async def test_a_file_that_is_none_is_told_and_not_raised_at_a_page(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"x" * 4096)
    report = CourierReport("centre", CourierState.STARTING, 0, 0, None, 0, 1, 0, 0, "", 0.0)
    letters = DeadLetters([CentralLetters(path, lambda: report)])
    with pytest.raises(Retryable, match="cannot be used"):
        await letters.page(None, 0, 10)
    with pytest.raises(Retryable, match="cannot be used"):
        await letters.redrive("central", None, "jo")


async def test_the_command_lists_and_sends_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    influxd = local_influx(tmp_path)
    await influxd.start()
    clock = ReplayClock(START_NS)
    config = tmp_path / "stethos.toml"
    config.write_text(
        f'{GOOD}\n[central]\nurl = "{influxd.url}"\nversion = 1\ndatabase = "stethos"\n', encoding="utf-8"
    )
    folder = tmp_path / "state"  # as GOOD says
    path = outbox_path(folder)

    async def command(*arguments: str) -> int:
        given = ["central", *arguments, "--config", str(config)]
        return await asyncio.to_thread(main, given)

    try:
        await asyncio.to_thread(spoil_score_type, influxd)
        async with journal_in(folder, clock) as journal, way(journal, folder, influxd) as one:
            assert await command("list") == 0
            assert capsys.readouterr().out.startswith("0 refused")
            telemetry(journal, 1, 3)
            await flushed(journal, RecordKind.TAG, 3)
            await until(lambda: one.courier.report().refused == 3)
            await until(lambda: read_dead_letters(path)[0].refused == 3)
            assert await command("list", "--limit", "2") == 0
            said = capsys.readouterr().out
            assert "3 refused" in said
            assert "field type conflict" in said
            assert "and 1 more" in said
            assert await command("list", "--json") == 0
            rows = json.loads(capsys.readouterr().out)["dead_letters"]
            await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT score")
            assert await command("redrive", str(rows[0]["id"])) == 0
            assert "1 records are sent again" in capsys.readouterr().out
            assert await command("redrive", "--json") == 0
            assert json.loads(capsys.readouterr().out) == {"sent_again": 2}
            await until(lambda: one.courier.report().refused == 0)
    finally:
        await influxd.kill()


async def test_through_the_whole_appliance_by_who_is_signed_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A record that a real influxd refuses, seen and sent again over HTTP."""
    caplog.set_level(logging.INFO)
    influxd = local_influx(tmp_path)
    await influxd.start()
    config = tmp_path / "stethos.toml"
    config.write_text(
        "[web]\nport = 0\n" + GOOD.replace("/dev/ttyUSB0", str(tmp_path / "no-such-port"))
        + f'\n[central]\nurl = "{influxd.url}"\nversion = 1\ndatabase = "stethos"\n'
        'provisional_times = "send"\n',
        encoding="utf-8",
    )  # fmt: skip
    await asyncio.to_thread(spoil, influxd, "alarm", "activation", time.time_ns())
    appliance = await Appliance.build(load_settings(config))
    supervisor = Supervisor(Backoff(0.05, 0.1, 0.01))
    told: asyncio.Future[Address] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(appliance.run(supervisor, service_notifier(), told.set_result))
    try:
        address = await asyncio.wait_for(told, 60)
        async with httpx.AsyncClient(base_url=address.url, timeout=30.0, trust_env=False) as http:
            session = {"user": address.user, "password": address.first_password}
            answer = await http.post("/api/session", json=session)
            http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]
            change = {"old_password": address.first_password, "new_password": "seventeen calm otters"}
            answer = await http.post("/api/session/password", json=change)
            http.headers["X-CSRF-Token"] = answer.json()["csrf_token"]

            async def refused() -> int:
                (tally,) = (await http.get("/api/appliance")).json()["dead_letters"]
                assert tally["destination"] == "central"
                return int(tally["refused"])

            async with asyncio.timeout(60):
                while not await refused():  # the sources that are not there are alarms
                    await asyncio.sleep(0.1)
            page = (await http.get("/api/dead-letters")).json()
            letter = page["letters"][-1]
            assert page["total"] >= 1
            assert letter["kind"] == "alarm transition"
            assert letter["record_id"].startswith("appliance.source-lost")
            assert "field type conflict" in letter["reason"]
            await asyncio.to_thread(influxd.ask, "DROP MEASUREMENT alarm")
            everything = {"destination": "central", "letter_ids": None}
            answer = await http.post("/api/dead-letters/redrive", json=everything)
            assert answer.json()["sent_again"] >= page["total"]
            async with asyncio.timeout(60):
                while await refused():
                    await asyncio.sleep(0.1)
            assert (await http.get("/api/dead-letters")).json() == {"total": 0, "letters": []}
        arrived: set[str] = set()
        async with asyncio.timeout(60):
            while letter["record_id"] not in arrived:
                rows = await asyncio.to_thread(influxd.ask, "SELECT alarm_id FROM alarm")
                arrived = {row["alarm_id"] for row in rows}
    finally:
        supervisor.stop()
        await asyncio.gather(task, return_exceptions=True)
        await appliance.close()
        await influxd.kill()
    assert "dead letters sent again destination=central" in caplog.text
    assert "user='admin'" in caplog.text


def test_without_a_centre_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "stethos.toml"
    config.write_text(GOOD)
    assert main(["central", "list", "--config", str(config)]) == 1
    assert "no [central]" in capsys.readouterr().err
