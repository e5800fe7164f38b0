"""A network computes what its definition says, slowly; survives its bytes; and damage is named."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from models.errors import ArtefactError, TensorError
from models.manifest import Quantisation
from models.network import CONVOLUTION, DENSE, Layer, LayerNetwork, from_artefact, to_artefact
from models.training.quantiser import quantise
from tests.fakes.layer_networks import random_autoencoder, random_inputs, random_temporal

NETWORKS = {"autoencoder": random_autoencoder(), "temporal": random_temporal()}
QUANTISED = {name: quantise(network, random_inputs(network)) for name, network in NETWORKS.items()}
both = pytest.mark.parametrize("name", NETWORKS)


def slowly(network: LayerNetwork, item: np.ndarray) -> np.ndarray:
    """One item, one product at a time, in float64."""
    now = np.atleast_2d(item.astype(np.float64))  # (steps, features)
    for layer in network.layers:
        if layer.kind == DENSE:
            now = now.reshape(1, -1)
            out = [[sum(w * x for w, x in zip(row, now[0], strict=True)) for row in layer.weights]]
        else:
            kernel = layer.weights.shape[1]
            out = [
                [float((layer.weights[o] * now[t : t + kernel]).sum()) for o in range(layer.outputs)]
                for t in range(len(now) - kernel + 1)
            ]
        now = np.array(out) + layer.bias
        if layer.relu:
            now = np.maximum(now, 0)
    return now[0]


@both
def test_float_is_the_definition(name: str) -> None:
    network = NETWORKS[name]
    batch = random_inputs(network, 5)
    np.testing.assert_allclose(network.run(batch), [slowly(network, item) for item in batch], atol=1e-5)


def test_int8_is_the_definition() -> None:
    """Whole-number arithmetic with Python's own integers, one layer."""
    weights = np.array([[3, -127], [127, 127]], np.int8)
    layer = Layer(DENSE, weights, np.array([10, -20], np.int32), True, (0.01, 0.02), Quantisation(0.05, -100))
    network = LayerNetwork((2,), (layer,), Quantisation(0.1, 5))
    found = network.run(np.array([[1.04, -0.26], [50.0, 50.0]], np.float32))
    rows = [[10 + 5, -3 + 5], [127, 127]]  # 1.04 / 0.1 = 10.4, -0.26 / 0.1 = -2.6; 50 saturates
    for row, real in zip(rows, found, strict=True):
        for o in range(2):
            total = sum(int(w) * (x - 5) for w, x in zip(weights[o], row, strict=True)) + int(layer.bias[o])
            wanted = math.floor(total * 0.1 * layer.weight_scales[o] / 0.05 + 0.5) - 100
            wanted = min(max(wanted, -100), 127)  # a ReLU ends at the zero point
            assert real[o] == pytest.approx((wanted + 100) * 0.05)


@both
def test_int8_is_near_float(name: str) -> None:
    batch = random_inputs(NETWORKS[name])  # nothing beyond the ranges that were calibrated
    right, found = NETWORKS[name].run(batch), QUANTISED[name].run(batch)
    assert np.std(found - right) < 0.03 * np.std(right)


@both
@pytest.mark.parametrize("table", [NETWORKS, QUANTISED], ids=["float32", "int8"])
def test_bytes_keep_everything(name: str, table: dict[str, LayerNetwork]) -> None:
    network = table[name]
    back = from_artefact(to_artefact(network))
    batch = random_inputs(network, 7)
    np.testing.assert_array_equal(back.run(batch), network.run(batch))
    assert to_artefact(back) == to_artefact(network)
    assert back.quantised is (table is QUANTISED)


@both
def test_a_batch_gives_what_its_rows_give(name: str) -> None:
    network, batch = QUANTISED[name], random_inputs(NETWORKS[name], 9)
    alone = np.concatenate([network.run(batch[i : i + 1]) for i in range(9)])
    np.testing.assert_array_equal(network.run(batch), alone)
    assert network.run(batch[:0]).shape == (0, network.layers[-1].outputs)


def test_another_shape_is_refused() -> None:
    with pytest.raises(TensorError, match="expected"):
        NETWORKS["autoencoder"].run(np.zeros((2, 3), np.float32))


def test_layers_that_do_not_fit_are_refused() -> None:
    network = NETWORKS["autoencoder"]
    first, *others = network.layers
    for layers in ((), (first, first), (replace(first, bias=first.bias[:3]), *others)):
        with pytest.raises(ArtefactError):
            LayerNetwork((24,), tuple(layers))
    with pytest.raises(ArtefactError):
        LayerNetwork((24,), (replace(first, kind=CONVOLUTION), *others))
    with pytest.raises(ArtefactError, match="int8"):
        LayerNetwork((24,), network.layers, Quantisation(0.1, 0))
    with pytest.raises(ArtefactError, match="no numbers"):
        LayerNetwork((24,), (replace(first, weights=first.weights * np.float32(np.nan)), *others))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.pop("layers"), "lacks layers"),
        (lambda f: f.update(format="other"), "format"),
        (lambda f: f["layers"][1].update(kind="sorcery"), "layer 1"),
        (lambda f: f["layers"][0]["weights"].update(data="AA=="), "bytes"),
        (lambda f: f["layers"][0]["weights"].update(data="!"), "base64"),
        (lambda f: f["layers"][0]["weights"].update(type="object"), "object"),
        (lambda f: f["layers"][0]["weights"].update(shape=[1 << 40]), "shape"),
        (lambda f: f["layers"][0].update(relu=1), "relu"),
        (lambda f: f["layers"][0]["output"].update(scale=0), "output"),
        (lambda f: f["layers"][0].update(weight_scales=[]), "weight scales"),
        (lambda f: f.update(input=None), "layer 0"),
        (lambda f: f.update(input_shape=[0]), "input"),
    ],
)
def test_a_wrong_part_is_named(change: object, words: str) -> None:
    fields = json.loads(to_artefact(QUANTISED["autoencoder"]))
    change(fields)  # type: ignore[operator]
    with pytest.raises(ArtefactError, match=words):
        from_artefact(json.dumps(fields).encode())


def test_damaged_bytes_give_a_network_or_its_error() -> None:
    content = to_artefact(QUANTISED["temporal"])
    chance, refused = Random(3), 0
    for _ in range(200):
        damaged = bytearray(content)
        for _ in range(chance.choice((1, 1, 20))):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            from_artefact(bytes(damaged[: chance.choice((len(damaged), len(damaged) // 2))]))
        except ArtefactError:
            refused += 1
    assert refused > 100
