"""Alarms over their budget stay in the journal until a dead webhook receiver's file has them."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.journal.record import CENTRAL, RecordClass, RecordKind, SinkClaim
from appliance.sinks import webhook
from appliance.sinks.webhook import HOLDS_BACK
from appliance.sinks.webhook_queue import Schedule
from appliance.sinks.webhook_store import WebhookStore
from tests.appliance.journal import builders
from tests.appliance.journal.builders import budgets
from tests.appliance.sinks.receiver import Plant, Receiver, answers, receiver, sending
from tests.appliance.sinks.test_courier_turns import Taker
from tests.appliance.sinks.way import until, way

PATIENT = Schedule(Backoff(0.02, 0.05, 0.02), give_up_s=3600.0)
BUDGET_BYTES = 20_000
ALARMS = ("a", "b", "c")
CENTRE = SinkClaim(frozenset({RecordClass.ALARM}), keeps=True)


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    clock = SystemClock()
    journal = await Journal.open(tmp_path / "journal", budgets(alarm=BUDGET_BYTES), clock, builders.PATIENT)
    yield Plant(journal, clock)
    await journal.close()


@pytest.fixture
async def dead() -> AsyncIterator[Receiver]:
    async with receiver() as one:
        one.misbehave = [answers(503)] * 100_000
        yield one


def stored_bytes(journal: Journal) -> int:
    return next(one for one in journal.backlog() if one.record_class is RecordClass.ALARM).stored_bytes


async def live(plant: Plant, rounds: int) -> list[int]:
    """Three alarms come and go so often; the sequences of their transitions."""
    sequences = []
    for _ in range(rounds):
        for alarm_id in ALARMS:
            sequences += [await plant.raised(alarm_id), await plant.cleared(alarm_id)]
    return sequences


async def first_kept(journal: Journal) -> int:
    (record,) = await journal.read(0, {RecordKind.ALARM_TRANSITION}, 1)
    return record.sequence


async def test_nothing_is_lost_to_a_dead_receiver_while_the_centre_takes_all(
    plant: Plant, dead: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_WAITING", 12)
    journal = plant.journal
    async with way(journal, tmp_path, sink=Taker(), send_provisional=True) as centre:
        async with sending(plant, dead.target(), schedule=PATIENT) as sink:
            journal.deliveries.sinks_are({CENTRAL: centre.courier.claim, sink.claimant: HOLDS_BACK})
            sequences = await live(plant, rounds=20)
            await centre.drained()
            await until(lambda: sink.report().waiting == 12)
            # What its file holds may leave, no more.
            await until(lambda: journal.deliveries.sent(RecordClass.ALARM) == sequences[11])
            sequences += await live(plant, rounds=1)  # and their trim
            await centre.drained()
            assert stored_bytes(journal) > 2 * BUDGET_BYTES
            assert journal.deliveries.sent(RecordClass.ALARM) == sequences[11]
            assert await first_kept(journal) <= sequences[12]
            assert not dead.accepted
        # To another door: what was on its way when the first sender ended still comes to that one.
        async with receiver() as well, sending(plant, well.target(), schedule=PATIENT) as sink:
            await well.until(lambda: sink.report().delivered == len(sequences))
            for alarm_id in ALARMS:
                said = [what for _, what in well.steps(alarm_id)]
                assert said == ["raised", "cleared"] + ["re-raised", "cleared"] * 20
            assert sorted(n for one in ALARMS for n, _ in well.steps(one)) == sequences
            await live(plant, rounds=1)
            await until(lambda: stored_bytes(journal) <= BUDGET_BYTES)  # and then they leave


async def test_what_the_file_s_disk_refused_stays_in_the_journal(
    plant: Plant, dead: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = plant.journal
    connect = sqlite3.connect

    class Refusing(sqlite3.Connection):
        full = False

        def execute(self, sql: str, *arguments: object) -> sqlite3.Cursor:
            if Refusing.full and sql.startswith("BEGIN"):
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(sql, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(
        "appliance.sinks.webhook_store.sqlite3.connect",
        lambda *arguments, **options: connect(*arguments, **{**options, "factory": Refusing}),
    )
    async with sending(plant, dead.target(), schedule=PATIENT) as sink:
        journal.deliveries.sinks_are({CENTRAL: CENTRE, sink.claimant: HOLDS_BACK})
        Refusing.full = True
        sequences = await live(plant, rounds=1)
        journal.mark_delivered(CENTRAL, RecordClass.ALARM, sequences[-1])
        await until(lambda: sink.report().waiting == len(sequences))
        assert journal.deliveries.sent(RecordClass.ALARM) < sequences[0], "it is in memory only"
        Refusing.full = False
        last = (await live(plant, rounds=1))[-1]
        journal.mark_delivered(CENTRAL, RecordClass.ALARM, last)
        await until(lambda: journal.deliveries.sent(RecordClass.ALARM) == last)


async def test_a_receiver_that_is_configured_no_more_holds_nothing_back(
    plant: Plant, dead: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_WAITING", 6)
    journal = plant.journal
    async with sending(plant, dead.target(), schedule=PATIENT) as sink:
        journal.deliveries.sinks_are({CENTRAL: CENTRE, sink.claimant: HOLDS_BACK})
        last = (await live(plant, rounds=15))[-1]
        journal.mark_delivered(CENTRAL, RecordClass.ALARM, last)
        await live(plant, rounds=1)
        assert stored_bytes(journal) > BUDGET_BYTES
    journal.deliveries.sinks_are({CENTRAL: CENTRE})
    await until(lambda: stored_bytes(journal) <= BUDGET_BYTES)


async def test_a_webhook_alone_lets_nothing_leave(plant: Plant) -> None:
    """It is told of alarms, and keeps none: without a centre they are all here."""
    journal = plant.journal
    async with receiver() as cmms, sending(plant, cmms.target()) as sink:
        journal.deliveries.sinks_are({sink.claimant: HOLDS_BACK})
        sequences = await live(plant, rounds=12)
        await cmms.until(lambda: sink.report().delivered == len(sequences))
        await live(plant, rounds=1)
    assert stored_bytes(journal) > BUDGET_BYTES
    assert await first_kept(journal) == sequences[0]


async def test_a_lost_file_lowers_the_mark(plant: Plant, dead: Receiver) -> None:
    """The recent transitions are sent once more: those still here must not leave before."""
    journal = plant.journal
    sequences = await live(plant, rounds=1)
    async with sending(plant, dead.target(), schedule=PATIENT) as sink:
        journal.deliveries.sinks_are({CENTRAL: CENTRE, sink.claimant: HOLDS_BACK})
        journal.mark_delivered(CENTRAL, RecordClass.ALARM, sequences[-1])
        assert journal.deliveries.sent(RecordClass.ALARM) == sequences[-1]
    path = WebhookStore.open(journal.folder)
    path.close()
    path.path.write_bytes(b"no database" * 1_000)
    async with sending(plant, dead.target(), schedule=PATIENT, running=False):
        assert journal.deliveries.sent(RecordClass.ALARM) == 0
