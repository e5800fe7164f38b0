"""From a record to a real influxd on the same core, beside influxdb-client's own way.

Ours, of vectors (a point of 44 fields) and of process values (a point of one): "enqueued" is submit, group
commit with its flush to the disk, read, encoded, packed: the body stands ready. "Drained" is the courier's
whole way from the journal into influxd, with its cursors, until the last receipt. The peer's "enqueued" is
Point, line protocol, gzip, in memory only, nothing durable; its "drained" is the batching WriteApi from the
first `write` to the end of `close`. What influxd takes at most on this core is its own row: ready bodies,
posted one after the other. All on one core: this process and influxd. Turns are interleaved, figures are
medians.

Then the outage: a server (built from the documentation of version 2: tests/appliance/sinks/contract_server)
answers 503 for longer than WriteApi tries. Its times are a hundredth of its defaults, so is the outage: 3 s
stand for 5 minutes. What arrived is counted at the server.

Telegraf is not measured: its program is in none of the registries that this repository installs from. Tried:
Debian 12 has no package of it; on PyPI and npm, what bears the name are clients, plugins and a framework for
bots.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from influxdb_client import Point, WriteOptions

from appliance.clock import ReplayClock
from appliance.demo_central import LocalInflux
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.journal.retention import Budgets
from appliance.journal.series import tag_record
from appliance.sinks.courier import Courier
from appliance.sinks.courier_encoding import BatchEncoder
from appliance.sinks.courier_needs import Pace
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.influx2 import Influx2Writer
from appliance.sinks.outbox import Outbox
from appliance.sinks.points import encode
from appliance.sinks.points_batch import BatchLines
from appliance.sinks.sink import OutboxBatch
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from tests.appliance.sinks.contract_server import BUCKET, ORG, TOKEN, Contract
from tests.appliance.sinks.influx_server import local_influx
from tests.appliance.sinks.way import Watch
from tests.benchmarks.central_peer import BatchingWriteApi, Observation, bodies, point
from tests.benchmarks.turns import one_core

PEER_IN, PEER_OUT = "influxdb-client Point, in memory", "influxdb-client batching WriteApi"
NAMES = tuple(f"band_{index}_level_dB" for index in range(40))
BATCH = 2_000
TURNS = 3
START_NS = 1_800_000_000 * 10**9
DEVICE = "0123456789abcdef0123456789abcdef"
TAGS = {"device_id": DEVICE, "asset": "pump-1"}
ALL_AT_ONCE = Pace(batch_records=BATCH, live_lag=1 << 30)
OUTAGE_S = 3.0
OUTAGE_POINTS, OUTAGE_BATCH = 10_000, 500
# A hundredth of its defaults each, in milliseconds; how often it tries is its default, too.
SCALED = {"retry_interval": 50, "max_retry_delay": 1_250, "max_retry_time": 1_800, "flush_interval": 10}


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of point."""

    name: str
    measurement: str
    field: str  # that every point has
    kind: RecordKind
    fields: int
    points: int  # a turn
    channel: str

    def seen(self) -> list[Observation]:
        """What is recorded: vectors, or values."""
        chance = np.random.default_rng(1)
        if self.kind is RecordKind.TAG:
            return [float(value) for value in chance.normal(25.0, 0.1, self.points).round(3)]
        return [
            FeatureVector(self.channel, self.time_ns(number) - START_NS, 1.25, NAMES,
                          chance.normal(-60.0, 3.0, len(NAMES)).astype(np.float32),
                          "speed-25", Quality.GOOD, "trend-1")
            for number in range(self.points)
        ]  # fmt: skip

    def time_ns(self, number: int) -> int:
        return START_NS + number * 10**9

    def record(self, number: int, seen: Observation) -> NewRecord:
        if isinstance(seen, FeatureVector):
            return features_record(seen)
        return tag_record(self.channel, self.time_ns(number) - START_NS, seen, "Hz")

    def point(self, number: int, seen: Observation) -> Point:
        return point(self.channel, self.time_ns(number), seen, TAGS)


LOADS = (
    Load("vectors of 44 fields", "features", "duration_s", RecordKind.FEATURES, 44, 8_000, "pump-1.de.x"),
    Load("values of 1 field", "process_value", "value", RecordKind.TAG, 1, 24_000, "pump-1.speed"),
)


def run() -> list[dict[str, Any]]:
    # Not in /tmp, which is memory on many systems: the figures are about a disk.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder, one_core():  # influxd inherits it
        return asyncio.run(_all(Path(folder).absolute()))


async def _all(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    server = local_influx(folder)
    await server.start("ours")
    try:
        for database in ("posted", "peer"):
            await asyncio.to_thread(server.ask, f'CREATE DATABASE "{database}"', "")
        for load in LOADS:
            rows += await _measured(server, load, folder)
    finally:
        await server.kill()
    rows.append(await _outage(folder))
    return rows


async def _measured(server: LocalInflux, load: Load, folder: Path) -> list[dict[str, Any]]:
    """Points per second of one kind, ours and the peer's in turn."""
    rates: dict[str, list[float]] = {name: [] for name in ("in", "out", "posted", "peer in", "peer out")}
    seen = load.seen()

    def noted(name: str, seconds: float) -> None:
        rates[name].append(load.points / seconds)

    for turn in range(TURNS):
        place = folder / f"{load.kind}-{turn}"
        journal = await Journal.open(place, Budgets(reserve_transitions=0), ReplayClock(START_NS))
        try:
            seconds, ready = await _enqueued(journal, load, seen)
            noted("in", seconds)
            began_s = time.perf_counter()
            peers = bodies(lambda: [load.point(number, one) for number, one in enumerate(seen)], BATCH)
            noted("peer in", time.perf_counter() - began_s)
            noted("out", await _drained(journal, server, place, load.points))
        finally:
            await journal.close()
        noted("posted", await _posted(server, ready))
        noted("peer out", await asyncio.to_thread(_written, server, load, seen))
    for database in ("ours", "posted", "peer"):
        counted = f'SELECT count("{load.field}") FROM "{database}".."{load.measurement}"'
        answer = await asyncio.to_thread(server.ask, counted)
        assert answer[0]["count"] == load.points, f"{database}: {answer}"
    middle = {name: median(figures) for name, figures in rates.items()}
    rows = []
    for figure, ours, peer, peer_name in (
        ("enqueued: committed, encoded, packed", middle["in"], middle["peer in"], PEER_IN),
        ("drained into influxd on the same core", middle["out"], middle["peer out"], PEER_OUT),
        (
            "drained, beside what influxd takes at most",
            middle["out"],
            middle["posted"],
            "ready bodies, posted",
        ),
    ):
        rows.append(_row(f"{load.name}, {figure}", "points/s", ours, peer, peer_name))
        if load.fields > 1 and peer_name != "ready bodies, posted":
            rows.append(
                _row(f"{load.name}, the same", "fields/s", ours * load.fields, peer * load.fields, peer_name)
            )
    sent, peers_sent = (sum(map(len, sizes)) / load.points for sizes in (ready, peers))
    return [*rows, _row(f"{load.name}, sent", "B/point", sent, peers_sent, PEER_IN)]


async def _enqueued(journal: Journal, load: Load, seen: Sequence[Observation]) -> tuple[float, list[bytes]]:
    """From the vector or value to the ready body, by way of the disk."""
    encoder = _encoder(journal)
    ready, after = [], 0
    began_s = time.perf_counter()
    for number, one in enumerate(seen):
        journal.submit(load.record(number, one))
        if number % BATCH == BATCH - 1:  # a box does not hand over ten thousand at once, either
            await asyncio.sleep(0)
    while journal.last_sequence < load.points:
        await asyncio.sleep(0.001)
    while records := await journal.read(after, {load.kind}, BATCH):
        after = records[-1].sequence
        encoded = await encoder.encoded(records, after)
        ready.append(
            (await asyncio.to_thread(OutboxBatch.of_lines, RecordClass.TELEMETRY, encoded.lines)).body
        )
    return time.perf_counter() - began_s, ready


def _encoder(journal: Journal) -> BatchEncoder:
    return BatchEncoder(
        lambda record, names: encode(record, DEVICE, TAGS["asset"], names),
        journal.queries.name_list,
        time.time_ns,
        send_provisional=False,
        encode_many=BatchLines(DEVICE, lambda channel, sequence: TAGS["asset"]),
    )


async def _drained(journal: Journal, server: LocalInflux, place: Path, points: int) -> float:
    async with _courier(
        journal, place, InfluxSink(Influx1Writer(server.url, "ours")), ALL_AT_ONCE
    ) as courier:
        began_s = time.perf_counter()
        while courier.report().delivered < points:
            await asyncio.sleep(0.002)
        return time.perf_counter() - began_s


@contextlib.asynccontextmanager
async def _courier(journal: Journal, place: Path, sink: InfluxSink, pace: Pace) -> Any:
    outbox = Outbox(place / "outbox.sqlite")
    courier = Courier(
        journal,
        sink,
        outbox,
        encode=lambda record, names: encode(record, DEVICE, TAGS["asset"], names),
        encode_many=BatchLines(DEVICE, lambda channel, sequence: TAGS["asset"]),
        name_list=journal.queries.name_list,
        watch=Watch(),
        where="bench",
        pace=pace,
    )
    running = asyncio.create_task(courier.run())
    try:
        yield courier
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await sink.close()
        outbox.close()


async def _posted(server: LocalInflux, ready: list[bytes]) -> float:
    writer = Influx1Writer(server.url, "posted")
    began_s = time.perf_counter()
    for body in ready:
        answer = await writer.write(body)
        assert answer.status == 204, answer
    took_s = time.perf_counter() - began_s
    await writer.close()
    return took_s


def _written(server: LocalInflux, load: Load, seen: Sequence[Observation]) -> float:
    """Seconds that the batching WriteApi takes from the first point to the end of `close`."""
    options = WriteOptions(batch_size=BATCH)
    api = BatchingWriteApi(server.url, options, database="peer", token="-", org="-")
    began_s = time.perf_counter()
    api.write("-", [load.point(number, one) for number, one in enumerate(seen)])
    api.close()
    took_s = time.perf_counter() - began_s
    assert not api.given_up, api.given_up[:1]
    return took_s


async def _outage(folder: Path) -> dict[str, Any]:
    """Points that arrive when the server answers 503 for a while, in the midst of it all."""
    load = LOADS[1]
    seen = load.seen()[:OUTAGE_POINTS]
    ours, peers = Contract(), Contract()
    await ours.start()
    await peers.start()
    journal = await Journal.open(folder / "outage", Budgets(reserve_transitions=0), ReplayClock(START_NS))
    options = WriteOptions(batch_size=OUTAGE_BATCH, **SCALED)
    api = BatchingWriteApi(peers.url, options, token=TOKEN, org=ORG, enable_gzip=True)
    sink = InfluxSink(Influx2Writer(ours.url, ORG, BUCKET, token=lambda: TOKEN))
    try:
        for contract in (ours, peers):
            contract.answers = [(503, "unavailable", {})] * 100_000
        async with _courier(journal, folder, sink, Pace(batch_records=OUTAGE_BATCH)) as courier:
            ends_s = time.monotonic() + OUTAGE_S
            for number, one in enumerate(seen):
                journal.submit(load.record(number, one))
            await asyncio.to_thread(api.write, BUCKET, [load.point(*both) for both in enumerate(seen)])
            await asyncio.sleep(ends_s - time.monotonic())
            for contract in (ours, peers):
                contract.answers.clear()
            await asyncio.to_thread(api.close)
            async with asyncio.timeout(120.0):
                while courier.report().delivered < len(seen):
                    await asyncio.sleep(0.01)
        figure = f"arrived of {len(seen):,} points, 503 for longer than the peer tries"
        return _row(figure, "points", len(ours.points), len(peers.points), PEER_OUT)
    finally:
        await journal.close()
        await ours.stop()
        await peers.stop()


def _row(figure: str, unit: str, ours: float, peer: float, peer_name: str) -> dict[str, Any]:
    return {
        "bench": "central",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": ours / peer,
    }
