"""Networks over pictures with weights from a seed: for what must hold whatever a network has learned."""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.network import PICTURE_CONVOLUTION, Layer, LayerNetwork

PLAN = ((6, 3, 2, 1), (8, 3, 1, 2), (8, 3, 2, 1), (3, 1, 1, 1))  # outputs, kernel, stride, dilation


def random_network(shape: tuple[int, int, int], seed: int = 1) -> LayerNetwork:
    """Four convolutions, ReLU between them, on pictures `(height, width, channels)` of any size."""
    chance = np.random.default_rng(seed)
    layers, channels = [], shape[2]
    for i, (outputs, kernel, stride, dilation) in enumerate(PLAN):
        spread = np.sqrt(2.0 / (kernel * kernel * channels))
        layers.append(
            Layer(
                PICTURE_CONVOLUTION,
                chance.normal(0, spread, (outputs, kernel, kernel, channels)).astype(np.float32),
                chance.normal(0, 0.1, outputs).astype(np.float32),
                relu=i < len(PLAN) - 1,
                stride=stride,
                dilation=dilation,
            )
        )
        channels = outputs
    return LayerNetwork(shape, tuple(layers))


def random_pictures(n: int, shape: tuple[int, int, int], seed: int = 2) -> Float32Array:
    """`(n, *shape)` of unit spread."""
    return np.random.default_rng(seed).normal(size=(n, *shape)).astype(np.float32)
