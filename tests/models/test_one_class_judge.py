"""One-class detectors in the place of the baseline: the same rows, the same over a restart, explained."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from models.detector import AnomalyScore, BaselineDetector, explain
from models.errors import ModelStateError
from models.one_class_judge import JUDGES, LEAST_ROWS, MOST_ROWS, ROBUST, JudgeName, fit_judge
from tests.models.test_detector import DEMO, NAMES, STATE, vectors

OTHERS = [name for name in JUDGES if name != ROBUST]
each = pytest.mark.parametrize("name", OTHERS)


def learned(name: JudgeName) -> BaselineDetector:
    detector = BaselineDetector(DEMO, judged_by=name)
    assert all(detector.observe(vector) is None for vector in vectors(62))
    return detector


def scores(detector: BaselineDetector, rise_db: float = 0.0, first: int = 62) -> list[AnomalyScore]:
    found = [detector.observe(vector) for vector in vectors(40, first=first, rise_db=rise_db)]
    return [score for score in found if score is not None]


def restarted(detector: BaselineDetector, name: JudgeName) -> BaselineDetector:
    again = BaselineDetector(DEMO, judged_by=name)
    again.restore(json.loads(json.dumps(detector.state())))
    return again


@each
def test_healthy_windows_stay_below_the_limit_and_a_fault_stands_out(name: JudgeName) -> None:
    detector = learned(name)
    healthy = [score.value for score in scores(detector)]
    assert len(healthy) == 40
    assert max(healthy) < 1.0
    faulty = scores(detector, rise_db=30.0, first=102)
    assert faulty[-1].value > 2.0 * max(healthy)
    assert (
        faulty[-1].value >= 1.0 or name == "isolation"
    )  # which sees no farther than the edge of what it knows
    assert faulty[-1].model_version.startswith(f"{name} on robust-baseline-1/")


@each
def test_shares_sum_to_the_score_and_name_what_rose(name: JudgeName) -> None:
    detector = learned(name)
    for score in [*scores(detector), *scores(detector, rise_db=30.0, first=102)]:
        assert math.isfinite(score.unsmoothed)
        assert (score.contributions >= 0.0).all()
    assert explain(score, NAMES).startswith("band 2.5-4 kHz +30 dB")
    assert np.median([one.unsmoothed for one in scores(detector, 30.0, 142)[-5:]]) == pytest.approx(
        scores(detector, 30.0, 182)[-1].value, rel=0.2
    )


@each
def test_a_restart_gives_the_same_scores_bit_by_bit(name: JudgeName) -> None:
    before = learned(name)
    after = restarted(before, name)
    ours, theirs = scores(before, 4.0), scores(after, 4.0)
    assert [score.value for score in ours] == [score.value for score in theirs]
    assert [score.model_version for score in ours] == [score.model_version for score in theirs]


def test_each_judges_by_itself() -> None:
    said = {name: round(scores(learned(name), 3.0)[-1].value, 6) for name in JUDGES}
    assert len(set(said.values())) == len(JUDGES), said


def test_what_was_learned_without_rows_stays_judged_by_the_baseline() -> None:
    robust = learned(ROBUST)
    assert robust.learned_of("pump.x", STATE).rows == []  # type: ignore[union-attr]
    now_pca = restarted(robust, "pca")
    assert [s.value for s in scores(now_pca, 3.0)] == [s.value for s in scores(robust, 3.0)]
    back = restarted(learned("pca"), ROBUST)
    assert [s.value for s in scores(back, 3.0)] == [s.value for s in scores(learned(ROBUST), 3.0)]
    assert back.learned_of("pump.x", STATE).rows == []  # type: ignore[union-attr]


def test_what_is_kept_is_bounded() -> None:
    detector = BaselineDetector(DEMO, judged_by="knn")
    for state in range(40):
        for vector in vectors(70, seed=state, state=f"state {state}"):
            detector.observe(vector)
    learned_states = [detector.learned_of("pump.x", f"state {state}") for state in range(40)]
    kept = [len(one.rows) for one in learned_states if one is not None]
    assert max(kept) <= MOST_ROWS
    assert len(json.dumps(detector.state())) < 400_000
    assert all(one is not None and one.judge is not None for one in learned_states)


def test_what_cannot_be_fitted_says_so() -> None:
    baseline = learned(ROBUST).baseline_of("pump.x", STATE)
    assert baseline is not None
    rows = np.array([vector.values for vector in vectors(62)])
    with pytest.raises(ModelStateError, match="there is no detector 'oracle'; there are"):
        fit_judge("oracle", baseline, rows)
    with pytest.raises(ModelStateError, match=f"{LEAST_ROWS} are needed"):
        fit_judge("pca", baseline, rows[:5])
    steady = fit_judge("mahalanobis", baseline, np.repeat(rows[:1], 40, axis=0))
    assert np.isfinite(steady.scores(baseline, rows)).all()
