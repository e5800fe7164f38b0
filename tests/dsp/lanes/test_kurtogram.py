"""The kurtogram of lanes against the definition in float64, window by window."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.kurtogram import WINDOW_SAMPLES, band_moments, bands_of, kurtosis_of
from dsp.lanes.kurtogram import LaneKurtogram
from tests.dsp.recordings import channels, vibration_entries
from tests.dsp.test_kurtogram import RATE_HZ, noise, ringing

LEVEL = 6


@pytest.fixture(scope="module")
def engine() -> LaneKurtogram:
    return LaneKurtogram(LEVEL)


def each_kurtosis(moments: np.ndarray) -> np.ndarray:
    return np.array([kurtosis_of(window[np.newaxis]) for window in moments])


def machines(n: int, bias: float = 0.0, tone: float = 1.0) -> np.ndarray:
    t = np.arange(WINDOW_SAMPLES) / RATE_HZ
    rows = [
        0.3 * noise(WINDOW_SAMPLES, i)
        + tone * np.sin(2 * np.pi * (29.7 + i) * t)
        + 0.8 * ringing(WINDOW_SAMPLES, 3_000.0 + 700.0 * (i % 9), 0.007 + 0.001 * (i % 5))
        + bias
        for i in range(n)
    ]
    return np.array(rows, np.float32)


def assert_same(found: np.ndarray, windows: np.ndarray, largest: float) -> None:
    wanted = band_moments(windows, bands_of(LEVEL))
    total = wanted[:, :2, 0].sum(axis=1)[:, np.newaxis]
    assert np.abs((found - wanted)[..., 0] / total).max() < 2e-6  # powers, as a part of the whole
    k, exact = each_kurtosis(found), each_kurtosis(wanted)
    assert (np.abs(k - exact) / (2.0 + np.abs(exact))).max() < largest
    # the largest may change places only with one that is as large
    picked = np.take_along_axis(exact, k.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    np.testing.assert_allclose(picked, exact.max(axis=1), rtol=1e-5)


@pytest.mark.parametrize("n", [1, 16, 37])
def test_any_number_of_windows(engine: LaneKurtogram, n: int) -> None:
    windows = machines(n)
    found = engine.band_moments(windows)
    assert_same(found, windows, 1e-5)
    exact = each_kurtosis(band_moments(windows, engine.bands))
    np.testing.assert_array_equal(each_kurtosis(found).argmax(axis=1), exact.argmax(axis=1))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_any_unit(engine: LaneKurtogram, scale: float) -> None:
    windows = machines(5) * np.float32(scale)
    assert_same(engine.band_moments(windows), windows, 1e-5)


def test_a_bias_ten_thousand_times_the_signal(engine: LaneKurtogram) -> None:
    windows = machines(16, bias=1e4)
    assert_same(engine.band_moments(windows), windows, 1e-5)


def test_eighty_decibels_between_a_tone_and_the_floor(engine: LaneKurtogram) -> None:
    windows = machines(16, tone=3e3)
    assert_same(engine.band_moments(windows), windows, 5e-3)


def test_int16_as_float32(engine: LaneKurtogram) -> None:
    counts = np.rint(machines(20) * 3000.0).astype(np.int16)
    assert_same(engine.band_moments(counts), counts, 1e-5)
    np.testing.assert_array_equal(engine.band_moments(counts), engine.band_moments(counts.astype(np.float32)))


def test_a_bad_window_spoils_no_other(engine: LaneKurtogram) -> None:
    windows = machines(16)
    clean = engine.band_moments(windows)
    windows[3, 100], windows[7, 200], windows[9] = np.nan, np.inf, 9.81
    spoilt = engine.band_moments(windows)
    others = [i for i in range(16) if i not in (3, 7, 9)]
    np.testing.assert_array_equal(spoilt[others], clean[others])
    assert np.isnan(spoilt[[3, 7]]).all()
    assert (spoilt[9] == 0.0).all()
    assert np.isnan(each_kurtosis(spoilt)[[3, 7, 9]]).all()


def test_levels_are_those_asked_for() -> None:
    windows = machines(2)
    five = LaneKurtogram(5)
    assert_same_moments = band_moments(windows, bands_of(5))
    np.testing.assert_allclose(five.band_moments(windows), assert_same_moments, rtol=1e-4)
    with pytest.raises(DspError, match="max_level is 0"):
        LaneKurtogram(0)
    for bad in (np.zeros(8192, np.float32), np.zeros((1, 8191), np.float32), np.zeros((1, 8192))):
        with pytest.raises(DspError, match="8192\\) of float32 or int16"):
            five.band_moments(bad)


@pytest.mark.realdata
def test_every_recording_gets_the_same_band(engine: LaneKurtogram, data_dir: Path) -> None:
    """Every channel that is long enough: K within 2e-3 of itself, its largest at the same place."""
    n = 0
    for entry in vibration_entries(data_dir):
        for _, _, samples in channels(data_dir, entry):
            if len(samples) < WINDOW_SAMPLES:
                continue
            windows = samples[: min(len(samples) // WINDOW_SAMPLES, 8) * WINDOW_SAMPLES]
            windows = windows.reshape(-1, WINDOW_SAMPLES)
            k = kurtosis_of(engine.band_moments(windows))
            exact = kurtosis_of(band_moments(windows, engine.bands))
            assert np.nanargmax(k) == np.nanargmax(exact), entry["file"]
            np.testing.assert_allclose(k, exact, rtol=2e-3, atol=2e-3, err_msg=entry["file"])
            n += 1
    assert n > 100
