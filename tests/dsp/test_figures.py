"""Figures of waveforms and spectra: by their definitions, and where the answer is known."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp import waveform_figures as waveform
from dsp.bearing import BearingFault
from dsp.conditioning import WindowFunction
from dsp.errors import DspError
from dsp.spectrum import amplitude_values, welch_psd
from dsp.spectrum_figures import (
    band_rms,
    centroid_hz,
    highest_peaks,
    spectral_entropy,
    spread_hz,
    third_octave_rms,
    third_octaves,
)
from tests.dsp.bearing_signals import impacts, resonant_noise
from tests.oracles import figures as oracle
from tests.oracles import waveform as moments

RATE_HZ = 25_600.0
FACTORS = ("crest_factor", "skewness", "kurtosis", "shape_factor", "impulse_factor", "clearance_factor")


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(3, 400), bias=st.floats(-1e4, 1e4), scale=st.floats(1e-3, 1e3), seed=st.integers(0, 9999)
)
def test_every_waveform_figure_is_its_definition(n: int, bias: float, scale: float, seed: int) -> None:
    x = bias + scale * np.random.default_rng(seed).normal(size=n)
    plain = x.tolist()
    rms, peak = moments.rms(plain), moments.peak(plain)
    expected = {
        "mean": moments.mean(plain),
        "rms": rms,
        "peak": peak,
        "peak_to_peak": moments.peak_to_peak(plain),
        "crest_factor": peak / rms,
        "kurtosis": moments.kurtosis(plain),
        "shape_factor": rms / oracle.mean_size(plain),
        "impulse_factor": peak / oracle.mean_size(plain),
        "clearance_factor": peak / oracle.mean_root(plain) ** 2,
    }
    for name, value in expected.items():
        assert getattr(waveform, name)(x) == pytest.approx(value, rel=1e-6), name
    assert waveform.skewness(x) == pytest.approx(moments.skewness(plain), rel=1e-5, abs=1e-6)
    assert waveform.zero_crossings(x) == oracle.zero_crossings(plain)


def test_a_sine_has_its_textbook_figures() -> None:
    x = 3.0 * np.sin(2.0 * np.pi * 50.0 * np.arange(25_600) / RATE_HZ + 0.01) + 9.81
    root = 2.0 / math.sqrt(math.pi) * math.gamma(0.75) / math.gamma(0.25)  # mean of sqrt |sin| is 2 root
    assert waveform.mean(x) == pytest.approx(9.81)
    assert waveform.rms(x) == pytest.approx(3.0 / math.sqrt(2.0), rel=1e-6)
    assert waveform.crest_factor(x) == pytest.approx(math.sqrt(2.0), rel=1e-4)
    assert waveform.skewness(x) == pytest.approx(0.0, abs=1e-9)
    assert waveform.kurtosis(x) == pytest.approx(1.5, rel=1e-6)
    assert waveform.shape_factor(x) == pytest.approx(math.pi / (2.0 * math.sqrt(2.0)), rel=1e-4)
    assert waveform.impulse_factor(x) == pytest.approx(math.pi / 2.0, rel=1e-4)
    assert waveform.clearance_factor(x) == pytest.approx(1.0 / (2.0 * root) ** 2, rel=1e-3)
    assert waveform.zero_crossings(x) == pytest.approx(2 * 50, abs=1)


@pytest.mark.parametrize("scale", [1e-200, 1e150])
def test_ratios_hold_for_tiny_and_huge_values(scale: float) -> None:
    x = np.random.default_rng(1).normal(size=500)
    for name in FACTORS[1:]:
        assert getattr(waveform, name)(scale * x) == pytest.approx(getattr(waveform, name)(x), rel=1e-9)


def test_constant_and_missing_samples_are_defined() -> None:
    for name in FACTORS:
        assert math.isnan(getattr(waveform, name)(np.full(50, 7.1))), name
        assert math.isnan(getattr(waveform, name)(np.array([1.0, math.nan, 2.0]))), name
    assert waveform.rms(np.full(50, 7.1)) == 0.0
    assert waveform.zero_crossings(np.full(50, 7.1)) == 0
    assert waveform.spike_energy(np.full(5000, 7.1), RATE_HZ) == 0.0
    assert math.isnan(waveform.spike_energy(np.full(5000, np.nan), RATE_HZ))
    with pytest.raises(DspError, match="not empty"):
        waveform.rms([])


@given(seed=st.integers(0, 9999), decay=st.floats(0.5, 500.0))
@settings(max_examples=30, deadline=None)
def test_the_peak_hold_is_its_recursion(seed: int, decay: float) -> None:
    size = np.abs(np.random.default_rng(seed).normal(size=300))
    size[::7] = 0.0
    assert waveform.peak_hold(size, decay) == pytest.approx(oracle.peak_hold(size.tolist(), decay), rel=1e-9)


def test_spike_energy_of_known_impacts() -> None:
    """Impulses of height 1 each 10 ms (one decay time): mean of a decay over one period, 1 - 1/e."""
    x = np.zeros(25_600)
    t = np.arange(64) / RATE_HZ
    for start in range(100, 25_000, 256):
        x[start : start + 64] += np.hanning(64) * np.cos(2.0 * np.pi * 8000.0 * (t - t[32]))
    found = waveform.spike_energy(x, RATE_HZ)
    assert found == pytest.approx(1.0 - math.exp(-1.0), rel=0.05)
    low = 50.0 * np.sin(2.0 * np.pi * 100.0 * np.arange(25_600) / RATE_HZ)  # the shaft is not in it
    assert waveform.spike_energy(x + low, RATE_HZ) == pytest.approx(found, rel=0.02)


def test_spike_energy_rises_with_damage_where_the_level_does_not() -> None:
    rng = np.random.default_rng(2)
    quiet = resonant_noise(rng, 51_200, 7000.0)
    struck = quiet + 0.7 * impacts(rng, 51_200, BearingFault.OUTER_RACE, resonance_hz=7000.0)
    assert waveform.rms(struck) < 1.35 * waveform.rms(quiet)
    assert waveform.spike_energy(struck, RATE_HZ) > 1.5 * waveform.spike_energy(quiet, RATE_HZ)
    with pytest.raises(DspError, match="rising"):
        waveform.spike_energy(quiet, RATE_HZ, (9000.0, 5000.0))


def density(seed: int = 0, n: int = 129) -> np.ndarray:
    return np.random.default_rng(seed).gamma(1.0, size=n)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 9999), edges=st.tuples(st.floats(0, 9000), st.floats(1, 9000)))
def test_spectrum_figures_are_their_definitions(seed: int, edges: tuple[float, float]) -> None:
    values, step_hz = density(seed), 50.0
    lower, upper = edges[0], edges[0] + edges[1]
    (found,) = band_rms(values, step_hz, [(lower, upper)])
    expected = math.sqrt(oracle.band_power(values.tolist(), step_hz, lower, upper))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-6)
    assert centroid_hz(values, step_hz) == pytest.approx(oracle.centroid(values.tolist(), step_hz))
    assert spread_hz(values, step_hz) == pytest.approx(oracle.spread(values.tolist(), step_hz))
    assert spectral_entropy(values) == pytest.approx(oracle.entropy(values.tolist()))


def test_neighbouring_bands_add_up_to_the_whole() -> None:
    values, step_hz = density(5), 12.5
    edges = [0.0, 3.0, 77.7, 500.0, 501.0, 1606.25]
    bands = band_rms(values, step_hz, list(pairwise(edges)))
    (whole,) = band_rms(values, step_hz, [(0.0, 1606.25)])
    assert float(bands @ bands) == pytest.approx(whole**2)


@pytest.mark.parametrize("function", list(WindowFunction))
def test_a_tones_rms_is_read_from_its_band_under_every_window(function: WindowFunction) -> None:
    x = 2.0 * np.cos(2.0 * np.pi * 1003.3 * np.arange(51_200) / RATE_HZ)
    power = welch_psd(x, RATE_HZ, 5120, function)
    (found,) = band_rms(power, 5.0, [(850.0, 1150.0)])
    assert found == pytest.approx(math.sqrt(2.0), rel=0.01)


def test_third_octaves_are_those_of_the_standard() -> None:
    bands = third_octaves(22.0, 22_500.0)
    named = [band.nominal_hz for band in bands]
    assert named[:9] == [25.0, 31.5, 40.0, 50.0, 63.0, 80.0, 100.0, 125.0, 160.0]
    assert named[-3:] == [12_500.0, 16_000.0, 20_000.0]
    assert len(bands) == 30
    by_name = {band.nominal_hz: band for band in bands}
    assert by_name[1000.0].centre_hz == pytest.approx(1000.0)
    assert by_name[1000.0].lower_hz == pytest.approx(891.25, abs=0.01)  # IEC 61260-1: 10^(-0.05), 10^(0.05)
    assert by_name[1000.0].upper_hz == pytest.approx(1122.02, abs=0.01)
    assert by_name[31.5].centre_hz == pytest.approx(31.623, abs=0.001)
    for lower, upper in pairwise(bands):
        assert lower.upper_hz == pytest.approx(upper.lower_hz)
    for band in bands:
        assert band.nominal_hz == pytest.approx(band.centre_hz, rel=0.013)


def test_third_octave_levels_of_white_noise_rise_by_one_db_each() -> None:
    x = np.random.default_rng(4).normal(size=1_000_000)
    bands, levels = third_octave_rms(welch_psd(x, RATE_HZ, 25_600), 1.0)
    expected = [math.sqrt((band.upper_hz - band.lower_hz) * 2.0 / RATE_HZ) for band in bands]
    wide = [i for i, band in enumerate(bands) if band.lower_hz > 100.0]
    assert levels[wide] == pytest.approx(np.array(expected)[wide], rel=0.05)
    assert bands[0].upper_hz - bands[0].lower_hz >= 2.0
    assert bands[-1].nominal_hz == 10_000.0


def test_shape_figures_where_they_are_known() -> None:
    white, line = np.ones(101), np.zeros(101)
    line[40] = 3.0
    assert centroid_hz(white, 10.0) == pytest.approx(500.0)
    assert spread_hz(white, 10.0) == pytest.approx(10.0 * math.sqrt((101**2 - 1) / 12.0))
    assert spectral_entropy(white) == pytest.approx(1.0)
    assert (centroid_hz(line, 10.0), spread_hz(line, 10.0)) == (pytest.approx(400.0), pytest.approx(0.0))
    assert spectral_entropy(line) == 0.0
    for figure in (lambda v: centroid_hz(v, 1.0), lambda v: spread_hz(v, 1.0), spectral_entropy):
        assert math.isnan(figure(np.zeros(10)))
        assert math.isnan(figure(np.full(10, np.nan)))


@pytest.mark.parametrize("offset", [0.0, 0.1, 0.25, 0.37, 0.5])
def test_peaks_are_found_between_bins(offset: float) -> None:
    """Three tones, the weakest 46 dB down: frequency within 0.03 bins, amplitude within 4 %."""
    step_hz = RATE_HZ / 4096
    t = np.arange(4096) / RATE_HZ
    tones = [(100 + offset, 5.0), (300 - offset, 1.0), (900 + 0.5 * offset, 0.025)]
    x = sum(a * np.cos(2.0 * np.pi * k * step_hz * t + k) for k, a in tones)
    found = highest_peaks(amplitude_values(x, 4096), step_hz, 3)
    for peak, (k, amplitude) in zip(found, tones, strict=True):
        assert peak.frequency_hz == pytest.approx(k * step_hz, abs=0.03 * step_hz)
        assert peak.height == pytest.approx(amplitude, rel=0.04)
    assert highest_peaks(np.ones(2), 1.0, 3) == ()
    assert highest_peaks(np.arange(50.0), 1.0, 3) == ()


def test_wrong_bands_are_refused() -> None:
    with pytest.raises(DspError, match="rising"):
        band_rms(density(), 1.0, [(5.0, 5.0)])
    with pytest.raises(DspError, match="rising"):
        third_octaves(100.0, 50.0)
