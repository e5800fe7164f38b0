"""Training: small, repeatable, better than nothing. Skipped aloud without torch, which no lock file holds."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from dsp.samples import Float32Array
from models.bundle import Bundle, verified
from models.errors import ModelError
from models.evaluation.ranking import auroc
from models.network import CONVOLUTION
from models.training.distilling import teacher_of
from models.training.fitting import (
    MAX_PARAMETERS,
    REACH,
    STEPS,
    Fit,
    FitSettings,
    NetworkKind,
    Teacher,
    fit,
    plan,
)
from models.training.making import train
from models.training.quantiser import quantise
from models.training.quantising import quantised_bundle
from models.training.record import RECORD_FILE
from models.training.refining import calibration_rows
from tests.fakes.linear_bundle import linear_rows

SETTINGS = FitSettings(seed=3, most_epochs=8)
kinds = pytest.mark.parametrize("kind", list(NetworkKind))


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
@pytest.mark.training
def test_the_same_seed_gives_the_same_bundle_and_another_one_another(kind: NetworkKind) -> None:
    short = [FitSettings(seed=seed, most_epochs=2) for seed in (3, 3, 4)]
    first, same, other = (train(linear_rows(), kind, "x", settings).identity for settings in short)
    assert first == same
    assert first != other


@kinds
@pytest.mark.training
def test_a_trained_network_tells_faults_from_healthy_running(kind: NetworkKind) -> None:
    bundle = verified(trained(kind).contents())
    record = json.loads(bundle.files[RECORD_FILE])
    assert record["quality"]["auroc"] > 0.55
    assert record["quality"]["healthy_alarms"] == 0
    assert record["parameters"] <= MAX_PARAMETERS
    assert record["losses"][-1][0] < record["losses"][0][0]
    assert record["data_sha256"] in bundle.model_card
    assert "Limits of use" in bundle.model_card


@pytest.mark.training
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


@pytest.mark.training
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
@pytest.mark.training
def test_a_student_keeps_to_its_parameters(kind: NetworkKind) -> None:
    learn, until, _ = parts(kind)
    fitted = fit(kind, learn, until, FitSettings(most_epochs=1, most_parameters=900))
    assert fitted.network.parameters <= 900
    assert fit(kind, learn, until, FitSettings(most_epochs=1)).network.parameters > 900
    with pytest.raises(ModelError, match="too many for 10 parameters"):
        plan(kind, 12, 10)


@kinds
@pytest.mark.training
def test_cut_weights_are_zero_and_stay_zero(kind: NetworkKind) -> None:
    """Through the epochs after the cut, and those that learn int8."""
    learn, until, _ = parts(kind)
    settings = FitSettings(seed=1, most_epochs=4, refine_epochs=4, prune=0.6, quantisation_aware=True)
    fitted = fit(kind, learn, until, settings)
    dense = fit(kind, learn, until, FitSettings(seed=1, most_epochs=4))
    for layer, before in zip(fitted.network.layers, dense.network.layers, strict=True):
        cut = layer.weights == 0
        assert cut.mean() == pytest.approx(0.6, abs=1 / cut.size + 1e-6)
        # the smallest of what the training before the cut had left
        assert np.abs(before.weights[cut]).max() <= np.abs(before.weights[~cut]).min()
        assert not np.array_equal(layer.weights[~cut], before.weights[~cut])  # the others learned on
    assert len(fitted.losses) > len(dense.losses)
    with pytest.raises(ModelError, match="share"):
        FitSettings(prune=1.0)


@kinds
@pytest.mark.training
def test_a_student_follows_its_teacher_better_than_without(kind: NetworkKind) -> None:
    learn, until, held = parts(kind)
    master = fit(kind, learn, until, FitSettings(seed=5, most_epochs=25))
    settings = FitSettings(seed=6, most_epochs=30, most_parameters=900)
    alone = fit(kind, learn, until, settings)
    student = fit(kind, learn, until, settings, teacher=Teacher(master.network.run, master.target))
    if kind is NetworkKind.ONE_CLASS:
        assert student.target == pytest.approx(master.target)
        alone = replace(alone, target=master.target)  # one with a centre of its own cannot be compared
    seen = np.clip(held[:, :-1] if kind is NetworkKind.TEMPORAL else held, -REACH, REACH)

    def apart(fitted: Fit) -> float:
        return float(np.mean((fitted.network.run(seen) - master.network.run(seen)) ** 2))

    assert apart(student) < 0.95 * apart(alone)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.training
def test_learning_int8_leaves_no_larger_a_gap_than_quantising_afterwards(seed: int) -> None:
    """Equal epochs: in one the last twelve compute as int8 does."""
    learn, until, held = parts(NetworkKind.AUTOENCODER)
    seen = np.clip(held, -REACH, REACH)
    gaps = []
    for settings in (
        FitSettings(seed=seed, most_epochs=37, patience=99),
        FitSettings(seed=seed, most_epochs=25, refine_epochs=12, quantisation_aware=True),
    ):
        network = fit(NetworkKind.AUTOENCODER, learn, until, settings).network
        int8 = quantise(network, calibration_rows(learn, REACH, seed))
        losses = [float(np.mean((one.run(seen) - seen) ** 2)) for one in (int8, network)]
        gaps.append(losses[0] - losses[1])
    afterwards, aware = gaps
    assert aware <= afterwards


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.training
def test_a_one_class_network_tells_falls_as_it_tells_rises(seed: int) -> None:
    """With made-up rows that rise alone, these areas were 0.40 to 0.53."""
    learn, until, held = parts(NetworkKind.ONE_CLASS)
    settings = FitSettings(seed=seed, most_epochs=25)
    fitted = fit(NetworkKind.ONE_CLASS, learn, until, settings)

    def distances(rows: Float32Array) -> np.ndarray:
        outputs = fitted.network.run(np.clip(rows, -REACH, REACH))
        return np.mean((outputs - np.asarray(fitted.target)) ** 2, axis=1)

    for columns, step in ((slice(None), -1.0), (slice(3, 4), -2.5), (slice(None), 1.0), (slice(3, 4), 2.5)):
        changed = held.copy()
        changed[:, columns] += step
        area = auroc(distances(held), distances(changed))
        assert area is not None
        assert area > 0.85


def parts(kind: NetworkKind) -> list[Float32Array]:
    """Deviations of four causes and noise: to learn, to stop, to judge."""
    random = np.random.default_rng(1)
    mixing = random.standard_normal((4, 12))

    def drawn(n: int) -> Float32Array:
        rows = random.standard_normal((n, 4)) @ mixing * 0.7 + 0.3 * random.standard_normal((n, 12))
        if kind is NetworkKind.TEMPORAL:  # what comes follows from what was
            for i in range(1, n):
                rows[i] = 0.8 * rows[i - 1] + 0.6 * rows[i]
            return np.stack([rows[i : i + STEPS] for i in range(n - STEPS)]).astype(np.float32)
        return rows.astype(np.float32)

    return [drawn(400), drawn(150), drawn(400)]


@pytest.mark.training
def test_a_bundle_says_how_it_was_made() -> None:
    rows = linear_rows()
    teacher = trained(NetworkKind.AUTOENCODER)
    settings = FitSettings(most_epochs=2, refine_epochs=1, prune=0.5, quantisation_aware=True)
    made = verified(train(rows, NetworkKind.AUTOENCODER, "student", settings, teacher=teacher).contents())
    record = json.loads(made.files[RECORD_FILE])
    assert record["teacher"] == teacher.identity
    assert record["zero_weights"] >= 0.45 * record["parameters"]
    assert record["settings"]["quantisation_aware"] is True
    card = made.model_card.replace("\n", " ")
    assert "50% of each layer's weights cut; its last epochs computed as int8 does; a student of" in card
    with pytest.raises(ModelError, match="reconstruction network; the student is a embedding"):
        train(rows, NetworkKind.ONE_CLASS, "student", settings, teacher=teacher)


@pytest.mark.training
def test_a_teacher_of_other_features_is_refused_and_one_of_other_units_is_understood() -> None:
    teacher = trained(NetworkKind.AUTOENCODER)
    spec = teacher.manifest.network
    assert spec is not None
    with pytest.raises(ModelError, match="other features"):
        teacher_of(teacher, spec, ("other", *teacher.manifest.feature_names[1:]))
    wider = replace(
        spec,
        spread=tuple(2 * one for one in spec.spread),
        centre=tuple(c + s for c, s in zip(spec.centre, spec.spread, strict=True)),
    )
    z = deviations(50)[:, :1] * np.ones((1, len(spec.columns)), np.float32) * 0.3
    own = teacher_of(teacher, spec, teacher.manifest.feature_names).outputs(z)
    other = teacher_of(teacher, wider, teacher.manifest.feature_names).outputs((z - 1) / 2)
    np.testing.assert_allclose(2 * other + 1, own, atol=1e-5)


@kinds
@pytest.mark.training
def test_what_was_trained_can_be_quantised(kind: NetworkKind) -> None:
    """Whether the gate takes it, a training this short does not say; that int8 follows float32, it does."""
    made, verdicts = quantised_bundle(trained(kind), 8)
    assert len(made.manifest.artefacts) == 8
    assert all(verdict.correlation > 0.97 for verdict in verdicts)
    assert max(abs(change) for verdict in verdicts for change in verdict.auroc_changes) < 0.02
