"""One-class detectors: cost of a score per window and channel beside scikit-learn's, and memory after a year.

All are fitted to the same 500 healthy rows of 128 features (64 bands, lines and noise, of one axis), in our
scaling, and score one row at a time, as a box does, and 256 at once. The robust baseline has no counterpart
there. Turn by turn, CPU time of the thread, medians. BLAS takes one thread, so that threads that wait are not
counted. Memory: the state of each detector, for an asset of four channels and five operating states, fitted
to a year of windows every ten minutes (evenly spread over the states) and to the first 500 of each state.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from models.detectors.catalogue import DEFAULT, detectors
from models.detectors.columns import ScaleRules, fit_columns
from models.detectors.isolation import IsolationDetector
from models.detectors.mahalanobis import rests
from tests.benchmarks.turns import microseconds

SCALE = ScaleRules()
ROWS, FEATURES, BATCH = 500, 128, 256
CHANNELS, STATES = 4, 5
WINDOWS_A_YEAR = 6 * 24 * 365

Score = Callable[[np.ndarray], object]


def run() -> list[dict[str, Any]]:
    with threadpool_limits(1):
        return _speed() + _memory()


def _speed() -> list[dict[str, Any]]:
    learned, asked = rows(ROWS, 0), rows(BATCH, 1)
    ours = {name: part.fit(learned).score for name, part in detectors(SCALE).items()}
    ours["isolation"] = IsolationDetector(SCALE, directions=1).fit(learned).score  # scikit-learn has no other
    table = []
    for n in (1, BATCH):
        jobs: dict[str, Any] = {}
        for name, score in ours.items():
            jobs[name] = (lambda score=score, n=n: score(asked[:n]), n)
        for name, score in peers(learned).items():
            jobs[f"peer {name}"] = (lambda score=score, n=n: score(asked[:n]), n)
        taken = {name: median(values) for name, values in microseconds(jobs, turns=5).items()}
        for name in ours:
            peer = taken.get(f"peer {name}")
            table.append({
                "bench": "detection",
                "figure": f"{name}: score, " + ("1 window" if n == 1 else f"{n} windows at once"),
                "unit": "us per window and channel",
                "ours": taken[name],
                "peer": peer,
                "peer_name": PEER_NAMES.get(name, ""),
                "ratio": peer / taken[name] if peer else None,
            })  # fmt: skip
    return table


PEER_NAMES = {
    "mahalanobis": "LedoitWolf.mahalanobis",
    "pca": "PCA, T2 + Q in NumPy",
    "knn": "NearestNeighbors.kneighbors",
    "isolation": "IsolationForest.score_samples",
}


def peers(learned: np.ndarray) -> dict[str, Score]:
    """Scores of scikit-learn's implementations; scaling is part of the job, as it is of ours."""
    columns = fit_columns(learned, None, SCALE)
    centre, spread = columns.centres[0], columns.spread
    rest = rests(columns, learned, None)
    covariance = LedoitWolf(assume_centered=True).fit(rest)
    plane = PCA(n_components=0.9, svd_solver="full").fit(rest)
    near = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(columns.standardised(learned))
    forest = IsolationForest(n_estimators=100, max_samples=128, random_state=0).fit(rest)

    def standardised(asked: np.ndarray) -> np.ndarray:
        return (asked - centre) / spread

    def t2_and_q(asked: np.ndarray) -> np.ndarray:
        z = standardised(asked)
        t = plane.transform(z)
        q = ((z - plane.inverse_transform(t)) ** 2).sum(axis=1)
        return (t**2 / plane.explained_variance_).sum(axis=1) + q

    scores: dict[str, Score] = {
        "mahalanobis": lambda asked: np.sqrt(covariance.mahalanobis(standardised(asked))),
        "pca": t2_and_q,
        "knn": lambda asked: near.kneighbors(standardised(asked))[0].mean(axis=1),
        "isolation": lambda asked: -forest.score_samples(standardised(asked)),
    }
    ours = detectors(SCALE)["mahalanobis"].fit(learned).score(learned)
    assert np.allclose(ours, np.asarray(scores["mahalanobis"](learned)), rtol=1e-6)
    return scores


def _memory() -> list[dict[str, Any]]:
    """What a state holds does not grow with a year's rows."""
    per_state = WINDOWS_A_YEAR // STATES
    year, first = rows(per_state, 2), rows(ROWS, 2)
    table = []
    for name, part in detectors(SCALE).items():
        after, before = (_bytes(part.fit(learned).state()) for learned in (year, first))
        table.append({
            "bench": "detection",
            "figure": f"{name}{' (default)' if name == DEFAULT else ''}: state of an asset after a year",
            "unit": f"kB, {CHANNELS} channels x {STATES} states",
            "ours": after * CHANNELS * STATES / 1e3,
            "peer": before * CHANNELS * STATES / 1e3,
            "peer_name": f"after {ROWS} windows a state",
            "ratio": before / after,
        })  # fmt: skip
    return table


def _bytes(state: dict[str, Any]) -> int:
    return sum(array.nbytes for array in state.values())


def rows(n: int, seed: int) -> np.ndarray:
    """Healthy rows in dB: a few common causes and noise."""
    mixing = np.random.default_rng(99).normal(0, 1, (6, FEATURES))
    chance = np.random.default_rng(seed)
    return chance.normal(0, 1, (n, 6)) @ mixing + chance.normal(0, 1.5, (n, FEATURES)) - 40.0
