"""The saturating golden vector alone gives 8-bit weights away where products are summed in 16 bits."""

from __future__ import annotations

import numpy as np
import pytest

from models.bundle import Bundle
from models.manifest import golden_inputs
from models.network import LayerNetwork, from_artefact
from models.network_score import prepare, raw_scores
from models.training.fitting import NetworkKind
from models.training.golden import TOLERANCE
from models.training.onnx_files import to_onnx, to_qdq
from models.training.qdq_reference import int8_layers
from models.training.runtime_files import FLOAT_FILE
from models.training.saturation import saturated_outputs
from models.training.subjects import subject_of
from tests.fakes.layer_networks import random_autoencoder, random_inputs, random_temporal
from tests.fakes.linear_bundle import linear_bundle
from tests.fakes.picture_networks import random_network, random_pictures
from tests.fakes.untrained_bundles import untrained

DECISIVE = 2.0  # times the tolerance


MAKE = {
    "principal directions": linear_bundle,
    "autoencoder": lambda: untrained(NetworkKind.AUTOENCODER),
    "one-class": lambda: untrained(NetworkKind.ONE_CLASS),
    "temporal": lambda: untrained(NetworkKind.TEMPORAL),
}


def file_of(bundle: Bundle, bits: int) -> LayerNetwork:
    """What U8S8 of the bundle's network says, read from the file."""
    network = from_artefact(bundle.files[FLOAT_FILE])
    calibration = subject_of(bundle).calibration()
    content = to_qdq(to_onnx(network), calibration, symmetric=False, weight_bits=bits)
    return int8_layers(content, network)


def changes(bundle: Bundle, int8: LayerNetwork, by_steps: bool) -> np.ndarray:
    """Of each golden score where pairs of products saturate, in units of the score or the limit."""
    spec, (entry,) = bundle.manifest.network, bundle.manifest.artefacts
    assert spec is not None
    prepared = prepare(spec, golden_inputs(bundle.manifest))
    right = raw_scores(spec, prepared, int8.run(prepared.inputs)) / entry.limit
    wrong = raw_scores(spec, prepared, saturated_outputs(int8, prepared.inputs, by_steps)) / entry.limit
    return np.abs(wrong - right) / np.maximum(right, 1.0)


@pytest.mark.parametrize("name", MAKE)
def test_it_changes_by_far_more_than_the_tolerance_with_8_bits_and_not_with_7(name: str) -> None:
    bundle = MAKE[name]()
    which = [vector.why for vector in bundle.manifest.golden].index("saturating")
    assert bundle.manifest.golden[which].tolerance == TOLERANCE
    for by_steps in (False, True):
        assert changes(bundle, file_of(bundle, 8), by_steps)[which] > DECISIVE * TOLERANCE
        assert changes(bundle, file_of(bundle, 7), by_steps).max() < 0.1 * TOLERANCE


@pytest.mark.parametrize("by_steps", [False, True])
@pytest.mark.parametrize("make", [random_autoencoder, random_temporal])
def test_where_nothing_saturates_the_arithmetic_is_the_reference_s(make, by_steps: bool) -> None:  # type: ignore[no-untyped-def]
    network = make()
    rows = random_inputs(network)
    int8 = int8_layers(to_qdq(to_onnx(network), rows, symmetric=False, weight_bits=7), network)
    np.testing.assert_array_equal(saturated_outputs(int8, rows, by_steps), int8.run(rows))


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("kind", ["autoencoder", "temporal", "pictures"])
def test_the_reference_computes_a_file_as_the_runtime_does(kind: str, symmetric: bool) -> None:
    """Within one step: where a value lies between two, runtimes round as they like."""
    import onnxruntime

    network = {
        "autoencoder": random_autoencoder, "temporal": random_temporal,
        "pictures": lambda: random_network((32, 40, 1)),
    }[kind]()  # fmt: skip
    rows = random_pictures(120, (32, 40, 1)) if kind == "pictures" else random_inputs(network)
    content = to_qdq(to_onnx(network), rows, symmetric=symmetric, weight_bits=7)
    int8 = int8_layers(content, network)
    plain = onnxruntime.SessionOptions()
    plain.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )  # no products of bytes
    session = onnxruntime.InferenceSession(content, plain, providers=["CPUExecutionProvider"])
    right = session.run(None, {"input": rows[:20]})[0]
    step = int8.layers[-1].output.scale  # type: ignore[union-attr]
    off = np.abs(int8.run(rows[:20]) - right) / step
    assert off.max() < 2.5
    assert off.mean() < 0.1
