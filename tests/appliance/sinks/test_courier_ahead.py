"""What the courier gets ready while the centre still answers is used only where it is still true."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

from appliance.clock import ReplayClock
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass, RecordKind
from appliance.journal.series import tag_record
from appliance.sinks.courier import KINDS
from appliance.sinks.courier_ahead import CourierAhead
from appliance.sinks.courier_encoding import BatchEncoder
from appliance.sinks.points import encode
from appliance.sinks.points_schema import WANTED
from appliance.sinks.sink import OutboxBatch, Receipt, SinkUnavailable
from tests.appliance.journal.builders import SECOND_NS, START_NS
from tests.appliance.sinks.way import ASSET, DEVICE, FAST, alarms, flushed, journal_in, way

TELEMETRY = KINDS[RecordClass.TELEMETRY]


class Resolving:
    """A real journal whose times are resolved when a test says so."""

    def __init__(self, journal: Journal) -> None:
        self._journal, self.resolutions = journal, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._journal, name)


def ahead_of(journal: Resolving) -> CourierAhead:
    encoder = BatchEncoder(
        lambda record, names: encode(record, DEVICE, ASSET, names),
        journal.queries.name_list,  # type: ignore[attr-defined]
        lambda: START_NS,
        send_provisional=False,
    )
    return CourierAhead(journal, encoder)  # type: ignore[arg-type]


async def tags(journal: Journal, first: int, number: int) -> None:
    for at in range(first, first + number):
        journal.submit(tag_record("pump-1.speed", at * SECOND_NS, float(at), "Hz"))
    await flushed(journal, RecordKind.TAG, first + number)


async def test_what_is_ahead_is_given_once_and_to_the_letter(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as real:
        await tags(real, 0, 50)
        journal = Resolving(real)
        ahead, plain = ahead_of(journal), ahead_of(journal)
        ahead.begin(RecordClass.TELEMETRY, TELEMETRY, 20, 20)
        packed = []
        for way_to in (ahead, plain):
            records = await way_to.read(RecordClass.TELEMETRY, TELEMETRY, 20, 20)
            assert [record.sequence for record in records] == list(range(21, 41))
            packed.append(await way_to.packed(RecordClass.TELEMETRY, records, 40))
        assert (ahead.hits, plain.hits) == (1, 0)
        assert packed[0] == packed[1]
        again = await ahead.read(RecordClass.TELEMETRY, TELEMETRY, 20, 20)
        await ahead.packed(RecordClass.TELEMETRY, again, 40)
        assert ahead.hits == 1


async def test_what_is_ahead_is_not_believed_once_it_may_be_wrong(tmp_path: Path) -> None:
    async with journal_in(tmp_path) as real:
        await tags(real, 0, 50)
        journal = Resolving(real)
        ahead = ahead_of(journal)

        async def got(after: int, upto: int) -> int:
            records = await ahead.read(RecordClass.TELEMETRY, TELEMETRY, after, 20)
            mine = [record for record in records if record.sequence <= upto]
            await ahead.packed(RecordClass.TELEMETRY, records if mine == records else mine, upto)
            return len(mine)

        ahead.begin(RecordClass.TELEMETRY, TELEMETRY, 20, 20)
        journal.resolutions += 1  # a time was resolved: records that were held back have it now
        assert await got(20, 40) == 20
        ahead.begin(RecordClass.TELEMETRY, TELEMETRY, 20, 20)
        assert await got(10, 30) == 20  # another page was wanted
        assert await got(20, 33) == 13  # this page, but the backlog ends in its midst
        ahead.begin(RecordClass.TELEMETRY, TELEMETRY, 50, 20)
        assert ahead._task is not None
        assert await ahead._task == ([], None)  # there was nothing
        await tags(real, 50, 7)
        assert await got(50, 57) == 7
        assert ahead.hits == 0


class Slow:
    """A sink that answers after a while; some deliveries fail."""

    wants = WANTED

    def __init__(self) -> None:
        self.batches: list[OutboxBatch] = []
        self.fail: list[int] = []  # deliveries by number, from 1
        self.asked = 0

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        self.asked += 1
        await asyncio.sleep(0.03)
        if self.asked in self.fail:
            raise SinkUnavailable("busy", 0.0)
        self.batches.append(batch)
        return Receipt(batch.count)


async def test_a_backlog_goes_out_once_in_order_with_the_next_batch_ready(tmp_path: Path) -> None:
    pace = dataclasses.replace(FAST, batch_records=20, live_lag=30)
    clock = ReplayClock(START_NS)
    async with journal_in(tmp_path, clock) as journal:
        await tags(journal, 0, 400)
        sink = Slow()
        sink.fail = [3, 4, 9]
        async with way(journal, tmp_path, sink=sink, pace=pace) as one:
            make = alarms(journal, clock)
            await journal.commit([make(number, SECOND_NS) for number in range(60)])
            await one.drained()
            lines = [line for batch in sink.batches for line in batch.lines]
            told = [line.sequence for line in lines if line.body.startswith(b"process_value")]
            assert told == list(range(1, 401))
            assert len(lines) == 460
            assert one.courier._ahead.hits >= 10
