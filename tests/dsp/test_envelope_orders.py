"""Envelope spectra over orders: records at different speeds add up, shaft and mains are taken out."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.envelope_orders import OrderSpectrum, mean_order_spectrum, order_spectrum, without_interference
from dsp.envelope_spectrum import EnvelopeSpectrum
from dsp.errors import DspError

DURATION_S = 4.0


def envelope_with_lines(lines_hz: list[float], prominence: float = 50.0) -> EnvelopeSpectrum:
    step_hz = 0.5 / DURATION_S
    values = np.ones(8000, np.float32)
    for line_hz in lines_hz:
        values[round(line_hz / step_hz)] = prominence
    return EnvelopeSpectrum(step_hz, 1.0 / DURATION_S, (0.0, 1e4), values, 0.1 * values, 0.0)


def strongest_order(spectrum: OrderSpectrum) -> float:
    return int(np.argmax(spectrum.prominence)) / spectrum.cells_per_order


def test_a_line_keeps_its_order_at_any_speed() -> None:
    for shaft_hz in (9.7, 24.6, 49.9):
        found = order_spectrum(envelope_with_lines([3.58 * shaft_hz]), shaft_hz)
        assert strongest_order(found) == pytest.approx(3.58, abs=1.5 / found.cells_per_order)
        assert found.resolution_orders == pytest.approx(0.25 / shaft_hz)


def test_records_at_different_speeds_add_up_in_orders() -> None:
    spectra = [order_spectrum(envelope_with_lines([3.58 * hz, 61.3]), hz) for hz in (23.0, 24.6, 26.4)]
    mean = mean_order_spectrum(spectra)
    assert mean.records == 3
    assert strongest_order(mean) == pytest.approx(3.58, abs=0.01)
    at_fixed_hz = [round(61.3 / hz * mean.cells_per_order) for hz in (23.0, 24.6, 26.4)]
    assert all(mean.prominence[cell - 2 : cell + 3].max() < 25.0 for cell in at_fixed_hz)


def test_one_record_is_its_own_mean() -> None:
    spectrum = order_spectrum(envelope_with_lines([100.0]), 25.0)
    assert mean_order_spectrum([spectrum]) is spectrum
    with pytest.raises(DspError):
        mean_order_spectrum([])


def test_shaft_harmonics_and_the_mains_are_taken_out() -> None:
    shaft_hz = 24.5
    lines_hz = [shaft_hz, 3 * shaft_hz, 100.0, 240.0, 3.58 * shaft_hz]
    cleaned = without_interference(order_spectrum(envelope_with_lines(lines_hz), shaft_hz), (50.0, 60.0))
    spectrum = order_spectrum(envelope_with_lines(lines_hz), shaft_hz)
    for line_hz in lines_hz[:-1]:
        cell = round(line_hz / shaft_hz * spectrum.cells_per_order)
        assert cleaned[cell - 1 : cell + 2].max() <= 1.0
    assert cleaned.max() == pytest.approx(50.0)


@pytest.mark.parametrize("shaft_hz", [0.0, -3.0, float("nan")])
def test_a_speed_that_cannot_be_is_refused(shaft_hz: float) -> None:
    with pytest.raises(DspError):
        order_spectrum(envelope_with_lines([100.0]), shaft_hz)
