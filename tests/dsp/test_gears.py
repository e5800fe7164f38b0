"""Gear indicators: by their definitions, and on gears whose damage is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.gears import (
    RunningVariance,
    difference_signal,
    fm0,
    fm4,
    mesh_bands,
    mesh_envelope,
    na4,
    nb4,
    residual_signal,
    sideband_index,
)
from tests.oracles import gears as oracle

TEETH, N = 23, 512
THETA = np.arange(N) / N


def gear(seed: int = 0, *, modulation: float = 0.0, noise: float = 0.05) -> np.ndarray:
    """Three mesh harmonics, modulated once per revolution, unbalance and a little of everything else."""
    rng = np.random.default_rng(seed)
    turn = 2.0 * np.pi * THETA
    mesh = sum(np.cos(m * TEETH * turn + m) / m for m in (1, 2, 3))
    return mesh * (1.0 + modulation * np.cos(turn)) + 0.7 * np.cos(turn + 1.0) + noise * rng.normal(size=N)


def damaged_tooth(size: float) -> np.ndarray:
    """One tooth of 23: a short burst at its place, ringing above the mesh."""
    place = THETA - 0.3
    return size * np.exp(-((place * TEETH) ** 2)) * np.cos(2.0 * np.pi * 87.0 * place)


@pytest.mark.parametrize(
    "x", [gear(1), gear(2, modulation=0.3) + damaged_tooth(1.0)], ids=["good", "damaged"]
)
def test_every_figure_is_its_definition(x: np.ndarray) -> None:
    plain = x.tolist()
    assert difference_signal(x, TEETH) == pytest.approx(oracle.without(plain, TEETH, 1), abs=1e-9)
    assert residual_signal(x, TEETH) == pytest.approx(oracle.without(plain, TEETH, 0), abs=1e-9)
    assert fm0(x, TEETH) == pytest.approx(oracle.fm0(plain, TEETH, 5), rel=1e-9)
    difference = oracle.without(plain, TEETH, 1)
    assert fm4(x, TEETH) == pytest.approx(oracle.fourth_over_square(difference, [difference]), rel=1e-9)
    expected = 0.5 * (oracle.amplitude(plain, TEETH - 1) + oracle.amplitude(plain, TEETH + 1))
    assert sideband_index(x, TEETH) == pytest.approx(expected, rel=1e-9)
    for band in mesh_bands(x, TEETH, 3, 3):
        assert band.mesh == pytest.approx(oracle.amplitude(plain, band.order), rel=1e-9)
        inside = [oracle.amplitude(plain, order) for order in range(band.order - 3, band.order + 4)]
        assert band.band_rms == pytest.approx(math.sqrt(sum(a * a for a in inside) / 2.0), rel=1e-9)


def test_history_indicators_are_their_definition() -> None:
    runs = [residual_signal(gear(i, noise=0.05 + 0.02 * i), TEETH) for i in range(5)]
    envelopes = [mesh_envelope(gear(i, noise=0.05 + 0.02 * i), TEETH) for i in range(5)]
    for signals, indicator in ((runs, na4), (envelopes, nb4)):
        earlier = RunningVariance()
        for i, signal in enumerate(signals):
            earlier = earlier.with_signal(signal)
            expected = oracle.fourth_over_square(signal.tolist(), [s.tolist() for s in signals[: i + 1]])
            assert indicator(signal, earlier) == pytest.approx(expected, rel=1e-9)


def test_a_pure_mesh_has_fm0_of_2_and_known_amplitudes() -> None:
    x = 3.0 * np.cos(2.0 * np.pi * TEETH * THETA)
    assert fm0(x, TEETH) == pytest.approx(2.0, rel=0.01)
    (band, *_) = mesh_bands(x, TEETH)
    assert (band.order, band.mesh) == (TEETH, pytest.approx(3.0))
    assert band.band_rms == pytest.approx(3.0 / math.sqrt(2.0))
    assert math.isnan(fm4(x, TEETH))  # nothing is left


def test_modulation_shows_as_sidebands_of_half_its_depth() -> None:
    assert sideband_index(gear(noise=0.0, modulation=0.4), TEETH) == pytest.approx(0.2, rel=1e-6)
    assert sideband_index(gear(noise=0.0), TEETH) == pytest.approx(0.0, abs=1e-9)


def test_noise_has_fm4_of_3_and_one_bad_tooth_far_more() -> None:
    healthy = [fm4(gear(seed), TEETH) for seed in range(200)]
    assert np.mean(healthy) == pytest.approx(3.0, abs=0.06)
    assert fm4(gear(1) + damaged_tooth(0.6), TEETH) > 8.0
    assert fm0(gear(1) + damaged_tooth(3.0), TEETH) > 1.3 * fm0(gear(1), TEETH)


def test_na4_goes_on_rising_while_damage_spreads_where_fm4_falls() -> None:
    """All of a gear's noise grows by 3: FM4 stays at 3; NA4 is 3 x 81 over the square of the mean
    variance."""
    earlier = RunningVariance()
    for seed in range(50):
        earlier = earlier.with_signal(residual_signal(gear(seed), TEETH))
    worn = residual_signal(gear(99, noise=0.15), TEETH)
    after = earlier.with_signal(worn)
    mean = (50.0 + 9.0) / 51.0  # in units of the healthy variance
    assert na4(worn, after) == pytest.approx(3.0 * 81.0 / mean**2, rel=0.3)
    assert fm4(gear(99, noise=0.15), TEETH) == pytest.approx(3.0, abs=0.8)


def test_nb4_rises_when_one_tooth_changes_the_mesh() -> None:
    earlier = RunningVariance()
    for seed in range(20):
        earlier = earlier.with_signal(mesh_envelope(gear(seed), TEETH))
    weak = gear(77) * (1.0 - 0.5 * np.exp(-(((THETA - 0.5) * TEETH / 1.5) ** 2)))
    envelope = mesh_envelope(weak, TEETH)
    assert nb4(envelope, earlier.with_signal(envelope)) > 10.0 * nb4(mesh_envelope(gear(78), TEETH), earlier)


def test_the_envelope_of_an_unmodulated_mesh_is_its_amplitude() -> None:
    x = 2.0 * np.cos(2.0 * np.pi * TEETH * THETA + 0.4) + np.cos(2.0 * np.pi * 2 * TEETH * THETA)
    assert mesh_envelope(x, TEETH) == pytest.approx(np.full(N, 2.0), rel=1e-9)


def test_an_average_too_coarse_for_its_mesh_is_refused() -> None:
    for figure in (fm0, fm4, sideband_index, mesh_envelope, residual_signal):
        with pytest.raises(DspError, match="23 teeth"):
            figure(np.zeros(48), TEETH)
    assert len(mesh_bands(np.zeros(101), TEETH, 3)) == 2  # the third harmonic's sidebands do not fit
    assert math.isnan(fm0(np.zeros(N), TEETH))
    assert math.isnan(na4(np.zeros(N), RunningVariance()))
