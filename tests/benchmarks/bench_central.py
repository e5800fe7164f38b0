"""From the journal to a real influxd on the same machine, beside influxdb-client's own way.

Ours: records of the journal (40 features each) read, encoded and packed into ready bodies ("enqueued"), and
the whole way with the courier's cursors ("drained"). The peer makes a `Point` per record by influxdb-client,
turns it into line protocol and packs it ("enqueued"); its bodies then go through the same POST as ours, since
influxd 1.6 knows no /api/v2/write ("drained"). The peer's records are already in memory, ours come from the
disk. A point is a record and holds 44 fields. One core is for all: this process and influxd.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.features import decode_record, features_record
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.journal.retention import Budgets
from appliance.sinks.courier import Courier
from appliance.sinks.courier_needs import Pace
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.outbox import Outbox
from appliance.sinks.points import encode
from appliance.sinks.sink import EncodedRecord, OutboxBatch
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from tests.appliance.sinks.influx_server import local_influx
from tests.benchmarks.turns import one_core

PEER = "influxdb-client Point"
NAMES = tuple(f"band_{index}_level_dB" for index in range(40))
POINTS = 20_000
BATCH = 2_000
TURNS = 3
START_NS = 1_800_000_000 * 10**9
DEVICE = "0123456789abcdef0123456789abcdef"


class Quiet:
    """Nobody to tell."""

    async def central_refuses(self, reason: str, remedy: str) -> None: ...

    async def central_accepts(self) -> None: ...


def run() -> list[dict[str, Any]]:
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder, one_core():  # influxd inherits it
        return asyncio.run(_all(Path(folder).absolute()))


async def _all(folder: Path) -> list[dict[str, Any]]:
    server = local_influx(folder)
    journal = await Journal.open(folder / "journal", Budgets(reserve_transitions=0), ReplayClock(START_NS))
    await server.start()
    try:
        await _fill(journal)
        ours_in, ours_out, peer_in, peer_out, sent = [], [], [], [], 0
        for turn in range(TURNS):
            seconds, sent = await _enqueue(journal)
            ours_in.append(POINTS / seconds)
            seconds, bodies = await _peer_enqueue(journal)
            peer_in.append(POINTS / seconds)
            ours_out.append(POINTS / await _drain(journal, server, folder / f"turn-{turn}"))
            peer_out.append(POINTS / (seconds + await _post(server, bodies)))
        rows = await asyncio.to_thread(server.ask, "SELECT count(duration_s) FROM features")
        assert rows[0]["count"] == POINTS, "the turns did not overwrite each other"
    finally:
        await journal.close()
        await server.kill()
    return [
        _row("enqueued: read, encoded, packed", "points/s", median(ours_in), median(peer_in)),
        _row("drained into influxd on the same core", "points/s", median(ours_out), median(peer_out)),
        _row("sent per point of 44 fields", "B", sent / POINTS, sum(map(len, bodies)) / POINTS),
    ]


async def _fill(journal: Journal) -> None:
    chance = np.random.default_rng(1)
    for number in range(POINTS):
        values = chance.normal(-60.0, 3.0, len(NAMES)).astype(np.float32)
        vector = FeatureVector(
            "pump-1.de.x", number * 10**9, 1.25, NAMES, values, "speed-25", Quality.GOOD, "trend-1"
        )
        journal.submit(features_record(vector))
        if number % 2_000 == 0:
            await asyncio.sleep(0.05)
    while len(await journal.read(0, {RecordKind.FEATURES}, 10_000)) < 10_000 or not await journal.read(
        POINTS - 1, {RecordKind.FEATURES}, 10
    ):
        await asyncio.sleep(0.1)


async def _enqueue(journal: Journal) -> tuple[float, int]:
    began_s, after, sent = time.perf_counter(), 0, 0
    while records := await journal.read(after, {RecordKind.FEATURES}, BATCH):
        after = records[-1].sequence
        names = await journal.queries.name_list(records[0].payload[6:14])
        lines = [
            EncodedRecord(r.sequence, r.time_ns, body)
            for r in records
            if (body := encode(r, DEVICE, "pump-1", names)) is not None
        ]
        sent += len(OutboxBatch.of_lines(RecordClass.TELEMETRY, lines).body)
    return time.perf_counter() - began_s, sent


async def _drain(journal: Journal, server: LocalInflux, folder: Path) -> float:
    """The whole way of a fresh courier, until the server has all."""
    outbox = Outbox(folder / "outbox.sqlite")
    sink = InfluxSink(Influx1Writer(server.url, DATABASE))
    courier = Courier(
        journal,
        sink,
        outbox,
        encode=lambda record, names: encode(record, DEVICE, "pump-1", names),
        name_list=journal.queries.name_list,
        watch=Quiet(),
        where="bench",
        pace=Pace(batch_records=BATCH, live_lag=1 << 30),
    )
    began_s = time.perf_counter()
    running = asyncio.create_task(courier.run())
    while courier.report().delivered < POINTS:
        await asyncio.sleep(0.005)
    took_s = time.perf_counter() - began_s
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await sink.close()
    outbox.close()
    return took_s


async def _peer_enqueue(journal: Journal) -> tuple[float, list[bytes]]:
    from influxdb_client import Point

    records: list[Record] = []
    while read := await journal.read(records[-1].sequence if records else 0, {RecordKind.FEATURES}, 10_000):
        records += read
    names = await journal.queries.name_list(records[0].payload[6:14])
    assert names is not None
    bodies = []
    began_s = time.perf_counter()
    for first in range(0, len(records), BATCH):
        lines = []
        for record in records[first : first + BATCH]:
            vector = decode_record(record, names)
            point = Point("features").tag("device_id", DEVICE).tag("asset", "pump-1")
            point.tag("channel", record.subject).time(record.time_ns)
            for name, value in zip(vector.names, vector.values.tolist(), strict=True):
                point.field(name, value)
            point.field("duration_s", vector.duration_s).field("operating_state", vector.operating_state)
            point.field("quality", vector.quality.value).field("extractor_version", vector.extractor_version)
            lines.append(point.to_line_protocol())
        bodies.append(gzip.compress("\n".join(lines).encode(), 1))
    return time.perf_counter() - began_s, bodies


async def _post(server: LocalInflux, bodies: list[bytes]) -> float:
    writer = Influx1Writer(server.url, DATABASE)
    began_s = time.perf_counter()
    for body in bodies:
        answer = await writer.write(body)
        assert answer.status == 204, answer
    took_s = time.perf_counter() - began_s
    await writer.close()
    return took_s


def _row(figure: str, unit: str, ours: float, peer: float) -> dict[str, Any]:
    return {
        "bench": "central",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": PEER,
        "ratio": ours / peer,
    }
