"""A 72-hour outage of the centre: bytes on the box, days left, the drain, the first alarm afterwards.

Two boxes: the demo's (three channels, its tags) and one of 200 channels. Each journal is filled in
virtual time with hours of what such a box records, through the journal's own door, onto the disk; bytes
and records are those of that file, scaled to 72 h where the row says so. Meanwhile a courier tries a port
where nobody listens: memory is this process's before and after. The drain is into a real influxd, as fast
as it goes; at the default pace it is what `[central] backlog_points_per_s` allows. The first alarm is
timed from the moment when influxd answers, with the back-off at its cap as after a long outage; the peer
waits for the back-off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from appliance.backoff import Backoff
from appliance.clock import ReplayClock
from appliance.demo_central import DATABASE, LocalInflux
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass
from appliance.journal.retention import Budgets
from appliance.journal.series import score_record, tag_record
from appliance.journal.store import FILE_NAME
from appliance.sinks.courier import Courier
from appliance.sinks.courier_needs import BACKOFF, Pace
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.outbox import Outbox
from appliance.sinks.points import encode
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from models.detector import AnomalyScore
from tests.appliance.sinks.influx_server import free_port, local_influx
from tests.appliance.sinks.way import DEVICE, Watch, alarms

OUTAGE_H = 72.0
START_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9
WINDOW_S = 1.28  # a window of the demo's sensor
TAG_S = 0.5
FEATURES = tuple(f"feature_{index}" for index in range(67))
DISK_BYTES = 8e9
ALARM_TURNS = 3
ALARM_GOAL_S = 2.0


@dataclass(frozen=True, slots=True)
class Box:
    """What records how much."""

    name: str
    channels: int
    tags: int
    hours: float  # of it that are really written


BOXES = (Box("demo", 3, 3, 2.0), Box("200 channels", 200, 0, 0.1))


def run() -> list[dict[str, Any]]:
    # Not in /tmp, which is memory on many systems: the figures are about a disk.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        return asyncio.run(_all(Path(folder).absolute()))


async def _all(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, box in enumerate(BOXES):
        rows += await _outage(folder / str(number), box)
    rows.append(await _first_alarm(folder / "alarm"))
    return rows


async def _outage(folder: Path, box: Box) -> list[dict[str, Any]]:
    journal = await Journal.open(folder, Budgets(reserve_transitions=0), ReplayClock(START_NS))
    server = local_influx(folder)
    try:
        async with _courier(journal, folder / "dead", f"http://127.0.0.1:{free_port()}") as trying:
            half = await _fill(journal, box, 0.0, 0.5)
            await _on_disk(journal, half)
            before_kib = _resident_kib()
            records = half + await _fill(journal, box, 0.5, 1.0)
            await _on_disk(journal, records)
            grown_kib = _resident_kib() - before_kib
            assert trying.report().delivered == 0
        stored_bytes = sum(path.stat().st_size for path in folder.glob(f"{FILE_NAME}*"))
        await server.start()
        began_s = time.perf_counter()
        async with _courier(journal, folder / "alive", server.url) as draining:
            while draining.report().delivered < records:
                await asyncio.sleep(0.01)
        drained_per_s = records / (time.perf_counter() - began_s)
    finally:
        await journal.close()
        await server.kill()
    scale = OUTAGE_H / box.hours
    day_bytes = stored_bytes * 24.0 / box.hours
    default = Pace().backlog_points_per_s
    return [
        _row(f"{box.name}: bytes on the disk after 72 h (scaled)", "MB", stored_bytes * scale / 1e6),
        _row(f"{box.name}: days that 8 GB last", "d", DISK_BYTES / day_bytes),
        _row(f"{box.name}: memory grown while records doubled", "MiB", grown_kib / 1024.0),
        _row(
            f"{box.name}: drained into influxd, as fast as it goes",
            "points/s",
            drained_per_s,
            default,
            "default pace",
        ),
        _row(
            f"{box.name}: draining 72 h, as fast as it goes (scaled)",
            "h",
            records * scale / drained_per_s / 3600.0,
        ),
        _row(
            f"{box.name}: draining 72 h at the default pace (scaled)", "h", records * scale / default / 3600.0
        ),
    ]


async def _fill(journal: Journal, box: Box, begin: float, end: float) -> int:
    """Hand over what the box records between two parts of its hours; how many records that were."""
    values = np.random.default_rng(1).normal(1.0, 0.2, len(FEATURES)).astype(np.float32)
    first, last = (round(box.hours * 3600.0 * part / WINDOW_S) for part in (begin, end))
    n_records = 0
    contributions = np.zeros(3, dtype=np.float32)
    for step in range(first, last):
        at_ns = round(step * WINDOW_S * SECOND_NS)
        for channel in range(box.channels):
            name = f"m{channel // 3}.{'xyz'[channel % 3]}"
            vector = FeatureVector(name, at_ns, WINDOW_S, FEATURES, values, "24.5 Hz", Quality.GOOD, "bench")
            journal.submit(features_record(vector))
            journal.submit(score_record(AnomalyScore(name, at_ns, 0.5, "m", "numpy", contributions)))
            n_records += 2
        for tag in range(box.tags):
            for now_ns in range(at_ns, at_ns + round(WINDOW_S * SECOND_NS), round(TAG_S * SECOND_NS)):
                journal.submit(tag_record(f"tag-{tag}", now_ns, 24.5 + step % 7, "Hz"))
                n_records += 1
        while journal.waiting > 3_000:
            await asyncio.sleep(0.005)
    return n_records


async def _on_disk(journal: Journal, n_records: int) -> None:
    """Until the disk has them all; that none was dropped on the way is asserted."""
    while True:
        (row,) = (one for one in journal.backlog() if one.record_class is RecordClass.TELEMETRY)
        assert row.dropped == 0
        if row.records >= n_records:
            return
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _courier(
    journal: Journal, folder: Path, url: str, *, backoff: Backoff = BACKOFF, probing: bool = True
) -> AsyncIterator[Courier]:
    outbox, sink = Outbox(folder / "outbox.sqlite"), InfluxSink(Influx1Writer(url, DATABASE))
    courier = Courier(
        journal,
        sink,
        outbox,
        encode=lambda record, names: encode(record, DEVICE, "m", names),
        name_list=journal.queries.name_list,
        watch=Watch(),
        where="bench",
        pace=replace(Pace(live_lag=1 << 40), backoff=backoff),
        answers=sink.answers if probing else None,
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


async def _first_alarm(folder: Path) -> dict[str, Any]:
    """From the moment when influxd answers until it has an alarm that was raised during the outage."""
    clock = ReplayClock(START_NS)
    journal = await Journal.open(folder, Budgets(reserve_transitions=0), clock)
    server = local_influx(folder)
    make = alarms(journal, clock)
    try:
        await server.start()
        ours = [
            await _alarm_after(journal, server, folder / f"o{n}", make(n, n), probing=True)
            for n in range(ALARM_TURNS)
        ]
        theirs = await _alarm_after(journal, server, folder / "peer", make(99, 99), probing=False)
    finally:
        await journal.close()
        await server.kill()
    told = f"back-off alone; the goal is {ALARM_GOAL_S:g} s"
    return _row("first alarm at the centre after its return", "s", median(ours), theirs, told)


async def _alarm_after(
    journal: Journal, server: LocalInflux, folder: Path, alarm: NewRecord, *, probing: bool
) -> float:
    await server.kill()
    capped = Backoff(
        base_s=BACKOFF.cap_s, cap_s=BACKOFF.cap_s, floor_s=BACKOFF.floor_s
    )  # as after many failures
    async with _courier(journal, folder, server.url, backoff=capped, probing=probing) as courier:
        (record,) = (await journal.commit([alarm])).records
        while courier.report().state != "not reachable":
            await asyncio.sleep(0.01)
        await asyncio.sleep(2.0)
        await server.start()
        began_s = time.perf_counter()
        while not await asyncio.to_thread(
            server.ask, f'SELECT alarm_id FROM alarm WHERE "sequence" = {record.sequence}'
        ):
            await asyncio.sleep(0.02)
        return time.perf_counter() - began_s


def _resident_kib() -> float:
    return (
        float(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        * os.sysconf("SC_PAGE_SIZE")
        / 1024.0
    )


def _row(
    figure: str, unit: str, ours: float, peer: float | None = None, peer_name: str = ""
) -> dict[str, Any]:
    return {
        "bench": "outage",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": peer_name,
        "ratio": None if not peer else ours / peer,
    }
