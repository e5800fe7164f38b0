"""Velocity of slow machines from joined windows, against the stretch as a whole."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from dsp.framing import Framer, Window
from dsp.samples import Quality, SampleBlock, TimeQuality
from dsp.severity import SLOW_BAND_HZ, velocity_rms
from dsp.slow_velocity import SlowMotion, SlowVelocity

RATE_HZ = 2560.0
WINDOW = 4096


def tone(seconds: float, hz: float, amplitude: float = 0.2) -> np.ndarray:
    t = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (amplitude * np.sin(2 * np.pi * hz * t + 0.3)).astype(np.float32)


def windows(samples: np.ndarray, hop: int = WINDOW // 2, start_s: float = 0.0) -> Iterator[Window]:
    framer = Framer("c", WINDOW, hop)
    block = SampleBlock("c", 0, round(start_s * 1e9), TimeQuality.FITTED, RATE_HZ, samples, Quality.GOOD)
    yield from framer.push(block)


def last(motions: list[SlowMotion | None]) -> SlowMotion:
    assert motions[-1] is not None
    return motions[-1]


@pytest.mark.parametrize("hz", [2.5, 5.0, 8.0, 40.0])
@pytest.mark.parametrize("hop", [WINDOW // 2, WINDOW])
def test_a_tone_s_velocity_is_its_own(hz: float, hop: int) -> None:
    """Within 1 %, where a window of 1.6 s could not even state it."""
    slow = SlowVelocity()
    found = last([slow.observe(window) for window in windows(tone(12.0, hz), hop)])
    velocity = 1000.0 * 0.2 / np.sqrt(2) / (2 * np.pi * hz)
    assert found.velocity_mm_s == pytest.approx(velocity, rel=0.01)
    assert found.displacement_um == pytest.approx(1000.0 * velocity / (2 * np.pi * hz), rel=0.02)


def test_joined_windows_say_what_the_stretch_says() -> None:
    x = np.random.default_rng(0).normal(size=round(9.0 * RATE_HZ)).astype(np.float32)
    slow = SlowVelocity()
    taken = list(windows(x))
    found = last([slow.observe(window) for window in taken])
    end = round(taken[-1].start_ns * 1e-9 * RATE_HZ) + WINDOW
    whole = velocity_rms(x[end - slow.kept_samples : end], RATE_HZ, SLOW_BAND_HZ)
    assert found.velocity_mm_s == pytest.approx(whole, rel=0.02)


def test_nothing_before_five_seconds_nor_after_a_gap() -> None:
    slow = SlowVelocity()
    found = [slow.observe(window) for window in windows(tone(9.0, 5.0))]
    stated = [motion is not None for motion in found]
    first = stated.index(True)
    assert 5.0 <= (first + 2) * WINDOW / 2 / RATE_HZ < 5.0 + WINDOW / RATE_HZ
    assert all(stated[first:])
    again = [slow.observe(window) for window in windows(tone(9.0, 5.0), start_s=60.0)]
    assert again[0] is None
    assert [motion is not None for motion in again] == stated


def test_memory_is_bounded() -> None:
    slow = SlowVelocity()
    for window in windows(tone(120.0, 5.0)):
        slow.observe(window)
        assert slow.kept_samples < 5.0 * RATE_HZ + WINDOW


def test_a_clock_s_fit_may_move_by_a_sample_and_a_rate_may_not_change() -> None:
    slow = SlowVelocity()
    motions = []
    for i, window in enumerate(windows(tone(9.0, 5.0))):
        moved = Window(
            "c",
            window.start_ns + 300_000 * (i % 2),
            RATE_HZ,
            window.samples,
            Quality.GOOD,
            TimeQuality.FITTED,
        )
        motions.append(slow.observe(moved))
    assert last(motions).velocity_mm_s == pytest.approx(4.50, rel=0.01)
    other = Window("c", window.start_ns, 2.0 * RATE_HZ, window.samples, Quality.GOOD, TimeQuality.FITTED)
    assert slow.observe(other) is None
