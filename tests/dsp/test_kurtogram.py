"""The kurtogram against its definition, the filter-bank tree, and what is known of signals."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.kurtogram import (
    LINES,
    TAPER,
    WINDOW_SAMPLES,
    Band,
    band_moments,
    bands_of,
    chance_kurtosis,
    kurtogram,
)
from tests.oracles.kurtogram import filter_bank_tree, kurtosis_by_definition

RATE_HZ = 25_600.0


def noise(n: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def ringing(n: int, resonance_hz: float, every_s: float = 0.02, decay_per_s: float = 900.0) -> np.ndarray:
    """Impulses that ring at one frequency."""
    t = np.arange(n) / RATE_HZ
    x = np.zeros(n)
    for start_s in np.arange(0.003, t[-1], every_s):
        later = t >= start_s
        ring = t[later] - start_s
        x[later] += np.exp(-decay_per_s * ring) * np.sin(2 * np.pi * resonance_hz * ring)
    return x


@pytest.mark.parametrize("n_bands", [2, 3, 6, 16, 24, 48, 64, 96])
def test_it_is_the_definition(n_bands: int) -> None:
    x = noise(2 * 8192) + 5.0 * np.sin(np.arange(2 * 8192) * 0.01) + ringing(2 * 8192, 4000.0) + 30.0
    found = {round(2**level): k for level, k in kurtogram(x, RATE_HZ, 6).levels()}[n_bands]
    for which in range(0, n_bands, max(1, n_bands // 5)):
        assert found[which] == pytest.approx(kurtosis_by_definition(x, n_bands, which), abs=1e-9)


def test_every_level_covers_every_line_once() -> None:
    bands = bands_of(6)
    assert len(bands) == 155 + 64 + 96
    for level in {band.level for band in bands}:
        covered = [k for band in bands if band.level == level for k in range(band.first_line, band.last_line)]
        assert covered == list(range(LINES))
    for band in bands:
        assert band.n_lines <= band.envelope_samples <= 1.15 * band.n_lines


def test_a_tone_has_minus_one() -> None:
    t = np.arange(4 * 8192) / RATE_HZ
    tone = kurtogram(np.sin(2 * np.pi * 4321.0 * t), RATE_HZ)
    line = 4321.0 / tone.hz_per_line
    at = [i for i, b in enumerate(tone.bands) if b.first_line + 20 < line < b.last_line - 20]
    assert len(at) > 5
    np.testing.assert_allclose(tone.kurtosis[at], -1.0, atol=1e-3)


@pytest.mark.parametrize("amplitude", [1.0, 30.0, 1e3, 1e4])
def test_a_tone_makes_no_band_impulsive(amplitude: float) -> None:
    chance = np.random.default_rng(9)
    t = np.arange(4 * 8192) / RATE_HZ
    chosen = 0
    for seed in range(20):  # wherever it lies to the bands' edges and the window's ends
        tone = np.sin(2 * np.pi * chance.uniform(10.0, 12_700.0) * t + chance.uniform(0.0, 6.0))
        chosen += kurtogram(noise(len(t), seed) + amplitude * tone, RATE_HZ).best is not None
    assert chosen <= 1


def test_band_powers_are_those_of_the_signal() -> None:
    t = np.arange(8192) / RATE_HZ
    x = 3.0 * np.sin(2 * np.pi * 1000.0 * t) + 2.0 * np.sin(2 * np.pi * 9000.0 * t) + 1e4
    moments = band_moments(x[np.newaxis], bands_of(1))
    np.testing.assert_allclose(moments[0, :2, 0], [9.0, 4.0], rtol=1e-3)  # |c| is the tone's amplitude
    np.testing.assert_allclose(moments[0, :2, 1], [81.0, 16.0], rtol=1e-3)


@pytest.mark.parametrize("colour", ["white", "coloured"])
def test_noise_is_chosen_once_in_a_hundred_records_or_so(colour: str) -> None:
    chosen = 0
    for seed in range(100):
        x = noise(2 * 8192, seed)
        if colour == "coloured":  # 40 dB of slope
            x = np.convolve(x, np.exp(-np.arange(64) / 6.0), mode="same")
        chosen += kurtogram(x, RATE_HZ, 5 if seed % 2 else 6).best is not None
    assert chosen <= 4, f"{chosen} of 100 records of noise"


def test_chance_falls_with_more_samples() -> None:
    assert chance_kurtosis(64, 1) > chance_kurtosis(64, 4) > chance_kurtosis(256, 4) > 0.0
    assert chance_kurtosis(4096, 1000) == pytest.approx(8.0 / np.sqrt(4096 * 1000 * 0.74), rel=0.05)


@pytest.mark.parametrize("resonance_hz", [1_900.0, 4_000.0, 9_100.0])
def test_the_band_of_the_resonance_is_chosen(resonance_hz: float) -> None:
    x = noise(40_000, 3) + 3.0 * ringing(40_000, resonance_hz)
    best = kurtogram(x, RATE_HZ).best
    assert best is not None
    assert best.lower_hz < resonance_hz < best.upper_hz
    assert best.upper_hz - best.lower_hz < 7_000.0
    assert best.kurtosis > 2.0 * best.chance


def test_a_strong_tone_elsewhere_hides_nothing() -> None:
    t = np.arange(40_000) / RATE_HZ
    tone = 1e4 * np.sin(2 * np.pi * 29.7 * t)  # 80 dB above the noise, no whole number of periods
    best = kurtogram(tone + noise(40_000) + 3.0 * ringing(40_000, 4_000.0), RATE_HZ).best
    assert best is not None
    assert best.lower_hz < 4_000.0 < best.upper_hz


def test_silence_below_half_the_rate_is_not_impulsive() -> None:
    """An anti-aliasing filter leaves nothing above its edge, and a window's ends must not ring there."""
    spectrum = np.fft.rfft(noise(40_000, 5))
    spectrum[17_000:] *= 1e-4
    x = np.fft.irfft(spectrum)
    top = [i for i, band in enumerate(bands_of(5)) if band.first_line >= 3600]
    assert np.nanmax(kurtogram(x, RATE_HZ, 5).kurtosis[top]) < 1.0


def test_the_filter_bank_tree_sees_the_same_band() -> None:
    """Another definition (short filters), so figures differ; where it is impulsive, and how much, agrees."""
    x = 0.5 * noise(40_000, 7) + ringing(40_000, 4_100.0)
    tree = {n: np.array(k) for n, k in filter_bank_tree(x, 4)}
    mine = {round(2**level): k for level, k in kurtogram(x, RATE_HZ, 4).levels()}
    for n_bands in (4, 8, 12, 16):
        assert abs(int(np.argmax(tree[n_bands])) - int(np.argmax(mine[n_bands]))) <= 1
    assert np.max(tree[8]) == pytest.approx(np.max(mine[8]), rel=0.35)
    quiet = np.argsort(mine[8])[:3]
    assert np.abs(tree[8][quiet]).max() < 0.5


def test_scale_bias_and_integers_change_nothing() -> None:
    x = noise(8192) + ringing(8192, 5_000.0)
    counts = np.rint(x * 2000.0).astype(np.int16)
    plain = kurtogram(counts.astype(np.float64), RATE_HZ, 5).kurtosis
    for other in (counts, 1e-9 * counts, counts * 1e6 + 1e12):
        np.testing.assert_allclose(kurtogram(other, RATE_HZ, 5).kurtosis, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("bad", ["nan", "infinite", "constant", "zero"])
def test_what_has_no_kurtosis_chooses_no_band(bad: str) -> None:
    x = noise(2 * 8192).astype(np.float32)
    if bad in ("nan", "infinite"):
        x[77] = np.nan if bad == "nan" else np.inf
    else:
        x[:] = 9.81 if bad == "constant" else 0.0
    with np.errstate(invalid="ignore"):
        found = kurtogram(x, RATE_HZ)
    assert np.isnan(found.kurtosis).all()
    assert found.best is None


def test_level_six_wants_a_second() -> None:
    assert max(band.level for band in kurtogram(noise(20_000), RATE_HZ).bands) < 6.0
    assert max(band.level for band in kurtogram(noise(25_600), RATE_HZ).bands) > 6.5


def test_a_long_record_is_the_mean_of_its_windows() -> None:
    x = noise(150 * 8192 + 77, 11) ** 3  # heavy tails: K is not zero
    bands = bands_of(2)
    moments = band_moments(x[: 150 * 8192].reshape(150, 8192), bands).mean(axis=0)
    found = kurtogram(x, RATE_HZ, 2)
    assert found.n_windows == 150
    np.testing.assert_allclose(found.kurtosis, moments[:, 1] / moments[:, 0] ** 2 - 2.0, rtol=1e-12)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DspError, match="8192 or more"):
        kurtogram(noise(8191), RATE_HZ)
    with pytest.raises(DspError, match="sample_rate_hz"):
        kurtogram(noise(8192), 0.0)
    with pytest.raises(DspError, match="max_level is 7"):
        kurtogram(noise(8192), RATE_HZ, 7)


def test_the_taper_is_flat_between_its_ends() -> None:
    assert TAPER[2048:-2048].min() == 1.0
    assert TAPER[0] < 1e-6
    np.testing.assert_array_equal(TAPER, TAPER[::-1])
    assert Band(1.0, 0, 1366).envelope_samples == 1536


def test_a_click_in_a_silent_band_is_no_bearing() -> None:
    """One click of 60 dB below the impacts, where nothing else is: its K is larger, it happens once."""
    n = 12 * WINDOW_SAMPLES
    x = noise(n, 3) * 0.3 + ringing(n, 3_000.0, 0.01)
    spectrum = np.fft.rfft(x)
    spectrum[round(0.9 * len(spectrum)) :] = 0.0
    x = np.fft.irfft(spectrum, n)
    t = np.arange(64)
    x[40_000:40_064] += 1e-2 * np.hanning(64) * np.sin(2 * np.pi * 0.48 * t)
    found = kurtogram(x.astype(np.float32), RATE_HZ)
    assert found.best is not None
    assert found.best.lower_hz < 3_000.0 < found.best.upper_hz
    clicked = np.nanargmax(found.kurtosis)
    assert not found.repeated[clicked]
    assert found.kurtosis[clicked] > 3 * found.best.kurtosis
    assert found.event_share[clicked] > 0.9
