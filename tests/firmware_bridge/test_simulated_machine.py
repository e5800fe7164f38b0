"""The simulated machine: repeatable, healthy at first, and its fault where theory puts it."""

from __future__ import annotations

import time

import numpy as np
import pytest

from firmware_bridge.bearing_impacts import BPFI, BPFO, BSF, FTF, FaultKind
from firmware_bridge.simulated_machine import (
    BLOCK_SAMPLES,
    GEAR_TEETH,
    NOMINAL_SPEED_HZ,
    SimulatedMachine,
    VibrationStream,
)

RATE_HZ = 25_600.0
SEEDS = [1, 7, 42]


def record(stream: VibrationStream, seconds: float) -> np.ndarray:
    n_blocks = round(seconds * RATE_HZ / BLOCK_SAMPLES)
    return np.concatenate([stream.next_block() for _ in range(n_blocks)])


def spectrum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and amplitudes (peak) of one axis."""
    window = np.hanning(len(x))
    return np.fft.rfftfreq(len(x), 1 / RATE_HZ), 2 * np.abs(np.fft.rfft(x * window)) / window.sum()


def velocity_rms_mm_s(x: np.ndarray) -> np.ndarray:
    """RMS velocity 10-1000 Hz of each axis, by integration in the frequency domain."""
    frequencies = np.fft.rfftfreq(len(x), 1 / RATE_HZ)
    band = (frequencies >= 10.0) & (frequencies <= 1000.0)
    lines = np.fft.rfft(x, axis=0)[band] / len(x) / (2j * np.pi * frequencies[band, None])
    return np.sqrt(2 * np.sum(np.abs(lines) ** 2, axis=0)) * 1e3


def envelope_spectrum(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the band 2.5-4.5 kHz, by an analytic signal made in the frequency domain."""
    lines = np.fft.fft(x)
    frequencies = np.fft.fftfreq(len(x), 1 / RATE_HZ)
    lines[~((frequencies > 2_500.0) & (frequencies < 4_500.0))] = 0.0
    envelope = np.abs(np.fft.ifft(lines))
    return spectrum(envelope - envelope.mean())


def peak_near(
    frequencies: np.ndarray, values: np.ndarray, at_hz: float, within: float = 0.01
) -> tuple[float, float]:
    band = np.flatnonzero(np.abs(frequencies - at_hz) <= within * at_hz)
    best = band[np.argmax(values[band])]
    return float(frequencies[best]), float(values[best])


@pytest.mark.parametrize("seed", SEEDS)
def test_healthy_machine_is_in_zone_a(seed: int) -> None:
    worst = velocity_rms_mm_s(record(VibrationStream(SimulatedMachine(seed), RATE_HZ), 4.0)).max()
    assert 0.95 < worst < 1.3


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_grown_fault_leaves_the_machine_in_zone_b_and_the_sensor_unclipped(kind: FaultKind) -> None:
    machine = SimulatedMachine(3)
    machine.start_fault(kind, 0.0, 1.0)
    stream = VibrationStream(machine, RATE_HZ)
    x = record(stream, 4.0)[int(RATE_HZ) :]
    assert velocity_rms_mm_s(x).max() < 2.0
    assert np.abs(x).max() < 150.0
    kurtosis = np.mean((x[:, 0] - x[:, 0].mean()) ** 4) / x[:, 0].var() ** 2
    assert kurtosis > 5.0


@pytest.mark.parametrize(
    ("kind", "order"),
    [
        (FaultKind.OUTER_RACE, BPFO),
        (FaultKind.INNER_RACE, BPFI),
        (FaultKind.ROLLING_ELEMENT, 2 * BSF),
    ],
)
def test_the_fault_line_stands_where_theory_puts_it(kind: FaultKind, order: float) -> None:
    machine = SimulatedMachine(11)
    healthy = record(VibrationStream(machine, RATE_HZ), 8.0)[:, 0]
    machine.start_fault(kind, 0.0, 0.5)
    stream = VibrationStream(machine, RATE_HZ)
    faulty = record(stream, 8.0)[:, 0]
    speed_hz = np.mean([machine.speed_hz(t) for t in np.linspace(0.5, 8.0, 50)])
    frequencies, lines = envelope_spectrum(faulty)
    at_hz, height = peak_near(frequencies, lines, order * speed_hz)
    assert at_hz / speed_hz == pytest.approx(order, rel=0.004)
    background = np.median(lines[(frequencies > 50) & (frequencies < 500)])
    assert height > 20 * background
    _, before = envelope_spectrum(healthy)
    assert peak_near(frequencies, before, order * speed_hz)[1] < height / 20


def test_modulation_of_inner_race_by_the_shaft_and_of_the_ball_by_the_cage() -> None:
    for kind, order, side in (
        (FaultKind.INNER_RACE, BPFI, 1.0),
        (FaultKind.ROLLING_ELEMENT, 2 * BSF, FTF),
    ):
        machine = SimulatedMachine(12)
        machine.start_fault(kind, 0.0, 0.1)
        frequencies, lines = envelope_spectrum(record(VibrationStream(machine, RATE_HZ), 8.0)[:, 0])
        speed_hz = machine.speed_hz(4.0)
        background = np.median(lines[(frequencies > 50) & (frequencies < 500)])
        for sideband in (order - side, order + side):
            assert peak_near(frequencies, lines, sideband * speed_hz, 0.004)[1] > 5 * background


def test_shaft_orders_gear_mesh_and_sidebands_are_there() -> None:
    machine = SimulatedMachine(5)
    frequencies, lines = spectrum(record(VibrationStream(machine, RATE_HZ), 8.0)[:, 0])
    speed_hz = machine.speed_hz(4.0)
    floor = np.median(lines)
    for order in (1, 2, 3, GEAR_TEETH - 1, GEAR_TEETH, GEAR_TEETH + 1, 2 * GEAR_TEETH):
        assert peak_near(frequencies, lines, order * speed_hz, 0.006)[1] > 8 * floor, order
    assert peak_near(frequencies, lines, 100.0, 0.002)[1] > 8 * floor


def test_slip_accumulates_so_that_lines_broaden_with_their_order() -> None:
    machine = SimulatedMachine(21)
    machine.start_fault(FaultKind.OUTER_RACE, 0.0, 0.1)
    frequencies, lines = envelope_spectrum(record(VibrationStream(machine, RATE_HZ), 20.0)[:, 0])
    speed_hz = np.mean([machine.speed_hz(t) for t in np.linspace(0.0, 20.0, 50)])

    def energy_in_peak(order: float) -> float:
        """Share of the line's energy that lies within 0.2 Hz of its strongest bin."""
        at_hz, _ = peak_near(frequencies, lines, order * speed_hz)
        near = np.abs(frequencies - at_hz) <= 0.2
        wide = np.abs(frequencies - at_hz) <= 5.0
        return float(np.sum(lines[near] ** 2) / np.sum(lines[wide] ** 2))

    assert energy_in_peak(BPFO) > 1.3 * energy_in_peak(3 * BPFO)


def test_operating_conditions_stay_in_their_bounds_and_agree_between_processes() -> None:
    machine, other = SimulatedMachine(9), SimulatedMachine(9)
    times_s = np.linspace(0.0, 3600.0, 4000)
    speeds = np.array([machine.speed_hz(t) for t in times_s])
    assert np.abs(speeds / NOMINAL_SPEED_HZ - 1).max() < 0.005
    assert np.ptp(speeds) > 0.02
    loads = np.array([machine.load(t) for t in times_s])
    assert 0.75 < loads.min() < loads.max() < 1.0  # one quarter of rated load: one operating state
    np.testing.assert_allclose(machine.loads(times_s), loads)
    assert [other.speed_hz(t) for t in times_s[:50]] == list(speeds[:50])
    temperatures = [machine.temperature_degc(t) for t in times_s]
    assert 43.0 < min(temperatures) < max(temperatures) < 51.0
    machine.start_fault(FaultKind.OUTER_RACE, 0.0, 60.0)
    assert machine.temperature_degc(200.0) > other.temperature_degc(200.0) + 5.0


def test_shaft_angle_is_the_integral_of_speed() -> None:
    machine = SimulatedMachine(13)
    times_s = np.linspace(0.0, 300.0, 300_001)
    speeds = machine.nominal_speed_hz * (
        1.0 + machine._speed.each(times_s) - 0.015 * machine._load.each(times_s)
    )
    summed = np.concatenate([[0.0], np.cumsum((speeds[1:] + speeds[:-1]) / 2 * np.diff(times_s))])
    np.testing.assert_allclose(machine.revolutions(times_s), summed, atol=1e-6)


def test_same_seed_same_samples_and_seeking_changes_nothing() -> None:
    first, again = (VibrationStream(SimulatedMachine(2), RATE_HZ, 100.0) for _ in range(2))
    x = record(first, 1.0)
    again.seek(10 * BLOCK_SAMPLES + 5)
    assert again.next_sample == 10 * BLOCK_SAMPLES
    np.testing.assert_array_equal(again.next_block(), x[10 * BLOCK_SAMPLES : 11 * BLOCK_SAMPLES])
    other = record(VibrationStream(SimulatedMachine(3), RATE_HZ, 100.0), 1.0)
    assert not np.array_equal(other, x)


def test_seeking_over_an_hour_with_a_fault_is_quick_and_the_fault_goes_on() -> None:
    machine = SimulatedMachine(2)
    machine.start_fault(FaultKind.OUTER_RACE, 0.0, 1.0)
    stream = VibrationStream(machine, RATE_HZ)
    record(stream, 1.0)
    stream.seek(int(3600 * RATE_HZ))
    begin = time.process_time()
    x = record(stream, 1.0)
    assert time.process_time() - begin < 1.0
    assert x[:, 0].std() > 3.0


def test_live_it_costs_less_than_15_percent_of_a_core() -> None:
    machine = SimulatedMachine(2)
    machine.start_fault(FaultKind.INNER_RACE, 0.0, 1.0)
    stream = VibrationStream(machine, RATE_HZ)
    begin_s = time.process_time()
    record(stream, 10.0)
    assert time.process_time() - begin_s < 0.15 * 10.0


def test_growth_is_slow_at_first_and_stays_when_grown() -> None:
    course = SimulatedMachine(1).start_fault(FaultKind.OUTER_RACE, 10.0, 90.0)
    severities = [course.severity(t) for t in (0.0, 10.0, 40.0, 70.0, 100.0, 1000.0)]
    assert severities[0] == severities[1] == 0.0
    assert severities == sorted(severities)
    assert severities[-2:] == [1.0, 1.0]
    assert severities[3] < 0.5
    with pytest.raises(ValueError, match="growth_s"):
        SimulatedMachine(1).start_fault(FaultKind.OUTER_RACE, 10.0, 0.0)
