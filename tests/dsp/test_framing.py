"""Framing: any chunking gives the same windows, none spans a gap, each knows when it began."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import DspError
from dsp.framing import Framer, Window, trend_window_samples, window_batch
from dsp.samples import Quality, SampleBlock, TimeQuality
from tests.oracles.windows import window_starts


def block(
    start_ns: int,
    samples: np.ndarray,
    rate_hz: float = 1000.0,
    quality: Quality = Quality.GOOD,
    time_quality: TimeQuality = TimeQuality.RECORDED,
    channel_id: str = "motor/de-x",
) -> SampleBlock:
    return SampleBlock(channel_id, 0, start_ns, time_quality, rate_hz, samples.astype(np.float32), quality)


def ramp(first: int, count: int) -> np.ndarray:
    """Samples that say their own place: exact in float32 up to 2^24."""
    return np.arange(first, first + count, dtype=np.float32)


def push_chunked(framer: Framer, first: int, count: int, chunks: list[int], rate_hz: float) -> list[Window]:
    windows = []
    done = 0
    while done < count:
        size = min(chunks[done % len(chunks)] if chunks else count, count - done)
        start_ns = round((first + done) * 1e9 / rate_hz)
        windows += framer.push(block(start_ns, ramp(first + done, size), rate_hz))
        done += max(size, 1) if size else 0
        if not size:  # an empty block is legal; go on with one sample
            windows += framer.push(block(start_ns, ramp(first + done, 1), rate_hz))
            done += 1
    return windows


@settings(max_examples=150, deadline=None)
@given(
    stretches=st.lists(st.integers(0, 400), min_size=1, max_size=4),
    gap_samples=st.integers(2, 500),
    window_samples=st.integers(1, 90),
    hop_samples=st.integers(1, 130),
    chunks=st.lists(st.integers(0, 120), max_size=7),
    rate_hz=st.sampled_from([1000.0, 25600.0, 48828.125, 12000.0]),
)
def test_any_chunking_gives_the_windows_of_whole_stretches(
    stretches: list[int], gap_samples: int, window_samples: int, hop_samples: int,
    chunks: list[int], rate_hz: float,
) -> None:  # fmt: skip
    framer = Framer("motor/de-x", window_samples, hop_samples)
    windows = []
    firsts = []
    first = 0
    for count in stretches:
        firsts.append(first)
        windows += push_chunked(framer, first, count, chunks, rate_hz)
        first += count + gap_samples + round(rate_hz * 2e-6)  # beyond the recorded allowance of 1 us
    expected = [firsts[i] + start for i, start in window_starts(stretches, window_samples, hop_samples)]
    assert [int(window.samples[0]) for window in windows] == expected
    for window, start in zip(windows, expected, strict=True):
        assert np.array_equal(window.samples, ramp(start, window_samples))  # nothing missing inside
        assert abs(window.start_ns - start * 1e9 / rate_hz) <= 1.0
        assert window.sample_rate_hz == pytest.approx(rate_hz, rel=1e-12)


@settings(deadline=None)
@given(
    count=st.integers(0, 300), window_samples=st.integers(1, 60), hop_samples=st.integers(1, 60),
    least=st.integers(1, 40),
)  # fmt: skip
def test_flush_returns_exactly_what_no_window_showed(
    count: int, window_samples: int, hop_samples: int, least: int
) -> None:
    framer = Framer("motor/de-x", window_samples, hop_samples)
    windows = framer.push(block(0, ramp(0, count)))
    rest = framer.flush(least)
    next_start = len(windows) * hop_samples
    seen_until = (len(windows) - 1) * hop_samples + window_samples if windows else 0
    left = max(0, count - next_start)
    if left >= least and count > seen_until:
        assert [int(window.samples[0]) for window in rest] == [next_start]
        assert np.array_equal(rest[0].samples, ramp(next_start, left))
        assert rest[0].start_ns == next_start * 1_000_000
    else:
        assert rest == []
    assert framer.pending_samples == 0
    assert framer.push(block(5_000_000_000, ramp(0, window_samples)))[0].start_ns == 5_000_000_000


def test_a_drifting_rate_does_not_add_up_to_a_wrong_time() -> None:
    """A crystal that drifts by 50 ppm over 20 minutes, fitted anew for each block of 0.1 s."""
    framer = Framer("motor/de-x", 32768, 16384)
    true_start = 0.0
    times = []  # true time of each block's first sample
    windows: list[Window] = []
    for i in range(12_000):
        rate_hz = 25600.0 * (1.0 + 50e-6 * i / 12_000)
        times.append(true_start)
        windows += framer.push(
            block(round(true_start), np.zeros(2560), rate_hz, time_quality=TimeQuality.FITTED)
        )
        true_start += 2560 * 1e9 / rate_hz
    assert len(windows) == (12_000 * 2560 - 32768) // 16384 + 1
    for i, window in enumerate(windows):
        place, inside = divmod(i * 16384, 2560)
        rate_hz = 25600.0 * (1.0 + 50e-6 * place / 12_000)
        assert abs(window.start_ns - (times[place] + inside * 1e9 / rate_hz)) < 2.0
    # Counting hops at the nominal rate would be 30 ms late by now.
    assert abs(windows[-1].start_ns - (len(windows) - 1) * 16384 / 25600.0 * 1e9) > 25e6
    assert windows[-1].sample_rate_hz == pytest.approx(25600.0 * (1.0 + 50e-6), rel=1e-7)


def test_a_refitted_clock_continues_and_a_lost_frame_does_not() -> None:
    framer = Framer("motor/de-x", 200, 200)
    fitted = TimeQuality.FITTED
    assert framer.push(block(0, ramp(0, 100), time_quality=fitted)) == []
    assert len(framer.push(block(100_900_000, ramp(100, 100), time_quality=fitted))) == 1
    framer.push(block(200_900_000, ramp(200, 100), time_quality=fitted))
    assert framer.push(block(302_900_000, ramp(300, 100), time_quality=fitted)) == []  # 2 ms are missing
    assert framer.pending_samples == 100
    assert framer.push(block(390_000_000, ramp(400, 100), time_quality=fitted)) == []  # back by 12.9 ms
    assert framer.pending_samples == 100


def test_arrival_times_may_jitter_until_the_clock_is_fitted() -> None:
    framer = Framer("motor/de-x", 300, 300)
    framer.push(block(0, ramp(0, 100), time_quality=TimeQuality.PROVISIONAL))
    framer.push(block(380_000_000, ramp(100, 100), time_quality=TimeQuality.PROVISIONAL))
    windows = framer.push(block(200_000_000, ramp(200, 100), time_quality=TimeQuality.FITTED))
    assert [window.time_quality for window in windows] == [TimeQuality.PROVISIONAL]
    strict = Framer("motor/de-x", 300, 300, jitter_allowance_ns=0)
    strict.push(block(0, ramp(0, 200), time_quality=TimeQuality.PROVISIONAL))
    assert strict.push(block(201_000_000, ramp(200, 100), time_quality=TimeQuality.PROVISIONAL)) == []


def test_interrupt_drops_the_partial_window_and_another_rate_interrupts() -> None:
    framer = Framer("motor/de-x", 150, 150)
    framer.push(block(0, ramp(0, 100)))
    framer.interrupt()
    assert framer.push(block(100_000_000, ramp(100, 100))) == []
    assert framer.push(block(200_000_000, ramp(200, 100), rate_hz=1015.0)) == []
    assert framer.pending_samples == 100


def test_a_window_is_as_good_as_its_worst_block() -> None:
    framer = Framer("motor/de-x", 100, 50)
    windows = framer.push(block(0, ramp(0, 100)))
    windows += framer.push(block(100_000_000, ramp(100, 50), quality=Quality.UNCERTAIN))
    windows += framer.push(block(150_000_000, ramp(150, 100), quality=Quality.GOOD))
    assert [window.quality for window in windows] == [
        Quality.GOOD, Quality.UNCERTAIN, Quality.UNCERTAIN, Quality.GOOD,
    ]  # fmt: skip


def test_windows_keep_their_samples_when_the_framer_goes_on() -> None:
    framer = Framer("motor/de-x", 4, 2)
    samples = ramp(0, 4)
    (first,) = framer.push(block(0, samples))
    samples[:] = -1.0
    framer.push(block(4_000_000, ramp(4, 4)))
    assert first.samples.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert first.samples.dtype == np.float32


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (block(0, ramp(0, 3), channel_id="pump/x"), "pump/x"),
        (block(0, ramp(0, 1), rate_hz=0.0), "tags are not framed"),
        (block(0, ramp(0, 1), rate_hz=float("nan")), "nan"),
        (block(0, ramp(0, 4).reshape(2, 2)), r"\(2, 2\)"),
    ],
)
def test_a_foreign_block_is_refused_by_name(bad: SampleBlock, message: str) -> None:
    with pytest.raises(DspError, match=message):
        Framer("motor/de-x", 4, 2).push(bad)


def test_lengths_below_one_are_refused() -> None:
    for window_samples, hop_samples in ((0, 1), (1, 0), (-4, 2)):
        with pytest.raises(DspError, match="must both be 1 or more"):
            Framer("motor/de-x", window_samples, hop_samples)


@pytest.mark.parametrize(
    ("rate_hz", "expected"),
    [
        (25600.0, 32768),
        (32768.0, 32768),
        (12000.0, 16384),
        (48828.0, 65536),
        (200.0, 256),
        (50.0, 64),
        (1.0, 64),
    ],
)
def test_trend_windows_last_a_second(rate_hz: float, expected: int) -> None:
    assert trend_window_samples(rate_hz) == expected


def test_a_batch_keeps_the_order_and_refuses_mixed_lengths() -> None:
    windows = Framer("motor/de-x", 4, 2).push(block(0, ramp(0, 8)))
    batch = window_batch(windows, ["idle", "idle", "full load"])
    assert batch.samples.shape == (3, 4)
    assert batch.start_ns == (0, 2_000_000, 4_000_000)
    assert batch.operating_states == ("idle", "idle", "full load")
    other = Framer("motor/de-x", 5, 5).push(block(0, ramp(0, 5)))
    with pytest.raises(DspError, match=r"\[4, 5\]"):
        window_batch([*windows, *other], [""] * 4)
    with pytest.raises(DspError, match="3 windows but 1"):
        window_batch(windows, [""])
    with pytest.raises(DspError, match="no window"):
        window_batch([], [])
    with pytest.raises(DspError, match="rate"):
        trend_window_samples(float("inf"))
