"""What the live analysis adds for slow shafts and three axes: 2 Hz velocity, the cage's line, exchanges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from appliance.alarms.lifecycle import Severity
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from dsp.bearing import BearingFault
from dsp.samples import Channel, Measurand, SampleBlock, SourceItem
from models.machine import Foundation, Machine
from tests.dsp.bearing_signals import BEARING, resonant_noise
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, S, block, channels, joined, motor_items, tag

SLOW = Machine("roll", "Roll", 45.0, Foundation.RIGID)
RATE_HZ = 2560.0
VELOCITY_MM_S = 1.6  # at 5 Hz: 51 um, zone C of group 2, rigid (45 to 71 um)


def slow_machine(seconds: float, speed_hz: float | None) -> Iterator[list[SourceItem]]:
    """A tone at 5 Hz, which a measurement from 10 Hz on does not see, with faint noise."""
    rng = np.random.default_rng(1)
    amplitude = VELOCITY_MM_S / 1000.0 * np.sqrt(2) * 2 * np.pi * 5.0
    for k in range(round(seconds * 2)):
        t = (np.arange(1280) + 1280 * k) / RATE_HZ
        x = amplitude * np.sin(2 * np.pi * 5.0 * t) + 0.002 * rng.normal(size=1280)
        tags: list[SourceItem] = [] if speed_hz is None else [tag("roll.speed", k * S // 2, speed_hz)]
        yield [*tags, block("roll.x", k * S // 2, x, RATE_HZ)]


def roll(machine: Machine, tags: bool) -> AssetAnalysis:
    acceleration = Channel("roll.x", "roll", Measurand.ACCELERATION, "m/s2", RATE_HZ, 100.0)
    speed = Channel("roll.speed", "roll", Measurand.SHAFT_SPEED, "Hz", 0.0, 1000.0)
    return AssetAnalysis(machine, [acceleration, speed] if tags else [acceleration], PROFILES["demo"])


@pytest.mark.parametrize("by", ["configuration", "tag"])
def test_below_600_rpm_velocity_counts_from_2_hz(by: str) -> None:
    tags = by == "tag"
    analysis = roll(SLOW if tags else replace(SLOW, nominal_shaft_hz=5.0), tags)
    found: Findings | None = None
    raised_s = None
    for k, items in enumerate(slow_machine(20.0, 5.0 if tags else None)):
        found = analysis.process(items)
        if found.transitions and raised_s is None:
            raised_s = (k + 1) / 2
            assert "1.60 mm/s is in zone B" in found.transitions[0].alarm.reason
            assert "51 um is in zone C" in found.transitions[0].alarm.reason
            assert found.transitions[0].alarm.severity is Severity.WARN
    assert raised_s is not None, "no alarm"
    assert raised_s > 5.0
    assert found is not None
    assert found.severity is Severity.WARN


def test_above_600_rpm_the_same_vibration_is_not_counted_below_10_hz() -> None:
    analysis = roll(replace(SLOW, nominal_shaft_hz=12.0), False)
    found = joined(analysis.process(items) for items in slow_machine(12.0, None))
    assert found.transitions == []
    assert found.severity is Severity.GOOD


def test_a_cage_that_usual_records_cannot_resolve_is_found_live() -> None:
    """600 r/min: its line needs 17 s of envelope at a plate's 3 %."""
    shaft_hz, rate_hz, seconds = 10.0, 12_800.0, 52
    rng = np.random.default_rng(3)
    n = round(seconds * rate_hz)
    turn = 2 * np.pi * shaft_hz * BEARING.ftf * np.arange(n) / rate_hz
    x = resonant_noise(rng, n)
    x = x * (1.0 + 0.4 * (np.cos(turn) + 0.6 * np.cos(2 * turn) + 0.4 * np.cos(3 * turn)))
    machine = Machine("roll", "Roll", nominal_shaft_hz=shaft_hz, bearing=BEARING)
    channel = Channel("roll.x", "roll", Measurand.ACCELERATION, "m/s2", rate_hz, 100.0)
    profile = replace(PROFILES["recording"], diagnosis=PROFILES["demo"].diagnosis)
    analysis = AssetAnalysis(machine, [channel], profile)
    step = round(rate_hz / 2)
    found = joined(
        analysis.process([block("roll.x", k * S // 2, x[k * step : (k + 1) * step], rate_hz)])
        for k in range(2 * seconds)
    )
    early = [one for one in found.evidence if one.cage is None]
    late = [one for one in found.evidence if one.cage is not None]
    assert len(early) >= 6
    assert not any(one.lines[-1].resolvable for one in early)
    assert late
    assert late[-1].cage is not None
    assert late[-1].cage.resolvable
    assert late[-1].cage.multiplier == pytest.approx(BEARING.ftf, rel=0.01)
    assert {one.fault for one in found.diagnoses[: len(early)]} == {None}
    assert found.diagnoses[-1].fault == BearingFault.CAGE.value


Change = Callable[[str, np.ndarray], tuple[str, np.ndarray]]


def motor(change: Change, seconds: float = 75.0, after_s: float = 55.0, sensor_id: str = "acc-1") -> Findings:
    """A motor learned for 40 s with its axes as they are, then changed."""
    three = [
        replace(channel, sensor_id=sensor_id) if channel.measurand is Measurand.ACCELERATION else channel
        for channel in channels(LOW_RATE_HZ, "xyz", False)
    ]
    analysis = AssetAnalysis(MOTOR, three, PROFILES["demo"])
    offset = {"motor-1.x": 0.0, "motor-1.y": 0.0, "motor-1.z": 9.81}

    def items() -> Iterator[list[SourceItem]]:
        for some in motor_items(31, seconds, rate_hz=LOW_RATE_HZ, axes="xyz", tags=False):
            changed: list[SourceItem] = []
            for item in some:
                assert isinstance(item, SampleBlock)
                channel_id = item.channel_id
                samples = item.samples + np.float32(offset[channel_id])
                if item.start_ns >= after_s * S:
                    channel_id, samples = change(channel_id, samples)
                changed.append(replace(item, channel_id=channel_id, samples=samples.astype(np.float32)))
            yield changed

    return joined(analysis.process(some) for some in items())


def exchanged(channel_id: str, samples: np.ndarray) -> tuple[str, np.ndarray]:
    return {"motor-1.x": "motor-1.z", "motor-1.z": "motor-1.x"}.get(channel_id, channel_id), samples


def test_exchanged_axes_are_the_sensor_s_fault_and_not_the_machine_s() -> None:
    found = motor(exchanged)
    swapped = [one for one in found.sensor_verdicts if one.verdict == "swapped axis"]
    assert {one.channel_id for one in swapped} == {"motor-1.x", "motor-1.z"}
    assert "showed while" in swapped[0].text
    assert "orientation" in swapped[0].remedy
    sensor = [t for t in found.transitions if t.alarm.rule == "check sensor"]
    assert {t.alarm.channel_id for t in sensor} == {"motor-1.x", "motor-1.z"}
    assert {t.alarm.evidence["verdict"] for t in sensor} >= {"swapped axis"}
    assert not [t for t in found.transitions if t.alarm.rule == "machine condition"]


def test_axes_of_unknown_sensors_are_never_compared() -> None:
    found = motor(exchanged, seconds=66.0, sensor_id="")
    assert not any(one.verdict == "swapped axis" for one in found.sensor_verdicts)


def test_a_machine_that_shakes_more_in_one_axis_keeps_its_axes() -> None:
    def louder(channel_id: str, samples: np.ndarray) -> tuple[str, np.ndarray]:
        mean = samples.mean()
        return channel_id, (4.0 * (samples - mean) + mean if channel_id.endswith("y") else samples)

    found = motor(louder, seconds=66.0)
    assert found.sensor_verdicts == []
