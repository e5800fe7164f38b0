"""The drill's line to a real influxd: passes on what it should, does what it says, and is a witness."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.demo_central import DATABASE, LocalInflux
from appliance.drill.centre import Snapshot
from appliance.drill.proxy import Line, Proxy, identity
from appliance.journal.record import RecordClass
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.sink import EncodedRecord, OutboxBatch, SinkUnavailable
from tests.appliance.sinks.influx_server import count, local_influx

SHORT_S = 1.0  # the patience of a courier that is to get no answer; any other waits for one


def batch(number: int) -> OutboxBatch:
    body = b'alarm,channel=x alarm_id="a",activation=1i,sequence=%di %d' % (
        number,
        1_800_000_000_000_000_000 + number,
    )
    return OutboxBatch.of_lines(RecordClass.ALARM, [EncodedRecord(number, number, body)])


@asynccontextmanager
async def line_to(server: LocalInflux) -> AsyncIterator[tuple[Proxy, InfluxSink, InfluxSink]]:
    """A line, a courier's way over it, and that of one who soon gives up."""
    proxy = Proxy(server.url)
    await proxy.start()
    sink, hasty = (
        InfluxSink(Influx1Writer(proxy.url, DATABASE, timeout_s=timeout_s)) for timeout_s in (60.0, SHORT_S)
    )
    try:
        yield proxy, sink, hasty
    finally:
        await sink.close()
        await hasty.close()
        await proxy.stop()


async def test_every_state_of_the_line_is_what_it_says(tmp_path: Path) -> None:
    server = local_influx(tmp_path)
    await server.start()
    try:
        async with line_to(server) as (proxy, sink, hasty):
            proxy.late_s = 2 * SHORT_S
            assert (await sink.deliver(batch(1))).accepted == 1
            assert set(proxy.confirmed_s) == {("alarm", "1")}
            for line, words in (
                (Line.BLACK_HOLE, "cannot be reached"),
                (Line.RESET, "cannot be reached"),
                (Line.LATE, "cannot be reached"),
                (Line.BUSY, "429"),
                (Line.UNAVAILABLE, "503"),
            ):
                proxy.line = line
                with pytest.raises(SinkUnavailable, match=words) as refused:
                    await (sink if words.isdigit() else hasty).deliver(batch(2))
                while line is Line.LATE and ("alarm", "2") not in proxy.confirmed_s:
                    with contextlib.suppress(SinkUnavailable):  # what was sent at all arrives all the same
                        await hasty.deliver(batch(2))
                asked = refused.value.retry_after_s
                assert (asked is not None) is (line in (Line.BUSY, Line.UNAVAILABLE)), line
            proxy.line = Line.FORGET
            assert (await sink.deliver(batch(3))).accepted == 1, "it says 204"
            proxy.line = Line.SLOW
            assert (await sink.deliver(batch(4))).accepted == 1
            proxy.line = Line.OPEN
            await server.kill()
            with pytest.raises(SinkUnavailable, match="502"):
                await sink.deliver(batch(5))
            await server.start()
            there = {
                int(row["sequence"])
                for row in await asyncio.to_thread(server.ask, 'SELECT "sequence" FROM alarm')
            }
            assert there == {1, 2, 4}, "2 was delivered late, 3 forgotten"
            assert set(proxy.confirmed_s) == {("alarm", str(number)) for number in there}
    finally:
        await server.kill()


async def test_a_server_that_is_put_back_has_forgotten(tmp_path: Path) -> None:
    server = local_influx(tmp_path)
    await server.start()
    try:
        async with line_to(server) as (_, sink, _hasty):
            await sink.deliver(batch(1))
            snapshot = Snapshot(tmp_path / "influxd", tmp_path / "backup")
            await snapshot.take(server)
            await sink.deliver(batch(2))
            assert await asyncio.to_thread(count, server, "alarm", "sequence") == 2
            await server.kill()
            await snapshot.put_back()
            await server.start()
            assert await asyncio.to_thread(count, server, "alarm", "sequence") == 1
    finally:
        await server.kill()


def test_a_line_is_known_by_what_it_says() -> None:
    assert identity(b"process_value,device_id=a,channel=m.t value=0.25,time_trusted=false 7") == (
        "m.t",
        "0.25",
    )
    assert identity(b"gap,channel=x gap_id=3i,sequence=12i 7") == ("gap", "12")
    assert identity(b"features,channel=x rms=1 7") is None
