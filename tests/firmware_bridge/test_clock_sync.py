"""The clock fit against clocks whose truth is known."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.clock_sync import TICK_WRAP, ClockSync, _lower_envelope

FRAME = 128
RATE_HZ = 25_600.0
LINE_NS = 2_600_000


@dataclass
class TrueClock:
    """A device whose clock is known exactly, and a host that reads late."""

    seed: int
    drift_ppm: float = 0.0
    tick_rate_hz: float = 1_000_000.0
    tick0: int = 0
    start_ns: int = 7_000_000_000_000
    typical_delay_ns: float = 300_000.0
    floor_ns: int = 40_000
    stall_probability: float = 0.02
    n: int = 0
    rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def ns_of_sample(self, index: float) -> float:
        return self.start_ns + index / RATE_HZ / (1.0 + self.drift_ppm * 1e-6) * 1e9

    def tick_of_sample(self, index: int) -> int:
        return self.tick0 + round(index * self.tick_rate_hz / RATE_HZ)

    def feed(self, sync: ClockSync, seconds: float) -> None:
        for _ in range(round(seconds * RATE_HZ / FRAME)):
            first, self.n = self.n, self.n + 1
            delay = self.floor_ns + self.rng.expovariate(1.0 / self.typical_delay_ns)
            if self.rng.random() < self.stall_probability:
                delay += self.rng.uniform(1e6, 2e8)
            index = first * FRAME
            received_ns = round(self.ns_of_sample(index + FRAME) + delay)
            sync.observe(self.tick_of_sample(index) % TICK_WRAP, index, FRAME, received_ns)

    def error_ns(self, sync: ClockSync) -> float:
        """Of the newest sample's time, against the truth."""
        index = self.n * FRAME
        assert sync.estimate is not None
        return sync.estimate.host_ns(self.tick_of_sample(index)) - self.ns_of_sample(index)


def new_sync(clock: TrueClock) -> ClockSync:
    return ClockSync(clock.tick_rate_hz, RATE_HZ, LINE_NS)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32),
    st.floats(-500, 500),
    st.sampled_from([32_768.0, 1e6, 80e6]),
    st.floats(1e4, 3e6),
    st.floats(0.0, 0.3),
    st.sampled_from([0, LINE_NS]),
)
def test_time_of_a_sample_is_within_the_bound(
    seed: int, drift_ppm: float, tick_rate_hz: float, delay_ns: float, stalls: float, line_ns: int
) -> None:
    clock = TrueClock(
        seed, drift_ppm, tick_rate_hz, 4_000_000_000,
        typical_delay_ns=delay_ns, stall_probability=stalls, floor_ns=line_ns,
    )  # fmt: skip
    sync = ClockSync(tick_rate_hz, RATE_HZ, line_ns)
    checked = 0
    for _ in range(12):
        clock.feed(sync, 1.0)
        if sync.estimate is not None and sync.estimate.converged:
            checked += 1
            assert abs(clock.error_ns(sync)) <= sync.estimate.error_bound_ns
            assert abs(sync.estimate.drift_ppm - drift_ppm) <= max(1.0, sync.estimate.drift_error_ppm)
            true_rate_hz = RATE_HZ * (1 + drift_ppm * 1e-6)
            relative = abs(sync.estimate.sample_rate_hz / true_rate_hz - 1.0)
            assert relative * 1e6 <= max(40.0, 2 * sync.estimate.drift_error_ppm)
    assert checked >= 3 or delay_ns > 1e6


def test_a_minute_gives_drift_within_a_few_ppm() -> None:
    clock = TrueClock(1, drift_ppm=41.5)
    sync = new_sync(clock)
    clock.feed(sync, 60.0)
    assert sync.estimate is not None
    assert sync.estimate.converged
    assert sync.estimate.drift_ppm == pytest.approx(41.5, abs=2.0)
    assert sync.estimate.sample_rate_hz == pytest.approx(RATE_HZ * (1 + 41.5e-6), rel=2e-6)
    assert abs(clock.error_ns(sync)) < 200_000


def test_not_converged_before_two_seconds_nor_with_hopeless_delays() -> None:
    clock = TrueClock(2)
    sync = new_sync(clock)
    clock.feed(sync, 1.5)
    assert sync.estimate is None or not sync.estimate.converged
    wild = TrueClock(3, typical_delay_ns=5e8)
    sync = new_sync(wild)
    wild.feed(sync, 5.0)
    assert sync.estimate is None or not sync.estimate.converged


def test_survives_the_wrap_of_the_tick_and_long_gaps() -> None:
    clock = TrueClock(4, drift_ppm=-30.0, tick0=TICK_WRAP - 5_000_000)
    sync = new_sync(clock)
    clock.feed(sync, 10.0)  # the wrap comes after 5 s
    assert sync.estimate is not None
    assert sync.estimate.converged
    assert abs(clock.error_ns(sync)) <= sync.estimate.error_bound_ns
    clock.n += 200 * 3 * 4_500  # 3.75 hours without a frame: three wraps
    clock.feed(sync, 10.0)
    assert sync.steps == 0
    assert abs(clock.error_ns(sync)) <= sync.estimate.error_bound_ns


def test_follows_a_slow_change_of_drift() -> None:
    clock = TrueClock(5, drift_ppm=20.0)
    sync = new_sync(clock)
    for _ in range(120):  # warming up: 0.05 ppm per second
        clock.feed(sync, 1.0)
        now_ns = clock.ns_of_sample(clock.n * FRAME)
        clock.drift_ppm += 0.05
        clock.start_ns += round(now_ns - clock.ns_of_sample(clock.n * FRAME))
        if sync.estimate is not None and sync.estimate.converged:
            assert abs(clock.error_ns(sync)) <= sync.estimate.error_bound_ns
    assert sync.steps == 0
    assert sync.estimate is not None
    assert abs(sync.estimate.drift_ppm - clock.drift_ppm) < 5.0


@pytest.mark.parametrize("step_ticks", [1_000_000, -1_000_000, 50_000])
def test_a_stepped_device_clock_begins_a_new_fit(step_ticks: int) -> None:
    clock = TrueClock(6, drift_ppm=10.0)
    sync = new_sync(clock)
    clock.feed(sync, 10.0)
    clock.tick0 += step_ticks
    clock.feed(sync, 8.0)
    assert sync.steps == 1
    assert sync.estimate is not None
    assert sync.estimate.converged
    assert abs(clock.error_ns(sync)) <= sync.estimate.error_bound_ns


def test_a_reader_that_stalls_for_long_does_not_move_the_fit() -> None:
    clock = TrueClock(7, drift_ppm=25.0)
    sync = new_sync(clock)
    clock.feed(sync, 20.0)
    clock.floor_ns += 20_000_000  # everything 20 ms late for half a second
    clock.feed(sync, 0.5)
    clock.floor_ns -= 20_000_000
    clock.feed(sync, 2.0)
    assert sync.estimate is not None
    assert abs(clock.error_ns(sync)) < 300_000


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.floats(-1e3, 1e3))
def test_lower_envelope_is_the_best_line_below_all_points(heights: list[float], tilt: float) -> None:
    x = [float(i) for i in range(len(heights))]
    y = [height + tilt * at for height, at in zip(heights, x, strict=True)]
    slope, offset = _lower_envelope(x, y)
    slack = 1e-9 * (1e6 + abs(tilt) * len(x)) * 10
    assert all(value >= slope * at + offset - slack for at, value in zip(x, y, strict=True))
    # Slow oracle: of all lines through two points that lie below all points, none is closer on the whole.
    distance = sum(value - slope * at - offset for at, value in zip(x, y, strict=True))
    xs, ys = np.array(x), np.array(y)
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            s = (ys[j] - ys[i]) / (xs[j] - xs[i])
            residual = ys - (ys[i] + s * (xs - xs[i]))
            if residual.min() >= -slack:
                assert distance <= residual.sum() + slack * len(x)
