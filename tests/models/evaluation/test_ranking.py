"""Areas under ROC curves, against scikit-learn's, and their intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from models.evaluation.ranking import auroc, interval_by_group, interval_of_mean, medians_of, pauc

SCORES = st.lists(st.integers(0, 12).map(float), min_size=1, max_size=40)


@given(SCORES, SCORES)
def test_areas_are_scikit_learns_ties_included(healthy: list[float], faulty: list[float]) -> None:
    truth = [0] * len(healthy) + [1] * len(faulty)
    assert auroc(healthy, faulty) == pytest.approx(roc_auc_score(truth, healthy + faulty))
    assert pauc(healthy, faulty) == pytest.approx(roc_auc_score(truth, healthy + faulty, max_fpr=0.1))


def test_nothing_to_rank_is_none_and_no_score_is_no_alarm() -> None:
    assert auroc([], [1.0]) is None
    assert pauc([1.0], []) is None
    assert auroc([0.0], [np.nan]) == 0.0
    assert auroc([np.nan], [0.0]) == 1.0


def test_medians_are_of_consecutive_scores_that_do_not_overlap() -> None:
    scores = np.r_[np.zeros(6), np.ones(4), np.full(10, 5.0), 100.0]
    assert medians_of(scores).tolist() == [0.0, 5.0]


def test_intervals_draw_whole_groups() -> None:
    good, bad = np.arange(50.0) + 100.0, np.arange(50.0)
    healthy = [np.arange(50.0), np.arange(50.0) + 1.0]
    lower, upper = interval_by_group(healthy, [good, bad], seed=1) or (np.nan, np.nan)
    assert lower < 0.55  # both draws may be the bad group
    assert upper == pytest.approx(1.0)
    assert interval_by_group(healthy, [good, bad], seed=1) == (lower, upper)
    assert interval_by_group([], [good], seed=1) is None
    assert interval_of_mean([0.9], 0) is None
    assert interval_of_mean([0.5, 1.0], 0) == (0.5, 1.0)
