"""Networks as one-class detectors of an evaluation: trained on the fold alone, int8 beside float32."""

from __future__ import annotations

import numpy as np
import pytest

from models.detectors.columns import ScaleRules
from models.evaluation.one_class_protocol import OneClassProtocol, variants
from models.evaluation.ranking import auroc
from models.training.evaluated import FittedNetwork, Networks
from models.training.fitting import Fit, FitSettings, NetworkKind
from models.training.runtime_files import NUMPY, runtimes_here
from tests.fakes.linear_bundle import linear_rows, principal

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


def test_the_protocol_shows_them_only_where_they_are_asked_for() -> None:
    from models.detectors.representation import RowRules

    assert not {"int8", "float32"} & set(variants(RowRules(), True))
    asked = OneClassProtocol(networks=lambda scale: Networks(KINDS[0], scale).detectors())
    assert "autoencoder" in repr(asked.settings()["networks"])
    assert "networks" not in OneClassProtocol().settings()
    table = variants(RowRules(), True, None, lambda scale: Networks(KINDS[0], scale).detectors())
    assert list(table)[:3] == ["rules", "int8", "float32"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_one_tells_faults_from_healthy_rows(
    kind: NetworkKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs torch, which no lock file holds")
    monkeypatch.setattr("models.training.evaluated.EPOCHS", 8)
    table = Networks(kind, ScaleRules()).detectors()
    areas = {}
    for name, detector in table.items():
        fitted = detector.fit(ROWS.healthy.values[:600], ROWS.healthy.sequence[:600])
        areas[name] = auroc(fitted.score(ROWS.healthy.values[600:]), fitted.score(ROWS.faulty.values))
    assert len(areas) == 7
    assert min(area for area in areas.values() if area is not None) > 0.6
