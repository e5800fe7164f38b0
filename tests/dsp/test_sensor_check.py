"""Sensor verdicts: broken sensors are named, working ones (quiet, violent, biased, coarse) never accused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dsp.framing import Window
from dsp.samples import Quality, TimeQuality
from dsp.sensor_check import SensorCheck, SensorCondition, check_sensor

RATE_HZ = 25600.0
N = 32768


def check(samples: np.ndarray, full_scale: float = math.inf) -> SensorCheck:
    window = Window(
        "motor/de-x", 5, RATE_HZ, np.asarray(samples, np.float32), Quality.GOOD, TimeQuality.RECORDED
    )
    return check_sensor(window, full_scale)


def noise(rms_steps: float, n: int = N, seed: int = 0) -> np.ndarray:
    """What a converter makes of Gaussian vibration of so many steps RMS."""
    return np.round(np.random.default_rng(seed).normal(0.0, rms_steps, n))


def sine(amplitude: float, cycles: float, n: int = N) -> np.ndarray:
    return amplitude * np.sin(2.0 * np.pi * cycles * np.arange(n) / n + 0.1)


@settings(max_examples=200, deadline=None)
@given(
    rms_steps=st.floats(0.6, 5000.0), bias=st.floats(-3e4, 3e4), lsb=st.sampled_from([1.0, 1e-3, 4.8e-4]),
    n=st.sampled_from([64, 200, 1024, 8192, N]), seed=st.integers(0, 10_000),
)  # fmt: skip
def test_quantised_noise_of_any_level_and_bias_is_fine(
    rms_steps: float, bias: float, lsb: float, n: int, seed: int
) -> None:
    assert check((noise(rms_steps, n, seed) + round(bias)) * lsb).usable


@example(
    amplitude_steps=10_422.0, cycles=4910.734375, quantised=True, second=0.4375
)  # nearly 3/20 of the rate
@settings(max_examples=200, deadline=None)
@given(
    amplitude_steps=st.floats(2.0, 30_000.0), cycles=st.floats(1.5, 9000.0),
    quantised=st.booleans(), second=st.floats(0.0, 0.5),
)  # fmt: skip
def test_smooth_signals_are_fine_however_flat_their_crests(
    amplitude_steps: float, cycles: float, quantised: bool, second: float
) -> None:
    x = sine(amplitude_steps, cycles) + second * sine(amplitude_steps, 2.0 * cycles)
    assert check(np.round(x) if quantised else x).usable


def test_impacts_gravity_and_a_parked_machine_are_fine() -> None:
    rng = np.random.default_rng(1)
    impacts = rng.normal(0.0, 1.0, N)
    impacts[::288] += 60.0  # crest factor far above 20
    assert check(impacts).usable
    assert check(9.81 + 1e-3 * noise(3.0), full_scale=16 * 9.81).usable
    parked = np.round(rng.normal(0.4, 0.25, N))  # mostly 0 and 1, now and then -1 or 2
    assert check(parked).usable
    start_up = noise(2.0)
    start_up[N // 2 :] += noise(800.0)[N // 2 :]
    assert check(start_up).usable


@settings(max_examples=80, deadline=None)
@given(
    rms_steps=st.floats(0.2, 0.8), knocks=st.integers(1, 300), height=st.integers(10, 500),
    n=st.sampled_from([1024, N]), seed=st.integers(0, 999),
)  # fmt: skip
def test_a_parked_machine_that_is_knocked_at_is_fine(
    rms_steps: float, knocks: int, height: int, n: int, seed: int
) -> None:
    """Long runs of one value entered by leaps, and yet chance: noise below a converter step."""
    rng = np.random.default_rng(seed)
    x = noise(rms_steps, n, seed)
    x[rng.integers(0, n, knocks * n // N + 1)] += rng.integers(-height, height)
    found = check(x)
    assert found.usable or found.verdict is SensorCondition.FLAT_LINE, found.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_a_number(value: float) -> None:
    x = noise(100.0)
    x[[7, 9000]] = value
    found = check(x)
    assert found.verdict is SensorCondition.NOT_A_NUMBER
    assert not found.usable
    assert "2 of 32768" in found.text
    assert found.remedy
    assert found.affected_share == 2 / N
    assert (found.channel_id, found.start_ns) == ("motor/de-x", 5)


@pytest.mark.parametrize("value", [0.0, 9.81, -1e30])
def test_a_constant_is_a_flat_line(value: float) -> None:
    found = check(np.full(N, value))
    assert found.verdict is SensorCondition.FLAT_LINE
    assert f"{np.float32(value):.6g}" in found.text
    assert found.affected_share == 1.0


def test_a_flickering_last_bit_and_a_broken_cable_are_flat_lines() -> None:
    assert check(np.random.default_rng(2).integers(0, 2, N) * 1e-3).verdict is SensorCondition.FLAT_LINE
    broken = noise(500.0)
    broken[9000:] = -32768.0
    assert check(broken).verdict is SensorCondition.FLAT_LINE
    assert check(np.empty(0)).verdict is SensorCondition.FLAT_LINE
    assert check(np.array([1.0])).verdict is SensorCondition.FLAT_LINE


@settings(max_examples=60, deadline=None)
@given(
    limit_sigma=st.floats(0.2, 2.8), rms_steps=st.floats(200.0, 5000.0), one_sided=st.booleans(),
    bias=st.integers(-1000, 1000), seed=st.integers(0, 99),
)  # fmt: skip
def test_clipped_noise_is_found_without_knowing_full_scale(
    limit_sigma: float, rms_steps: float, one_sided: bool, bias: int, seed: int
) -> None:
    limit = round(limit_sigma * rms_steps)
    x = np.clip(noise(rms_steps, seed=seed), -np.inf if one_sided else -limit, limit) + bias
    found = check(x * 0.005)
    assert found.verdict is SensorCondition.CLIPPED
    two_sided_share = math.erfc(limit_sigma / math.sqrt(2.0))
    assert found.affected_share == pytest.approx(two_sided_share / (2 if one_sided else 1), rel=0.3)


@settings(max_examples=40, deadline=None)
@given(share=st.floats(0.5, 0.97), cycles=st.floats(20.0, 3000.0), amplitude=st.floats(300.0, 30_000.0))
def test_a_clipped_sine_is_found(share: float, cycles: float, amplitude: float) -> None:
    stop = round(share * amplitude)
    x = np.clip(np.round(sine(amplitude, cycles)), -stop, stop)
    # A tone locked to the sampling clock leaps to its stop from one same value, as dropouts do.
    assume(stop - np.max(x[x < stop]) <= 0.01 * stop and stop + np.min(x[x > -stop]) <= 0.01 * stop)
    found = check(x)
    assert found.verdict is SensorCondition.CLIPPED
    assert str(round(share * amplitude)) in found.text.replace(" ", "")


def test_full_scale_is_a_stop_even_when_noise_rides_on_it() -> None:
    x = np.clip(noise(12_000.0), -32768, 32767)
    stop = 16 * 9.81
    found = check(x * stop / 32768, full_scale=stop)
    assert found.verdict is SensorCondition.CLIPPED
    assert "end of the range" in found.text
    ragged = x + (np.abs(x) > 32700) * -np.random.default_rng(3).integers(0, 20, N)
    assert check(ragged * stop / 32768, full_scale=stop).verdict is SensorCondition.CLIPPED
    assert check(ragged * stop / 32768).usable  # unknown range: nothing piles up


def test_a_few_samples_at_the_stop_are_not_clipping() -> None:
    x = noise(3000.0)
    x[[100, 5000, 20_000]] = 32767
    assert check(x, full_scale=32768.0).usable
    assert check(x).usable


def test_a_lost_bias_is_told_from_gravity() -> None:
    assert check(noise(5.0) + 31_000, full_scale=32768.0).verdict is SensorCondition.BIAS_LOST
    assert check(noise(5.0) + 31_000).usable
    assert check(noise(5.0) + 16_384, full_scale=32768.0).usable  # 1 g on a 2 g sensor


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("length", [20, 64, 640])
@pytest.mark.parametrize("bias", [0.0, 2000.0])
def test_dropouts_of_zeros_or_of_the_last_value_are_found(held: bool, length: int, bias: float) -> None:
    x = noise(300.0, seed=length) + sine(800.0, 31.0).round() + bias
    starts = (1000, 9000, 9000 + 3 * length, 30_000)
    for start in starts:
        x[start : start + length] = x[start] if held else 0.0
    found = check(x)
    assert found.verdict is SensorCondition.DROPOUTS
    assert f"{len(starts)} times" in found.text
    assert found.affected_share == pytest.approx(len(starts) * length / N, rel=0.06)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_many_lost_frames_do_not_hide_one_another(share: float) -> None:
    x = noise(300.0, seed=9) + 5000.0
    frames = np.random.default_rng(9).permutation(N // 64)[: round(share * N / 64)]
    for frame in frames:
        x[64 * frame : 64 * frame + 64] = 0.0
    found = check(x)
    assert found.verdict is SensorCondition.DROPOUTS
    assert found.affected_share == pytest.approx(share, abs=0.01)


def test_a_dropout_in_a_coarse_signal_needs_to_be_longer_than_chance() -> None:
    coarse = noise(0.7, seed=4)  # half of all neighbours are equal
    assert check(coarse).usable
    coarse[5000:5400] = 20.0
    found = check(coarse)
    assert found.verdict in (SensorCondition.DROPOUTS, SensorCondition.CLIPPED)


def test_verdicts_have_a_remedy_and_the_good_one_none() -> None:
    good = check(noise(50.0))
    assert (good.verdict, good.text, good.remedy, good.affected_share) == (SensorCondition.OK, "", "", 0.0)
    clipped = check(np.clip(noise(500.0), -500, 500))
    assert "look at the machine" in clipped.remedy
