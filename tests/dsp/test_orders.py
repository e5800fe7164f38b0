"""Orders of a run-up whose angle is known, against the signal read at the true angle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.conditioning import WindowFunction
from dsp.errors import DspError
from dsp.orders import AngleSignal, order_amplitudes, over_angle, residual, synchronous_average
from dsp.tacho import ShaftAngle, angle_from_pulses, angle_from_speed, pulse_times_s
from tests.oracles import orders as oracle

RATE_HZ = 12_800.0
START_HZ, SWEEP_HZ_PER_S, LENGTH_S = 10.0, 4.0, 5.0  # 10 to 30 Hz
ORDERS = ((1.0, 2.0, 0.3), (3.0, 1.0, 1.0), (7.5, 0.5, 2.0), (24.0, 0.8, 0.1))


def revolutions(t: np.ndarray | float) -> np.ndarray | float:
    return START_HZ * t + 0.5 * SWEEP_HZ_PER_S * t * t


def time_of(revolution: float) -> float:
    return (-START_HZ + math.sqrt(START_HZ**2 + 2.0 * SWEEP_HZ_PER_S * revolution)) / SWEEP_HZ_PER_S


def run_up(t: np.ndarray) -> np.ndarray:
    turn = 2.0 * np.pi * revolutions(t)
    return sum(a * np.cos(order * turn + phase) for order, a, phase in ORDERS)


def moments() -> np.ndarray:
    return np.arange(round(LENGTH_S * RATE_HZ)) / RATE_HZ


def tacho(t: np.ndarray, pulses: int = 1, noise: float = 0.0) -> np.ndarray:
    """A sensor that sees a key for a tenth of a pulse's spacing, with finite edges."""
    phase = (pulses * revolutions(t) + 0.5) % 1.0 - 0.5
    rng = np.random.default_rng(0)
    return 5.0 / (1.0 + np.exp(-(0.05 - np.abs(phase - 0.05)) / 0.004)) + noise * rng.standard_normal(len(t))


def true_angle() -> ShaftAngle:
    t = np.linspace(0.0, LENGTH_S, 4000)
    return ShaftAngle(t, revolutions(t))


def test_resampled_samples_are_the_signal_at_the_true_angle() -> None:
    found = over_angle(run_up(moments()), RATE_HZ, true_angle(), 64)
    first, last = 0, math.floor(revolutions((len(moments()) - 1) / RATE_HZ))
    expected = oracle.at_angle(lambda s: float(run_up(np.array(s))), time_of, first, last, 64)
    assert found.revolutions == last - first == 99
    inner = slice(64, -64)  # the ends of a stretch ring a little
    assert np.abs(found.samples - expected)[inner].max() < 5e-3


@pytest.mark.parametrize("source", ["true", "pulses", "many pulses", "speed tag"])
def test_a_run_up_shows_its_orders_and_nothing_else(source: str) -> None:
    t = moments()
    angle = {
        "true": true_angle,
        "pulses": lambda: angle_from_pulses(pulse_times_s(tacho(t), RATE_HZ)),
        "many pulses": lambda: angle_from_pulses(pulse_times_s(tacho(t, 8, 0.05), RATE_HZ), 8),
        "speed tag": lambda: angle_from_speed(
            np.arange(0.0, LENGTH_S + 0.1, 0.1),
            START_HZ + SWEEP_HZ_PER_S * np.arange(0.0, LENGTH_S + 0.1, 0.1),
        ),
    }[source]()
    signal = over_angle(run_up(t), RATE_HZ, angle, 64)
    found = order_amplitudes(signal, 20, WindowFunction.FLAT_TOP)
    for order, amplitude, _ in ORDERS:
        assert found[round(20 * order)] == pytest.approx(amplitude, rel=0.02), order
    between = [order for order in range(2, 28) if order not in (1, 3, 7, 8, 24)]
    assert max(found[20 * order] for order in between) < 0.02
    frequency = np.abs(np.fft.rfft(run_up(t) * np.hanning(len(t))))
    assert frequency.max() < 0.3 * len(t) / 2  # in frequency the same lines are smeared


def test_what_the_steps_cannot_carry_is_filtered_off_not_folded() -> None:
    t = moments()
    x = np.cos(2.0 * np.pi * 60.0 * revolutions(t))  # order 60 with 64 steps would fold to order 4
    found = order_amplitudes(over_angle(x, RATE_HZ, true_angle(), 64), 20)
    assert found[20 * 3 : 20 * 6].max() < 1e-3


def test_the_average_is_the_mean_of_periods_and_the_residual_the_rest() -> None:
    rng = np.random.default_rng(3)
    turns = 50
    periodic = rng.normal(size=48)
    noise = rng.normal(size=turns * 48)
    signal = AngleSignal(np.tile(periodic, turns) + noise, 48)
    average = synchronous_average(signal)
    assert average == pytest.approx(oracle.synchronous_average(signal.samples.tolist(), 48), abs=1e-12)
    # noise falls by 10 log10 N: its RMS to 1 / sqrt(N)
    assert np.std(average - periodic) == pytest.approx(1.0 / math.sqrt(turns), rel=0.25)
    left = residual(signal)
    assert np.std(left) == pytest.approx(math.sqrt(1.0 - 1.0 / turns), rel=0.02)
    assert synchronous_average(AngleSignal(left, 48)) == pytest.approx(np.zeros(48), abs=1e-12)
    assert len(synchronous_average(signal, 4)) == 4 * 48


def test_impacts_that_slip_stay_in_the_residual() -> None:
    """Order 3.58: not bound to the shaft; order 3 goes."""
    turns, steps = 200, 64
    theta = np.arange(turns * steps) / steps
    x = 5.0 * np.cos(2 * np.pi * 3.0 * theta) + np.cos(2 * np.pi * 3.58 * theta)
    left = order_amplitudes(AngleSignal(residual(AngleSignal(x, steps)), steps), 50)
    assert left[round(50 * 3.58)] == pytest.approx(1.0, rel=0.02)
    assert left[150] < 0.02


def test_pulses_are_found_between_samples_and_once_each() -> None:
    t = moments()
    found = pulse_times_s(tacho(t, 1, 0.02), RATE_HZ)
    # the edge rises through its middle where the phase is 0
    expected = np.array([time_of(float(n)) for n in range(1, len(found) + 1)])
    assert len(found) == 99
    assert np.abs(found - expected).max() < 0.3 / RATE_HZ * 10
    assert len(pulse_times_s(np.zeros(100), RATE_HZ)) == 0
    narrow = np.zeros(6400)
    narrow[::640] = 5.0  # one sample per revolution, far below the 99th percentile
    assert len(pulse_times_s(narrow, RATE_HZ)) == 9
    with pytest.raises(DspError, match="finite"):
        pulse_times_s([0.0, math.nan], RATE_HZ)


def test_a_missing_or_doubled_pulse_is_named() -> None:
    times = np.arange(20) * 0.05
    with pytest.raises(DspError, match=r"near 0\.5000 s"):
        angle_from_pulses(np.delete(times, 11))
    with pytest.raises(DspError, match="missing or doubled"):
        angle_from_pulses(np.sort(np.append(times, 0.505)))
    with pytest.raises(DspError, match="1 tacho pulses"):
        angle_from_pulses([0.1])
    with pytest.raises(DspError, match="above 0"):
        angle_from_speed([0.0, 1.0], [10.0, 0.0])
    with pytest.raises(DspError, match="must rise"):
        ShaftAngle(np.array([0.0, 1.0, 0.5]), np.array([0.0, 1.0, 2.0]))


def test_what_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(DspError, match="no whole revolution"):
        over_angle(np.zeros(100), RATE_HZ, true_angle(), 64)
    with pytest.raises(DspError, match="4 or more"):
        over_angle(np.zeros(12_800), RATE_HZ, true_angle(), 2)
    signal = AngleSignal(np.zeros(640), 64)
    with pytest.raises(DspError, match="1 to 10"):
        order_amplitudes(signal, 11)
    with pytest.raises(DspError, match="does not fit"):
        synchronous_average(signal, 11)
