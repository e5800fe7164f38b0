"""The zoom spectrum against the sum it stands for, and tones between lines."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.zoom import zoom_spectrum

RATE_HZ = 2048.0
T = np.arange(8192) / RATE_HZ


def test_it_is_the_definition_at_every_frequency() -> None:
    x = np.random.default_rng(1).standard_normal(500) + 40.0
    found = zoom_spectrum(x, RATE_HZ, 100.0, 131.7, 33)
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * j / 500) for j in range(500)])
    for k in range(33):
        f = found.first_hz + k * found.step_hz
        turns = np.exp(-2j * np.pi * f * np.arange(500) / RATE_HZ)
        wanted = 2.0 / window.sum() * abs(np.sum(window * (x - x.mean()) * turns))
        assert found.amplitude[k] == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert found.first_hz + 32 * found.step_hz == pytest.approx(131.7)
    assert found.resolution_hz == pytest.approx(2.0 * RATE_HZ / 500)


def test_a_tone_between_lines_is_found_to_a_thousandth_of_a_line() -> None:
    x = 3.0 * np.sin(2 * np.pi * 123.4567 * T + 1.0) + 0.001
    hz, amplitude = zoom_spectrum(x, RATE_HZ, 123.0, 124.0, 10_001).peak
    assert hz == pytest.approx(123.4567, abs=2.5e-4)  # a line of the plain transform is 0.25 Hz wide
    assert amplitude == pytest.approx(3.0, rel=1e-5)


def test_two_tones_need_the_record_not_the_zoom() -> None:
    def humps(distance_hz: float) -> int:
        x = np.sin(2 * np.pi * 100.0 * T) + np.sin(2 * np.pi * (100.0 + distance_hz) * T + 0.7)
        a = zoom_spectrum(x, RATE_HZ, 98.0, 104.0, 3001).amplitude
        return int(np.sum((a[1:-1] > a[:-2]) & (a[1:-1] > a[2:]) & (a[1:-1] > 0.5)))

    assert humps(1.0) == 2  # 4 lines
    assert humps(0.1) == 1


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DspError, match="half of 2048"):
        zoom_spectrum(T, RATE_HZ, 1000.0, 1025.0)
    with pytest.raises(DspError, match="lower < upper"):
        zoom_spectrum(T, RATE_HZ, 10.0, 10.0)
    with pytest.raises(DspError, match="at least 16"):
        zoom_spectrum(T[:15], RATE_HZ, 10.0, 20.0)
    with pytest.raises(DspError, match="2 or more"):
        zoom_spectrum(T, RATE_HZ, 10.0, 20.0, 1)
