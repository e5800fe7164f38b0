"""Shaft lines: amplitudes of known tones."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.errors import DspError
from dsp.plain_spectrum import plain_spectrum
from dsp.shaft_lines import ShaftLines, median_shaft_lines, shaft_lines
from tests.dsp.bearing_signals import RATE_HZ

N = int(4 * RATE_HZ)
T = np.arange(N) / RATE_HZ


def tones(amplitudes: dict[float, float], shaft_hz: float) -> np.ndarray:
    return sum(a * np.sin(2 * np.pi * order * shaft_hz * T + order) for order, a in amplitudes.items())


def lines_of(samples: np.ndarray, shaft_hz: float, teeth: int | None = None) -> ShaftLines:
    return shaft_lines(plain_spectrum(samples.astype(np.float32), RATE_HZ), shaft_hz, teeth)


@pytest.mark.parametrize("shaft_hz", [12.03, 24.6, 49.87])
def test_known_tones_have_their_amplitudes(shaft_hz: float) -> None:
    rng = np.random.default_rng(1)
    drawn = tones({1: 2.0, 2: 0.7, 3: 0.2, 36: 0.1, 37: 0.9, 38: 0.3}, shaft_hz) + 9.81
    found = lines_of(drawn + 0.05 * rng.standard_normal(N), shaft_hz, 37)
    assert found.harmonics == pytest.approx((2.0, 0.7, 0.2), rel=0.12)
    assert found.mesh == pytest.approx(0.9, rel=0.12)
    assert found.mesh_sidebands == pytest.approx(0.2, rel=0.15)
    assert 0.0 < found.mesh_floor < 0.02


def test_velocity_share_weighs_low_orders() -> None:
    found = lines_of(tones({1: 1.0, 2: 1.0, 3: 1.0}, 25.0), 25.0)
    shares = [found.velocity_share(order) for order in (1, 2, 3)]
    assert sum(shares) == pytest.approx(1.0)
    assert shares[0] == pytest.approx(1 / (1 + 1 / 4 + 1 / 9), rel=0.1)
    assert np.isnan(found.mesh)
    assert lines_of(np.zeros(N), 25.0).velocity_share(1) == 0.0


def test_mesh_above_the_channel_is_not_a_number() -> None:
    found = lines_of(np.ones(N), 400.0, 37)
    assert np.isnan(found.mesh)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(DspError):
        lines_of(np.zeros(N), 0.0)
    with pytest.raises(DspError):
        lines_of(np.zeros(1000), 25.0)


def test_one_odd_record_does_not_move_the_median() -> None:
    usual = ShaftLines((1.0, 2.0, 3.0), 4.0, 5.0, (0.5,) * 9, (0.1,) * 9, 0.3)
    odd = ShaftLines((9.0, 9.0, 9.0), 9.0, 9.0, (9.0,) * 9, (9.0,) * 9, 9.0)
    assert median_shaft_lines([usual, odd, usual]) == usual
    with pytest.raises(DspError):
        median_shaft_lines([])
