"""Ways out, measured: what the other end did is what is counted, and nothing is changed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from appliance.journal.record import RecordClass, RecordKind
from appliance.sinks.sink import EncodedRecord, OutboxBatch, Receipt, Refusal, SinkUnavailable
from appliance.sinks.webhook_post import Endpoint
from appliance.telemetry.measured_ways import MeasuredPost, MeasuredSink
from appliance.telemetry.stage_meter import StageMeter
from tests.appliance.house import until
from tests.appliance.publishers.opcua_rig import RMS, good, serving
from tests.appliance.sinks.receiver import answers, receiver, write_secret
from tests.appliance.sinks.test_webhook_post import MESSAGE

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


async def test_posts_to_a_real_receiver_are_measured(tmp_path: Path) -> None:
    meter = StageMeter()
    async with receiver() as peer:
        post = MeasuredPost(Endpoint(peer.target(), write_secret(tmp_path / "secret"), timeout_s=60.0), meter)
        try:
            assert (await post.attempt(MESSAGE, int(time.time()))).delivered
            assert (meter.processed, meter.errors) == (1, 0)
            assert meter.latency.distribution().total > 0.0
            peer.misbehave.append(answers(503))
            assert not (await post.attempt(MESSAGE, int(time.time()))).delivered
            assert (meter.processed, meter.errors) == (1, 1)
        finally:
            await post.close()


async def test_values_written_by_a_real_opcua_server_are_measured(tmp_path: Path) -> None:
    meter = StageMeter()
    async with serving(tmp_path) as rig:
        rig.server.on_written = meter.done
        for number in range(3):
            rig.server.publish([good(RMS, float(number), 1_800_000_000 * 10**9 + number)])
            assert rig.server.waiting == 1
            await until(lambda number=number: meter.processed == number + 1)
        assert rig.server.waiting == 0
        assert rig.server.n_values > 10
        found = meter.latency.distribution()
        assert found.n == 3
        assert 0.0 < found.total < 30.0
