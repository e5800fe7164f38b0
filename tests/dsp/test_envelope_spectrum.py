"""Envelope spectrum: a known modulation is found where and as deep as it is; scale and silence do no harm."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.cepstrum import prewhitened_spectrum
from dsp.envelope_spectrum import envelope_spectrum, running_floor
from dsp.errors import DspError

RATE_HZ = 12_800.0
N = int(4 * RATE_HZ)


def modulated_noise(depth: float, modulation_hz: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(N) / RATE_HZ
    # The squared envelope is what is modulated by `depth`.
    return rng.standard_normal(N) * np.sqrt(1.0 + depth * np.cos(2 * np.pi * modulation_hz * t))


@pytest.mark.parametrize("modulation_hz", [37.3, 88.0, 241.7])
def test_a_modulation_stands_where_and_as_deep_as_it_is(modulation_hz: float) -> None:
    found = envelope_spectrum(modulated_noise(0.6, modulation_hz).astype(np.float32), RATE_HZ, 500.0, 30.0)
    strongest = int(np.argmax(found.prominence))
    assert strongest * found.step_hz == pytest.approx(modulation_hz, abs=found.resolution_hz)
    # Prewhitening takes a part of the modulation with it.
    assert 0.35 < found.depth[strongest] < 0.6
    assert found.prominence[strongest] > 30.0


def test_noise_has_a_floor_of_one() -> None:
    rng = np.random.default_rng(2)
    found = envelope_spectrum(rng.standard_normal(N).astype(np.float32), RATE_HZ, 500.0, 30.0)
    assert float(found.prominence[20:].mean()) == pytest.approx(1.0, abs=0.1)
    assert float(found.prominence[20:].max()) < 6.0
    assert abs(found.impulsiveness) < 0.3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_scale_means_nothing(scale: float) -> None:
    samples = modulated_noise(0.5, 90.0)
    one = envelope_spectrum(samples.astype(np.float32), RATE_HZ, 400.0, 30.0)
    other = envelope_spectrum((scale * samples + 3 * scale).astype(np.float32), RATE_HZ, 400.0, 30.0)
    # Prewhitening lifts what is only rounding of float32 near the mean to the level of all else.
    np.testing.assert_allclose(other.prominence, one.prominence, rtol=0.05, atol=0.05)


def test_tones_without_modulation_make_no_line() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(N) / RATE_HZ
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (50.0, 1000.0, 1090.0, 3333.0))
    found = envelope_spectrum((tones + 0.1 * rng.standard_normal(N)).astype(np.float32), RATE_HZ, 400.0, 30.0)
    at_difference = round(90.0 / found.step_hz)
    assert float(found.prominence[at_difference - 2 : at_difference + 3].max()) < 4.0


@pytest.mark.parametrize("bad", [0.0, 7.5, np.nan, np.inf])
def test_a_record_that_says_nothing_has_no_line(bad: float) -> None:
    samples = np.full(N, bad, np.float32)
    found = envelope_spectrum(samples, RATE_HZ, 400.0, 30.0)
    assert np.all(found.prominence == 1.0)
    assert np.all(found.depth == 0.0)


def test_impacts_make_the_envelope_impulsive() -> None:
    rng = np.random.default_rng(4)
    samples = 0.1 * rng.standard_normal(N)
    samples[rng.integers(0, N, 20)] += 10.0
    found = envelope_spectrum(samples.astype(np.float32), RATE_HZ, 400.0, 30.0)
    assert found.impulsiveness > 5.0


def test_fast_modulation_is_seen_in_wider_bands() -> None:
    found = envelope_spectrum(modulated_noise(0.8, 2_900.0).astype(np.float32), RATE_HZ, 3_000.0, 100.0)
    assert int(np.argmax(found.prominence)) * found.step_hz == pytest.approx(2_900.0, abs=0.5)


@pytest.mark.parametrize(
    ("n", "rate_hz", "max_hz", "floor_hz"),
    [(100, RATE_HZ, 400.0, 30.0), (N, 0.0, 400.0, 30.0), (N, RATE_HZ, -1.0, 30.0), (N, RATE_HZ, 400.0, 0.0)],
)
def test_impossible_arguments_are_refused(n: int, rate_hz: float, max_hz: float, floor_hz: float) -> None:
    with pytest.raises(DspError):
        envelope_spectrum(np.ones(n, np.float32), rate_hz, max_hz, floor_hz)


def test_the_floor_is_the_median_around_each_bin() -> None:
    rng = np.random.default_rng(5)
    power = rng.exponential(size=4000) * np.linspace(1.0, 3.0, 4000)
    width = 240
    floor = running_floor(power, width)
    for at in range(500, 3500, 97):
        oracle = np.median(power[at - width // 2 : at + width // 2]) / np.log(2.0)
        assert floor[at] == pytest.approx(oracle, rel=0.15)
    assert floor.mean() == pytest.approx(power.mean(), rel=0.1)


def test_prewhitening_leaves_phases_alone() -> None:
    rng = np.random.default_rng(6)
    spectrum = np.fft.rfft(rng.standard_normal(1000)).astype(np.complex64)
    white = prewhitened_spectrum(spectrum)
    np.testing.assert_allclose(np.abs(white[1:]), 1.0, rtol=1e-5)
    np.testing.assert_allclose(np.angle(white[1:]), np.angle(spectrum[1:]), atol=1e-5)
    assert white[0] == 0.0
    assert not prewhitened_spectrum(np.zeros(10, np.complex64)).any()
