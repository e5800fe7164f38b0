"""Bands, their names and levels, and the envelope's kurtosis against the definition."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp import kernels
from dsp.band_features import (
    UPPER_SHARE_OF_RATE,
    Band,
    band_powers,
    envelope_kurtosis,
    high_band,
    level_bands,
    level_db,
)
from dsp.errors import DspError
from dsp.framing import trend_window_samples
from tests.oracles import fourier


@settings(deadline=None)
@given(st.floats(20.0, 200_000.0))
def test_bands_tile_the_range_and_each_holds_three_bins(rate_hz: float) -> None:
    n = trend_window_samples(rate_hz)
    bands = level_bands(rate_hz, n)
    assert bands[-1].upper_hz == pytest.approx(UPPER_SHARE_OF_RATE * rate_hz)
    assert all(low.upper_hz == high.lower_hz for low, high in pairwise(bands))
    assert all(after - first >= 3 for first, after in (band.bins(rate_hz / n) for band in bands))
    assert bands[0].lower_hz >= 3.0 * rate_hz / n
    assert 5 <= len(bands) <= 24
    assert len({band.name for band in bands}) == len(bands)


@pytest.mark.parametrize(
    ("rate_hz", "n_bands"), [(25600.0, 17), (51200.0, 18), (48828.0, 17), (12000.0, 14), (1000.0, 16)]
)
def test_usual_rates_have_a_usual_number_of_bands(rate_hz: float, n_bands: int) -> None:
    assert len(level_bands(rate_hz, trend_window_samples(rate_hz))) == pytest.approx(n_bands, abs=1)


def test_no_common_shaft_or_line_frequency_sits_on_an_edge() -> None:
    edges = [band.lower_hz for band in level_bands(25600.0, 32768)]
    for frequency_hz in (
        12.5,
        16.7,
        24.3,
        25.0,
        29.2,
        30.0,
        48.5,
        50.0,
        58.3,
        60.0,
        100.0,
        120.0,
        150.0,
        300.0,
    ):
        nearest = min(edges, key=lambda edge: abs(edge - frequency_hz))
        assert abs(nearest - frequency_hz) > 1.0, (frequency_hz, nearest)


def test_names_carry_the_edges() -> None:
    assert Band(2800.0, 4500.0).name == "band_2800_4500_hz"
    assert Band(7.1, 11.2).name == "band_7.1_11.2_hz"
    assert high_band(25600.0) == Band(2000.0, 11520.0)
    assert high_band(1000.0) == Band(200.0, 450.0)


@pytest.mark.parametrize(
    ("rate_hz", "n"), [(25600.0, 63), (0.0, 1024), (float("nan"), 1024), (float("inf"), 64)]
)
def test_what_cannot_have_bands_is_refused(rate_hz: float, n: int) -> None:
    with pytest.raises(DspError):
        level_bands(rate_hz, n)


@settings(max_examples=20, deadline=None)
@given(n=st.sampled_from([64, 66, 90]), seed=st.integers(0, 2**31))
def test_the_hann_window_by_neighbouring_lines_equals_the_definition(n: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=n)
    x -= x.mean()
    power = np.empty((1, n // 2 + 1))
    kernels.hann_power(np.fft.rfft(x[np.newaxis]).astype(np.complex64), np.array([1.0]), power)
    window = fourier.hann(n)
    slow = [
        abs(fourier.dft_line([a * w for a, w in zip(x, window, strict=True)], k)) ** 2
        for k in range(n // 2 + 1)
    ]
    assert np.allclose(power[0], slow, rtol=1e-3, atol=1e-5 * max(slow))


def test_powers_are_sums_of_the_lines_in_the_band() -> None:
    power = np.arange(20.0)[np.newaxis] ** 2
    found = band_powers(power, (Band(2.0, 5.0), Band(5.0, 5.5), Band(17.4, 50.0)), 1.0)
    assert found.tolist() == [[4.0 + 9.0 + 16.0, 25.0, 18.0**2 + 19.0**2]]


def test_levels_are_decibels_with_a_floor_that_rounding_cannot_reach() -> None:
    power = np.array([[1.0, 100.0, 1e-15, 0.0], [0.0, 0.0, 0.0, 0.0], [np.nan] * 4])
    levels = level_db(power, np.array([101.0, 0.0, np.nan]))
    assert levels[0, :2].tolist() == [0.0, 20.0]
    assert levels[0, 2:] == pytest.approx([10.0 * math.log10(101.0) - 120.0] * 2)
    assert levels[1].tolist() == [-200.0] * 4
    assert np.isnan(levels[2]).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), first=st.integers(2, 20), width=st.integers(2, 40))
def test_envelope_kurtosis_equals_the_definition(seed: int, first: int, width: int) -> None:
    n = 128
    after = min(first + width, 64)
    x = np.random.default_rng(seed).standard_t(4, n)
    analytic = fourier.analytic_band([float(v) for v in x], first, after)
    squares = [abs(z) ** 2 for z in analytic]
    expected = (sum(s * s for s in squares) / n) / (sum(squares) / n) ** 2 - 2.0
    spectra = np.fft.rfft(x[np.newaxis]).astype(np.complex64)
    found = envelope_kurtosis(spectra, Band(float(first), float(after)), 1.0, np.array([1.0]))
    assert found[0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_envelope_kurtosis_of_noise_tone_and_impacts() -> None:
    rate_hz, n = 25600.0, 32768
    t = np.arange(n) / rate_hz
    rng = np.random.default_rng(2)
    noise = rng.normal(0.0, 1.0, n)
    tone = np.sin(2.0 * np.pi * 5000.0 * t)
    impacts = 0.2 * noise
    for start in np.arange(50, n - 200, 240):  # 107 Hz, ringing at 4 kHz
        impacts[start : start + 200] += 8.0 * np.exp(-t[:200] / 5e-4) * np.sin(2 * np.pi * 4000.0 * t[:200])
    spectra = np.fft.rfft(np.stack([noise, tone, impacts, 0.0 * t])).astype(np.complex64)
    found = envelope_kurtosis(spectra, high_band(rate_hz), rate_hz / n, np.array([1.0, 1.0, 1.0, 0.0]))
    assert found[0] == pytest.approx(0.0, abs=0.06)
    assert found[1] == pytest.approx(-1.0, abs=1e-3)
    assert found[2] > 3.0
    assert math.isnan(found[3])
