"""An int8 network as a TensorFlow Lite flatbuffer, with only what the Edge TPU compiler documents.

Duty: write the file; quantises nothing, runs nothing. Operators and versions: CONV_2D 3, FULLY_CONNECTED 4
(one scale for all weights), RESHAPE 1. Input and output are int8, batch 1, and no tensor is float. Whether
`edgetpu_compiler` takes a file can only be said by running it, which this module does not.

The graph of layers maps one to one, convolutions over pictures to CONV_2D with padding SAME. A sequence
`(steps, features)` enters as `(1, 1, steps, features)`.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from models.errors import ArtefactError
from models.manifest import Quantisation
from models.network import CONVOLUTION, DENSE, PICTURE_CONVOLUTION, Layer, LayerNetwork
from models.picture_layers import output_size

_VERSIONS = {
    schema.BuiltinOperator.CONV_2D: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 4,
    schema.BuiltinOperator.RESHAPE: 1,
}
_IDENTIFIER = b"TFL3"


def to_tflite(network: LayerNetwork) -> bytes:
    """The file's bytes, the same for equal networks. Raises ArtefactError for a float network."""
    if network.input_quantisation is None:
        raise ArtefactError("only an int8 network becomes an int8 flatbuffer; quantise it first")
    graph = _Graph()
    shape: tuple[int, ...] = (1, *((1,) if len(network.input_shape) == 2 else ()), *network.input_shape)
    now = graph.activation("input", shape, network.input_quantisation)
    first = now
    for i, layer in enumerate(network.layers):
        assert layer.output is not None
        before = graph.quantisations[now]
        if layer.kind == DENSE and len(shape) > 2:
            shape = (1, int(np.prod(shape)))
            flat = graph.activation(f"flat_{i}", shape, before)
            graph.reshape(now, flat, shape)
            now = flat
        weights = np.asarray(layer.weights, dtype=np.int8)
        if layer.kind == PICTURE_CONVOLUTION:
            shape = (1, *(output_size(size, layer.stride) for size in shape[1:3]), layer.outputs)
        elif layer.kind == CONVOLUTION:
            weights = weights[:, np.newaxis]  # (out, 1, kernel, in): height 1, width = steps
            shape = (1, 1, shape[2] - weights.shape[2] + 1, layer.outputs)
        else:
            shape = (1, layer.outputs)
        scales = np.asarray(layer.weight_scales)
        operands = [
            now,
            graph.constant(f"weights_{i}", weights, scales, schema.TensorType.INT8),
            graph.constant(f"bias_{i}", layer.bias, before.scale * scales, schema.TensorType.INT32),
        ]
        after = graph.activation(f"layer_{i}", shape, layer.output)
        if layer.kind == DENSE:
            graph.dense(operands, after, layer.relu)
        else:
            graph.convolution(operands, after, layer)
        now = after
    return graph.finished(first, now)


class _Graph:
    """Tensors, buffers and operators as they are added."""

    def __init__(self) -> None:
        self._buffers: list[Any] = [schema.BufferT()]  # buffer 0 is empty by convention
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: list[int] = []
        self.quantisations: dict[int, Quantisation] = {}

    def activation(self, name: str, shape: tuple[int, ...], quantisation: Quantisation) -> int:
        """A tensor that is computed; returns its index."""
        index = self._tensor(name, shape, schema.TensorType.INT8, 0)
        self._tensors[index].quantization = _quantisation([quantisation.scale], [quantisation.zero_point])
        self.quantisations[index] = quantisation
        return index

    def constant(self, name: str, values: Any, scales: Any, kind: int) -> int:
        """A tensor of weights, symmetric, one scale or one per output; returns its index."""
        buffer = schema.BufferT()
        little = np.ascontiguousarray(values).astype(np.asarray(values).dtype.newbyteorder("<"))
        buffer.data = np.frombuffer(little.tobytes(), dtype=np.uint8)
        self._buffers.append(buffer)
        index = self._tensor(name, tuple(values.shape), kind, len(self._buffers) - 1)
        self._tensors[index].quantization = _quantisation(scales.tolist(), [0] * len(scales))
        return index

    def reshape(self, before: int, after: int, shape: tuple[int, ...]) -> None:
        """A RESHAPE to a shape that is known beforehand."""
        options = schema.ReshapeOptionsT()
        options.newShape = np.asarray(shape, dtype=np.int32)
        wanted = schema.BufferT()
        wanted.data = np.frombuffer(np.asarray(shape, dtype="<i4").tobytes(), dtype=np.uint8)
        self._buffers.append(wanted)
        constant = self._tensor(
            f"shape_{after}", (len(shape),), schema.TensorType.INT32, len(self._buffers) - 1
        )
        self._operator(
            schema.BuiltinOperator.RESHAPE,
            schema.BuiltinOptions.ReshapeOptions,
            options,
            [before, constant],
            after,
        )

    def convolution(self, operands: list[int], after: int, layer: Layer) -> None:
        """A CONV_2D with its activation fused: padded as TensorFlow's SAME over pictures, else not at all."""
        conv = schema.Conv2DOptionsT()
        same = layer.kind == PICTURE_CONVOLUTION
        conv.padding = schema.Padding.SAME if same else schema.Padding.VALID
        conv.strideW = conv.strideH = layer.stride
        conv.dilationWFactor = conv.dilationHFactor = layer.dilation
        conv.fusedActivationFunction = _fused(layer.relu)
        self._operator(
            schema.BuiltinOperator.CONV_2D, schema.BuiltinOptions.Conv2DOptions, conv, operands, after
        )

    def dense(self, operands: list[int], after: int, relu: bool) -> None:
        """A FULLY_CONNECTED with its activation fused."""
        dense = schema.FullyConnectedOptionsT()
        dense.fusedActivationFunction = _fused(relu)
        self._operator(
            schema.BuiltinOperator.FULLY_CONNECTED,
            schema.BuiltinOptions.FullyConnectedOptions,
            dense,
            operands,
            after,
        )

    def finished(self, first: int, last: int) -> bytes:
        """The model's bytes."""
        graph = schema.SubGraphT()
        graph.name = b"main"
        graph.tensors, graph.operators = self._tensors, self._operators
        graph.inputs, graph.outputs = [first], [last]
        model = schema.ModelT()
        model.version = 3
        model.description = b"stethos"
        model.operatorCodes = [_code(builtin) for builtin in self._codes]
        model.subgraphs, model.buffers = [graph], self._buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), _IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(self, name: str, shape: tuple[int, ...], kind: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name, tensor.type, tensor.buffer = name.encode(), kind, buffer
        tensor.shape = np.asarray(shape, dtype=np.int32)
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _operator(
        self, builtin: int, options_type: int, options: Any, operands: list[int], after: int
    ) -> None:
        if builtin not in self._codes:
            self._codes.append(builtin)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.index(builtin)
        operator.inputs, operator.outputs = operands, [after]
        operator.builtinOptionsType, operator.builtinOptions = options_type, options
        self._operators.append(operator)


def _fused(relu: bool) -> int:
    kind = schema.ActivationFunctionType
    return int(kind.RELU if relu else kind.NONE)


def _code(builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = _VERSIONS[builtin]
    return code


def _quantisation(scales: list[float], zero_points: list[int]) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.asarray(scales, dtype=np.float32)
    parameters.zeroPoint = np.asarray(zero_points, dtype=np.int64)
    parameters.quantizedDimension = 0
    return parameters
