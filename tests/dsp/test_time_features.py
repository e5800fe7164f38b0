"""Waveform figures against sums of one number at a time, analytic signals, and hostile input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dsp.errors import DspError
from dsp.time_features import TimeFeatures, time_features
from tests.oracles import waveform

NAMES = ("mean", "rms", "peak", "peak_to_peak", "crest_factor", "skewness", "kurtosis")


def row(features: TimeFeatures, i: int) -> dict[str, float]:
    return {name: float(getattr(features, name)[i]) for name in NAMES}


@settings(max_examples=120, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.integers(2, 70)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_every_figure_equals_the_slow_sum(samples: np.ndarray) -> None:
    found = time_features(samples)
    for i, values in enumerate(samples):
        x = [float(value) for value in values]
        got = row(found, i)
        scale = max(map(abs, x))
        assert got["mean"] == pytest.approx(waveform.mean(x), rel=1e-12, abs=1e-12 * scale)
        assert got["peak_to_peak"] == waveform.peak_to_peak(x)
        assert got["rms"] == pytest.approx(waveform.rms(x), rel=1e-9, abs=1e-12 * scale)
        assert got["peak"] == pytest.approx(waveform.peak(x), rel=1e-9, abs=1e-12 * scale)
        if waveform.peak_to_peak(x) > 1e-6 * scale and waveform.rms(x) > 1e-60:
            for name in ("crest_factor", "skewness", "kurtosis"):
                assert got[name] == pytest.approx(getattr(waveform, name)(x), rel=1e-6, abs=1e-6)


def test_a_sine_has_its_textbook_figures() -> None:
    x = 3.0 * np.sin(2.0 * np.pi * 100.0 * np.arange(25600) / 25600.0) + 9.81
    got = row(time_features(x[np.newaxis].astype(np.float32)), 0)
    assert got["mean"] == pytest.approx(9.81, rel=1e-6)
    assert got["rms"] == pytest.approx(3.0 / math.sqrt(2.0), rel=1e-6)
    assert got["peak"] == pytest.approx(3.0, rel=1e-6)
    assert got["peak_to_peak"] == pytest.approx(6.0, rel=1e-6)
    assert got["crest_factor"] == pytest.approx(math.sqrt(2.0), rel=1e-6)
    assert got["skewness"] == pytest.approx(0.0, abs=1e-6)
    assert got["kurtosis"] == pytest.approx(1.5, rel=1e-6)


def test_gaussian_noise_has_kurtosis_three_and_a_square_wave_one() -> None:
    noise = np.random.default_rng(5).normal(0.0, 1.0, (1, 400_000)).astype(np.float32)
    assert row(time_features(noise), 0)["kurtosis"] == pytest.approx(3.0, abs=0.04)
    square = np.tile(np.array([1.0, 1.0, -1.0, -1.0], np.float32), 64)[np.newaxis]
    assert row(time_features(square), 0)["kurtosis"] == pytest.approx(1.0, rel=1e-9)
    assert row(time_features(square), 0)["crest_factor"] == pytest.approx(1.0, rel=1e-9)


def test_a_bias_of_ten_thousand_times_the_signal_costs_no_accuracy() -> None:
    rng = np.random.default_rng(6)
    signal = (rng.standard_t(4, 32768) * 0.25).astype(np.float32)
    biased = (signal.astype(np.float64) + 8192.0).astype(np.float32)  # rounds the signal to 1/1024 once
    kept = biased.astype(np.float64) - 8192.0
    plain = row(time_features(kept[np.newaxis].astype(np.float32)), 0)
    got = row(time_features(biased[np.newaxis]), 0)
    for name in ("rms", "peak", "crest_factor", "kurtosis"):
        assert got[name] == pytest.approx(plain[name], rel=1e-9), name
    assert got["skewness"] == pytest.approx(plain["skewness"], abs=1e-9)


def test_what_cannot_be_stated_is_nan_and_nothing_warns() -> None:
    samples = np.ones((5, 40), np.float32)
    samples[1] = 1e5 / 3.0  # constant, not exact in binary
    samples[2, 7] = np.nan
    samples[3, 0] = np.inf
    samples[4, :2] = (np.inf, -np.inf)
    with np.errstate(all="raise"):
        found = time_features(samples)
    for i in (0, 1):
        got = row(found, i)
        assert got["mean"] == samples[i, 0]
        assert got["rms"] == got["peak"] == got["peak_to_peak"] == 0.0
        assert all(math.isnan(got[name]) for name in ("crest_factor", "skewness", "kurtosis"))
    for i in (2, 3, 4):
        assert all(math.isnan(value) for value in row(found, i).values())


def test_the_greatest_and_least_float32_do_not_overflow() -> None:
    top = float(np.finfo(np.float32).max)
    for scale in (top, 1e-45, 1e-38):
        got = row(time_features(np.array([[scale, -scale] * 20], np.float32)), 0)
        assert got["rms"] == pytest.approx(float(np.float32(scale)), rel=1e-6)
        assert got["kurtosis"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("shape", [(4,), (0, 4), (4, 0), (1, 2, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DspError, match="n_windows, n_samples"):
        time_features(np.zeros(shape, np.float32))
