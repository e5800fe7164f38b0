"""A sensor's baseline: learned with the machine's, kept over a restart, compared with afterwards."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import signal

from appliance.analysis_sensor import KEPT_FIGURES, SensorBaseline
from dsp.framing import Window
from dsp.samples import Quality, TimeQuality
from dsp.sensor_check import SensorCondition, check_sensor
from models.errors import ModelStateError
from tests.dsp.bearing_signals import RATE_HZ, SHAFT_HZ, harmonics, resonant_noise

N = 16_384


def window(seed: int, bias: float = 9.81, *, loose: bool = False) -> Window:
    rng = np.random.default_rng(seed)
    x = harmonics(np.random.default_rng(7), N) + 0.5 * resonant_noise(rng, N)
    if loose:
        x = signal.sosfilt(signal.butter(2, 2500.0, fs=RATE_HZ, output="sos"), x)
    samples = (x + bias).astype(np.float32)
    return Window("c", 0, RATE_HZ, samples, Quality.GOOD, TimeQuality.RECORDED)


def verdict(
    baseline: SensorBaseline, of: Window, label: str = "a", *, learning: bool = False
) -> SensorCondition:
    return baseline.check(of, check_sensor(of), label, SHAFT_HZ, learning=learning).verdict


def learned() -> SensorBaseline:
    baseline = SensorBaseline()
    for seed in range(12):
        assert verdict(baseline, window(seed), learning=True) is SensorCondition.OK
    return baseline


def test_what_changed_is_named_and_what_did_not_is_left_alone() -> None:
    baseline = learned()
    assert verdict(baseline, window(50)) is SensorCondition.OK
    assert verdict(baseline, window(51, bias=2.0)) is SensorCondition.BIAS_SHIFT
    assert verdict(baseline, window(52, loose=True)) is SensorCondition.LOOSE_MOUNT
    assert verdict(baseline, window(53, bias=2.0), "another state") is SensorCondition.OK


def test_it_survives_a_restart_as_json() -> None:
    again = SensorBaseline()
    again.restore(json.loads(json.dumps(learned().state())))
    assert verdict(again, window(51, bias=2.0)) is SensorCondition.BIAS_SHIFT
    assert verdict(again, window(50)) is SensorCondition.OK
    for damaged in ({"a": 3}, {"a": [[1.0, 2.0]]}, {"a": [["x", 1, 2, 3]]}):
        with pytest.raises(ModelStateError):
            SensorBaseline().restore(damaged)


def test_long_learning_keeps_little_and_from_all_of_it() -> None:
    baseline = SensorBaseline()
    pieces = [window(seed, bias=0.01 * seed) for seed in range(8)]
    for k in range(40 * KEPT_FIGURES):
        piece = pieces[k * 8 // (40 * KEPT_FIGURES)]
        short = Window("c", 0, RATE_HZ, piece.samples[:1024], Quality.GOOD, TimeQuality.RECORDED)
        verdict(baseline, short, learning=True)
    (rows,) = baseline.state().values()
    assert KEPT_FIGURES / 2 <= len(rows) <= KEPT_FIGURES
    means = [row[0] for row in rows]
    assert min(means) < 0.5 * np.max(means) or np.ptp(means) > 0.05  # of the beginning and of the end
