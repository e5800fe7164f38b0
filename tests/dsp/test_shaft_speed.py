"""The shaft's own speed: found where its harmonics are, kept as given where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.envelope_spectrum import envelope_spectrum
from dsp.plain_spectrum import plain_spectrum
from dsp.shaft_speed import refined_shaft_speed
from tests.dsp.bearing_signals import RATE_HZ, harmonics, resonant_noise

N = int(4 * RATE_HZ)


@pytest.mark.parametrize("shaft_hz", [14.2, 24.6, 49.1])
@pytest.mark.parametrize("stated", [0.975, 1.0, 1.028])
def test_a_wrong_plate_speed_is_corrected(shaft_hz: float, stated: float) -> None:
    rng = np.random.default_rng(1)
    samples = (harmonics(rng, N, shaft_hz) + 0.5 * resonant_noise(rng, N)).astype(np.float32)
    envelope = envelope_spectrum(samples, RATE_HZ, 30 * shaft_hz, shaft_hz)
    found = refined_shaft_speed(plain_spectrum(samples, RATE_HZ), envelope, stated * shaft_hz, 0.03)
    assert found.refined
    assert found.shaft_hz == pytest.approx(shaft_hz, rel=1e-3)


def test_without_shaft_lines_the_given_speed_is_kept() -> None:
    kept = 0
    for seed in range(20):
        samples = resonant_noise(np.random.default_rng(seed), N).astype(np.float32)
        envelope = envelope_spectrum(samples, RATE_HZ, 700.0, 24.6)
        found = refined_shaft_speed(plain_spectrum(samples, RATE_HZ), envelope, 24.6, 0.03)
        kept += not found.refined
        assert found.shaft_hz == pytest.approx(24.6, rel=0.03)
    assert kept >= 18


def test_no_tolerance_means_no_search() -> None:
    samples = harmonics(np.random.default_rng(2), N, 25.0).astype(np.float32)
    envelope = envelope_spectrum(samples, RATE_HZ, 700.0, 24.6)
    assert refined_shaft_speed(plain_spectrum(samples, RATE_HZ), envelope, 24.6, 0.0).shaft_hz == 24.6
