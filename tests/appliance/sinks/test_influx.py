"""What the server's answer means: taken, refused, too much, later, or not at all.

Versions 2 and 3 against the contract server (see there: not a real one), as version 1 where a healthy server
never gives the answer. Everything else runs against a real influxd.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Sequence
from email.utils import formatdate
from pathlib import Path

import pytest

from appliance.demo_central import LocalInflux
from appliance.journal.record import RecordClass
from appliance.sinks.influx import (
    Influx1Writer,
    Influx3Writer,
    InfluxSink,
    Writer,
    retry_after_s,
)
from appliance.sinks.influx2 import Influx2Writer
from appliance.sinks.sink import EncodedRecord, OutboxBatch, SinkStopped, SinkUnavailable
from tests.appliance.sinks.contract_server import BUCKET, ORG, TOKEN, Contract
from tests.appliance.sinks.influx_server import count, free_port, local_influx


def batch(number: int, poison: tuple[int, ...] = (), size: int = 0) -> OutboxBatch:
    lines = []
    for i in range(1, number + 1):
        name = "poison" if i in poison else "m"
        text = f',s="{i}{"x" * size}"' if size else ""
        lines.append(EncodedRecord(i, i, f"{name},t=a value={i}.0{text} {i}".encode()))
    return OutboxBatch.of_lines(RecordClass.TELEMETRY, lines)


@pytest.fixture
async def contract() -> AsyncIterator[Contract]:
    server = Contract()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def writer_of(version: int, url: str, timeout_s: float) -> Writer:
    if version == 1:
        return Influx1Writer(url, "plant", timeout_s=timeout_s)
    if version == 2:
        return Influx2Writer(url, ORG, BUCKET, token=lambda: TOKEN, timeout_s=timeout_s)
    return Influx3Writer(url, "plant", token=lambda: TOKEN, timeout_s=timeout_s)


@pytest.fixture(params=[1, 2, 3])
async def sink(request: pytest.FixtureRequest, contract: Contract) -> AsyncIterator[InfluxSink]:
    one = InfluxSink(writer_of(request.param, contract.url, 60.0))
    try:
        yield one
    finally:
        await one.close()


async def test_what_is_taken_is_there_once(contract: Contract, sink: InfluxSink) -> None:
    for _ in range(2):
        receipt = await sink.deliver(batch(10))
        assert (receipt.accepted, receipt.rejected, receipt.kept) == (10, (), ())
    assert len(contract.points) == 10


async def test_refused_lines_are_found_by_bisection(contract: Contract, sink: InfluxSink) -> None:
    receipt = await sink.deliver(batch(64, poison=(3, 40)))
    assert receipt.accepted == 62
    assert [refusal.sequence for refusal in receipt.rejected] == [3, 40]
    assert "poison" in receipt.rejected[0].reason
    assert len(contract.points) == 62
    assert contract.requests < 30


async def test_lines_that_the_server_names_are_not_searched_for(contract: Contract) -> None:
    """3 Core names up to 99 by number in one answer; beyond it they are searched for."""
    sink = InfluxSink(writer_of(3, contract.url, 60.0))
    receipt = await sink.deliver(batch(400, poison=(3, 40, 399)))
    assert [refusal.sequence for refusal in receipt.rejected] == [3, 40, 399]
    assert (receipt.accepted, contract.requests, len(contract.points)) == (397, 1, 397)
    assert receipt.rejected[1].reason == "400: poison: invalid column type for column 'value'"
    many = tuple(range(1, 400, 2))
    receipt = await sink.deliver(batch(400, poison=many))
    assert [refusal.sequence for refusal in receipt.rejected] == list(many)
    assert len(contract.points) == 398, "all but two that were refused both times"
    contract.answers = [(422, "exceeded the limit of 5 databases", {})]
    with pytest.raises(SinkStopped, match="422"):
        await sink.deliver(batch(3))
    await sink.close()


async def test_a_line_that_quotes_the_server_s_words_refuses_no_other(contract: Contract) -> None:
    sink = InfluxSink(writer_of(3, contract.url, 60.0))
    texts = [b'm,t=a s="x",value=%d.0 %d' % (number, number) for number in range(1, 5)]
    texts[1] = b'poison,t=a s="\\"line_number\\": 4 partial write",value=2.0 2'
    lines = [EncodedRecord(number, number, text) for number, text in enumerate(texts, 1)]
    receipt = await sink.deliver(OutboxBatch.of_lines(RecordClass.ALARM, lines))
    assert [refusal.sequence for refusal in receipt.rejected] == [2]
    await sink.close()


async def test_the_server_s_clock_is_held_against_this_box_s_and_only_told(contract: Contract) -> None:
    """Also where the answer is well, whichever client sends; time is never taken from it."""
    for version in (1, 2, 3):
        now_s = time.time()
        sink = InfluxSink(writer_of(version, contract.url, 60.0), lambda now_s=now_s: now_s - 3600.0)
        assert sink.clock_text() == ""
        assert (await sink.deliver(batch(3))).accepted == 3
        assert re.fullmatch(r"the centre's clock is 3,(59|60)\d s ahead of this box's", sink.clock_text())
        await sink.close()
        right = InfluxSink(writer_of(version, contract.url, 60.0))
        await right.deliver(batch(3))
        assert right.ahead_s is not None and right.clock_text() == ""
        await right.close()


async def test_too_large_a_body_is_halved_and_remembered(contract: Contract, sink: InfluxSink) -> None:
    contract.most_lines = 20
    assert (await sink.deliver(batch(100))).accepted == 100
    assert contract.too_large > 0
    contract.too_large = 0
    assert (await sink.deliver(batch(100))).accepted == 100
    assert contract.too_large == 0, "the second time it asks no more for what is too much"


@pytest.mark.parametrize("status", [401, 403, 404, 301, 307, 405])
async def test_what_a_person_must_remove_stops_the_sink(
    contract: Contract, sink: InfluxSink, status: int
) -> None:
    contract.answers = [(status, "no", {"Location": contract.url + "/elsewhere"})]
    with pytest.raises(SinkStopped, match=str(status)) as caught:
        await sink.deliver(batch(3))
    assert caught.value.remedy
    assert contract.requests == 1


async def test_a_permanent_500_stops_the_sink(contract: Contract, sink: InfluxSink) -> None:
    contract.answers = [(500, 'retention policy not found: "gone"', {})]
    with pytest.raises(SinkStopped, match="retention policy"):
        await sink.deliver(batch(3))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
async def test_what_passes_by_itself_is_told_with_the_server_s_wish(
    contract: Contract, sink: InfluxSink, status: int
) -> None:
    contract.answers = [(status, "busy", {"Retry-After": "7"}), (status, "busy", {})]
    for wish in (7.0, None):
        with pytest.raises(SinkUnavailable, match=str(status)) as caught:
            await sink.deliver(batch(3))
        assert caught.value.retry_after_s == wish
    assert contract.requests == 2, "no retries of anybody else"


@pytest.mark.parametrize("number", [1, 8, 500])
async def test_a_proxy_that_refuses_everything_does_not_empty_the_journal(
    contract: Contract, sink: InfluxSink, number: int
) -> None:
    contract.answers = [(400, "Bad Request", {})] * 40
    with pytest.raises(SinkStopped, match="refuses every record"):
        await sink.deliver(batch(number))
    assert contract.requests < 20, "the first line that stands alone is enough"
    contract.answers = [(400, "Bad Request", {}), (503, "busy", {})]
    with pytest.raises(SinkUnavailable, match="503"):
        await sink.deliver(batch(1))


async def test_a_refusal_in_unknown_words_costs_only_its_record(contract: Contract, sink: InfluxSink) -> None:
    contract.odd = "value of the third kind"
    lines = [
        EncodedRecord(i, i, b"%b,t=a value=1 %d" % (b"odd" if i in (3, 9) else b"m", i)) for i in range(16)
    ]
    receipt = await sink.deliver(OutboxBatch.of_lines(RecordClass.ALARM, lines))
    assert [refusal.sequence for refusal in receipt.rejected] == [3, 9]
    assert "third kind" in receipt.rejected[0].reason
    assert len(contract.points) == 14


async def test_words_inside_a_refused_line_are_not_the_server_s_verdict(
    contract: Contract, sink: InfluxSink
) -> None:
    """The server quotes the line that it refuses, and what a technician reads may say anything."""
    contract.odd = "partial write: unable to parse 'odd reason=\"dropped=4\"'" + " " * 5000 + "dropped=0"
    lines = [EncodedRecord(i, i, b"%b,t=a value=1 %d" % (b"odd" if i == 2 else b"m", i)) for i in range(4)]
    receipt = await sink.deliver(OutboxBatch.of_lines(RecordClass.ALARM, lines))
    assert [refusal.sequence for refusal in receipt.rejected] == [2]
    assert len(receipt.rejected[0].reason) < 400


async def test_one_body_that_is_too_large_does_not_make_all_others_small(
    contract: Contract, sink: InfluxSink
) -> None:
    contract.answers = [(413, "Request Entity Too Large", {})]
    text = random.Random(1).randbytes(20_000).hex().encode()
    lines = [EncodedRecord(i, i, b'm,t=a document="%b" %d' % (text, i)) for i in range(4)]
    assert (await sink.deliver(OutboxBatch.of_lines(RecordClass.LIMIT, lines))).accepted == 4
    contract.requests = 0
    assert (await sink.deliver(batch(200))).accepted == 200
    assert contract.requests == 1


async def test_halves_are_packed_beside_the_event_loop(
    contract: Contract, sink: InfluxSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed_in: list[threading.Thread] = []
    pack = OutboxBatch.of_lines

    def seen(record_class: RecordClass, lines: Sequence[EncodedRecord]) -> OutboxBatch:
        packed_in.append(threading.current_thread())
        return pack(record_class, lines)

    contract.most_lines = 30
    whole = batch(100)
    monkeypatch.setattr(OutboxBatch, "of_lines", seen)
    assert (await sink.deliver(whole)).accepted == 100
    assert len(packed_in) >= 6 and threading.main_thread() not in packed_in


async def test_a_proxy_that_found_everything_too_large_for_a_minute_leaves_no_small_bodies(
    contract: Contract, sink: InfluxSink
) -> None:
    contract.answers = [(413, "Request Entity Too Large", {})] * 40
    with pytest.raises(SinkStopped, match="refuses every record"):
        await sink.deliver(batch(500))
    contract.answers, contract.requests = [], 0
    assert (await sink.deliver(batch(500))).accepted == 500
    assert contract.requests == 1


async def test_a_bound_that_is_gone_is_found_out_and_one_that_stays_costs_little(
    contract: Contract, sink: InfluxSink
) -> None:
    contract.most_lines = 20
    for _ in range(60):
        await sink.deliver(batch(100))
    assert len(contract.points) == 100
    assert contract.too_large < contract.requests / 20, "each try that fails makes the next one come later"
    contract.most_lines = 1 << 30
    for _ in range(120):
        await sink.deliver(batch(100))
    contract.requests = 0
    await sink.deliver(batch(100))
    assert contract.requests == 1


@pytest.mark.parametrize("secret", ["to\x00ken", "to\rken"])
async def test_a_secret_that_no_header_can_carry_stops_the_sink(contract: Contract, secret: str) -> None:
    sink = InfluxSink(Influx2Writer(contract.url, ORG, BUCKET, token=lambda: secret))
    with pytest.raises(SinkStopped, match="cannot be sent") as caught:
        await sink.deliver(batch(3))
    assert "ken" not in str(caught.value).replace("token", "")
    await sink.close()
    sink = InfluxSink(Influx1Writer(contract.url, "plant", credentials=lambda: ("a:b", "x")))
    with pytest.raises(SinkStopped, match="cannot be sent"):
        await sink.deliver(batch(3))
    await sink.close()


async def test_a_date_to_come_again_counts_from_the_server_s_clock(
    contract: Contract, sink: InfluxSink
) -> None:
    dates = {"Date": formatdate(3e9, usegmt=True), "Retry-After": formatdate(3e9 + 40, usegmt=True)}
    contract.answers = [(503, "busy", dates)]
    with pytest.raises(SinkUnavailable) as caught:
        await sink.deliver(batch(3))
    assert caught.value.retry_after_s == 40.0


async def test_a_rotated_token_needs_no_restart(contract: Contract) -> None:
    tokens = ["old"]
    sink = InfluxSink(Influx2Writer(contract.url, ORG, BUCKET, token=lambda: tokens[-1]))
    with pytest.raises(SinkStopped, match="401") as caught:
        await sink.deliver(batch(3))
    assert "token" in caught.value.remedy
    tokens.append(TOKEN)
    assert (await sink.deliver(batch(3))).accepted == 3
    await sink.close()


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_nobody_there_and_nobody_answers(version: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for port in (silent.getsockname()[1], free_port()):
            url = f"http://127.0.0.1:{port}"
            sink = InfluxSink(writer_of(version, url, 0.3))
            with pytest.raises(SinkUnavailable, match="cannot be reached"):
                await sink.deliver(batch(1))
            await sink.close()


def test_retry_after_in_both_forms() -> None:
    now_s = time.time()
    assert retry_after_s("12", now_s) == 12.0
    wish_s = retry_after_s(formatdate(now_s + 60, usegmt=True), now_s)
    assert wish_s is not None
    assert 58 <= wish_s <= 60
    assert retry_after_s("99999999", now_s) == 3600.0
    assert retry_after_s("-5", now_s) == 0.0
    for nonsense in (None, "", "soon", "nan"):
        assert retry_after_s(nonsense, now_s) is None


async def test_a_real_server_splits_a_body_that_is_too_large(tmp_path: Path) -> None:
    server = local_influx(tmp_path, most_body_bytes=600)
    await server.start()
    sink = InfluxSink(Influx1Writer(server.url, "stethos"))
    try:
        assert len(batch(400, size=20).body) > 1200
        assert (await sink.deliver(batch(400, size=20))).accepted == 400
        assert await asyncio.to_thread(count, server, "m", "value") == 400
    finally:
        await sink.close()
        await server.kill()


async def test_a_real_server_s_past_retention_is_refused_at_once(influxd: LocalInflux) -> None:
    await asyncio.to_thread(
        influxd.ask, 'CREATE RETENTION POLICY "short" ON "stethos" DURATION 1h REPLICATION 1', "stethos"
    )
    sink = InfluxSink(Influx1Writer(influxd.url, "stethos", retention_policy="short"))
    receipt = await sink.deliver(batch(100))  # of the year 1970
    assert len(receipt.rejected) == 100
    assert "retention policy" in receipt.rejected[0].reason
    assert sink.requests == 1
    missing = InfluxSink(Influx1Writer(influxd.url, "stethos", retention_policy="missing"))
    with pytest.raises(SinkStopped, match=r"500: .*retention policy not found"):
        await missing.deliver(batch(1))
    await sink.close()
    await missing.close()


async def test_a_real_server_s_type_conflict_costs_only_the_lines_that_conflict(influxd: LocalInflux) -> None:
    sink = InfluxSink(Influx1Writer(influxd.url, "stethos"))
    assert (await sink.deliver(batch(10))).accepted == 10
    lines = [EncodedRecord(i, i, f"m,t=a value={i}.0 {i}".encode()) for i in range(11, 21)]
    lines[4] = EncodedRecord(15, 15, b'm,t=a value="text" 15')
    receipt = await sink.deliver(OutboxBatch.of_lines(RecordClass.TELEMETRY, lines))
    assert [refusal.sequence for refusal in receipt.rejected] == [15]
    assert await asyncio.to_thread(count, influxd, "m", "value") == 19
    await sink.close()
