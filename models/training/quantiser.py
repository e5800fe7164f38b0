"""A float32 network to an int8 one: scales from the true smallest and largest values that were seen.

Duty: the arithmetic of quantising a `LayerNetwork`; writes no file, judges nothing. What the int8 network is
worth is `models.evaluation.int8_gate`'s to say.

Activations are asymmetric, one scale per tensor, over the true minimum and maximum of the calibration rows (a
moving average or percentile cuts what an anomaly detector is there for). Weights are symmetric: one scale per
output channel of a convolution, one per dense layer, because the Edge TPU takes no other dense layer.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array
from models.errors import TensorError
from models.manifest import Quantisation
from models.network import DENSE, Layer, LayerNetwork

LEAST_ROWS, MOST_ROWS = 100, 1000
_AT_ONCE = 64
_NARROWEST = 1e-6  # a tensor that is always 0 still needs a scale


def quantise(network: LayerNetwork, calibration: Float32Array) -> LayerNetwork:
    """The int8 network of a float one; `calibration` `(n, *input_shape)` with n from 100 to 1000.

    Raises TensorError for fewer or more rows.
    """
    require_calibration(calibration)
    scales = _ranges(network, calibration)
    layers = []
    for layer, before, after in zip(network.layers, scales, scales[1:], strict=False):
        layers.append(_layer(layer, before, after))
    return LayerNetwork(network.input_shape, tuple(layers), scales[0])


def require_calibration(calibration: Float32Array) -> None:
    """Raises TensorError for another number of rows than 100 to 1000."""
    if not LEAST_ROWS <= len(calibration) <= MOST_ROWS:
        raise TensorError(f"{len(calibration)} rows to calibrate with; expected {LEAST_ROWS} to {MOST_ROWS}")


def _ranges(network: LayerNetwork, calibration: Float32Array) -> list[Quantisation]:
    """Of the input and of every layer's output; a few items at a time, as pictures' are large."""
    ends: list[tuple[float, float]] = []
    for first in range(0, len(calibration), _AT_ONCE):
        seen = network.activations(calibration[first : first + _AT_ONCE])
        found = [(float(values.min()), float(values.max())) for values in seen]
        ends = [
            (min(low, lower), max(high, higher))
            for (low, high), (lower, higher) in zip(ends or found, found, strict=True)
        ]
    return [activation_range(np.array(pair, np.float32)) for pair in ends]


def activation_range(values: npt.NDArray[np.float32]) -> Quantisation:
    """Scale and zero point of int8 over the true range of `values`, widened to hold 0 exactly."""
    lowest, highest = min(0.0, float(values.min())), max(0.0, float(values.max()))
    scale = max(highest - lowest, _NARROWEST) / 255.0
    zero_point = int(np.clip(round(-128.0 - lowest / scale), -128, 127))
    # as float32, which is what files of every runtime store
    return Quantisation(float(np.float32(scale)), zero_point)


def _layer(layer: Layer, before: Quantisation, after: Quantisation) -> Layer:
    flat = layer.weights.reshape(layer.outputs, -1).astype(np.float64)
    largest = np.abs(flat).max(axis=1) if layer.kind != DENSE else np.abs(flat).max(keepdims=True)[:, 0]
    scales = (np.maximum(largest, _NARROWEST) / 127.0).astype(np.float32).astype(np.float64)
    weights = np.clip(np.rint(flat / scales[:, np.newaxis]), -127, 127).astype(np.int8)
    largest_bias = 2.0**31 - 1
    bias = np.clip(np.rint(layer.bias / (before.scale * scales)), -largest_bias, largest_bias)
    return Layer(
        kind=layer.kind,
        weights=weights.reshape(layer.weights.shape),
        bias=bias.astype(np.int32),
        relu=layer.relu,
        weight_scales=tuple(scales.tolist()),
        output=after,
        stride=layer.stride,
        dilation=layer.dilation,
    )
