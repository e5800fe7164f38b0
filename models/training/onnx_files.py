"""A float32 network as ONNX, and the int8 ONNX (QDQ) that ONNX Runtime, OpenVINO and TensorRT run.

Duty: write the files. Runs nothing but ONNX Runtime's calibration. Two int8 files: unsigned activations and
signed weights per channel (U8S8) for processors, symmetric signed ones without quantised biases (S8S8) for
TensorRT, which takes no zero points.

Processors without VNNI add two products of U8S8 in 16 bits, which saturates: there weights get 7 bits.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime import quantization

from dsp.samples import Float32Array
from models.errors import ArtefactError
from models.network import CONVOLUTION, PICTURE_CONVOLUTION, Layer, LayerNetwork
from models.picture_layers import output_size, padding
from models.training.quantiser import require_calibration

OPSET = 17
INPUT, OUTPUT = "input", "output"


def to_onnx(network: LayerNetwork) -> bytes:
    """The float32 network as ONNX: input `(n, *input_shape)`, output `(n, *output_shape)`, n free."""
    if len(network.input_shape) == 3:
        return _model(network, *_over_pictures(network))
    nodes: list[Any] = []
    constants: list[Any] = []
    now, flat = INPUT, len(network.input_shape) == 1
    if not flat:  # ONNX convolves over the last axis: (n, features, steps)
        nodes.append(helper.make_node("Transpose", [now], ["turned"], perm=[0, 2, 1]))
        now = "turned"
    last = len(network.layers) - 1
    for i, layer in enumerate(network.layers):
        weights = np.asarray(layer.weights, dtype=np.float32)
        if layer.kind != CONVOLUTION and not flat:
            nodes.append(helper.make_node("Transpose", [now], [f"steps_{i}"], perm=[0, 2, 1]))
            nodes.append(helper.make_node("Flatten", [f"steps_{i}"], [f"flat_{i}"], axis=1))
            now, flat = f"flat_{i}", True
        if layer.kind == CONVOLUTION:
            weights = weights.transpose(0, 2, 1)
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(weights), f"weights_{i}"),
            numpy_helper.from_array(np.asarray(layer.bias, dtype=np.float32), f"bias_{i}"),
        ]
        after = OUTPUT if i == last and not layer.relu else f"sum_{i}"
        operands = [now, f"weights_{i}", f"bias_{i}"]
        nodes.append(
            helper.make_node("Conv", operands, [after])
            if layer.kind == CONVOLUTION
            else helper.make_node("Gemm", operands, [after], transB=1)
        )
        now = after
        if layer.relu:
            now = OUTPUT if i == last else f"relu_{i}"
            nodes.append(helper.make_node("Relu", [after], [now]))
    return _model(network, nodes, constants)


def _over_pictures(network: LayerNetwork) -> tuple[list[Any], list[Any]]:
    """Nodes and constants of a network over pictures; ONNX convolves over the last two axes."""
    nodes = [helper.make_node("Transpose", [INPUT], ["turned"], perm=[0, 3, 1, 2])]
    constants: list[Any] = []
    now, (height, width, _) = "turned", network.input_shape
    for i, layer in enumerate(network.layers):
        if layer.kind != PICTURE_CONVOLUTION:
            raise ArtefactError(
                f"layer {i} ({layer.kind}) of a network over pictures has no place in ONNX yet"
            )
        weights = np.asarray(layer.weights, dtype=np.float32).transpose(0, 3, 1, 2)
        constants += [
            numpy_helper.from_array(np.ascontiguousarray(weights), f"weights_{i}"),
            numpy_helper.from_array(np.asarray(layer.bias, dtype=np.float32), f"bias_{i}"),
        ]
        nodes.append(
            helper.make_node(
                "Conv", [now, f"weights_{i}", f"bias_{i}"], [f"sum_{i}"], **_steps(layer, height, width)
            )
        )
        now = f"sum_{i}"
        if layer.relu:
            now = f"relu_{i}"
            nodes.append(helper.make_node("Relu", [f"sum_{i}"], [now]))
        height, width = output_size(height, layer.stride), output_size(width, layer.stride)
    nodes.append(helper.make_node("Transpose", [now], [OUTPUT], perm=[0, 2, 3, 1]))
    return nodes, constants


def _steps(layer: Layer, height: int, width: int) -> dict[str, list[int]]:
    """The attributes of a convolution over a picture of this size."""
    _, down, across, _ = layer.weights.shape
    (top, bottom), (left, right) = (
        padding(size, kernel, layer.stride, layer.dilation)
        for size, kernel in ((height, down), (width, across))
    )
    return {
        "kernel_shape": [down, across],
        "strides": [layer.stride] * 2,
        "dilations": [layer.dilation] * 2,
        "pads": [top, left, bottom, right],
    }


def _model(network: LayerNetwork, nodes: list[Any], constants: list[Any]) -> bytes:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", *network.input_shape])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n", *network.output_shape])],
        constants,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="stethos", ir_version=8
    )
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


class _Rows(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Calibration rows one by one, as the library asks for them."""

    def __init__(self, rows: Float32Array) -> None:
        self._rows: Iterator[Float32Array] = iter(rows)

    def get_next(self) -> Mapping[str, Float32Array] | None:
        row = next(self._rows, None)
        return None if row is None else {INPUT: row[np.newaxis]}


def to_qdq(float_onnx: bytes, calibration: Float32Array, *, symmetric: bool, weight_bits: int) -> bytes:
    """Int8 ONNX of a float one, calibrated with the true range of `calibration` `(n, *input_shape)`.

    `symmetric`: S8S8 without quantised biases, else U8S8. `weight_bits`: 8, or 7 for processors without VNNI.
    Raises TensorError for other than 100 to 1000 rows.
    """
    require_calibration(calibration)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(float_onnx)
        logging.disable(logging.WARNING)  # the library advises a preparation that these graphs do not need
        try:
            _quantise_file(source, target, calibration, symmetric=symmetric, weight_bits=weight_bits)
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()


def _quantise_file(
    source: Path, target: Path, calibration: Float32Array, *, symmetric: bool, weight_bits: int
) -> None:
    kind = quantization.QuantType
    quantization.quantize_static(
        str(source),
        str(target),
        _Rows(calibration),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        reduce_range=weight_bits == 7,
        activation_type=kind.QInt8 if symmetric else kind.QUInt8,
        weight_type=kind.QInt8,
        calibrate_method=quantization.CalibrationMethod.MinMax,
        extra_options={
            "ActivationSymmetric": symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": not symmetric,
        },
    )


def resized(content: bytes, network: LayerNetwork) -> bytes:
    """ONNX of another picture size: `content` calibrated on smaller pictures, padded as `network` has it.

    Weights and scales of layers over pictures are the same at every size; padding and declared shapes differ.
    """
    model = onnx.load_from_string(content)
    del model.graph.value_info[:]
    for end, shape in ((model.graph.input, network.input_shape), (model.graph.output, network.output_shape)):
        for dimension, size in zip(end[0].type.tensor_type.shape.dim[1:], shape, strict=True):
            dimension.ClearField("dim_param")
            dimension.dim_value = size
    height, width = network.input_shape[:2]
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    for node, layer in zip(convolutions, network.layers, strict=True):
        del node.attribute[:]
        node.attribute.extend(
            helper.make_attribute(name, value) for name, value in _steps(layer, height, width).items()
        )
        height, width = output_size(height, layer.stride), output_size(width, layer.stride)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def unquantised_tensors(int8_onnx: bytes) -> list[str]:
    """Nodes that still multiply in float32: their weights come from no DequantizeLinear. Empty is right."""
    graph = onnx.load_from_string(int8_onnx).graph
    real = {name for node in graph.node if node.op_type == "DequantizeLinear" for name in node.output}
    return [
        node.name or node.output[0]
        for node in graph.node
        if node.op_type in ("Gemm", "Conv", "MatMul") and not set(node.input[:2]) <= real
    ]
