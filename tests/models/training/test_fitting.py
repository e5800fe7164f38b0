"""Training: small, repeatable, better than nothing. Skipped aloud without torch, which no lock file holds."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from dsp.samples import Float32Array
from models.bundle import Bundle, verified
from models.errors import ModelError
from models.network import CONVOLUTION
from models.training.fitting import MAX_PARAMETERS, REACH, STEPS, FitSettings, NetworkKind, fit, plan
from models.training.making import train
from models.training.quantising import quantised_bundle
from models.training.record import RECORD_FILE
from tests.fakes.linear_bundle import linear_rows

SETTINGS = FitSettings(seed=3, most_epochs=8)
kinds = pytest.mark.parametrize("kind", list(NetworkKind))


@pytest.fixture(autouse=True)
def _torch(request: pytest.FixtureRequest) -> None:
    if "without_torch" not in request.node.name:
        pytest.importorskip(
            "torch", reason="training needs torch, which no lock file holds: see pyproject.toml"
        )


@cache
def trained(kind: NetworkKind) -> Bundle:
    return train(linear_rows(), kind, f"linear-{kind}", SETTINGS)


@kinds
def test_without_torch_networks_are_planned_within_their_bounds(kind: NetworkKind) -> None:
    for n in (8, 26, 128, 384, 1000):
        layers = plan(kind, n)
        parameters = sum(int(np.prod(shape)) + shape[0] for _, shape, _ in layers)
        assert parameters <= MAX_PARAMETERS
        assert (layers[0][0] == CONVOLUTION) is (kind is NetworkKind.TEMPORAL)
    with pytest.raises(ModelError, match="too many"):
        plan(kind, 20_000)


def test_without_torch_training_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"torch.*\[train\]"):
        fit(NetworkKind.AUTOENCODER, deviations(), deviations(), SETTINGS)


def deviations(n: int = 120) -> Float32Array:
    return np.random.default_rng(1).standard_normal((n, 12)).astype(np.float32)


@kinds
def test_the_same_seed_gives_the_same_bundle_and_another_one_another(kind: NetworkKind) -> None:
    short = [FitSettings(seed=seed, most_epochs=2) for seed in (3, 3, 4)]
    first, same, other = (train(linear_rows(), kind, "x", settings).identity for settings in short)
    assert first == same
    assert first != other


@kinds
def test_a_trained_network_tells_faults_from_healthy_running(kind: NetworkKind) -> None:
    bundle = verified(trained(kind).contents())
    record = json.loads(bundle.files[RECORD_FILE])
    assert record["quality"]["auroc"] > 0.55
    assert record["quality"]["healthy_alarms"] == 0
    assert record["parameters"] <= MAX_PARAMETERS
    assert record["losses"][-1][0] < record["losses"][0][0]
    assert record["data_sha256"] in bundle.model_card
    assert "Limits of use" in bundle.model_card


def test_the_network_that_is_kept_is_the_one_that_torch_had() -> None:
    """The loss that torch found of the rows that say stop, found again by the reference's arithmetic."""
    rows = deviations(200)
    fitted = fit(NetworkKind.AUTOENCODER, rows[:150], rows[150:], SETTINGS)
    seen = np.clip(rows[150:], -REACH, REACH)
    loss = float(np.mean((fitted.network.run(seen) - seen) ** 2))
    assert loss == pytest.approx(fitted.losses[fitted.epochs - 1][1], rel=1e-5)
    items = np.stack([rows[i : i + STEPS] for i in range(len(rows) - STEPS)])
    temporal = fit(NetworkKind.TEMPORAL, items[:150], items[150:], SETTINGS)
    seen = np.clip(items[150:], -REACH, REACH)
    loss = float(np.mean((temporal.network.run(seen[:, :-1]) - seen[:, -1]) ** 2))
    assert loss == pytest.approx(temporal.losses[temporal.epochs - 1][1], rel=1e-5)


def test_it_stops_early_and_keeps_the_best() -> None:
    rows = deviations()
    told: list[int] = []
    fitted = fit(
        NetworkKind.TEMPORAL,
        np.stack([rows[i : i + STEPS] for i in range(60)]),
        np.stack([rows[i : i + STEPS] for i in range(60, 110)]),
        FitSettings(patience=3, most_epochs=100),
        lambda epoch, learning, stopping: told.append(epoch),
    )
    assert len(told) == len(fitted.losses) < 100
    assert fitted.losses[fitted.epochs - 1][1] == min(loss for _, loss in fitted.losses)
    assert len(fitted.losses) - fitted.epochs == 3


@kinds
def test_what_was_trained_can_be_quantised(kind: NetworkKind) -> None:
    """Whether the gate takes it, a training this short does not say; that int8 follows float32, it does."""
    made, verdicts = quantised_bundle(trained(kind), 8)
    assert len(made.manifest.artefacts) == 8
    assert all(verdict.correlation > 0.97 for verdict in verdicts)
    assert max(abs(change) for verdict in verdicts for change in verdict.auroc_changes) < 0.02
