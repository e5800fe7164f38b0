"""The whole pipeline on recordings at full speed, and how long an alarm takes to stable storage.

`samples/s`: three axes at 25.6 kHz from `SampleBlock` to journal on one core, beside a plain SciPy loop that
computes as much of it as a user would write: Welch, band-pass and envelope, moments, no alarms, no journal.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy import signal, stats

from appliance.alarm_desk import AlarmDesk
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from appliance.asset_line import AssetLine
from appliance.clock import SystemClock
from appliance.counters import Counters
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from appliance.pipeline import Pipeline
from appliance.sources.recordings import Recording, Segment
from appliance.sources.replay import ReplaySource
from appliance.system_watch import SystemWatch
from appliance.wiring_replay import recording_pipeline
from dsp.bearing import fault_multipliers
from dsp.samples import Channel, Float32Array, Measurand, Quality, SampleBlock, TimeQuality
from firmware_bridge.simulated_machine import SimulatedMachine, VibrationStream
from models.machine import Foundation, Machine
from tests.benchmarks.turns import one_core

RATE_HZ = 25_600.0
AXES = ("x", "y", "z")
SECONDS = 30.0
ROUNDS = 3
ALARMS = 100
MACHINE = Machine("m", "bench", 75.0, Foundation.RIGID, 30.0, fault_multipliers(9, 7.94, 39.04, 0.0, "6205"))


def row(
    figure: str, unit: str, ours: float, peer: float | None = None, peer_name: str = ""
) -> dict[str, Any]:
    ratio = None if peer is None or peer == 0 else ours / peer
    return {
        "bench": "pipeline", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": peer_name, "ratio": ratio,
    }  # fmt: skip


def simulated() -> Float32Array:
    """Thirty seconds of the demonstration machine, (n_samples, 3), m/s2."""
    stream = VibrationStream(SimulatedMachine(7), RATE_HZ)
    wanted = round(SECONDS * RATE_HZ)
    pieces: list[Float32Array] = []
    while sum(map(len, pieces)) < wanted:
        pieces.append(np.ascontiguousarray(stream.next_block()))
    return np.concatenate(pieces)[:wanted]


async def replayed(recording: Recording) -> float:
    """Seconds that the pipeline takes for the recording."""
    channels = ReplaySource("r", "m", recording, shaft_hz=30.0).channels
    analysis = AssetAnalysis(MACHINE, channels, PROFILES["recording"])
    analysis.warm_up()
    async with recording_pipeline(analysis, lambda findings: None) as pipeline:
        began = time.perf_counter()
        await pipeline.play(ReplaySource("r", "m", recording, shaft_hz=30.0))
        await pipeline.finish()
        return time.perf_counter() - began


def plain_loop(samples: Float32Array) -> float:
    """Seconds of what a user would write: window by window, channel by channel, float64."""
    began = time.perf_counter()
    band = signal.butter(4, (2000, 8000), "bandpass", fs=RATE_HZ, output="sos")
    size = 32768
    for first in range(0, len(samples) - size + 1, size // 2):
        for axis in range(samples.shape[1]):
            x = samples[first : first + size, axis].astype(np.float64)
            x = x - x.mean()
            signal.welch(x, RATE_HZ, nperseg=4096)
            stats.kurtosis(x)
            stats.skew(x)
            np.sqrt(np.mean(x * x))
            np.abs(x).max()
            spectrum = np.fft.rfft(x * np.hanning(size))
            np.abs(spectrum[1:] / (2j * np.pi * np.arange(1, size // 2 + 1)))
    record = round(4 * RATE_HZ)
    for first in range(0, len(samples) - record + 1, record // 2):
        for axis in range(samples.shape[1]):
            filtered = signal.sosfiltfilt(band, samples[first : first + record, axis].astype(np.float64))
            np.abs(np.fft.rfft(np.abs(signal.hilbert(filtered)) ** 2))
    return time.perf_counter() - began


class _Silent:
    def take_findings(self, asset_id: str, findings: Findings) -> None: ...

    def take_tag(self, block: SampleBlock) -> None: ...


async def alarm_latencies() -> list[float]:
    """Seconds from the last sample's arrival to the durable commit, for alarms that come and go.

    The channel goes dead and comes back again and again: each turn raises or clears its sensor alarm.
    """
    clock = SystemClock()
    channel = Channel("m.x", "m", Measurand.ACCELERATION, "m/s2", RATE_HZ, 160.0)
    analysis = AssetAnalysis(MACHINE, [channel], PROFILES["recording"])
    analysis.warm_up()
    rng = np.random.default_rng(3)
    block = 2560
    with tempfile.TemporaryDirectory(dir=Path.cwd() / "build") as folder:
        journal = await Journal.open(Path(folder) / "journal", Budgets(reserve_transitions=500), clock)
        desk = AlarmDesk(journal, clock)
        line = AssetLine(analysis, 1.0)
        pipeline = Pipeline(
            [line], journal=journal, clock=clock, desk=desk,
            counters=Counters(journal.incarnation, journal.boot_id), watch=SystemWatch(desk, journal, clock),
            audience=_Silent(), counter_period_s=1.0, workers=1,
        )  # fmt: skip
        source = ReplaySource("s", "m", Recording(Path("x"), ("x",), "m/s2", RATE_HZ, (), ()))
        pipeline.connect(source)
        running = asyncio.create_task(pipeline.run_asset("m"))
        latencies: list[float] = []
        start_ns = clock.monotonic_ns()
        sequence = 0
        try:
            while len(latencies) < ALARMS:
                dead = (sequence // 150) % 2 == 1
                values = np.full(block, 0.5) if dead else rng.normal(size=block)
                known = len(desk.latencies)
                arrived = time.perf_counter()
                item = SampleBlock(
                    "m.x", sequence, start_ns + round(sequence * block * 1e9 / RATE_HZ), TimeQuality.FITTED,
                    RATE_HZ, values.astype(np.float32), Quality.GOOD,
                )  # fmt: skip
                pipeline.put("s", "m", item)
                await asyncio.sleep(0)
                await asyncio.sleep(0)  # the line takes the block and holds its lock until all is committed
                async with line.lock:
                    pass
                if len(desk.latencies) > known:
                    latencies.append(time.perf_counter() - arrived)
                sequence += 1
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            pipeline.close()
            await journal.close()
    return latencies


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark."""
    (Path.cwd() / "build").mkdir(exist_ok=True)
    samples = simulated()
    recording = Recording(Path("simulated"), AXES, "m/s2", RATE_HZ, (Segment(0.0, samples),), ())
    ours, peer = [], []
    with one_core():
        asyncio.run(replayed(recording))
        for _ in range(ROUNDS):
            ours.append(asyncio.run(replayed(recording)))
            peer.append(plain_loop(samples))
    n = samples.size
    latencies = np.array(asyncio.run(alarm_latencies()))
    mine, theirs = n / np.median(ours), n / np.median(peer)
    sensor = 3 * RATE_HZ
    return [
        row(
            "three axes, block to journal, one core", "samples/s", mine, theirs, "plain SciPy loop, no alarms"
        ),
        row("the same, as a multiple of one sensor", "x real time", mine / sensor, 1.0, "3 axes at 25.6 kHz"),
        row(
            f"last sample's arrival to durable alarm, p50 of {ALARMS}",
            "ms",
            1e3 * float(np.median(latencies)),
        ),
        row(
            f"last sample's arrival to durable alarm, p99 of {ALARMS}",
            "ms",
            1e3 * float(np.percentile(latencies, 99)),
        ),
    ]
