"""A change of velocity counts from the nearer end of what healthy running showed, upward and downward."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.alarms.lifecycle import Severity
from appliance.analysis_channel import VELOCITY, ChannelAnalysis
from appliance.analysis_intake import DueWindow
from appliance.analysis_settings import PROFILES
from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.framing import Window
from dsp.samples import Quality, TimeQuality
from models.detector import LearningSettings
from models.operating_state import OperatingState
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels

S = 1_000_000_000
NAMES = ("rms_mps2", VELOCITY, *(f"band_{i}00_{i + 1}00_hz_db" for i in range(1, 7)))
STATE = OperatingState("1800 rpm", 29.4, None)


def vector(number: int, velocity_mm_s: float) -> FeatureVector:
    values = np.array([1.0, velocity_mm_s, *[-20.0] * 6], np.float32)
    return FeatureVector(
        "motor-1.x", number * S, 1.0, NAMES, values, STATE.label, Quality.GOOD, EXTRACTOR_VERSION
    )


def due(number: int) -> DueWindow:
    samples = np.zeros(8192, np.float32)
    window = Window("motor-1.x", number * S, LOW_RATE_HZ, samples, Quality.GOOD, TimeQuality.FITTED)
    return DueWindow(window, (number + 1) * S, STATE)


@pytest.fixture
def channel() -> ChannelAnalysis:
    """Learned from a healthy machine beside another one that runs two hours in three: 1.0 or 1.6 mm/s."""
    settings = replace(PROFILES["default"], learning=LearningSettings(90.0, 30))
    one = ChannelAnalysis(MOTOR, channels(LOW_RATE_HZ, "x")[0], settings)
    rng = np.random.default_rng(1)
    for number in range(90):
        usual = 1.0 if number % 3 == 0 else 1.6
        one.score(vector(number, usual * (1.0 + 0.05 * rng.standard_normal())), STATE, may_learn=True)
    assert one.scores
    return one


@pytest.mark.parametrize(
    ("velocity_mm_s", "severity", "words"),
    [
        (1.0, Severity.GOOD, ""),  # the neighbour stands: 0.6 below the usual value
        (1.8, Severity.GOOD, ""),
        (2.6, Severity.WATCH, "changed by +"),
        (0.1, Severity.WATCH, "changed by -"),
    ],
)
def test_what_was_learned_is_no_change(
    channel: ChannelAnalysis, velocity_mm_s: float, severity: Severity, words: str
) -> None:
    judged = channel.judge(vector(100, velocity_mm_s), None, due(100))
    assert judged.rating is severity, judged.rating_reason
    assert words in judged.rating_reason
    assert ("significant" in judged.rating_reason) == bool(words)
