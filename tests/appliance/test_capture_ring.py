"""The pre-trigger ring: bounded, all channels side by side, and a gap stays a gap."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.capture_ring import CaptureRing
from dsp.samples import Channel, Gap, GapCause, Measurand, Quality, SampleBlock, TimeQuality

S = 1_000_000_000
RATE_HZ = 1_000.0
N = 100  # samples of a block: a tenth of a second
CHANNELS = [Channel(f"m.{axis}", "m", Measurand.ACCELERATION, "m/s2", RATE_HZ, 80.0, "s") for axis in "xy"]


def block(channel: int, number: int, shift_ns: int = 0) -> SampleBlock:
    """Block `number` of a channel: each sample is its own place in time, y negative."""
    values = (number * N + np.arange(N, dtype=np.float32)) * (1 if channel == 0 else -1)
    start_ns = number * N * S // 1000 + shift_ns
    return SampleBlock(
        CHANNELS[channel].channel_id, number, start_ns, TimeQuality.FITTED, RATE_HZ, values, Quality.GOOD
    )


def filled(numbers: range, keep_s: float = 2.0, most_bytes: int = 1 << 20) -> CaptureRing:
    ring = CaptureRing(CHANNELS, keep_s, most_bytes)
    for number in numbers:
        ring.add(block(0, number))
        ring.add(block(1, number))
        ring.trim()
    return ring


def test_an_interval_is_cut_to_the_sample() -> None:
    ring = filled(range(20))
    (cut,) = ring.cut(round(0.55 * S), round(1.25 * S), S)
    np.testing.assert_array_equal(cut.samples[:, 0], np.arange(550, 1250))
    np.testing.assert_array_equal(cut.samples[:, 1], -np.arange(550, 1250))
    assert cut.start_ns == round(-0.45 * S)
    assert cut.end_ns == round(0.25 * S)
    assert cut.samples.dtype == np.float32


def test_memory_is_bounded_in_seconds_and_in_bytes() -> None:
    long = filled(range(1_000))
    assert long.held_bytes <= 2 * 4 * (2_000 + N)
    (cut,) = long.cut(0, 200 * S, 0)
    assert len(cut.samples) >= 2_000
    tight = filled(range(1_000), keep_s=60.0, most_bytes=8_000)
    assert tight.keep_s == pytest.approx(1.0)
    assert tight.held_bytes <= 8_000 + 2 * 4 * N


def test_a_lost_block_and_a_told_gap_part_the_stretch() -> None:
    ring = CaptureRing(CHANNELS, 5.0, 1 << 20)
    for number in (*range(5), *range(8, 12)):  # three blocks never came
        ring.add(block(0, number))
        ring.add(block(1, number))
    assert [len(one.samples) for one in ring.cut(0, 2 * S, 0)] == [500, 400]
    ring.add(
        Gap("m.x", 1_000_000_000, 1_000_100_000, GapCause.SEQUENCE_GAP, 1)
    )  # shorter than times can tell
    assert [len(one.samples) for one in ring.cut(0, 2 * S, 0)] == [500, 200, 200]


def test_what_one_axis_lacks_is_left_out_of_all() -> None:
    ring = CaptureRing(CHANNELS, 5.0, 1 << 20)
    for number in range(6):
        ring.add(block(0, number))
        if number != 3:
            ring.add(block(1, number))
    assert [len(one.samples) for one in ring.cut(0, S, 0)] == [300, 200]


def test_a_clock_that_is_fitted_anew_parts_nothing() -> None:
    ring = CaptureRing(CHANNELS, 5.0, 1 << 20)
    for number in range(6):
        for channel in (0, 1):
            ring.add(block(channel, number, shift_ns=100_000 * (number >= 3)))
    (cut,) = ring.cut(0, S, 0)
    assert len(cut.samples) == 600


def test_what_follows_a_cut_is_whole_however_the_clock_is_fitted_in_between() -> None:
    """A sensor's clock that is fitted for the first time moves times by tens of ms; no sample is missing."""
    for shift_ns in (40_000_000, -40_000_000):
        ring = CaptureRing(CHANNELS, 5.0, 1 << 20)
        for number in range(3):
            for channel in (0, 1):
                ring.add(block(channel, number))
        frame_ns = ring.newest_frame_ns()
        assert frame_ns == 200_000_000
        for number in range(3, 6):
            for channel in (0, 1):
                ring.add(block(channel, number, shift_ns))
        (after,) = ring.cut(0, S, 0, frame_ns)
        np.testing.assert_array_equal(after.samples[:, 0], np.arange(300, 600))
        assert ring.goes_on_after(frame_ns)
        (whole,) = ring.cut(0, S, 0)
        assert len(whole.samples) == 600
        ring.add(Gap("m.x", 300_000_000, 300_000_000 + max(0, shift_ns), GapCause.SEQUENCE_GAP, 7))
        assert not ring.goes_on_after(frame_ns)


def test_nothing_is_known_before_all_channels_have_come() -> None:
    ring = CaptureRing(CHANNELS, 5.0, 1 << 20)
    ring.add(block(0, 0))
    assert ring.newest_ns is None
    assert ring.cut(0, S, 0) == []
    ring.add(block(1, 0))
    assert ring.newest_ns == S // 10


def test_time_that_goes_back_begins_anew() -> None:
    ring = filled(range(10, 20))
    ring.add(block(0, 2))
    ring.add(block(1, 2))
    assert ring.newest_ns == 3 * S // 10
