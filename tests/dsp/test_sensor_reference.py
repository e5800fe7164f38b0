"""Verdicts by comparison: named where the sensor changed, silent where the machine did."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

from dsp.bearing import BearingFault
from dsp.framing import Window
from dsp.samples import Quality, TimeQuality
from dsp.sensor_check import SensorCondition, check_sensor
from dsp.sensor_reference import (
    SensorFigures,
    SensorReference,
    check_against_reference,
    check_hum,
    sensor_figures,
    sensor_reference,
    swapped_axes,
)
from tests.dsp.bearing_signals import RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise
from tests.dsp.recordings import channels, vibration_entries, windows
from tests.oracles.fourier import hann, welch_density

N = 32_768


def window(x: np.ndarray, rate_hz: float = RATE_HZ) -> Window:
    return Window("c", 0, rate_hz, np.asarray(x, np.float32), Quality.GOOD, TimeQuality.RECORDED)


def machine(seed: int, level: float = 1.0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return level * (harmonics(np.random.default_rng(7), n) + 0.5 * resonant_noise(rng, n))


def learned() -> SensorReference:
    figures = [sensor_figures(window(machine(seed) + 9.81)) for seed in range(8)]
    reference = sensor_reference([one for one in figures if one is not None])
    assert reference is not None
    return reference


def verdict(x: np.ndarray, reference: SensorReference) -> SensorCondition:
    figures = sensor_figures(window(x))
    assert figures is not None
    return check_against_reference(window(x), figures, reference).verdict


def test_figures_are_sums_of_the_density_by_definition() -> None:
    x = machine(1)[:1024].astype(np.float32).astype(np.float64)
    found = sensor_figures(window(x))
    assert found is not None
    length = 256
    density = welch_density(x.tolist(), RATE_HZ, length, hann(length), length // 2)
    step_hz = RATE_HZ / length
    low = sum(value for k, value in enumerate(density) if 0 < k / length <= 0.04) * step_hz
    high = [value for k, value in enumerate(density) if 0.28 <= k / length <= 0.45]
    assert found.low_db == pytest.approx(10 * math.log10(low), abs=1e-6)
    floor = float(np.median(high)) * len(high) * step_hz
    assert found.floor_db == pytest.approx(10 * math.log10(floor), abs=1e-6)


def test_the_same_machine_is_never_accused() -> None:
    reference = learned()
    for seed in range(20, 60):
        assert verdict(machine(seed) + 9.81, reference) is SensorCondition.OK


@pytest.mark.parametrize("fault", [BearingFault.OUTER_RACE, BearingFault.INNER_RACE])
@pytest.mark.parametrize("depth", [0.5, 5.0])
def test_a_damaged_machine_is_no_damaged_sensor(fault: BearingFault, depth: float) -> None:
    damaged = machine(5) + depth * impacts(np.random.default_rng(1), N, fault) + 9.81
    assert verdict(damaged, learned()) is SensorCondition.OK
    assert verdict(machine(5, 4.0) + 9.81, learned()) is SensorCondition.OK  # four times as violent
    assert verdict(machine(5, 0.2) + 9.81, learned()) is SensorCondition.OK  # and five times quieter


def test_a_mean_that_moved_is_a_bias_shift() -> None:
    reference = learned()
    assert verdict(machine(3) + 4.0, reference) is SensorCondition.BIAS_SHIFT
    assert verdict(machine(3) + 9.81 + 0.2, reference) is SensorCondition.OK  # a warm sensor drifts


def test_a_mount_that_lost_its_high_frequencies_is_loose() -> None:
    """A soft mount is a low pass: second order at 2.5 kHz here."""
    sos = signal.butter(2, 2500.0, fs=RATE_HZ, output="sos")
    loose = signal.sosfilt(sos, machine(4)) + 9.81
    found = verdict(loose, learned())
    assert found is SensorCondition.LOOSE_MOUNT
    figures = sensor_figures(window(loose))
    assert figures is not None
    told = check_against_reference(window(loose), figures, learned())
    assert "fell by" in told.text
    assert "mounting" in told.remedy


def axes(order: tuple[int, ...], seed: int, gravity: float = 0.0) -> list[SensorFigures]:
    """Three axes of one sensor: 10 dB apart, gravity on the third; then wired in another order."""
    raw = [machine(seed + 10 * i, level) for i, level in enumerate((1.0, 0.3, 3.0))]
    raw[2] = raw[2] + gravity
    found = [sensor_figures(window(raw[i])) for i in order]
    return [one for one in found if one is not None]


@pytest.mark.parametrize("gravity", [0.0, 100.0])
@pytest.mark.parametrize("order", [(1, 0, 2), (2, 0, 1), (0, 2, 1), (2, 1, 0)])
def test_exchanged_axes_are_found(order: tuple[int, ...], gravity: float) -> None:
    assert swapped_axes(axes((0, 1, 2), 1, gravity), axes(order, 5, gravity)) == order


def test_axes_in_place_or_alike_are_left_alone() -> None:
    usual = axes((0, 1, 2), 1)
    assert swapped_axes(usual, axes((0, 1, 2), 9)) is None
    alike = [axes((0, 1, 2), seed)[0] for seed in (1, 2, 3)]
    assert swapped_axes(alike, alike[::-1]) is None
    worn = axes((0, 1, 2), 9)
    louder = SensorFigures(worn[1].mean, worn[1].rms, worn[1].low_db + 12.0, worn[1].floor_db)
    assert swapped_axes(usual, [worn[0], louder, worn[2]]) is None  # one axis grew: that is the machine
    assert swapped_axes(usual[:1], usual[:1]) is None
    # of two axes, the weaker one grew by twice their distance: levels stand as if exchanged, but both rose
    pair = [worn[0], worn[1]]
    apart_db = pair[0].low_db - pair[1].low_db
    grown = SensorFigures(pair[1].mean, pair[1].rms, pair[1].low_db + 2 * apart_db, pair[1].floor_db)
    assert swapped_axes(pair, [pair[0], grown]) is None
    assert swapped_axes(pair, pair[::-1]) == (1, 0)


def hum(level: float, line_hz: float = 50.0) -> np.ndarray:
    t = np.arange(4 * N) / RATE_HZ
    return level * sum(np.sin(2 * np.pi * k * line_hz * t + k) / k for k in (1, 3, 5))


@pytest.mark.parametrize("line_hz", [50.0, 60.0])
def test_hum_is_named_where_it_drowns_the_machine(line_hz: float) -> None:
    """On 5 s: in 1.3 s the shaft's 2x at 49.2 Hz could not be told from the mains, and nothing is said."""
    found = check_hum(window(machine(2, n=4 * N) + hum(3.0, line_hz)), SHAFT_HZ)
    assert found.verdict is SensorCondition.MAINS_HUM
    assert f"{line_hz:g} Hz" in found.text
    assert check_hum(window(machine(2, n=4 * N) + hum(0.1, line_hz)), SHAFT_HZ).usable
    assert check_hum(window((machine(2, n=4 * N) + hum(3.0))[:N]), SHAFT_HZ).usable


def test_a_shaft_near_the_mains_and_magnetic_pull_are_no_hum() -> None:
    t = np.arange(N) / RATE_HZ
    two_pole = sum(np.sin(2 * np.pi * k * 49.8 * t) / k for k in (1, 3, 5))
    assert check_hum(window(two_pole + 0.1 * machine(1)), 49.8).usable
    pull = 5.0 * np.sin(2 * np.pi * 100.0 * t) + np.sin(2 * np.pi * 200.0 * t)
    assert check_hum(window(pull + machine(1)), SHAFT_HZ).usable
    assert check_hum(window(np.zeros(N)), SHAFT_HZ).usable


def test_what_says_nothing_gives_no_figures_and_no_reference() -> None:
    assert sensor_figures(window(np.zeros(N))) is None
    assert sensor_figures(window(np.full(N, np.nan))) is None
    assert sensor_figures(window(np.arange(100))) is None
    assert sensor_reference([axes((0, 1, 2), 1)[0]] * 4) is None


@pytest.mark.realdata
def test_sensors_of_real_machines_are_not_accused(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reference from the first quarter of each recording (a run to failure, too), the rest compared with
    it."""
    counts: Counter[tuple[str, str]] = Counter()
    for entry in vibration_entries(data_dir):
        by_channel: dict[str, list[Window]] = {}
        for channel, rate_hz, samples in channels(data_dir, entry):
            for piece in windows(samples, rate_hz):
                by_channel.setdefault(channel, []).append(window(piece, rate_hz))
        rpm = entry.get("shaft_rpm")
        compared: list[tuple[SensorReference, list[SensorFigures]]] = []
        for trusted in ([w for w in all_of if check_sensor(w).usable] for all_of in by_channel.values()):
            if rpm:
                counts.update(("hum", str(check_hum(w, rpm / 60.0).verdict)) for w in trusted)
            figures = [sensor_figures(w) for w in trusted]
            first = max(5, len(figures) // 4)
            reference = sensor_reference([one for one in figures[:first] if one is not None])
            if reference is None:
                continue
            later = [(w, f) for w, f in zip(trusted[first:], figures[first:], strict=True) if f is not None]
            counts.update(
                ("reference", str(check_against_reference(w, f, reference).verdict)) for w, f in later
            )
            compared.append((reference, [f for _, f in later]))
        if len(compared) > 1:
            usual = [reference.median for reference, _ in compared]
            for now in zip(*(later for _, later in compared), strict=False):
                counts["axes", str(swapped_axes(usual, now))] += 1
    with capsys.disabled():
        print("\n  sensor by comparison:", dict(sorted(counts.items())))
    assert {verdict for kind, verdict in counts if kind != "axes"} == {"ok"}
    assert {verdict for kind, verdict in counts if kind == "axes"} == {"None"}
    assert counts["reference", "ok"] > 5000
    assert counts["hum", "ok"] > 5000
