"""Bearings that ran until they failed: the detector finds every failure and cries wolf at none of them.

Causal replay, snapshot by snapshot, one frozen setting: baseline = the first tenth of each run, alarm = score
at its limit in 5 of 6 snapshots on any channel. Onsets are labels made with hindsight, only to judge by.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from appliance.alarms.debounce import Debounce
from appliance.alarms.rules import RuleSettings
from dsp.extractor import TrendExtractor
from dsp.framing import WindowBatch
from dsp.samples import Quality
from models.baseline import FeatureScale
from models.detector import BaselineDetector, LearningSettings
from models.feature_words import scale_of

MERGED = 30  # snapshots: alarms closer together are one event
EARLY = 5  # noticing this much before the first onset label is the purpose, not an error


@dataclass(frozen=True, slots=True)
class Run:
    """One bearing's life, replayed."""

    snapshots: int
    onsets: tuple[int, int, int]  # A, B, C
    alarms: list[int]  # snapshots at which the alarm stood

    @property
    def false_events(self) -> int:
        early = [at for at in self.alarms if at < min(self.onsets) - EARLY]
        return sum(1 for i, at in enumerate(early) if i == 0 or at - early[i - 1] > MERGED)

    @property
    def found(self) -> bool:
        return any(at >= min(self.onsets) - EARLY for at in self.alarms)

    @property
    def delay_b(self) -> int:
        return next(at for at in self.alarms if at >= min(self.onsets) - EARLY) - self.onsets[1]


def onsets(rms: np.ndarray, baseline: int) -> tuple[int, int, int]:
    """Labels A, B and C of one run's largest RMS per snapshot."""
    n = len(rms)
    above = rms > 2.0 * np.median(rms[:baseline])
    a = next((i for i in range(n - 4) if above[i : i + 5].all()), n)
    smooth = np.array([np.median(rms[max(0, i - 5) : i + 6]) for i in range(n)])
    below = np.flatnonzero(smooth < rms[:baseline].mean() + 4.0 * rms[:baseline].std())
    b = int(below[-1]) + 1 if len(below) else 0
    log = np.log(rms)
    spread = [log[:k].var() * k + log[k:].var() * (n - k) for k in range(2, n - 2)]
    return a, b, int(np.argmin(spread)) + 2


def replay(path: Path) -> Run:
    with np.load(path) as stored:
        samples = (stored["x"] * stored["scale"] + stored["offset"]).astype(np.float32)
        rate_hz = float(stored["fs"])
    n, length, channels = samples.shape
    baseline = max(20, n // 10)
    extractor = TrendExtractor(rate_hz, length, "1")
    duration_s = length / rate_hz
    detector = BaselineDetector(LearningSettings(learn_s=(baseline - 0.5) * duration_s, min_windows=20))
    rules = RuleSettings()
    stood = np.zeros(n, bool)
    for channel in range(channels):
        debounce = Debounce(rules.windows_needed, rules.windows_of, off_after=1)
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
    return Run(n, onsets(rms, baseline), [int(i) for i in np.flatnonzero(stood)])


def replay_all(data_dir: Path, what: str) -> list[Run]:
    """Every run-to-failure recording of the manifest; prints the counts."""
    manifest = json.loads((data_dir / "MANIFEST.json").read_text(encoding="utf-8"))
    entries = [entry for entry in manifest if entry.get("task") == "run_to_failure"]
    assert entries, "no run_to_failure recordings in the manifest"
    runs = [replay(data_dir / entry["file"]) for entry in entries]
    delays = sorted(run.delay_b for run in runs if run.found)
    print(
        f"{what}: found {sum(run.found for run in runs)} of {len(runs)},"
        f" false events {sum(run.false_events for run in runs)}, delay after B {delays} snapshots"
    )
    return runs


@pytest.mark.realdata
def test_every_failure_is_found_and_none_is_invented(data_dir: Path) -> None:
    runs = replay_all(data_dir, "levels scored")
    assert all(run.found for run in runs)
    assert sum(run.false_events for run in runs) == 0
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
    assert sum(run.false_events for run in runs) > 0
