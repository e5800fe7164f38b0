"""The courier when this side is odd: damaged pages, a full disk, a line that is never fast enough."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.errors import Rejected
from appliance.journal.features import NameList
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.sinks.courier import Courier
from appliance.sinks.outbox import Outbox
from appliance.sinks.points_schema import WANTED
from appliance.sinks.sink import OutboxBatch, Receipt, Refusal, SinkUnavailable
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import FAST, Watch, alarms, flushed, journal_in, telemetry, way


class Taker:
    """A sink that takes all, refuses what it is told to, and may do something meanwhile."""

    wants = WANTED

    def __init__(self) -> None:
        self.batches: list[OutboxBatch] = []
        self.refuse: Callable[[int], bool] = lambda sequence: False
        self.unavailable: list[SinkUnavailable] = []

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        if self.unavailable:
            raise self.unavailable.pop(0)
        self.batches.append(batch)
        refused = [Refusal(line.sequence, "no") for line in batch.lines if self.refuse(line.sequence)]
        return Receipt(batch.count - len(refused), tuple(refused))

    def sequences(self, record_class: RecordClass) -> list[int]:
        return [
            line.sequence
            for batch in self.batches
            if batch.record_class is record_class
            for line in batch.lines
        ]


class WithDamagedRows:
    """A real journal, some of whose rows cannot be read: they are left out, as its queries do."""

    def __init__(self, journal: Journal, damaged: Collection[int]) -> None:
        self._journal, self._damaged = journal, damaged

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)

    async def read(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None, limit: int = 1_000
    ) -> list[Record]:
        records = await self._journal.read(after_sequence, kinds, limit)
        return [record for record in records if record.sequence not in self._damaged]


async def test_a_damaged_row_hides_no_other(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    pace = dataclasses.replace(FAST, batch_records=20, live_lag=50)
    async with journal_in(tmp_path, clock) as journal:
        make = alarms(journal, clock)
        for number in range(10):
            await journal.commit([make(10 * number + i, number * SECOND_NS) for i in range(10)])
        sink = Taker()
        async with way(WithDamagedRows(journal, {5}), tmp_path, sink=sink, pace=pace) as one:  # type: ignore[arg-type]
            await one.drained()
            assert sink.sequences(RecordClass.ALARM) == [i for i in range(1, 101) if i != 5]
            sink.batches.clear()
            await journal.commit([make(200 + i, 20 * SECOND_NS) for i in range(40)])
            await one.drained()
            assert len(sink.sequences(RecordClass.ALARM)) == 40


async def test_a_backlog_of_alarms_is_not_starved_by_fresh_telemetry(tmp_path: Path) -> None:
    """A slow line: while a batch is on its way, the next telemetry has come."""
    clock = ReplayClock(START_NS)
    pace = dataclasses.replace(FAST, live_lag=30, batch_records=20)
    async with journal_in(tmp_path, clock) as journal:
        make = alarms(journal, clock)
        await journal.commit([make(number, SECOND_NS) for number in range(40)])
        telemetry(journal, 10, 20)
        await flushed(journal, RecordKind.TAG, 20)

        class Slow(Taker):
            async def deliver(self, batch: OutboxBatch) -> Receipt:
                receipt = await super().deliver(batch)
                had = journal.last_sequence
                telemetry(journal, 100 + 3 * len(self.batches), 3)
                async with asyncio.timeout(60):
                    while journal.last_sequence == had:
                        await asyncio.sleep(0.005)
                return receipt

        sink = Slow()
        async with way(journal, tmp_path, sink=sink, pace=pace):
            async with asyncio.timeout(60):
                while len(sink.sequences(RecordClass.ALARM)) < 40:
                    await asyncio.sleep(0.01)
                    assert len(sink.batches) < 20, "only fresh telemetry goes out"


async def test_a_full_disk_loses_no_dead_letter_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ReplayClock(START_NS)
    sink = Taker()
    sink.refuse = lambda sequence: sequence in (1, 2)
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, sink=sink) as one:
        save = Outbox.save

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(Outbox, "save", full)
        make = alarms(journal, clock)
        for number in (1, 2, 3):
            await journal.commit([make(number, number * SECOND_NS)])
            await _until(lambda: len(sink.batches) == number)  # noqa: B023
        assert not one.task.done()
        assert "cannot be written" in one.courier.report().text
        assert journal._writer.store is not None
        assert journal.deliveries.confirmed(RecordClass.ALARM) == 0, "the journal might let them go"
        monkeypatch.setattr(Outbox, "save", save)
        await journal.commit([make(4, 4 * SECOND_NS)])
        await _until(lambda: len(one.outbox.dead_letters()) == 2)
        await _until(lambda: journal.deliveries.confirmed(RecordClass.ALARM) == 4)  # type: ignore[union-attr]


async def test_a_record_that_cannot_be_encoded_stops_no_other(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    sink = Taker()

    def encode(record: Record, names: NameList | None) -> bytes:
        if record.sequence == 2:
            raise ZeroDivisionError("of a kind that nobody thought of")
        if record.sequence == 3:
            raise Rejected("unreadable")
        return b"m value=1 %d" % record.sequence

    async with journal_in(tmp_path, clock) as journal:
        make = alarms(journal, clock)
        await journal.commit([make(number, SECOND_NS) for number in range(5)])
        outbox = Outbox(tmp_path / "outbox.sqlite")
        courier = Courier(journal, sink, outbox, encode=encode, name_list=journal.queries.name_list,
                          watch=Watch(), where="centre", pace=FAST)  # fmt: skip
        task = asyncio.create_task(courier.run())
        await _until(lambda: bool(sink.batches) and len(outbox.dead_letters()) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert sink.sequences(RecordClass.ALARM) == [1, 4, 5]
        assert any("ZeroDivisionError" in letter.reason for letter in outbox.dead_letters())
        outbox.close()


async def test_a_series_that_is_refused_does_not_flood_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock = ReplayClock(START_NS)

    class Refusing(Taker):
        async def deliver(self, batch: OutboxBatch) -> Receipt:
            await super().deliver(batch)
            return Receipt(0, tuple(Refusal(line.sequence, "beyond retention") for line in batch.lines))

    def encode(record: Record, names: NameList | None) -> bytes:
        if record.sequence % 2:
            raise ZeroDivisionError("of a kind that nobody thought of")
        return b"m value=1 %d" % record.sequence

    async with journal_in(tmp_path, clock) as journal:
        make = alarms(journal, clock)
        await journal.commit([make(number, SECOND_NS) for number in range(100)])
        outbox = Outbox(tmp_path / "outbox.sqlite")
        courier = Courier(journal, Refusing(), outbox, encode=encode, name_list=journal.queries.name_list,
                          watch=Watch(), where="centre", pace=FAST)  # fmt: skip
        task = asyncio.create_task(courier.run())
        await _until(lambda: len(outbox.dead_letters()) == 100)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        outbox.close()
        assert courier.report().last_error
    told = [record.getMessage() for record in caplog.records if record.name.startswith("appliance.sinks")]
    refused = [text for text in told if "refused number=" in text]
    assert sum(int(text.split("number=")[1].split()[0]) for text in refused) == 100
    assert len(told) <= 4, "a line for each record"


async def test_a_server_that_always_says_at_once_is_not_hammered(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS)
    sink = Taker()
    sink.unavailable = [SinkUnavailable("busy", 0.0) for _ in range(3)]
    pace = dataclasses.replace(FAST, backoff=Backoff(base_s=0.4, cap_s=60.0, floor_s=0.1))
    waits: list[float] = []
    async with journal_in(tmp_path, clock) as journal, way(journal, tmp_path, sink=sink, pace=pace) as one:
        await journal.commit([alarms(journal, clock)(1, SECOND_NS)])
        async with asyncio.timeout(60):
            while not sink.batches:
                report = one.courier.report()
                if report.wait_s and report.wait_s not in waits:
                    waits.append(report.wait_s)
                await asyncio.sleep(0.002)
    # Chance is a half here: half a second of jitter, and the back-off once that is longer.
    assert waits == [0.5, pytest.approx(0.85)]


async def test_what_is_held_for_its_time_does_not_make_delivered_telemetry_look_lost(tmp_path: Path) -> None:
    clock = ReplayClock(START_NS, trusted=False)
    sink = Taker()
    async with (
        journal_in(tmp_path, clock, resolve_times=False) as journal,
        way(journal, tmp_path, sink=sink) as one,
    ):
        telemetry(journal, 1, 2)
        await flushed(journal, RecordKind.TAG, 2)
        clock.set_trusted(True)
        telemetry(journal, 10, 2)
        await flushed(journal, RecordKind.TAG, 4)
        await one.drained()
        assert one.courier.report().held > 0
        assert journal._writer.store is not None
        await _until(
            lambda: journal.deliveries.confirmed(RecordClass.TELEMETRY) == journal.last_sequence  # type: ignore[union-attr]
        )


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)
