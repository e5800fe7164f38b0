"""Spectra: scaling by analytic signals, Parseval, the definition, and SciPy's Welch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from dsp.conditioning import WindowFunction, taper
from dsp.errors import DspError
from dsp.framing import Window
from dsp.samples import Quality, TimeQuality
from dsp.spectrum import (
    Spectrum,
    SpectrumKind,
    amplitude_spectrum,
    amplitude_values,
    decimated,
    excerpt,
    psd_spectrum,
    welch_psd,
)
from tests.oracles import fourier

RATE_HZ = 25600.0


def window_of(samples: np.ndarray, rate_hz: float = RATE_HZ) -> Window:
    return Window("motor/de-x", 7, rate_hz, samples.astype(np.float32), Quality.GOOD, TimeQuality.RECORDED)


@pytest.mark.parametrize("function", list(WindowFunction))
@pytest.mark.parametrize("bin_offset", [0.0, 0.25, 0.5])
def test_a_tones_amplitude_is_read_as_the_window_function_allows(
    function: WindowFunction, bin_offset: float
) -> None:
    """Worst scalloping losses, dB, half a bin off: Harris 1978, table I; 0.01 for the flat top."""
    worst_db = {"rectangular": 3.92, "hann": 1.42, "hamming": 1.78, "blackman": 1.10, "flat top": 0.011}
    worst_db["kaiser-bessel"] = 1.02  # alpha = 3
    frequency_hz = (200 + bin_offset) * RATE_HZ / 4096
    x = 2.5 * np.cos(2.0 * np.pi * frequency_hz * np.arange(8192) / RATE_HZ + 0.3) + 9.81
    found_db = 20.0 * np.log10(amplitude_values(x, 4096, function).max() / 2.5)
    allowed_db = worst_db[function] * (2.0 * bin_offset)
    assert -allowed_db - 0.03 <= found_db <= 0.03
    if bin_offset == 0.5:
        assert found_db == pytest.approx(-worst_db[function], abs=0.04)


@pytest.mark.parametrize("function", list(WindowFunction))
def test_white_noise_has_its_density_at_every_bin(function: WindowFunction) -> None:
    """Variance s^2 over a bandwidth of half the rate: density 2 s^2 / rate."""
    x = np.random.default_rng(3).normal(0.0, 1.7, 1_200_000)
    density = welch_psd(x, RATE_HZ, 256, function)
    assert density[3:-3].mean() == pytest.approx(2.0 * 1.7**2 / RATE_HZ, rel=0.01)
    assert density[3:-3].std() / density[3:-3].mean() < 0.03


def test_the_density_integrates_to_the_variance() -> None:
    """Parseval, exact for one untapered segment, even and odd."""
    rng = np.random.default_rng(4)
    for n in (1000, 1001):
        x = rng.standard_t(3, n) + 40.0
        density = welch_psd(x, RATE_HZ, n, WindowFunction.RECTANGULAR)
        assert density.sum() * RATE_HZ / n == pytest.approx(x.var(), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(24, 60), length=st.integers(8, 24), overlap=st.sampled_from([0.0, 0.3, 0.5, 0.75]),
    seed=st.integers(0, 2**31),
)  # fmt: skip
def test_welch_equals_the_definition(n: int, length: int, overlap: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(3.0, 2.0, n)
    hop = length - int(length * overlap)
    slow = fourier.welch_density([float(v) for v in x], 1000.0, length, fourier.hann(length), hop)
    assert welch_psd(x, 1000.0, length, overlap=overlap) == pytest.approx(slow, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("length", "overlap"), [(256, 0.5), (1000, 0.5), (1024, 0.75), (333, 0.0)])
def test_welch_equals_scipys(length: int, overlap: float) -> None:
    x = np.random.default_rng(8).normal(0.0, 1.0, (2, 10_000)) + 100.0
    theirs = signal.welch(x, RATE_HZ, nperseg=length, noverlap=int(length * overlap))[1]
    ours = welch_psd(x, RATE_HZ, length, overlap=overlap)
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, rtol=1e-9, atol=1e-18)


def test_density_and_amplitude_agree_by_the_noise_bandwidth() -> None:
    """A^2 / 2 = density x noise bandwidth x step, at every bin but the first and last."""
    x = np.random.default_rng(9).normal(size=4096)
    hann = taper(WindowFunction.HANN, 512)
    power = welch_psd(x, RATE_HZ, 512) * hann.noise_bandwidth_bins * RATE_HZ / 512
    assert np.allclose(amplitude_values(x, 512)[1:-1] ** 2 / 2.0, power[1:-1], rtol=1e-9)


def test_spectra_say_what_they_are() -> None:
    x = 4.0 * np.sin(2.0 * np.pi * 1000.0 * np.arange(32768) / RATE_HZ)
    amplitude = amplitude_spectrum(window_of(x), "m/s2")
    assert (amplitude.kind, amplitude.unit, amplitude.start_ns) == (SpectrumKind.AMPLITUDE, "m/s2", 7)
    assert amplitude.values.dtype == np.float32
    assert amplitude.first_hz == 0.0
    assert int(amplitude.values.argmax()) * amplitude.step_hz == pytest.approx(1000.0, abs=amplitude.step_hz)
    density = psd_spectrum(window_of(x), "m/s2")
    assert (density.kind, density.unit) == (SpectrumKind.PSD, "(m/s2)^2/Hz")
    assert density.step_hz == RATE_HZ / 4096
    assert density.values.sum() * density.step_hz == pytest.approx(8.0, rel=1e-3)


@settings(deadline=None)
@given(n_bins=st.integers(1, 5000), max_points=st.integers(1, 1700), seed=st.integers(0, 2**31))
def test_a_coarser_copy_keeps_every_maximum_near_its_place(n_bins: int, max_points: int, seed: int) -> None:
    values = np.random.default_rng(seed).random(n_bins).astype(np.float32)
    full = Spectrum("motor/de-x", 0, SpectrumKind.AMPLITUDE, 10.0, 0.5, values, "m/s2")
    coarse = decimated(full, max_points)
    assert len(coarse.values) <= max_points
    assert coarse.values.max() == values.max()
    where = coarse.first_hz + int(coarse.values.argmax()) * coarse.step_hz
    assert abs(where - (10.0 + 0.5 * int(values.argmax()))) <= 0.5 * coarse.step_hz
    assert (coarse is full) == (n_bins <= max_points)


def test_an_excerpt_holds_the_bins_between() -> None:
    full = Spectrum("c", 0, SpectrumKind.PSD, 0.0, 0.25, np.arange(41, dtype=np.float32), "1")
    part = excerpt(full, 1.0, 2.1)
    assert (part.first_hz, part.values.tolist()) == (1.0, [4.0, 5.0, 6.0, 7.0, 8.0])
    assert excerpt(full, -5.0, 1e9).values.tolist() == full.values.tolist()
    with pytest.raises(DspError, match="no bin"):
        excerpt(full, 1.05, 1.1)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(DspError, match="hold no segment of 65"):
        welch_psd(np.zeros(64), 1.0, 65)
    for overlap in (1.0, -0.1, float("nan")):
        with pytest.raises(DspError, match="overlap"):
            welch_psd(np.zeros(64), 1.0, 8, overlap=overlap)
    with pytest.raises(DspError, match="max_points"):
        decimated(Spectrum("c", 0, SpectrumKind.PSD, 0.0, 1.0, np.zeros(3, np.float32), "1"), 0)


def test_a_sample_that_is_not_a_number_stays_visible() -> None:
    assert np.isnan(welch_psd(np.array([1.0, np.nan] * 32), 1.0, 64)).all()
