"""Spectral kurtosis against its definition and against processes whose kurtosis is known."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.spectral_kurtosis import spectral_kurtosis

RATE_HZ = 25_600.0


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_it_is_the_definition() -> None:
    x, size = noise(20 * 32), 32
    found = spectral_kurtosis(x, RATE_HZ, size)
    for k in (1, 7, 15):
        squares = []
        for start in range(0, len(x), size):
            part = x[start : start + size] - x[start : start + size].mean()
            window = [0.5 - 0.5 * math.cos(2 * math.pi * j / size) for j in range(size)]
            line = sum(part[j] * window[j] * cmath.exp(-2j * math.pi * j * k / size) for j in range(size))
            squares.append(abs(line) ** 2)
        m = len(squares)
        ratio = sum(s * s for s in squares) / sum(squares) ** 2
        assert found.values[k] == pytest.approx(m / (m - 1) * ((m + 1) * ratio - 2), rel=1e-9)
    assert (found.n_segments, found.step_hz) == (20, RATE_HZ / size)


def test_noise_is_zero_without_bias_and_seldom_beyond_chance() -> None:
    found = [spectral_kurtosis(noise(16 * 256, seed), RATE_HZ, 256) for seed in range(200)]
    inner = np.array([one.values[1:-1] for one in found])
    assert abs(inner.mean()) < 0.01  # the plain ratio less 2 would be -0.12
    assert np.mean(inner > found[0].chance) < 2e-3
    many = np.array(
        [spectral_kurtosis(noise(400 * 256, seed), RATE_HZ, 256).values[1:-1] for seed in range(20)]
    )
    assert np.mean(many > spectral_kurtosis(noise(400 * 256), RATE_HZ, 256).chance) < 2e-3


def test_a_tone_is_minus_one() -> None:
    t = np.arange(200 * 512) / RATE_HZ
    found = spectral_kurtosis(10.0 * np.sin(2 * np.pi * 3_010.0 * t) + noise(len(t)), RATE_HZ)
    at = round(3_010.0 / found.step_hz)
    assert found.values[at] == pytest.approx(-1.0, abs=0.01)
    assert np.nanmedian(found.values[at + 20 :]) == pytest.approx(0.0, abs=0.05)


def test_noise_that_comes_and_goes_is_known() -> None:
    """On for a part p of the segments: <P^2> / <P>^2 = 2 / p, so K = 2 / p - 2."""
    m, p = 1000, 0.2
    on = np.arange(m) % 5 == 0
    x = (noise(m * 256).reshape(m, 256) * on[:, np.newaxis]).ravel()
    assert np.nanmean(spectral_kurtosis(x, RATE_HZ, 256).values) == pytest.approx(2.0 / p - 2.0, rel=0.03)


def test_impulses_stand_out_where_they_ring() -> None:
    n = 400 * 256
    x, t = noise(n), np.arange(256) / RATE_HZ
    for start in range(1000, n - 256, 6 * 256):
        x[start : start + 256] += 60.0 * np.exp(-900.0 * t) * np.sin(2 * np.pi * 4_000.0 * t)
    found = spectral_kurtosis(x, RATE_HZ, 256)
    at = int(np.nanargmax(found.values)) * found.step_hz
    assert at == pytest.approx(4_000.0, abs=300.0)
    assert np.nanmax(found.values) > 3.0 * found.chance
    assert np.nanmax(found.values[round(9_000.0 / found.step_hz) :]) < 2.0 * found.chance


def test_what_cannot_be_stated_is_nan_or_refused() -> None:
    assert np.isnan(spectral_kurtosis(np.full(512 * 16, 9.81), RATE_HZ).values).all()
    found = spectral_kurtosis(noise(512 * 16), RATE_HZ)
    assert np.isnan(found.values[[0, -1]]).all()
    with pytest.raises(DspError, match="16 segments"):
        spectral_kurtosis(noise(512 * 16 - 1), RATE_HZ)
    with pytest.raises(DspError, match="even number"):
        spectral_kurtosis(noise(9000), RATE_HZ, 333)
    with pytest.raises(DspError, match="no finite number"):
        spectral_kurtosis(np.full(512 * 16, math.nan), RATE_HZ)
    with pytest.raises(DspError, match="sample_rate_hz"):
        spectral_kurtosis(noise(512 * 16), -1.0)
