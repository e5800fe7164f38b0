"""Networks as one-class detectors of an evaluation: trained on the fold alone, int8 beside float32."""

from __future__ import annotations

import numpy as np
import pytest

from models.detectors.columns import ScaleRules
from models.errors import ModelStateError, TooFewRowsError
from models.evaluation.one_class_protocol import MadeNetworks, OneClassProtocol, variants
from models.evaluation.ranking import auroc
from models.training.evaluated import FittedNetwork, Networks
from models.training.fitting import Fit, FitSettings, NetworkKind
from models.training.runtime_files import NUMPY, runtimes_here
from tests.fakes.linear_bundle import foretold, linear_rows, principal

KINDS = (NetworkKind.AUTOENCODER, NetworkKind.ONE_CLASS)
ROWS = linear_rows()


@pytest.fixture
def principal_fit(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Principal directions in the place of training; counts how often something was trained."""
    calls: list[int] = []

    def fit(kind: NetworkKind, learn: np.ndarray, until: np.ndarray, settings: FitSettings) -> Fit:
        calls.append(len(learn))
        return principal(learn, until)

    monkeypatch.setattr("models.training.evaluated.fit", fit)
    return calls


def test_both_precisions_share_one_training(principal_fit: list[int]) -> None:
    table = Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors()
    assert list(table)[:2] == ["int8", "float32"]
    scores = {}
    for name, detector in table.items():
        fitted = detector.fit(ROWS.healthy.values[:500], ROWS.healthy.sequence[:500])
        scores[name] = [fitted.score(rows) for rows in (ROWS.healthy.values[500:], ROWS.faulty.values)]
    assert len(principal_fit) == 1
    areas = {name: auroc(*pair) for name, pair in scores.items()}
    assert areas["float32"] is not None
    assert areas["int8"] is not None
    assert areas["float32"] > 0.7
    assert abs(areas["int8"] - areas["float32"]) < 0.01
    assert not np.array_equal(scores["int8"][0], scores["float32"][0])


def test_every_runtime_that_is_installed_has_its_columns_and_its_own_limit(
    principal_fit: list[int],
) -> None:
    assert runtimes_here() == ("numpy_reference", "onnxruntime", "openvino", "litert")
    table = Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors()
    assert list(table)[2:] == [
        "int8:onnxruntime", "int8:openvino", "int8:litert", "float32:onnxruntime", "float32:openvino",
    ]  # fmt: skip
    learned, later = ROWS.healthy.values[:500], ROWS.healthy.values[500:]
    fitted = {name: one.fit(learned, ROWS.healthy.sequence[:500]) for name, one in table.items()}
    assert len(principal_fit) == 1
    for name, one in fitted.items():
        right = fitted[name.partition(":")[0]].score(later)
        assert np.median(np.abs(one.score(later) / right - 1)) < 0.02
        assert np.mean(one.score(later) > 1.0) < 0.02  # in limits
    limits = {one.limit for name, one in fitted.items() if isinstance(one, FittedNetwork)}
    assert len(limits) > 2


def test_where_files_cannot_be_written_the_reference_stays(
    principal_fit: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnx" else find(name))
    assert runtimes_here() == (NUMPY,)
    table = Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors()
    assert list(table) == ["int8", "float32"]
    fitted = table["int8"].fit(ROWS.healthy.values[:500])
    assert np.isfinite(fitted.score(ROWS.faulty.values)).all()


def test_state_scores_the_same_and_holes_say_nothing(principal_fit: list[int]) -> None:
    rows = ROWS.healthy.values
    for detector in Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors().values():
        fitted = detector.fit(rows, ROWS.healthy.sequence)
        again = FittedNetwork.restore(fitted.state())
        np.testing.assert_array_equal(again.score(rows), fitted.score(rows))
        hollow = rows[:3].copy()
        hollow[1] = np.nan
        hollow[2, 4] = np.nan
        assert np.isfinite(fitted.score(hollow)).tolist() == [True, False, True]


def test_a_row_is_judged_by_the_group_it_fits_best(principal_fit: list[int]) -> None:
    rows = np.concatenate([ROWS.healthy.values[:200], ROWS.healthy.values[200:400] + 20])
    groups = np.repeat([0, 1], 200)
    fitted = Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors()["float32"].fit(rows, groups)
    assert np.median(fitted.score(rows[200:])) < 2 * np.median(fitted.score(rows[:200]))
    assert np.median(fitted.score(rows[:200] + 10)) > 5 * np.median(fitted.score(rows[:200]))


def test_very_few_rows_are_enough(principal_fit: list[int]) -> None:
    for detector in Networks(NetworkKind.AUTOENCODER, ScaleRules()).detectors().values():
        assert np.isfinite(detector.fit(ROWS.healthy.values[:6]).score(ROWS.faulty.values)).all()


@pytest.fixture
def foretold_fit(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A linear forecast in the place of a temporal training; counts how often something was trained."""
    calls: list[int] = []

    def fit(kind: NetworkKind, learn: np.ndarray, until: np.ndarray, settings: FitSettings) -> Fit:
        calls.append(len(learn))
        return foretold(learn, until)

    monkeypatch.setattr("models.training.evaluated.fit", fit)
    return calls


def waves(n: int, seed: int, of_period: float = 12.0) -> np.ndarray:
    """Six features that follow a slow cycle, and noise: a row is foretold by those before it."""
    chance = np.random.default_rng(seed)
    phase = 2 * np.pi * (np.arange(n)[:, np.newaxis] / of_period + np.arange(6) / 6)
    made: np.ndarray = -30 + 6 * np.sin(phase) + 0.3 * chance.standard_normal((n, 6))
    return made


def test_a_temporal_one_scores_a_row_by_the_eight_before_it(foretold_fit: list[int]) -> None:
    table = Networks(NetworkKind.TEMPORAL, ScaleRules()).detectors()
    rows, later = waves(300, 1), waves(80, 2)
    for detector in table.values():
        fitted = detector.fit(rows)
        scores = fitted.score(later)
        assert np.isnan(scores[:8]).all()
        assert np.isfinite(scores[8:]).all()
        assert np.mean(scores[8:] > 1.0) < 0.02  # in limits
        np.testing.assert_allclose(fitted.score(later[:40]), scores[:40], rtol=1e-6)  # looks ahead at nothing
        np.testing.assert_allclose(fitted.score(later[20:])[8:], scores[28:], rtol=1e-6)
        jumps = later.copy()
        jumps[50] += 12.0
        np.testing.assert_allclose(fitted.score(jumps)[8:50], scores[8:50], rtol=1e-6)
        assert fitted.score(jumps)[50] > 2 * scores[50]
        assert np.isnan(fitted.score(later[:5])).all()
    assert len(foretold_fit) == 1


def test_of_a_temporal_one_holes_say_nothing_and_state_scores_the_same(foretold_fit: list[int]) -> None:
    fitted = Networks(NetworkKind.TEMPORAL, ScaleRules()).detectors()["int8"].fit(waves(200, 1))
    hollow = waves(40, 2)
    hollow[20] = np.nan
    scores = fitted.score(hollow)
    assert np.flatnonzero(np.isnan(scores)).tolist() == [*range(8), 20]
    np.testing.assert_array_equal(FittedNetwork.restore(fitted.state()).score(hollow), scores)


def test_too_few_sequences_are_said_aloud(foretold_fit: list[int]) -> None:
    table = Networks(NetworkKind.TEMPORAL, ScaleRules(), beside="mahalanobis").detectors()
    with pytest.raises(TooFewRowsError, match="abstains: 21 rows in 2 sequences make 1 items of 9 rows"):
        table["float32"].fit(waves(21, 1), [0] * 10 + [1] * 11)
    table["float32"].fit(waves(30, 1))
    with pytest.raises(TooFewRowsError, match="abstains"):
        table["float32:fused"].fit(waves(30, 1))
    assert np.isfinite(table["float32:fused"].fit(waves(120, 1)).score(waves(30, 2))[8:]).all()


def test_fused_with_a_statistical_detector_it_keeps_its_limit(principal_fit: list[int]) -> None:
    networks = Networks(NetworkKind.AUTOENCODER, ScaleRules(), beside="mahalanobis", runtimes=(NUMPY,))
    table = networks.detectors()
    assert list(table) == ["int8", "float32", "int8:fused", "float32:fused"]
    learned, later = ROWS.healthy.values[:600], ROWS.healthy.values[600:]
    fitted = {name: one.fit(learned, ROWS.healthy.sequence[:600]) for name, one in table.items()}
    assert len(principal_fit) == 1 + 4  # and four blocks of time, shared by both precisions
    for name in ("int8:fused", "float32:fused"):
        scores = fitted[name].score(later)
        assert np.mean(scores > 1.0) < 0.02
        assert (scores >= 0).all()
        area = auroc(scores, fitted[name].score(ROWS.faulty.values))
        alone = auroc(fitted[name[:-6]].score(later), fitted[name[:-6]].score(ROWS.faulty.values))
        assert area is not None and alone is not None and area > alone  # mahalanobis knows the covariance
        with pytest.raises(ModelStateError, match="cannot be kept"):
            fitted[name].state()


def test_the_protocol_shows_them_only_where_they_are_asked_for() -> None:
    from models.detectors.representation import RowRules

    assert not {"int8", "float32"} & set(variants(RowRules(), True))
    made = MadeNetworks(lambda scale: Networks(KINDS[0], scale, beside="mahalanobis").detectors())
    asked = OneClassProtocol(networks=made)
    assert "autoencoder" in repr(asked.settings()["networks"])
    assert "networks" not in OneClassProtocol().settings()
    assert set(dict(asked.settings()["networks"])) == {"int8", "float32", "int8:fused", "float32:fused"}
    assert list(variants(RowRules(), True, None, made))[:4] == ["rules", "int8", "float32", "int8:fused"]


@pytest.mark.training
@pytest.mark.parametrize("kind", list(NetworkKind))
def test_a_trained_one_tells_faults_from_healthy_rows(
    kind: NetworkKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.training.evaluated.EPOCHS", 8)
    table = Networks(kind, ScaleRules()).detectors()
    areas = {}
    for name, detector in table.items():
        fitted = detector.fit(ROWS.healthy.values[:600], ROWS.healthy.sequence[:600])
        sides = (fitted.score(ROWS.healthy.values[600:]), fitted.score(ROWS.faulty.values))
        areas[name] = auroc(*(side[np.isfinite(side)] for side in sides))
    assert len(areas) == 7
    assert min(area for area in areas.values() if area is not None) > 0.6
