"""What an int8 network gives on a processor that adds two products of bytes in 16 bits (x86 without VNNI).

Duty: that arithmetic, on the reference's layers, so that golden vectors can be chosen by it and tests hold
them against it. Such processors multiply unsigned activations by signed weights, two neighbours at a time,
and hold their sum between -32,768 and 32,767. Which two are neighbours in a convolution differs between
runtimes: values of one step, or steps of one value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.network import CONVOLUTION, DENSE, LayerNetwork, quantised
from models.training.quantiser import activation_range

_LOWEST, _HIGHEST = -32_768, 32_767
_AT_ONCE = 64  # items: all products stand side by side


def eight_bits(network: LayerNetwork, seen: Float32Array) -> LayerNetwork:
    """The int8 network as files of U8S8 have it: weights of 8 bits, a scale per output; ranges of `seen`."""
    ranges = [activation_range(values) for values in network.activations(seen)]
    layers = []
    for layer, before, after in zip(network.layers, ranges, ranges[1:], strict=False):
        flat = layer.weights.reshape(layer.outputs, -1).astype(np.float64)
        scales = np.maximum(np.abs(flat).max(axis=1), 1e-12) / 127.0
        weights = np.rint(flat / scales[:, np.newaxis]).astype(np.int8).reshape(layer.weights.shape)
        bias = np.clip(np.rint(layer.bias / (before.scale * scales)), -(2**31) + 1, 2**31 - 1)
        layers.append(
            replace(layer, weights=weights, bias=bias.astype(np.int32), weight_scales=tuple(scales.tolist()),
                    output=after)
        )  # fmt: skip
    return LayerNetwork(network.input_shape, tuple(layers), ranges[0])


def saturated_outputs(network: LayerNetwork, batch: Float32Array, by_steps: bool = False) -> Float32Array:
    """Outputs `(n, outputs)` of an int8 network of dense layers and convolutions along steps.

    `by_steps`: a convolution's neighbours are steps of one value, else values of one step.
    """
    parts = [_saturated(network, batch[i : i + _AT_ONCE], by_steps) for i in range(0, len(batch), _AT_ONCE)]
    return np.concatenate(parts)


def _saturated(network: LayerNetwork, batch: Float32Array, by_steps: bool) -> Float32Array:
    before = network.input_quantisation
    assert before is not None, "a float network has no bytes to saturate"
    now = quantised(np.asarray(batch, dtype=np.float64), before)
    for layer in network.layers:
        assert layer.output is not None and layer.kind in (DENSE, CONVOLUTION)
        weights = layer.weights.astype(np.int64)
        read: npt.NDArray[Any] = now.reshape(len(now), 1, 1, -1)
        if layer.kind == CONVOLUTION:
            kernel = weights.shape[1]
            steps = now.shape[1] - kernel + 1
            read = np.stack([now[:, i : i + steps] for i in range(kernel)], axis=2)  # (n, steps, kernel, in)
            if by_steps:
                read, weights = read.swapaxes(2, 3), weights.swapaxes(1, 2)
        flat = weights.reshape(layer.outputs, -1)
        given = read.reshape(*read.shape[:2], -1).astype(np.int64) + 128  # as unsigned bytes
        products = given[:, :, np.newaxis] * flat  # (n, steps, outputs, what one output reads)
        if products.shape[-1] % 2:
            products = np.concatenate([products, np.zeros((*products.shape[:-1], 1), np.int64)], axis=-1)
        pairs = np.clip(products[..., 0::2] + products[..., 1::2], _LOWEST, _HIGHEST)
        sums = pairs.sum(axis=-1) - (before.zero_point + 128) * flat.sum(axis=1) + layer.bias
        factor = before.scale * np.asarray(layer.weight_scales) / layer.output.scale
        found: Float64Array = np.rint(sums * factor) + layer.output.zero_point
        now = np.clip(found, max(layer.output.zero_point, -128) if layer.relu else -128, 127)
        if layer.kind == DENSE:
            now = now[:, 0]
        before = layer.output
    outputs: Float32Array = ((now - before.zero_point) * before.scale).astype(np.float32)
    return outputs
