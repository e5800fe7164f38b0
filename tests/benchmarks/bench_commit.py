"""How long an alarm waits for the disk while telemetry comes, beside what the disk itself takes.

An alarm's commit, flush included, is timed at odd moments, under three loads: no telemetry; a box of 200
channels (a vector of 40 features each per window of 1.28 s, a process value each per second); and all that
the journal takes. In turn with it the disk alone: 8 KiB written over a place of a file that is there already,
and fdatasync, in a thread that is waited for in the same way. The telemetry goes on meanwhile, so both meet
its flushes. The goal is p99 no more than 3 times the disk's own.
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
from typing import Any

import numpy as np

from appliance.clock import ReplayClock
from appliance.journal.features import features_record
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord
from appliance.journal.retention import Budgets
from appliance.journal.series import tag_record
from dsp.extractor import FeatureVector
from dsp.samples import Quality
from tests.benchmarks.bench_journal import _alarm

PEER = "fdatasync of 8 KiB"
NAMES = tuple(f"band_{index}_level_dB" for index in range(40))
VALUES = np.random.default_rng(7).normal(-40.0, 10.0, (64, len(NAMES))).astype(np.float32)
START_NS = 1_800_000_000 * 10**9
CHANNELS = 200
WINDOW_S = 1.28
SAMPLES = 300
PAUSE_S = (0.003, 0.04)  # between two of them, by chance
PROBE_BYTES, PLACES = 8_192, 512
STEP_S = 0.05  # of the telemetry
AHEAD = 6_000  # records that wait, at most, where all is given that is taken


@dataclass(frozen=True, slots=True)
class Load:
    """What telemetry comes meanwhile. `per_s` records; None: as many as are taken."""

    name: str
    per_s: float | None


READY = (
    [
        features_record(FeatureVector("", 0, WINDOW_S, NAMES, values, "speed-25", Quality.GOOD, "trend-1"))
        for values in VALUES
    ],
    [tag_record("", 0, 24.9, "Hz")],
)
LOADS = (
    Load("no telemetry", 0.0),
    Load(f"{CHANNELS} channels", CHANNELS / WINDOW_S + CHANNELS),
    Load("all that is taken", None),
)


def run() -> list[dict[str, Any]]:
    # Not in /tmp, which is memory on many systems: the figures are about a disk.
    Path("build").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="build") as folder:
        return asyncio.run(_all(Path(folder)))


async def _all(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for number, load in enumerate(LOADS):
        place = folder / str(number)
        journal = await Journal.open(place, Budgets(reserve_transitions=0), ReplayClock(START_NS))
        probe = Probe(place / "probe")
        try:
            rows += await _measured(journal, probe, load)
        finally:
            probe.close()
            await journal.close()
    return rows


class Probe:
    """The disk alone."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.write(self._file, b"\x00" * PROBE_BYTES * PLACES)
        os.fsync(self._file)
        self._written = 0

    def flush(self) -> None:
        os.pwrite(self._file, os.urandom(PROBE_BYTES), self._written % PLACES * PROBE_BYTES)
        os.fdatasync(self._file)
        self._written += 1

    def close(self) -> None:
        os.close(self._file)


async def _measured(journal: Journal, probe: Probe, load: Load) -> list[dict[str, Any]]:
    chance = np.random.default_rng(3)
    alarm_ms: list[float] = []
    probe_ms: list[float] = []
    async with _telemetry(journal, load):
        before, began_s = journal.last_sequence, time.monotonic()
        for number in range(SAMPLES):
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            started_s = time.perf_counter()
            result = await journal.commit([_alarm(number)])
            alarm_ms.append((time.perf_counter() - started_s) * 1e3)
            assert result.durable
            await asyncio.sleep(chance.uniform(*PAUSE_S))
            started_s = time.perf_counter()
            await asyncio.to_thread(probe.flush)
            probe_ms.append((time.perf_counter() - started_s) * 1e3)
        taken_per_s = (journal.last_sequence - before - SAMPLES) / (time.monotonic() - began_s)
    rows = [
        _row(f"alarm durable, p{part}, {load.name}", "ms", *_percentiles(alarm_ms, probe_ms, part))
        for part in (50, 99)
    ]
    return [*rows, _row(f"telemetry meanwhile, {load.name}", "records/s", taken_per_s, None)]


def _percentiles(ours: list[float], peer: list[float], part: int) -> tuple[float, float]:
    return float(np.percentile(ours, part)), float(np.percentile(peer, part))


@contextlib.asynccontextmanager
async def _telemetry(journal: Journal, load: Load) -> AsyncIterator[None]:
    async def comes() -> None:
        given, began_s = 0, time.monotonic()
        while True:
            if load.per_s is None:
                wanted = given + max(0, AHEAD - journal.waiting)
            else:
                wanted = int((time.monotonic() - began_s) * load.per_s)
            while given < wanted:
                journal.submit(_record(given))
                given += 1
                if given % 100 == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(STEP_S if load.per_s is not None else 0.005)

    task = asyncio.create_task(comes())
    await asyncio.sleep(2.0)  # until the first groups are committed, and a checkpoint was
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _record(number: int) -> NewRecord:
    """Ready as it would come; making its payload is no part of this."""
    channel, kind = number % CHANNELS, number // CHANNELS % 2
    made = READY[kind][number % len(READY[kind])]
    return replace(
        made, key=f"{kind}/{channel}/{number}", subject=f"channel-{channel}", monotonic_ns=number * 10**6
    )


def _row(figure: str, unit: str, ours: float, peer: float | None) -> dict[str, Any]:
    return {
        "bench": "commit",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": None if peer is None else PEER,
        "ratio": None if not peer else ours / peer,
    }
