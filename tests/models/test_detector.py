"""A detector learns once, scores with the reference backend's arithmetic, explains, and survives restarts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.samples import Quality
from models.backends.numpy_reference import NumpyReference
from models.detector import BaselineDetector, LearningSettings, explain
from models.errors import ModelStateError

NAMES = (
    "rms_mps2",
    "kurtosis",
    "velocity_rms_mm_s",
    "band_1000_1600_hz_db",
    "band_1600_2500_hz_db",
    "band_2500_4000_hz_db",
)
NORMAL = np.array([1.0, 3.0, 0.8, -10.0, -20.0, -30.0])
HOP_NS = 640_000_000
STATE = "1800 rpm, load 75-100 %"
DEMO = LearningSettings(learn_s=40.0, min_windows=30)


def vectors(
    count: int,
    *,
    first: int = 0,
    seed: int = 0,
    state: str = STATE,
    rise_db: float = 0.0,
    channel: str = "pump.x",
) -> list[FeatureVector]:
    """Features of a healthy machine, 1.28 s windows each 0.64 s; `rise_db` lifts the highest band."""
    rng = np.random.default_rng([seed, first])
    found = []
    for i in range(first, first + count):
        noise_db = 0.3 * rng.standard_normal(len(NAMES))
        values = NORMAL.copy()
        values[:3] *= 10 ** (noise_db[:3] / 20)
        values[3:] += noise_db[3:]
        values[5] += rise_db
        found.append(
            FeatureVector(
                channel,
                i * HOP_NS,
                1.28,
                NAMES,
                values.astype(np.float32),
                state,
                Quality.GOOD,
                EXTRACTOR_VERSION,
            )
        )
    return found


def learned(seed: int = 0) -> BaselineDetector:
    detector = BaselineDetector(DEMO)
    assert all(detector.observe(v) is None for v in vectors(62, seed=seed))
    return detector


def test_it_learns_for_its_time_and_not_longer() -> None:
    detector = BaselineDetector(DEMO)
    for i, v in enumerate(vectors(200)):
        score = detector.observe(v)
        # 1.28 s from the first window, 0.64 s of new running from each further one: 40 s with the 62nd
        assert (score is None) == (i < 62), i
    (progress,) = detector.progress()
    assert progress.complete
    assert progress.provisional
    assert progress.learned_s == pytest.approx(40.32)


def test_healthy_running_stays_below_the_limit() -> None:
    for seed in range(20):
        detector = learned(seed)
        scores = [detector.observe(v) for v in vectors(500, first=63, seed=seed)]
        assert max(s.value for s in scores if s is not None) < 0.5


def test_a_risen_band_is_scored_and_named() -> None:
    detector = learned()
    for v in vectors(10, first=63, rise_db=24.0):
        score = detector.observe(v)
    assert score is not None
    assert score.value > 1.0
    assert score.contributions.sum() == pytest.approx(score.value, rel=0.2)
    assert int(np.argmax(score.contributions)) == 5
    assert explain(score, NAMES).startswith("band 2.5-4 kHz +24 dB")
    assert score.model_version.startswith("robust-baseline-1/")
    assert score.operating_state == STATE


def test_a_fallen_level_and_a_high_kurtosis_are_no_anomaly() -> None:
    detector = learned()
    for v in vectors(20, first=63, rise_db=-40.0):
        v.values[1] = 50.0
        score = detector.observe(v)
        assert score is not None
        assert score.value < 0.5
    assert explain(score, NAMES) == "no single feature stands out"


def test_single_windows_do_not_pass_the_median() -> None:
    detector = learned()
    stream = vectors(30, first=63)
    for at in (10, 11, 20):
        stream[at] = vectors(1, first=63 + at, rise_db=40.0)[0]
    values = [score.value for score in map(detector.observe, stream) if score is not None]
    assert len(values) == 30
    assert max(values) < 1.0


def test_a_slowly_failing_machine_does_not_teach_its_detector() -> None:
    detector = learned()
    before = detector.package_of("pump.x", STATE)
    values = []
    for i in range(600):
        score = detector.observe(vectors(1, first=63 + i, rise_db=i * 0.06)[0])
        assert score is not None
        values.append(score.value)
    assert values[-1] > 1.5
    assert detector.package_of("pump.x", STATE) == before


def test_scores_are_those_of_the_reference_backend() -> None:
    detector = learned()
    package = detector.package_of("pump.x", STATE)
    assert package is not None
    artefact, manifest = package
    backend = NumpyReference()
    backend.load(manifest, artefact)
    stream = vectors(40, first=63, rise_db=10.0)
    raw = backend.infer(np.array([v.values for v in stream]))
    for i, v in enumerate(stream):
        score = detector.observe(v)
        assert score is not None
        assert score.value == pytest.approx(float(np.median(raw[max(0, i - 4) : i + 1])))


def test_states_and_channels_are_learned_apart() -> None:
    detector = learned()
    other = "900 rpm, load 25-50 %"
    assert detector.observe(vectors(1, first=70, state=other, rise_db=30)[0]) is None
    assert detector.observe(vectors(1, first=70, channel="pump.y")[0]) is None
    assert detector.is_learned("pump.x", STATE)
    assert not detector.is_learned("pump.x", other)
    assert [(p.channel_id, p.operating_state, p.complete) for p in detector.progress()] == [
        ("pump.x", STATE, True),
        ("pump.x", other, False),
        ("pump.y", STATE, False),
    ]


def test_in_an_unknown_state_only_what_no_state_explains_is_an_anomaly() -> None:
    detector = BaselineDetector(DEMO, unlearnable=frozenset({"tags stale"}))
    for state, level in (("low", 0.0), ("high", 20.0)):
        for v in vectors(70, state=state, rise_db=level):
            detector.observe(v)
    for level, anomalous in ((0.0, False), (20.0, False), (50.0, True)):
        for v in vectors(6, first=200, state="tags stale", rise_db=level):
            score = detector.observe(v)
        assert score is not None
        assert (score.value > 1.0) == anomalous, level
    assert not detector.is_learned("pump.x", "tags stale")
    assert detector.observe(vectors(1, channel="pump.y", state="tags stale")[0]) is None


@pytest.mark.parametrize("at", [0, 1, 20, 61, 62, 80])
def test_a_restart_at_any_moment_changes_neither_baseline_nor_score(at: int) -> None:
    stream = vectors(120, rise_db=3.0)
    straight = BaselineDetector(DEMO)
    expected = [straight.observe(v) for v in stream]
    first = BaselineDetector(DEMO)
    for v in stream[:at]:
        first.observe(v)
    second = BaselineDetector(DEMO)
    second.restore(json.loads(json.dumps(first.state())))
    found = [second.observe(v) for v in stream[at:]]
    # A restart forgets when the last window was, so its overlap with the next may count once more.
    learned_at = 62 if at in (0, 61, 62, 80) else 61
    assert [score is None for score in found] == [i < learned_at for i in range(at, 120)]
    if at >= 62:
        assert second.package_of("pump.x", STATE) == straight.package_of("pump.x", STATE)
        for a, b in list(zip(expected[at:], found, strict=True))[5:]:
            assert a is not None
            assert b is not None
            assert a.value == b.value


def test_a_state_that_does_not_fit_is_refused_whole() -> None:
    detector = learned()
    good = detector.state()
    package = detector.package_of("pump.x", STATE)
    broken: list[Any] = [
        {},
        {"format": "other", "learned": []},
        {**good, "learned": [{}]},
        {**good, "learned": 5},
        {**good, "learned": [{**good["learned"][0], "rows": "not base64!"}]},
        {**good, "learned": [{**good["learned"][0], "rows": "AAAA"}]},
        {**good, "learned": [{**good["learned"][0], "baseline": "{}"}]},
        {**good, "learned": [{**good["learned"][0], "feature_names": ["a"]}]},
    ]
    for state in broken:
        with pytest.raises(ModelStateError):
            detector.restore(state)
        assert detector.package_of("pump.x", STATE) == package


def test_features_of_another_extractor_are_refused() -> None:
    detector = learned()
    v = vectors(1, first=70)[0]
    other = FeatureVector(v.channel_id, v.start_ns, 1.28, NAMES, v.values, STATE, v.quality, "trend-0")
    with pytest.raises(ModelStateError, match="learn it anew"):
        detector.observe(other)


def test_learning_anew_is_a_person_s_decision() -> None:
    detector = learned()
    detector.forget("pump.x")
    assert detector.progress() == []
    assert detector.observe(vectors(1, first=70)[0]) is None


def test_windows_without_features_teach_nothing() -> None:
    detector = BaselineDetector(DEMO)
    for v in vectors(100):
        v.values[:] = np.nan
        assert detector.observe(v) is None
    assert detector.progress() == []


def test_long_learning_keeps_a_bounded_state() -> None:
    detector = BaselineDetector(LearningSettings(learn_s=1e6, min_windows=100))
    for v in vectors(3000):
        detector.observe(v)
    assert len(json.dumps(detector.state())) < 30_000
    (progress,) = detector.progress()
    assert progress.learned_s == pytest.approx(3000 * 0.64 + 0.64)


def test_a_limit_is_provisional_until_it_ran_long_enough() -> None:
    detector = BaselineDetector(LearningSettings(40.0, 30, confirm_s=100.0))
    seen = []
    for v in vectors(200):
        detector.observe(v)
        (progress,) = detector.progress()
        seen.append(progress.provisional)
    assert seen[:150] == [True] * 150
    assert seen[-1] is False


def test_many_states_learned_at_once_stay_bounded_in_memory_and_journal() -> None:
    detector = BaselineDetector(LearningSettings(learn_s=1e9, min_windows=10))
    for state in range(40):
        for features in vectors(300, seed=state, state=f"{state} rpm"):
            detector.observe(features)
    n_rows = sum(len(learned.rows) for learned in detector._learned.values())
    assert 1500 < n_rows <= 3072
    assert len(detector._learned) == 40
    assert min(len(learned.rows) for learned in detector._learned.values()) > 20
    assert len(json.dumps(detector.state())) < 1 << 20
