"""A simulated machine as the items that its sources would deliver, for tests of what comes after them.

The vibration is the simulator's; blocks, tags and channels are made as the serial bridge and the OPC UA
client make them, without either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from appliance.analysis import AssetAnalysis, Findings
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
from models.machine import Foundation, Machine

S = 1_000_000_000
FULL_SCALE = 8 * 9.80665
RATE_HZ = 25_600.0
LOW_RATE_HZ = 6_400.0  # for long tests: healthy running looks the same, at a quarter of the cost
MOTOR = Machine(
    asset_id="motor-1",
    name="Motor 1",
    rated_power_kw=RATED_POWER_KW,
    foundation=Foundation.RIGID,
    nominal_shaft_hz=NOMINAL_SPEED_HZ,
    bearing=fault_multipliers(9, 7.94, 39.04, 0.0, "6205"),
    gear_teeth=GEAR_TEETH,
    line_frequency_hz=LINE_FREQUENCY_HZ,
)


def channels(rate_hz: float = RATE_HZ, axes: str = "xyz", tags: bool = True) -> list[Channel]:
    """Acceleration channels of the motor, and its speed and load."""
    found = [
        Channel(f"motor-1.{axis}", "motor-1", Measurand.ACCELERATION, "m/s2", rate_hz, FULL_SCALE)
        for axis in axes
    ]
    if tags:
        found.append(Channel("motor-1.speed", "motor-1", Measurand.SHAFT_SPEED, "Hz", 0.0, 1000.0))
        found.append(Channel("motor-1.load", "motor-1", Measurand.LOAD, "1", 0.0, 10.0))
    return found


def tag(channel_id: str, time_ns: int, value: float, quality: Quality = Quality.GOOD) -> SampleBlock:
    """One value of a tag."""
    samples = np.array([value], np.float32)
    return SampleBlock(channel_id, time_ns // S, time_ns, TimeQuality.FITTED, 0.0, samples, quality)


def motor_items(
    seed: int,
    seconds: float,
    *,
    fault: FaultKind | None = None,
    fault_at_s: float = 0.0,
    growth_s: float = 60.0,
    rate_hz: float = RATE_HZ,
    axes: str = "xyz",
    tags: bool = True,
) -> Iterator[list[SourceItem]]:
    """What arrives, each list about a tenth of a second: blocks of all axes, tags once a second."""
    machine = SimulatedMachine(seed)
    if fault is not None:
        machine.start_fault(fault, fault_at_s, growth_s)
    stream = VibrationStream(machine, rate_hz)
    blocks_together = max(1, round(0.1 * rate_hz / 512))
    next_tag_s, first = 0, 0
    while first < seconds * rate_hz:
        t_s = first / rate_hz
        items: list[SourceItem] = []
        if tags and t_s >= next_tag_s:
            next_tag_s += 1
            items.append(tag("motor-1.speed", round(t_s * S), machine.speed_hz(t_s)))
            items.append(tag("motor-1.load", round(t_s * S), machine.load(t_s)))
        samples = np.concatenate([stream.next_block() for _ in range(blocks_together)])
        step = FULL_SCALE / 32768
        samples = (np.round(samples / step) * step).astype(np.float32)
        for axis in axes:
            column = np.ascontiguousarray(samples[:, "xyz".index(axis)])
            items.append(block(f"motor-1.{axis}", round(t_s * S), column, rate_hz))
        first += len(samples)
        yield items


def block(
    channel_id: str, start_ns: int, samples: np.ndarray, rate_hz: float, quality: Quality = Quality.GOOD
) -> SampleBlock:
    """Acceleration samples as one block."""
    values = np.asarray(samples, np.float32)
    return SampleBlock(channel_id, start_ns // 1000, start_ns, TimeQuality.FITTED, rate_hz, values, quality)


def joined(found: Iterable[Findings]) -> Findings:
    """Several findings as one; severity and operating state are the last."""
    total = Findings()
    for findings in found:
        for name in ("features", "scores", "spectra", "evidence", "diagnoses", "sensor_verdicts", "gaps"):
            getattr(total, name).extend(getattr(findings, name))
        total.transitions.extend(findings.transitions)
        total.learning = findings.learning or total.learning
        total.limits.update(findings.limits)
        total.severity, total.operating_state = findings.severity, findings.operating_state
    return total


def run(analysis: AssetAnalysis, items: Iterable[list[SourceItem]]) -> Findings:
    """All items through the analysis."""
    return joined(analysis.process(some) for some in items)
