"""Webhooks against a real receiver that fails, hangs, cuts, redirects: at least once, in order, same id."""

from __future__ import annotations

import contextlib
import logging
import socket
import sqlite3
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.alarms.lifecycle import Severity
from appliance.backoff import Backoff
from appliance.clock import ReplayClock, SystemClock
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.sinks.webhook_message import Choice
from appliance.sinks.webhook_queue import Schedule
from appliance.sinks.webhook_store import FILE_NAME, WebhookStore, read_states, redrive
from appliance.sinks.webhook_targets import parse_target
from appliance.tls_files import own_tls_files
from tests.appliance.journal.builders import PATIENT, SECOND_NS, SMALL
from tests.appliance.sinks.receiver import (
    Plant,
    Receiver,
    answers,
    cuts,
    floods,
    hangs,
    receiver,
    sending,
    slams,
    write_secret,
)

SHORT = Schedule(Backoff(0.01, 0.02, 0.01), give_up_s=0.15)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    clock = SystemClock()
    journal = await Journal.open(tmp_path / "journal", SMALL, clock, PATIENT)
    yield Plant(journal, clock)
    await journal.close()


@pytest.fixture
async def cmms() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        yield one


def failures(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was said of every attempt that failed; who only looks now and then may miss one."""
    return [text for text in caplog.messages if "webhook attempt failed" in text]


async def test_an_alarm_s_life_arrives_signed_and_in_order(plant: Plant, cmms: Receiver) -> None:
    async with sending(plant, cmms.target()) as sink:
        sequences = [
            await plant.raised("pump-1.machine-condition"),
            await plant.updated("pump-1.machine-condition", Severity.STOP),
            await plant.acknowledged("pump-1.machine-condition"),
            await plant.cleared("pump-1.machine-condition"),
        ]
        await cmms.until(lambda: sink.report().delivered == 4)
    assert cmms.steps("pump-1.machine-condition") == list(
        zip(sequences, ["raised", "updated", "acknowledged", "closed"], strict=True)
    )
    assert len(set(cmms.ids)) == 4
    first = cmms.accepted[0]
    assert first["type"] == "alarm.raised"
    assert first["data"]["asset_name"] == "Cooling pump 1"  # type: ignore[index]
    assert cmms.seen[0]["content-type"] == "application/json"
    report = sink.report()
    assert (report.waiting, report.delivered, report.failing) == (0, 4, False)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ([answers(500), answers(404)], "status 404: there is no receiver"),
        ([cuts, cuts], "broke the exchange off"),
        ([slams], "broke the exchange off"),
        ([answers(307, location="http://127.0.0.1:1/")], "redirects are never followed"),
        ([answers(429, **{"retry-after": "0"})], "status 429"),
    ],
    ids=["fails", "cuts", "slams", "redirects", "busy"],
)
async def test_what_failed_comes_again_with_the_same_id(
    plant: Plant, cmms: Receiver, how: list[object], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "appliance.sinks.webhook")
    cmms.misbehave = list(how)  # type: ignore[arg-type]
    async with sending(plant, cmms.target()):
        await plant.raised("a")

        await cmms.until(lambda: bool(cmms.accepted))
        await plant.cleared("a")
        await cmms.until(lambda: len(cmms.accepted) == 2)
    assert any(reason in one for one in failures(caplog))
    assert [one["webhook-id"] for one in cmms.seen[:-1]] == [cmms.ids[0]] * (len(how) + 1)
    assert [what for _, what in cmms.steps("a")] == ["raised", "cleared"]


async def test_what_hung_comes_again_with_the_same_id(plant: Plant, cmms: Receiver) -> None:
    """A machine that stands still lets more attempts run out of their time: how many is nobody's promise."""
    cmms.for_alarm = {"a": hangs}
    async with sending(plant, cmms.target(), timeout_s=0.3) as sink:
        await plant.raised("a")
        await cmms.until(lambda: sink.report().failed_attempts > 0)
        assert "did not answer within 0.3 s" in sink.report().reason
        cmms.for_alarm = {}
        await cmms.until(lambda: sink.report().delivered == 1)
        await plant.cleared("a")
        await cmms.until(lambda: sink.report().delivered == 2)
    ids = [one["webhook-id"] for one in cmms.seen]
    assert len(set(ids)) == 2 and len(ids) > 2
    assert ids == sorted(ids, key=ids.index), "another message came in between"
    assert list(dict.fromkeys(what for _, what in cmms.steps("a"))) == ["raised", "cleared"]


async def test_an_answer_without_end_is_cut_off_and_counts(plant: Plant, cmms: Receiver) -> None:
    cmms.misbehave = [floods]
    async with sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        await cmms.until(lambda: sink.report().delivered == 1)
    assert len(cmms.seen) == 1


async def test_a_redirect_to_the_box_itself_is_not_followed(plant: Plant, cmms: Receiver) -> None:
    inside = f"http://127.0.0.1:{cmms.port}/stolen"
    cmms.misbehave = [answers(code, location=inside) for code in (301, 302, 303, 307, 308)]
    async with sending(plant, cmms.target()):
        await plant.raised("a")
        await cmms.until(lambda: bool(cmms.accepted))
    assert {one["path"] for one in cmms.seen} == {"/hooks/stethos"}
    assert len(cmms.seen) == 6


@pytest.mark.parametrize(
    "elsewhere",
    ["file:///etc/passwd", "//127.0.0.1/", "/inside", "gopher://[::1]:70/", "\\\\box\\share", "x:"],
)
async def test_a_redirect_to_a_file_or_to_nonsense_is_a_failed_attempt(
    plant: Plant, cmms: Receiver, elsewhere: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "appliance.sinks.webhook")
    cmms.misbehave = [answers(code, location=elsewhere) for code in (302, 307)]
    async with sending(plant, cmms.target()):
        await plant.raised("a")

        await cmms.until(lambda: bool(cmms.accepted))
    assert any(f"configure the final URL ({elsewhere})" in one for one in failures(caplog))
    assert [one["path"] for one in cmms.seen] == ["/hooks/stethos"] * 3
    assert {one["webhook-id"] for one in cmms.seen} == set(cmms.ids)


async def test_retry_after_is_obeyed(plant: Plant, cmms: Receiver) -> None:
    cmms.misbehave = [answers(503, **{"retry-after": "1"})]
    async with sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        await cmms.until(lambda: sink.report().failed_attempts == 1)
        await plant.raised("b")  # the pause is the receiver's, not the alarm's
        await cmms.until(lambda: len(cmms.accepted) == 2)
    asked_s, *later_s = cmms.seen_s
    assert len(later_s) == 2
    assert all(seen_s - asked_s >= 1.0 for seen_s in later_s)


async def test_a_failing_alarm_and_a_hanging_one_block_no_other(plant: Plant, cmms: Receiver) -> None:
    cmms.for_alarm = {"bad": answers(500), "stuck": hangs}
    async with sending(plant, cmms.target(), timeout_s=30.0):
        await plant.raised("bad")
        await plant.raised("stuck")
        await plant.cleared("bad")
        await plant.cleared("stuck")
        for _ in range(3):
            await plant.raised("good")
            await plant.cleared("good")
        await cmms.until(lambda: len(cmms.steps("good")) == 6)
    sequences = [sequence for sequence, _ in cmms.steps("good")]
    assert sequences == sorted(sequences)
    assert cmms.steps("bad") == cmms.steps("stuck") == []


async def test_a_receiver_that_is_away_gets_all_when_it_comes_back(plant: Plant) -> None:
    gone = Receiver()
    place = socket.socket()  # its own all the time: nobody else may take the port meanwhile
    place.bind(("127.0.0.1", 0))
    gone.port = place.getsockname()[1]
    async with sending(plant, gone.target()) as sink:
        for alarm_id in ("a", "b"):
            await plant.raised(alarm_id)
            await plant.cleared(alarm_id)
        await gone.until(lambda: sink.report().failed_attempts >= 4)
        assert "cannot be reached: Connection refused" in sink.report().reason
        async with receiver(at=place) as back:
            await back.until(lambda: len(back.accepted) == 4)
            for alarm_id in ("a", "b"):
                assert [what for _, what in back.steps(alarm_id)] == ["raised", "cleared"]


async def test_a_restart_goes_on_where_it_was(plant: Plant, cmms: Receiver) -> None:
    cmms.for_alarm = {"a": answers(500)}
    async with sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        await plant.raised("b")
        await cmms.until(lambda: len(cmms.seen) >= 3 and sink.report().delivered == 1)
    await plant.cleared("a")  # while it was down
    # To another door: what was on its way when the first sender ended still comes to that one.
    async with receiver() as well, sending(plant, well.target()) as sink:
        await well.until(lambda: sink.report().delivered == 2)
        assert sink.report().waiting == 0
    assert [what for _, what in well.steps("a")] == ["raised", "cleared"]
    assert (len(cmms.steps("b")), len(well.steps("b"))) == (1, 0)


async def test_a_new_receiver_begins_with_now(plant: Plant, cmms: Receiver) -> None:
    await plant.raised("before")
    async with sending(plant, cmms.target()):
        await plant.raised("after")
        await cmms.until(lambda: bool(cmms.accepted))
    assert [one["data"]["alarm_id"] for one in cmms.accepted] == ["after"]  # type: ignore[index]


async def test_after_the_schedule_it_is_a_dead_letter_that_can_be_sent_again(
    plant: Plant, cmms: Receiver
) -> None:
    cmms.for_alarm = {"a": answers(400)}
    # An attempt every tenth of a second, by a clock that waits for them.
    clock = ReplayClock(plant.clock.wall(plant.clock.monotonic_ns()).time_ns)
    async with sending(Plant(plant.journal, clock), cmms.target(), schedule=SHORT) as sink:
        await plant.raised("a")
        for attempts in (1, 2):
            await cmms.until(lambda attempts=attempts: sink.report().failed_attempts == attempts)  # type: ignore[misc]
            assert sink.report().dead_letters == 0
            clock.advance(SECOND_NS // 10)
        await cmms.until(lambda: sink.report().dead_letters == 1)
        assert sink.report().waiting == 0
    (state,) = read_states(plant.journal.folder)
    (dead,) = state.dead
    assert "status 400" in dead.reason
    assert dead.attempts == len(cmms.seen) == 3
    cmms.for_alarm = {}
    async with sending(plant, cmms.target()) as sink:
        assert redrive(plant.journal.folder, "cmms", [dead.message.message_id]) == 1
        await cmms.until(lambda: bool(cmms.accepted))
        await cmms.until(lambda: sink.report().dead_letters == 0)
    assert cmms.ids == [dead.message.message_id]
    assert redrive(plant.journal.folder, "cmms", []) == 0


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (Choice(), ["low", "high", "link"]),
        (Choice(min_severity=Severity.WARN), ["high", "link"]),
        (Choice(rules=frozenset({"machine condition"})), ["low", "high"]),
        (Choice(Severity.STOP, frozenset({"machine condition"})), []),
    ],
)
async def test_a_receiver_gets_what_it_chose(
    plant: Plant, cmms: Receiver, choice: Choice, expected: list[str]
) -> None:
    async with sending(plant, cmms.target(), choice=choice, name="some"), sending(plant, cmms.target()):
        await plant.raised("low", Severity.WATCH)
        await plant.raised("high", Severity.WARN)
        await plant.raised("link", Severity.NOT_RATED, "source lost")
        await cmms.until(lambda: len(cmms.accepted) == 3 + len(expected))
    counts = {alarm_id: len(cmms.steps(alarm_id)) - 1 for alarm_id in ("low", "high", "link")}
    assert [alarm_id for alarm_id, count in counts.items() if count] == expected


async def test_who_was_told_of_an_alarm_is_told_its_end(plant: Plant, cmms: Receiver) -> None:
    async with sending(plant, cmms.target(), choice=Choice(min_severity=Severity.WARN)) as sink:
        await plant.raised("a", Severity.WATCH)
        await plant.updated("a", Severity.WARN)
        await cmms.until(lambda: sink.report().delivered == 1)
    async with sending(plant, cmms.target(), choice=Choice(min_severity=Severity.WARN)) as sink:
        await plant.updated("a", Severity.WATCH)  # better, but it is known there
        await plant.cleared("a")
        await plant.acknowledged("a")
        await plant.raised("a", Severity.WATCH)  # a new activation, not worth telling
        await plant.raised("b", Severity.STOP)
        await cmms.until(lambda: bool(cmms.steps("b")) and not sink.report().waiting)  # it came last
    assert [what for _, what in cmms.steps("a")] == ["updated", "updated", "cleared", "acknowledged"]


async def test_https_with_the_plant_s_own_authority(plant: Plant, tmp_path: Path) -> None:
    files = own_tls_files(tmp_path / "tls", "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    async with receiver(context) as cmms:
        target = parse_target(cmms.url, allow_local=True)
        async with sending(plant, target, name="trusting", ca_file=files.certificate):
            await plant.raised("a")
            await cmms.until(lambda: len(cmms.accepted) == 1)
        async with sending(plant, target, name="strict") as strict:
            await plant.raised("b")
            await cmms.until(lambda: strict.report().failed_attempts > 0)
            assert "is not trusted" in strict.report().reason
        assert len(cmms.accepted) == 1


async def test_a_changed_secret_needs_no_restart_and_an_open_one_is_refused(
    plant: Plant, cmms: Receiver, tmp_path: Path
) -> None:
    async with sending(plant, cmms.target()) as sink:
        write_secret(
            tmp_path / "secret", b"n" * 32, b"0123456789abcdef" * 2
        )  # the receiver knows the old one
        await plant.raised("a")
        await cmms.until(lambda: len(cmms.accepted) == 1)
        assert cmms.seen[0]["webhook-signature"].count("v1,") == 2
        (tmp_path / "secret").chmod(0o644)
        await plant.cleared("a")
        await cmms.until(lambda: "chmod 600" in sink.report().reason)
        (tmp_path / "secret").chmod(0o600)
        await cmms.until(lambda: len(cmms.accepted) == 2)


@pytest.mark.parametrize("broken", ["file", "journal"])
async def test_a_lost_cursor_sends_twice_rather_than_never(plant: Plant, cmms: Receiver, broken: str) -> None:
    async with sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        # Not: accepted by the receiver. Ended between that and its own note, it would rightly send again.
        await cmms.until(lambda: sink.report().delivered == 1)
    path = plant.journal.folder / FILE_NAME
    if broken == "file":
        path.write_bytes(b"not a database, for sure" * 400)
        for suffix in ("-wal", "-shm"):
            path.with_name(FILE_NAME + suffix).unlink(missing_ok=True)
    else:  # the cursor stands beyond everything that the journal has
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("UPDATE cursor SET sequence = 1 << 50")
    async with sending(plant, cmms.target()):
        await plant.cleared("a")
        await cmms.until(lambda: len(cmms.accepted) == 3)
    assert cmms.ids[1] == cmms.ids[0]  # the receiver knows it
    assert [what for _, what in cmms.steps("a")] == ["raised", "raised", "cleared"]


async def test_a_disk_that_refuses_does_not_silence_alarms(plant: Plant, cmms: Receiver) -> None:
    async with sending(plant, cmms.target()) as sink:
        await plant.raised("a")
        await cmms.until(lambda: sink.report().delivered == 1)
        other = sqlite3.connect(plant.journal.folder / FILE_NAME, timeout=60.0, isolation_level=None)
        sink._store._connection.execute("PRAGMA busy_timeout=50")
        other.execute("BEGIN IMMEDIATE")
        try:
            for _ in range(3):
                await plant.cleared("a")
                await plant.raised("a")
            await cmms.until(lambda: len(cmms.accepted) == 7)
        finally:
            other.execute("ROLLBACK")
            other.close()
        await plant.cleared("a")
        # Not: accepted by the receiver. Ended between that and its own note, it would rightly send again.
        await cmms.until(lambda: sink.report().delivered == 8)
    (state,) = read_states(plant.journal.folder)
    assert state.waiting == state.dead == ()
    transitions = await plant.journal.read(0, {RecordKind.ALARM_TRANSITION})
    assert state.cursor == transitions[-1].sequence


def test_the_file_belongs_to_the_service_alone(tmp_path: Path) -> None:
    WebhookStore.open(tmp_path).close()
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
