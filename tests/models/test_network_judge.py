"""A bundle's network scores live windows in the baseline's place, and leaves them to it when it cannot."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from dsp.extractor import EXTRACTOR_VERSION
from dsp.samples import Float32Array
from models.backends.numpy_reference import NumpyReference
from models.bundle import Bundle
from models.detector import AnomalyScore, BaselineDetector
from models.errors import InferenceError, ModelStateError, TensorError
from models.network_judge import NetworkAnswer, NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from models.training.rows import Stretch, training_rows
from tests.fakes.linear_bundle import linear_bundle
from tests.models.test_detector import DEMO, NAMES, vectors


def bundle() -> Bundle:
    """Of the detector tests' features, learned on another, quieter machine."""
    random = np.random.default_rng(7)
    normal = np.array([0.3, 3.0, 0.2, -22.0, -31.0, -40.0])
    decibels = 0.6 * random.standard_normal((400, 6))
    values = np.where(
        [True, False, True, False, False, False], normal * 10 ** (decibels / 20), normal + decibels
    )
    rows = training_rows(
        NAMES, EXTRACTOR_VERSION, [Stretch(values.astype(np.float32), "x")], "another machine"
    )
    return linear_bundle(rows)


def judge(made: Bundle) -> NetworkJudge:
    backend = NumpyReference()
    backend.load(made.manifest, made.artefact_bytes("numpy_reference"))
    return NetworkJudge(made.manifest, asked_of(backend))


def nobody(batch: Float32Array) -> NetworkAnswer:
    raise InferenceError("nobody is to be asked")


def learned(network: NetworkJudge) -> BaselineDetector:
    detector = BaselineDetector(DEMO, network=NetworkSeat(lambda: network))
    assert all(detector.observe(vector) is None for vector in vectors(62))
    return detector


def scores(detector: BaselineDetector, rise_db: float = 0.0, first: int = 62) -> list[AnomalyScore]:
    found = [detector.observe(vector) for vector in vectors(40, first=first, rise_db=rise_db)]
    return [score for score in found if score is not None]


def test_a_louder_channel_is_judged_from_its_own_level() -> None:
    """The network's machine was 10 dB quieter in all bands: unmoved, every window would be anomalous."""
    made = bundle()
    detector = learned(judge(made))
    healthy = scores(detector)
    assert len(healthy) == 40
    assert max(score.value for score in healthy) < 1.0
    assert min(score.value for score in healthy) > 0.0
    faulty = scores(detector, rise_db=30.0, first=102)
    assert faulty[-1].value > 1.0
    name = f"{made.manifest.name} {made.manifest.version}"
    assert faulty[-1].model_version.startswith(f"{name} on robust-baseline-1/")
    assert faulty[-1].unsmoothed == pytest.approx(float(faulty[-1].contributions.sum()))


def test_it_is_the_same_after_a_restart() -> None:
    network = judge(bundle())
    detector = learned(network)
    again = BaselineDetector(DEMO, network=NetworkSeat(lambda: network))
    again.restore(json.loads(json.dumps(detector.state())))
    assert [one.value for one in scores(again)] == [one.value for one in scores(detector)]


def test_a_network_that_fails_leaves_the_window_to_the_baseline() -> None:
    made = bundle()
    works = judge(made)
    broken = [False]

    def ask(batch: Float32Array) -> NetworkAnswer:
        if broken[0]:
            raise InferenceError("the accelerator was unplugged")
        backend = NumpyReference()
        backend.load(made.manifest, made.artefact_bytes("numpy_reference"))
        return asked_of(backend)(batch)

    detector, plain = learned(NetworkJudge(made.manifest, ask)), BaselineDetector(DEMO)
    for vector in vectors(62):
        plain.observe(vector)
    broken[0] = True
    fallen, usual = scores(detector), scores(plain)
    assert [one.unsmoothed for one in fallen] == [one.unsmoothed for one in usual]
    assert fallen[0].model_version == usual[0].model_version
    broken[0] = False
    assert scores(detector, first=102)[0].model_version.startswith(works.name)


def test_features_it_was_not_made_for_stay_with_the_baseline_and_are_named() -> None:
    network = judge(linear_bundle())
    detector = learned(network)
    assert scores(detector)[0].model_version.startswith("robust-baseline-1/")
    with pytest.raises(TensorError, match="rms_mps2"):
        network.require({"trend-1": NAMES})
    with pytest.raises(ModelStateError, match="trend-0"):
        judge(bundle()).require({"trend-0": NAMES})


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(ModelStateError, match="no network"):
        NetworkJudge(replace(bundle().manifest, network=None), nobody)
