"""All that an analysis can be made to do, on a simulated machine, so that every kernel has run once.

Duty: the exercise. It goes the way of live samples and of recordings, through learning, scores, diagnosis and
sensor checks; kernels are thus met with the very arguments that real samples bring, and no list of
kernels has to be kept.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from appliance.analysis import PROFILES, AssetAnalysis
from appliance.analysis_settings import ProfileName
from dsp.bearing import fault_multipliers
from dsp.samples import Channel, Measurand, Quality, SampleBlock, SourceItem, TimeQuality
from firmware_bridge.bearing_impacts import FaultKind
from firmware_bridge.simulated_machine import (
    GEAR_TEETH,
    LINE_FREQUENCY_HZ,
    NOMINAL_SPEED_HZ,
    RATED_POWER_KW,
    SimulatedMachine,
    VibrationStream,
)
from models.channel_report import channel_report
from models.detectors.catalogue import detectors
from models.machine import Foundation, Machine
from models.one_class_judge import SCALE

# What the service calls outside of the analysis and what has kernels of its own.
ALSO_USED = ("firmware_bridge.burst_deframer",)
ASSET_ID = "exercise"
RATE_HZ = 6400.0
SECONDS: dict[ProfileName, float] = {"demo": 60.0, "recording": 12.0, "recording_with_baseline": 12.0}
FAULT_AT_S = 6.0
FROZEN_FROM_S = 57.0  # a sensor that hangs at the end of the longest run
_FULL_SCALE_MPS2 = 80.0
_NS = 1_000_000_000
_MACHINE = Machine(
    asset_id=ASSET_ID,
    name=ASSET_ID,
    rated_power_kw=RATED_POWER_KW,
    foundation=Foundation.RIGID,
    nominal_shaft_hz=NOMINAL_SPEED_HZ,
    bearing=fault_multipliers(9, 7.94, 39.04, 0.0, "6205"),
    gear_teeth=GEAR_TEETH,
    line_frequency_hz=LINE_FREQUENCY_HZ,
)
_CHANNELS = (
    *(Channel(axis, ASSET_ID, Measurand.ACCELERATION, "m/s2", RATE_HZ, _FULL_SCALE_MPS2) for axis in "xy"),
    Channel("speed", ASSET_ID, Measurand.SHAFT_SPEED, "Hz", 0.0, 1000.0),
    Channel("load", ASSET_ID, Measurand.LOAD, "1", 0.0, 10.0),
)


def exercise_all() -> int:
    """All profiles and a recording, then each `warm_up()` below; how many windows were judged."""
    windows = sum(exercise(profile) for profile in SECONDS) + exercise_recording()
    exercise_detectors()
    for name in ALSO_USED:
        importlib.import_module(name)
    for name, module in sorted(sys.modules.items()):
        warm_up = getattr(module, "warm_up", None) if name.startswith(("dsp.", "firmware_bridge.")) else None
        if callable(warm_up):
            warm_up()
    return windows


def exercise_detectors() -> None:
    """Every detector that a person may choose, fitted to rows and asked for scores."""
    rows = np.random.default_rng(3).normal(size=(64, 6))
    for detector in detectors(SCALE).values():
        detector.fit(rows).score(rows[:1])


def exercise_recording(seconds: float = 4.0) -> int:
    """What `stethos analyse` says of a recording, of one channel alone and of one among others.

    Their samples lie differently in memory, which to a compiler is another kind of argument.
    """
    machine = SimulatedMachine(2)
    stream = VibrationStream(machine, RATE_HZ)
    blocks = round(seconds * RATE_HZ / len(stream.next_block()))
    both = np.concatenate([stream.next_block()[:, :2] for _ in range(blocks)]).astype(np.float32)
    windows = 0
    for samples in (both[:, 0], np.ascontiguousarray(both[:, :1])[:, 0]):
        report = channel_report("x", [samples], RATE_HZ, "m/s2", _MACHINE, shaft_hz=NOMINAL_SPEED_HZ)
        windows += report.windows
    return windows


def exercise(profile: ProfileName) -> int:
    """Run one machine through the analysis of a profile; returns how many windows it judged."""
    seconds = SECONDS[profile]
    analysis = AssetAnalysis(_MACHINE, _CHANNELS, replace(PROFILES[profile], limits_period_s=5.0))
    analysis.warm_up()
    windows = sum(len(analysis.process(items).features) for items in _items(seconds))
    return windows + len(analysis.finish().features)


def _items(seconds: float) -> Iterator[list[SourceItem]]:
    """A second of blocks and tags at a time: healthy first, then with a fault of the outer race."""
    machine = SimulatedMachine(1)
    machine.start_fault(FaultKind.OUTER_RACE, seconds - FAULT_AT_S, FAULT_AT_S / 2)
    stream = VibrationStream(machine, RATE_HZ)
    while (t_s := stream.next_sample / RATE_HZ) < seconds:
        time_ns = round(t_s * _NS)
        items: list[SourceItem] = [
            _block("speed", time_ns, 0.0, np.array([machine.speed_hz(t_s)], np.float32)),
            _block("load", time_ns, 0.0, np.array([machine.load(t_s)], np.float32)),
        ]
        samples = np.concatenate([stream.next_block() for _ in range(12)])
        if t_s >= FROZEN_FROM_S:
            samples[:, 1] = samples[0, 1]
        for axis, name in enumerate("xy"):
            items.append(_block(name, time_ns, RATE_HZ, np.ascontiguousarray(samples[:, axis])))
        yield items


def _block(channel_id: str, time_ns: int, rate_hz: float, samples: np.ndarray) -> SampleBlock:
    return SampleBlock(channel_id, time_ns, time_ns, TimeQuality.FITTED, rate_hz, samples, Quality.GOOD)
