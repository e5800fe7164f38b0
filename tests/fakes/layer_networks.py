"""The tiny network, and networks drawn at random, as lists of layers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from dsp.samples import Float32Array
from models.network import CONVOLUTION, DENSE, Layer, LayerNetwork, to_artefact
from models.training.quantiser import quantise
from tests.fakes import tiny_networks as tiny


def tiny_layers() -> bytes:
    """The tiny network in float32."""
    return to_artefact(_tiny())


def tiny_layers_int8() -> bytes:
    """The tiny network in int8."""
    inputs = np.random.default_rng(1).uniform(-tiny.REACH, tiny.REACH, (400, tiny.N_FEATURES))
    return to_artefact(quantise(_tiny(), inputs.astype(np.float32)))


def _tiny() -> LayerNetwork:
    return LayerNetwork(
        (tiny.N_FEATURES,), (Layer(DENSE, tiny.W1, tiny.B1, True), Layer(DENSE, tiny.W2, tiny.B2, False))
    )


def random_autoencoder(seed: int = 0, n: int = 24) -> LayerNetwork:
    """Dense layers n - 32 - 8 - 32 - n."""
    random = np.random.default_rng(seed)
    sizes = (n, 32, 8, 32, n)
    layers = [
        _layer(random, (after, before), i < len(sizes) - 2)
        for i, (before, after) in enumerate(pairwise(sizes))
    ]
    return LayerNetwork((n,), tuple(layers))


def random_temporal(seed: int = 0, n: int = 24, steps: int = 8) -> LayerNetwork:
    """Two convolutions over the steps, then a dense layer."""
    random = np.random.default_rng(seed)
    layers = (
        _layer(random, (16, 3, n), True),
        _layer(random, (16, 3, 16), True),
        _layer(random, (n, 16 * (steps - 4)), False),
    )
    return LayerNetwork((steps, n), layers)


def random_inputs(network: LayerNetwork, n: int = 200, seed: int = 5) -> Float32Array:
    """`(n, *input_shape)` standard normal rows."""
    shape = (n, *network.input_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def _layer(random: np.random.Generator, shape: tuple[int, ...], relu: bool) -> Layer:
    weights = (random.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)
    bias = (random.standard_normal(shape[0]) / 5).astype(np.float32)
    return Layer(DENSE if len(shape) == 2 else CONVOLUTION, weights, bias, relu)
