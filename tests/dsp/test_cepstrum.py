"""The cepstrum against its definition, echoes and families whose cepstra are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.cepstrum import real_cepstrum, smooth_magnitude, without_families
from dsp.errors import DspError
from tests.oracles.fourier import dft_line

RATE_HZ = 8192.0


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def pulses(n: int, hz: float) -> np.ndarray:
    """One pulse a period: every harmonic as strong as the first."""
    t = np.arange(n) / RATE_HZ
    return sum(np.cos(2 * np.pi * hz * k * t + 0.3 * k) for k in range(1, int(0.45 * RATE_HZ / hz)))


def test_it_is_the_definition() -> None:
    x = noise(48)
    logs = [math.log(abs(dft_line((x - x.mean()).tolist(), k))) if k else None for k in range(48)]
    floor = math.log(1e-6 * max(math.exp(value) for value in logs if value is not None))
    logs = [floor if value is None else value for value in logs]
    found = real_cepstrum(x, RATE_HZ)
    for j in range(25):
        wanted = math.fsum(logs[k] * math.cos(2 * math.pi * j * k / 48) for k in range(48)) / 48
        assert found.values[j] == pytest.approx(wanted, abs=1e-9)
    assert found.step_s == 1.0 / RATE_HZ


def test_an_echo_is_a_series_of_peaks() -> None:
    """ln |1 + a e^(-iwT)| = sum (-1)^(n+1) a^n / n cos(n w T): half of each coefficient at +-n T."""
    n, delay, a = 4096, 100, 0.5
    x = noise(n)
    with_echo = x + a * np.roll(x, delay)
    found = real_cepstrum(with_echo, RATE_HZ).values - real_cepstrum(x, RATE_HZ).values
    for k in range(1, 6):
        assert found[k * delay] == pytest.approx((-1) ** (k + 1) * a**k / (2 * k), abs=5e-3)
    assert np.abs(np.delete(found, np.arange(0, n // 2 + 1, delay))).max() < 0.01


def test_a_family_of_lines_is_a_peak_at_its_spacing() -> None:
    n = 32_768
    found = real_cepstrum(pulses(n, 51.2) + 0.05 * noise(n), RATE_HZ)
    assert found.family_strength(51.2) > 8.0 * found.family_strength(37.0)
    assert int(np.argmax(found.values[20:])) + 20 == round(RATE_HZ / 51.2)


def test_editing_takes_the_family_and_leaves_the_rest() -> None:
    n = 65_536
    rest = noise(n)
    edited = without_families(0.3 * pulses(n, 51.2) + rest, RATE_HZ, (51.2,))
    lines = (np.arange(2, 60) * 51.2 * n / RATE_HZ).round().astype(int)
    before, after, wanted = (np.abs(np.fft.rfft(x)) for x in (0.3 * pulses(n, 51.2) + rest, edited, rest))
    assert before[lines].min() > 20.0 * np.median(wanted)
    assert np.median(after[lines]) < 3.0 * np.median(wanted)
    between = lines + 150
    assert np.median(np.abs(np.log(after[between] / wanted[between]))) < 0.5
    assert edited.std() == pytest.approx(rest.std(), rel=0.15)
    assert np.corrcoef(edited, rest)[0, 1] > 0.85  # phases are kept


def test_a_family_that_is_not_there_costs_little() -> None:
    x = noise(32_768)
    assert np.corrcoef(without_families(x, RATE_HZ, (51.2,)), x)[0, 1] > 0.9


def test_the_path_is_what_short_quefrencies_hold() -> None:
    n = 16_384
    impulse = np.exp(-np.arange(n) / 8.0) * np.cos(2 * np.pi * 0.12 * np.arange(n))  # a resonance
    path = np.abs(np.fft.rfft(impulse))
    x = np.fft.irfft(np.fft.rfft(noise(n)) * np.fft.rfft(impulse), n)
    found = smooth_magnitude(x, RATE_HZ, 0.01) / np.exp(-0.5 * 0.5772) / math.sqrt(n)  # E ln of noise
    inside = slice(200, -200)
    assert np.median(np.abs(np.log(found[inside] / path[inside]))) < 0.15
    whole = smooth_magnitude(x, RATE_HZ, n / RATE_HZ)
    spectrum = np.abs(np.fft.rfft(x - x.mean()))
    np.testing.assert_allclose(whole[1:], np.maximum(spectrum, 1e-6 * spectrum.max())[1:], rtol=1e-6)


def test_constant_and_bad_records() -> None:
    np.testing.assert_array_equal(real_cepstrum(np.full(64, 9.81), RATE_HZ).values, 0.0)
    np.testing.assert_array_equal(without_families(np.full(64, 9.81), RATE_HZ, (100.0,)), 0.0)
    with pytest.raises(DspError, match="no finite number"):
        real_cepstrum([0.0] * 20 + [math.nan], RATE_HZ)
    with pytest.raises(DspError, match="at least 16"):
        real_cepstrum([0.0] * 15, RATE_HZ)
    with pytest.raises(DspError, match="sample_rate_hz is 0"):
        real_cepstrum(noise(64), 0.0)
    with pytest.raises(DspError, match="half of 8192"):
        without_families(noise(64), RATE_HZ, (5000.0,))
    with pytest.raises(DspError, match="is within this cepstrum"):
        real_cepstrum(noise(64), RATE_HZ).family_strength(10.0)


def test_odd_lengths_and_bias_change_nothing() -> None:
    x = noise(4097)
    np.testing.assert_allclose(without_families(x + 1e4, RATE_HZ, ()), x - x.mean(), atol=1e-8)
    np.testing.assert_allclose(
        real_cepstrum(x + 1e4, RATE_HZ).values, real_cepstrum(x, RATE_HZ).values, atol=1e-8
    )
