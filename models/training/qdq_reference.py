"""An ONNX file of `onnx_files.to_qdq` as the int8 layers of the reference: what the file means, by itself.

Duty: read weights, scales and zero points back out of the file. Runs nothing. Golden outputs come from these
layers, because a runtime's answer also depends on the processor that happened to quantise.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from models.errors import ArtefactError
from models.manifest import Quantisation
from models.network import CONVOLUTION, PICTURE_CONVOLUTION, Layer, LayerNetwork

_TURNED = {
    CONVOLUTION: (0, 2, 1),
    PICTURE_CONVOLUTION: (0, 2, 3, 1),
}  # ONNX has the channels before the place
_MOVES = ("Transpose", "Flatten", "Relu")  # nodes that change no scale
_LARGEST_BIAS = 2**31 - 1


def int8_layers(content: bytes, network: LayerNetwork) -> LayerNetwork:
    """The int8 network of a QDQ file that was made of the float `network`; its size is the network's.

    Raises ArtefactError where the file is not of that form.
    """
    file = _File(onnx.load_from_string(content).graph)
    nodes = [node for node in file.nodes if node.op_type in ("Gemm", "Conv")]
    if len(nodes) != len(network.layers):
        raise ArtefactError(f"the file has {len(nodes)} layers; the network has {len(network.layers)}")
    layers, first = [], None
    for node, layer in zip(nodes, network.layers, strict=True):
        before = file.scale_of(file.maker(node.input[0]))
        first = first or before
        layers.append(file.layer(node, layer, before))
    return LayerNetwork(network.input_shape, tuple(layers), first)


class _File:
    """A graph by the names of its values."""

    def __init__(self, graph: Any) -> None:
        self.nodes = list(graph.node)
        self._made_by = {name: node for node in self.nodes for name in node.output}
        self._constants: dict[str, npt.NDArray[Any]] = {
            one.name: numpy_helper.to_array(one) for one in graph.initializer
        }

    def layer(self, node: Any, layer: Layer, before: Quantisation) -> Layer:
        """The int8 layer of a node, made of its float one."""
        real = self.maker(node.input[1])
        weights = self._constant(real.input[0]).transpose(_TURNED.get(layer.kind, (0, 1)))
        scales = np.atleast_1d(self._constant(real.input[1])).astype(np.float64)
        if weights.dtype != np.int8 or weights.shape != layer.weights.shape:
            have = f"{weights.dtype} {weights.shape}"
            raise ArtefactError(f"the file has weights {have}; expected int8 {layer.weights.shape}")
        return replace(
            layer,
            weights=np.ascontiguousarray(weights),
            bias=self._bias(node.input[2], before.scale * scales),
            weight_scales=tuple(scales.tolist()),
            output=self._output(node.output[0]),
        )

    def _bias(self, name: str, scales: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """As integers, of a bias that is float32 or was quantised."""
        bias = self._constants.get(name)
        if bias is None:
            bias = self._constant(self.maker(name).input[0])
        if bias.dtype != np.int32:
            bias = np.clip(np.rint(bias / scales), -_LARGEST_BIAS, _LARGEST_BIAS)
        integers: npt.NDArray[np.int32] = bias.astype(np.int32)
        return integers

    def _output(self, name: str) -> Quantisation:
        """Of the value after a layer, and after its ReLU."""
        for node in self.nodes:
            if name in node.input:
                return self._output(node.output[0]) if node.op_type in _MOVES else self.scale_of(node)
        raise ArtefactError(f"the file does not quantise {name!r}")

    def scale_of(self, node: Any) -> Quantisation:
        """Of a node that quantises or gives real values back, as for signed bytes."""
        if node.op_type in _MOVES:
            return self.scale_of(self.maker(node.input[0]))
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            raise ArtefactError(f"the file computes {node.op_type} where a scale was expected")
        scale, zero_point = (self._constant(name) for name in node.input[1:3])
        return Quantisation(float(scale), int(zero_point) - (128 if zero_point.dtype == np.uint8 else 0))

    def maker(self, name: str) -> Any:
        """The node that gives a value."""
        if name not in self._made_by:
            raise ArtefactError(f"the file has no node that gives {name!r}")
        return self._made_by[name]

    def _constant(self, name: str) -> npt.NDArray[Any]:
        if name not in self._constants:
            raise ArtefactError(f"the file has no constant {name!r}")
        return self._constants[name]
