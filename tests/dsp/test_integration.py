"""Integration against sums by the definition and against tones whose velocity and displacement are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.integration import Integrations, band_rms, integrated_waveform, statable
from tests.oracles import integration as oracle

RATE_HZ = 2560.0


@pytest.mark.parametrize("integrations", list(Integrations))
@pytest.mark.parametrize(("n", "band_hz"), [(512, (40.0, 900.0)), (333, (50.0, 1000.0))])
def test_equals_the_sum_over_lines(integrations: Integrations, n: int, band_hz: tuple[float, float]) -> None:
    x = np.random.default_rng(n).normal(3.0, 2.0, n)
    expected = oracle.band_rms(x.tolist(), RATE_HZ, *band_hz, int(integrations))
    assert band_rms(x, RATE_HZ, band_hz, integrations) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("integrations", list(Integrations))
@pytest.mark.parametrize("periods", [7, 10, 25])
def test_swept_tones_are_read_within_one_percent(integrations: Integrations, periods: int) -> None:
    """Of the true RMS, whatever the phase and wherever the tone falls between two bins."""
    lower_hz = 10.0
    n = int(periods * RATE_HZ / lower_hz)
    t = np.arange(n) / RATE_HZ
    for frequency_hz in [*np.geomspace(lower_hz, 1000.0, 40), 10.37, 11.5, 13.1]:
        for phase in (0.0, 0.9, 2.0):
            x = np.sqrt(2.0) * np.sin(2.0 * np.pi * frequency_hz * t + phase) + 9.81
            expected = 1.0 / (2.0 * np.pi * frequency_hz) ** int(integrations)
            found = band_rms(x, RATE_HZ, (lower_hz, 1000.0), integrations)
            tolerance = 0.01 if periods >= 10 or frequency_hz > 11.0 or integrations < 2 else 0.025
            assert found == pytest.approx(expected, rel=tolerance), (frequency_hz, phase)


def test_what_lies_outside_the_band_is_not_in_the_value() -> None:
    t = np.arange(5120) / RATE_HZ
    for frequency_hz in (2.0, 1100.0):
        x = np.sin(2.0 * np.pi * frequency_hz * t)
        inside = 1.0 / (2.0 * np.pi * frequency_hz) / math.sqrt(2.0)
        assert band_rms(x, RATE_HZ, (10.0, 1000.0)) < 0.01 * inside


@pytest.mark.parametrize("integrations", list(Integrations))
def test_the_waveform_is_the_integral(integrations: Integrations) -> None:
    n = 4 * 2560
    t = np.arange(n) / RATE_HZ
    parts = ((25.0, 3.0, 0.3), (51.7, 1.0, 1.0), (312.0, 20.0, 2.0))
    x = sum(a * np.cos(2.0 * np.pi * f * t + phase) for f, a, phase in parts) + 9.81 + 0.5 * t
    found, first = integrated_waveform(x, RATE_HZ, (10.0, 1000.0), integrations)
    p = int(integrations)
    expected = sum(
        a / (2.0 * np.pi * f) ** p * np.cos(2.0 * np.pi * f * t + phase - 0.5 * np.pi * p)
        for f, a, phase in parts
    )[first : first + len(found)]
    assert len(found) == n - 2 * first
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()


def test_a_huge_bias_and_tiny_or_huge_values_change_nothing() -> None:
    t = np.arange(2560) / RATE_HZ
    x = np.sin(2.0 * np.pi * 50.0 * t)
    expected = band_rms(x, RATE_HZ, (10.0, 1000.0))
    assert band_rms(x + 1e4, RATE_HZ, (10.0, 1000.0)) == pytest.approx(expected, rel=1e-6)
    for scale in (1e-200, 1e200):
        assert band_rms(scale * x, RATE_HZ, (10.0, 1000.0)) == pytest.approx(scale * expected, rel=1e-9)


def test_what_cannot_be_stated_is_refused_or_nan() -> None:
    assert band_rms(np.zeros(2560), RATE_HZ, (10.0, 1000.0)) == 0.0
    assert band_rms(np.full(2560, 9.81), RATE_HZ, (10.0, 1000.0)) == pytest.approx(0.0, abs=1e-12)
    bad = np.zeros(2560)
    bad[3] = np.inf
    assert math.isnan(band_rms(bad, RATE_HZ, (10.0, 1000.0)))
    with pytest.raises(DspError, match=r"0\.6 s or more"):
        band_rms(np.zeros(1000), RATE_HZ, (10.0, 1000.0))
    with pytest.raises(DspError, match="2222 Hz or more"):
        band_rms(np.zeros(4000), 2000.0, (10.0, 1000.0))
    with pytest.raises(DspError, match="rising"):
        integrated_waveform(np.zeros(4000), RATE_HZ, (100.0, 10.0))
    with pytest.raises(DspError, match="n_samples"):
        band_rms(np.zeros((2, 2560)), RATE_HZ, (10.0, 1000.0))
    assert statable(RATE_HZ, 1536, (10.0, 1000.0))
