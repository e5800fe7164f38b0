"""Sensor verdicts and features on recordings that nobody here made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from dsp.extractor import TrendExtractor
from dsp.framing import Window, WindowBatch
from dsp.samples import Quality, TimeQuality
from dsp.sensor_check import SensorCondition, check_sensor
from tests.dsp.recordings import channels, vibration_entries, windows
from tests.oracles.trend_features import trend_features

pytestmark = pytest.mark.realdata

# These sensors are truly cut off (up to half of a window's samples stand at one value), though the manifest
# does not say so: too small a range on a 45 kW pump motor. Every other set is free of sensor faults.
TRULY_CLIPPED = "pump_motor_45kw"


def window_of(samples: np.ndarray, rate_hz: float) -> Window:
    return Window("c", 0, rate_hz, samples, Quality.GOOD, TimeQuality.RECORDED)


def test_working_sensors_are_never_accused_and_clipped_ones_are(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts: Counter[tuple[str, str, str]] = Counter()
    for entry in vibration_entries(data_dir):
        for channel, rate_hz, samples in channels(data_dir, entry):
            for window in windows(samples, rate_hz):
                found = check_sensor(window_of(window, rate_hz))
                name = channel if entry["dataset"] == TRULY_CLIPPED else "all"
                counts[entry["dataset"], name, str(found.verdict)] += 1
                if entry["dataset"] != TRULY_CLIPPED:
                    assert found.usable, f"{entry['file']} {channel}: {found.text}"
                elif not found.usable:
                    assert found.verdict is SensorCondition.CLIPPED
                    _, repeats = np.unique(window, return_counts=True)
                    assert repeats[0] + repeats[-1] >= 8  # by another way: at least 0.8 % at the extremes
                    assert np.median(repeats[1:-1]) == 1.0  # where any other value occurs once
    with capsys.disabled():
        print()
        for (dataset, channel, verdict), count in sorted(counts.items()):
            print(f"  sensor check: {dataset:16} {channel:4} {verdict:8} {count:5} windows")
    assert counts[TRULY_CLIPPED, "Z", "clipped"] > counts[TRULY_CLIPPED, "Z", "ok"]
    assert counts["cwru", "all", "ok"] >= 800


def test_a_channel_that_touches_its_range_a_few_times_is_still_judged(data_dir: Path) -> None:
    """The manifest names two CWRU channels that reach +-6.653 g: single samples, no line is lost."""
    named = [
        entry
        for entry in vibration_entries(data_dir)
        if any("saturates" in text for text in entry["warnings"])
    ]
    assert named
    for entry in named:
        for channel, rate_hz, samples in channels(data_dir, entry):
            at_stop = int(np.count_nonzero(np.abs(samples) >= 0.999 * np.abs(samples).max()))
            assert at_stop < 0.001 * len(samples)
            assert all(
                check_sensor(window_of(window, rate_hz)).usable for window in windows(samples, rate_hz)
            ), channel


@pytest.mark.parametrize("dataset", ["cwru", "mfpt", "hit_sm"])
def test_features_of_real_windows_equal_scipys(data_dir: Path, dataset: str) -> None:
    entries = [entry for entry in vibration_entries(data_dir) if entry["dataset"] == dataset]
    for entry in entries[:: max(1, len(entries) // 4)]:
        _, rate_hz, samples = next(iter(channels(data_dir, entry)))
        window = next(iter(windows(samples, rate_hz)))
        window = window[: len(window) // 2 * 2]
        extractor = TrendExtractor(rate_hz, len(window), "1")
        (vector,) = extractor.extract(
            WindowBatch(("c",), (0,), (rate_hz,), window[np.newaxis], (Quality.GOOD,), ("",))
        )
        expected = trend_features(window, rate_hz, extractor.names)
        for name, value in zip(vector.names, vector.values, strict=True):
            if name.endswith("_db"):
                assert value == pytest.approx(expected[name], abs=0.01), (entry["file"], name)
            elif name != "velocity_rms_mm_s":
                assert value == pytest.approx(expected[name], rel=1e-4, abs=1e-5), (entry["file"], name)
