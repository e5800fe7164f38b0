"""What captures cost: the rings while nothing happens, a trigger, 15 s of three axes to stable storage.

Peers, in turns: a ring that copies every block into one array per channel and knows neither times nor gaps,
and the same samples as a blob in a SQLite file with the journal's own settings (WAL, synchronous=FULL),
brought from the log into the file as the journal's writer would have to between two alarms.
"""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from appliance.capture_desk import CaptureDesk
from appliance.capture_group import CaptureTiming
from appliance.capture_segment import Stretch, encode_segment
from appliance.clock import ReplayClock
from appliance.counters import Counters
from appliance.journal.journal import Journal
from dsp.samples import Channel, Measurand, Quality, SampleBlock, TimeQuality
from tests.appliance.capture_rig import raised
from tests.appliance.journal.builders import QUICK, SMALL, START_NS

RATE_HZ = 25_600.0
SENSORS = 67  # of three axes: 201 channels
BLOCK_S = 0.1
BEFORE_S = 15.0
TURNS = 12
N = round(RATE_HZ * BLOCK_S)
STEP_NS = round(BLOCK_S * 1e9)


class CopyingRing:
    """One array per channel, every block copied to its place."""

    def __init__(self, channels: list[str]) -> None:
        self._size = round(BEFORE_S * RATE_HZ)
        self._rings = {name: np.zeros(self._size, np.float32) for name in channels}
        self._at = dict.fromkeys(channels, 0)

    def take(self, blocks: list[SampleBlock]) -> None:
        for block in blocks:
            ring, at = self._rings[block.channel_id], self._at[block.channel_id]
            fits = min(len(block.samples), self._size - at)
            ring[at : at + fits] = block.samples[:fits]
            ring[: len(block.samples) - fits] = block.samples[fits:]
            self._at[block.channel_id] = (at + len(block.samples)) % self._size


def _blocks(sensor: int, number: int, samples: np.ndarray) -> list[SampleBlock]:
    return [
        SampleBlock(f"m{sensor}.{axis}", number, number * STEP_NS, TimeQuality.FITTED, RATE_HZ,
                    samples.copy(), Quality.GOOD)
        for axis in "xyz"
    ]  # fmt: skip


async def _measured(folder: Path) -> list[dict[str, Any]]:
    clock = ReplayClock(START_NS)
    journal = await Journal.open(folder / "journal", SMALL, clock, QUICK)
    channels = [
        Channel(f"m{n}.{a}", f"m{n}", Measurand.ACCELERATION, "m/s2", RATE_HZ, 80.0, f"s{n}")
        for n in range(SENSORS)
        for a in "xyz"
    ]
    desk = CaptureDesk(
        channels,
        CaptureTiming(memory_bytes=1 << 29),
        journal=journal,
        clock=clock,
        counters=Counters("i", "b"),
    )
    peer = CopyingRing([channel.channel_id for channel in channels])
    samples = np.random.default_rng(20816).normal(size=N).astype(np.float32)
    ours: list[float] = []
    copied: list[float] = []
    for number in range(round(BEFORE_S / BLOCK_S) + TURNS):
        delivered = [_blocks(sensor, number, samples) for sensor in range(SENSORS)]
        began_s = time.thread_time()
        for sensor, blocks in enumerate(delivered):
            desk.take(f"m{sensor}", blocks, [])
        ours.append(time.thread_time() - began_s)
        began_s = time.thread_time()
        for blocks in delivered:
            peer.take(blocks)
        copied.append(time.thread_time() - began_s)
    share = [100.0 * statistics.median(times[-TURNS:]) / BLOCK_S for times in (ours, copied)]
    began_s = time.thread_time()
    desk.take("m0", [], [raised(number * BLOCK_S)])
    cut_ms = 1e3 * (time.thread_time() - began_s)
    job = desk._jobs[0]
    stored, blobs = await _stored(desk, list(job.stretches), folder)
    await journal.close()
    return [
        _row("ring of 201 channels at 25.6 kHz, one core", "%", share[0], share[1], "copying ring"),
        _row("trigger: 15 s of three axes cut", "ms", cut_ms, None, None),
        _row("15 s of three axes to stable storage, median", "ms", 1e3 * stored, 1e3 * blobs, "SQLite blob"),
    ]


async def _stored(desk: CaptureDesk, stretches: list[Stretch], folder: Path) -> tuple[float, float]:
    """Median s of: encode, write, flush the file and its name; the same samples into SQLite, committed."""
    head = desk._jobs[0].head
    other = sqlite3.connect(folder / "blobs.sqlite", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL"):
        other.execute(f"PRAGMA {pragma}")
    other.execute("CREATE TABLE capture (id INTEGER PRIMARY KEY, samples BLOB)")
    ours: list[float] = []
    blobs: list[float] = []
    for number in range(TURNS):
        began_s = time.perf_counter()
        desk.files.write(f"bench-{number}.0.stcap", encode_segment(head, stretches))
        ours.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        other.execute("INSERT INTO capture (samples) VALUES (?)", (stretches[0].samples.tobytes(),))
        other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        blobs.append(time.perf_counter() - began_s)
    other.close()
    return statistics.median(ours), statistics.median(blobs)


def _row(figure: str, unit: str, ours: float, peer: float | None, name: str | None) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    return {
        "bench": "captures", "figure": figure, "unit": unit, "ours": ours, "peer": peer, "peer_name": name,
        "ratio": ratio,
    }  # fmt: skip


def run() -> list[dict[str, Any]]:
    """Rows for `make bench`."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # on a real disk, not in memory
        return asyncio.run(_measured(Path(folder)))
