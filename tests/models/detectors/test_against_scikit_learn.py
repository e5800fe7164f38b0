"""The detectors beside scikit-learn's, where the definitions are the same."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors

from models.detectors.columns import ScaleRules, fit_columns
from models.detectors.isolation import IsolationDetector, average_depth
from models.detectors.knn import KnnDetector
from models.detectors.mahalanobis import MahalanobisDetector, rests, shrunk_covariance
from models.detectors.pca import principal_components
from models.detectors.robust import RobustDetector

SCALE = ScaleRules(floor=0.0)


def rows(n: int, p: int, seed: int) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.normal(0, 1, (n, 3)) @ chance.normal(0, 1, (3, p)) + chance.normal(0, 0.4, (n, p)) + 5.0


def in_spreads(learned: np.ndarray, asked: np.ndarray) -> np.ndarray:
    columns = fit_columns(learned, None, SCALE)
    return (asked - columns.centres[0]) / columns.spread


@pytest.mark.parametrize(("n", "p"), [(200, 6), (40, 20), (12, 30)])
def test_shrinkage_is_that_of_ledoit_and_wolf(n: int, p: int) -> None:
    centred = rows(n, p, 0)
    centred -= centred.mean(axis=0)
    covariance, share = shrunk_covariance(centred)
    oracle = LedoitWolf(assume_centered=True).fit(centred)
    assert share == pytest.approx(oracle.shrinkage_, rel=1e-9)
    assert np.allclose(covariance, oracle.covariance_, rtol=1e-9)


def test_the_mahalanobis_distance_is_the_oracles_from_the_median() -> None:
    learned, asked = rows(150, 6, 0), rows(40, 6, 1)
    columns = fit_columns(learned, None, SCALE)
    oracle = LedoitWolf(assume_centered=True).fit(rests(columns, learned, None))
    expected = np.sqrt(oracle.mahalanobis(in_spreads(learned, asked)))
    assert np.allclose(MahalanobisDetector(SCALE).fit(learned).score(asked), expected, rtol=1e-8)


@pytest.mark.parametrize(("n", "p"), [(200, 8), (20, 30)])
def test_components_and_variances_are_the_oracles(n: int, p: int) -> None:
    centred = rows(n, p, 0)
    centred -= centred.mean(axis=0)
    axes, variances = principal_components(centred, 0.9)
    oracle = PCA(n_components=len(axes), svd_solver="full").fit(centred)
    assert np.allclose(variances, oracle.explained_variance_, rtol=1e-8)
    assert np.allclose(np.abs((axes * oracle.components_).sum(axis=1)), 1.0, rtol=1e-6)
    share = np.cumsum(PCA(svd_solver="full").fit(centred).explained_variance_ratio_)
    assert share[len(axes) - 1] >= 0.9 or len(axes) == n // 3
    assert len(axes) == 1 or share[len(axes) - 2] < 0.9


@pytest.mark.parametrize("k", [1, 5])
def test_neighbours_are_the_oracles(k: int) -> None:
    learned, asked = rows(150, 37, 0), rows(40, 37, 1)
    columns = fit_columns(learned, None, SCALE)
    oracle = NearestNeighbors(n_neighbors=k).fit(columns.standardised(learned))
    expected = oracle.kneighbors(columns.standardised(asked))[0].mean(axis=1) / np.sqrt(37)
    assert np.allclose(KnnDetector(SCALE, k=k).fit(learned).score(asked), expected, rtol=1e-4)


def test_the_robust_score_is_the_mean_of_the_largest_standardised_values() -> None:
    learned, asked = rows(150, 9, 0), rows(40, 9, 1)
    spread = np.sqrt(((learned - np.median(learned, axis=0)) ** 2).mean(axis=0))
    largest = np.sort(np.abs(asked - np.median(learned, axis=0)) / spread, axis=1)[:, -3:]
    assert np.allclose(RobustDetector(SCALE).fit(learned).score(asked), largest.mean(axis=1))


def test_a_forest_of_axis_parallel_cuts_ranks_as_the_oracles() -> None:
    """Random cuts differ, so scores agree in rank and size but not by digits."""
    learned = rows(400, 6, 0)
    asked = np.concatenate([rows(100, 6, 1), rows(100, 6, 2) + np.linspace(0, 6, 100)[:, None]])
    ours = IsolationDetector(SCALE, trees=200, directions=1).fit(learned).score(asked)
    z = fit_columns(learned, None, SCALE).standardised
    oracle = -IsolationForest(n_estimators=200, random_state=0).fit(z(learned)).score_samples(z(asked))
    assert scipy.stats.spearmanr(ours, oracle).statistic > 0.97
    assert np.abs(ours - oracle).mean() < 0.03


def test_the_average_depth_is_the_published_one() -> None:
    assert average_depth(1) == 0.0
    assert average_depth(2) == 1.0
    assert average_depth(256) == pytest.approx(10.244770920, rel=1e-6)
