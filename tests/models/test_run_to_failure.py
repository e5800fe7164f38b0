"""Bearings that ran until they failed: the detector finds every failure and cries wolf at none of them.

Scores under a simple count, replayed causally, snapshot by snapshot, one frozen setting: baseline = the first
tenth of each run, alarm = score at its limit in 5 of 6 snapshots on any channel. Onsets are labels made with
hindsight, only to judge by. What the test that raises live alarms makes of the same scores stands in
`evaluation/test_sequential_goals.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from appliance.alarms.debounce import Debounce
from dsp.extractor import TrendExtractor
from dsp.framing import WindowBatch
from dsp.samples import Quality
from models.baseline import FeatureScale
from models.detector import BaselineDetector, LearningSettings
from models.evaluation.onset_labels import AlarmsJudged, baseline_snapshots, judge_alarms, onset_labels
from models.feature_words import scale_of


@dataclass(frozen=True, slots=True)
class Replayed:
    """One bearing's life, replayed."""

    snapshots: int
    alarms: AlarmsJudged

    @property
    def found(self) -> bool:
        return self.alarms.first_alarm is not None

    @property
    def delay_b(self) -> int:
        delay = self.alarms.delay(self.alarms.onsets.b)
        assert delay is not None
        return delay


def replay(path: Path) -> Replayed:
    with np.load(path) as stored:
        samples = (stored["x"] * stored["scale"] + stored["offset"]).astype(np.float32)
        rate_hz = float(stored["fs"])
    n, length, channels = samples.shape
    baseline = baseline_snapshots(n)
    extractor = TrendExtractor(rate_hz, length, "1")
    duration_s = length / rate_hz
    detector = BaselineDetector(LearningSettings(learn_s=(baseline - 0.5) * duration_s, min_windows=20))
    stood = np.zeros(n, bool)
    for channel in range(channels):
        debounce = Debounce(needed=5, of=6, off_after=1)
        batch = WindowBatch(
            channel_ids=(str(channel),) * n,
            start_ns=tuple(i * 10_000_000_000 for i in range(n)),
            sample_rate_hz=(rate_hz,) * n,
            samples=np.ascontiguousarray(samples[:, :, channel]),
            qualities=(Quality.GOOD,) * n,
            operating_states=("no tags",) * n,
        )
        for i, features in enumerate(extractor.extract(batch)):
            score = detector.observe(features)
            assert (score is None) == (i < baseline)
            if score is not None:
                stood[i] |= debounce.observe(score.value >= 1.0, score.value < 1.0)
    rms = (samples - samples.mean(axis=1, keepdims=True)).std(axis=1).max(axis=1)
    return Replayed(n, judge_alarms([int(i) for i in np.flatnonzero(stood)], onset_labels(rms)))


def replay_all(data_dir: Path, what: str) -> list[Replayed]:
    """Every run-to-failure recording of the manifest; prints the counts."""
    manifest = json.loads((data_dir / "MANIFEST.json").read_text(encoding="utf-8"))
    entries = [entry for entry in manifest if entry.get("task") == "run_to_failure"]
    assert entries, "no run_to_failure recordings in the manifest"
    runs = [replay(data_dir / entry["file"]) for entry in entries]
    delays = sorted(run.delay_b for run in runs if run.found)
    print(
        f"{what}: found {sum(run.found for run in runs)} of {len(runs)},"
        f" false events {sum(run.alarms.false_events for run in runs)}, delay after B {delays} snapshots"
    )
    return runs


@pytest.mark.realdata
def test_every_failure_is_found_and_none_is_invented(data_dir: Path) -> None:
    runs = replay_all(data_dir, "levels scored")
    assert all(run.found for run in runs)
    assert sum(run.alarms.false_events for run in runs) == 0
    assert sorted(run.delay_b for run in runs)[len(runs) // 2] <= 7


@pytest.mark.realdata
def test_scoring_ratios_too_would_cry_wolf(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why `scale_of` leaves out crest factor and kurtosis."""

    def with_ratios(name: str) -> FeatureScale:
        if name == "crest_factor" or name == "kurtosis":
            return FeatureScale.LEVEL
        return FeatureScale.LINEAR if name.endswith("envelope_kurtosis") else scale_of(name)

    monkeypatch.setattr("models.detector.scale_of", with_ratios)
    runs = replay_all(data_dir, "ratios scored too")
    assert sum(run.alarms.false_events for run in runs) > 0
