"""Trends and window functions: least squares and published gains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from dsp.conditioning import WindowFunction, taper, without_mean, without_trend
from dsp.errors import DspError

SCIPY_NAMES = {
    WindowFunction.RECTANGULAR: "boxcar",
    WindowFunction.HANN: "hann",
    WindowFunction.HAMMING: "hamming",
    WindowFunction.BLACKMAN: "blackman",
}


@pytest.mark.parametrize("function", list(SCIPY_NAMES))
@pytest.mark.parametrize("n", [4, 7, 64, 1000])
def test_window_functions_are_the_periodic_ones(function: WindowFunction, n: int) -> None:
    assert np.allclose(taper(function, n).values, signal.get_window(SCIPY_NAMES[function], n), atol=1e-14)


@pytest.mark.parametrize(
    ("function", "gain", "bandwidth"),
    [
        # Harris 1978, table I; the flat top: Heinzel et al. 2002, table of HFT70.
        (WindowFunction.RECTANGULAR, 1.0, 1.0),
        (WindowFunction.HANN, 0.5, 1.5),
        (WindowFunction.HAMMING, 0.54, 1.363),
        (WindowFunction.BLACKMAN, 0.42, 1.727),
        (WindowFunction.FLAT_TOP, 1.0, 3.4129),
        (WindowFunction.KAISER_BESSEL, 0.4025, 1.7985),
    ],
)
def test_gains_are_the_published_ones(function: WindowFunction, gain: float, bandwidth: float) -> None:
    assert taper(function, 4096).coherent_gain == pytest.approx(gain, rel=1e-9 if gain != 0.4025 else 1e-3)
    assert taper(function, 4096).noise_bandwidth_bins == pytest.approx(bandwidth, rel=2e-3)


@settings(deadline=None)
@given(
    slope=st.floats(-1e3, 1e3), bias=st.floats(-1e6, 1e6), n=st.integers(2, 200), seed=st.integers(0, 2**31)
)
def test_a_line_is_removed_and_the_rest_kept(slope: float, bias: float, n: int, seed: int) -> None:
    rest = np.random.default_rng(seed).normal(size=n)
    rest -= np.polyval(np.polyfit(np.arange(n), rest, 1), np.arange(n))
    line = bias + slope * np.arange(n)
    assert np.allclose(without_trend(rest + line), rest, atol=1e-7)
    assert np.allclose(without_mean(rest + bias), rest - rest.mean(), atol=1e-7)


def test_rows_are_detrended_each_on_its_own() -> None:
    rows = np.array([[1.0, 2.0, 3.0], [5.0, 5.0, 5.0]])
    assert np.allclose(without_trend(rows), 0.0)
    assert np.allclose(without_mean(rows), [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert without_trend(np.array([7.0])).tolist() == [0.0]
    assert np.allclose(without_trend(rows), signal.detrend(rows))


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(DspError, match="4 or more"):
        taper(WindowFunction.HANN, 3)
    with pytest.raises(DspError, match="no samples"):
        without_mean(np.empty(0))


def test_a_taper_is_shared_and_cannot_be_written() -> None:
    assert taper(WindowFunction.HANN, 16) is taper(WindowFunction.HANN, 16)
    with pytest.raises(ValueError, match="read-only"):
        taper(WindowFunction.HANN, 16).values[0] = 1.0


@pytest.mark.parametrize("n", [16, 255, 1024])
def test_kaiser_bessel_is_the_periodic_one(n: int) -> None:
    expected = signal.get_window(("kaiser", 3.0 * np.pi), n)
    assert np.allclose(taper(WindowFunction.KAISER_BESSEL, n).values, expected, atol=1e-14)
