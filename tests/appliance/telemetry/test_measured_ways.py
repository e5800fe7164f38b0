"""Ways out, measured: what the other end did is what is counted, and nothing is changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks.sink import EncodedRecord, OutboxBatch, Receipt, Refusal, SinkUnavailable
from appliance.telemetry.measured_ways import MeasuredSink
from appliance.telemetry.stage_meter import StageMeter

BATCH = OutboxBatch.of_lines(RecordClass.ALARM, [EncodedRecord(1, 1, b"a f=1 1"), EncodedRecord(2, 2, b"x")])


class Peer:
    """A sink that answers as it is told."""

    wants = frozenset({RecordKind.GAP})

    def __init__(self) -> None:
        self.answer: Receipt | Exception = Receipt(2)

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        assert batch is BATCH
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_a_sink_is_measured_and_passed_through(tmp_path: Path) -> None:
    times = iter([10.0, 10.5, 20.0, 30.0, 30.1])
    peer, meter = Peer(), StageMeter()
    sink = MeasuredSink(peer, meter, lambda: next(times))
    assert sink.wants == peer.wants
    assert await sink.deliver(BATCH) == Receipt(2)
    peer.answer = SinkUnavailable("down", 3.0)
    with pytest.raises(SinkUnavailable) as caught:
        await sink.deliver(BATCH)
    assert caught.value is peer.answer
    peer.answer = Receipt(1, (Refusal(2, "no"),))
    assert await sink.deliver(BATCH) == peer.answer
    assert (meter.processed, meter.dropped, meter.errors) == (3, 1, 1)
    assert meter.latency.distribution().n == 2
    assert meter.latency.distribution().total == pytest.approx(0.6)
