"""What a broken sensor leaves out is a gap, to the window."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.analysis import PROFILES, AssetAnalysis
from appliance.sensor_doubt import SensorDoubt
from dsp.samples import Gap, GapCause, SampleBlock, SourceItem
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, S, channels, motor_items, run

LENGTH, HOP = 4 * S, 2 * S


@given(st.lists(st.booleans(), max_size=60))
def test_gaps_are_what_no_believed_window_covers(believed: list[bool]) -> None:
    """As counted second by second, once the sensor is believed again; and none is told twice."""
    doubt = SensorDoubt("m.x")
    told: set[int] = set()
    believed = [*believed, True]
    for index, good in enumerate(believed):
        start = index * HOP
        for gap in doubt.believed(start, start + LENGTH) if good else doubt.doubted(start):
            assert gap.cause is GapCause.SENSOR_FAULT
            seconds = set(range(gap.start_ns, gap.end_ns, S))
            assert not told & seconds
            told |= seconds
    covered = {at for i, good in enumerate(believed) if good for at in range(i * HOP, i * HOP + LENGTH, S)}
    assert told == set(range(0, (len(believed) - 1) * HOP, S)) - covered


def test_a_long_fault_is_told_while_it_lasts() -> None:
    doubt = SensorDoubt("m.x")
    gaps = [gap for second in range(60) for gap in doubt.doubted(second * S)]
    assert [(gap.start_ns, gap.end_ns) for gap in gaps] == [
        (at * S, (at + 10) * S) for at in (0, 10, 20, 30, 40)
    ]


def test_what_another_gap_tells_is_not_told_twice() -> None:
    doubt = SensorDoubt("m.x")
    assert doubt.doubted(0) == doubt.doubted(0) == []
    assert doubt.missing(Gap("m.x", 50, 900, GapCause.SERIAL_LOSS)) == [
        Gap("m.x", 0, 50, GapCause.SENSOR_FAULT)
    ]
    assert doubt.doubted(900) == []
    assert doubt.believed(1000, 1100) == [Gap("m.x", 900, 1000, GapCause.SENSOR_FAULT)]
    assert doubt.believed(5000, 5100) == []  # a jump of time is no fault of the sensor


def test_a_cut_cable_is_a_gap_in_the_trend() -> None:
    analysis = AssetAnalysis(MOTOR, channels(LOW_RATE_HZ, "xy"), PROFILES["demo"])
    items: list[list[SourceItem]] = [
        [
            replace(item, samples=np.zeros_like(item.samples))
            if isinstance(item, SampleBlock)
            and item.channel_id == "motor-1.x"
            and 5 * S <= item.start_ns < 15 * S
            else item
            for item in some
        ]
        for some in motor_items(3, 20.0, rate_hz=LOW_RATE_HZ, axes="xy")
    ]
    gaps = run(analysis, items).gaps
    assert {(gap.channel_id, gap.cause) for gap in gaps} == {("motor-1.x", GapCause.SENSOR_FAULT)}
    assert 4 * S < gaps[0].start_ns <= 5.1 * S
    assert 15 * S <= gaps[-1].end_ns < 16.5 * S
    assert all(one.end_ns == other.start_ns for one, other in pairwise(gaps))
