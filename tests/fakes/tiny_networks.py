"""Networks small enough to be written down: 12 features, 6 hidden units, in ONNX and TFLite, float and int8.

The weights come from a generator of a fixed seed; `outputs_of` says in NumPy what each must give. The files
are written with the formats' own libraries, not with ours, so that a fault of our quantiser cannot hide here.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import flatbuffers
import numpy as np
import onnx
from ai_edge_litert import schema_py_generated as tfl
from onnx import TensorProto, helper, numpy_helper

from dsp.samples import Float32Array
from models.manifest import ModelKind, ModelManifest
from models.manifest_entries import Artefact, GoldenVector, Precision
from models.network_score import NetworkForm, NetworkSpec, prepare, scores

N_FEATURES, N_HIDDEN = 12, 6
NAMES = tuple(f"band_{i}00_{i + 1}00_hz_db" for i in range(1, 1 + N_FEATURES))
LIMIT = 1.5
REACH = 6.0
_RANDOM = np.random.default_rng(20)
W1 = (_RANDOM.standard_normal((N_HIDDEN, N_FEATURES)) / 3).astype(np.float32)
B1 = (_RANDOM.standard_normal(N_HIDDEN) / 3).astype(np.float32)
W2 = (_RANDOM.standard_normal((N_FEATURES, N_HIDDEN)) / 3).astype(np.float32)
B2 = (_RANDOM.standard_normal(N_FEATURES) / 3).astype(np.float32)
SPEC = NetworkSpec(
    form=NetworkForm.RECONSTRUCTION,
    scales=("decibel",) * N_FEATURES,
    columns=tuple(range(N_FEATURES)),
    centre=(-30.0,) * N_FEATURES,
    spread=(1.0,) * N_FEATURES,
    fall_cap=3.0,
    reach=REACH,
    output_spread=(1.0,) * N_FEATURES,
)
# Scale of int8 input, hidden layer and output: wide enough that nothing within the reach saturates.
IN_SCALE, HIDDEN_SCALE, OUT_SCALE = 2 * REACH / 254, 12.0 / 255, 24.0 / 254
HIDDEN_ZERO = -128


def rows(n: int, seed: int = 3) -> Float32Array:
    """`(n, N_FEATURES)` feature rows in dB, from usual to far off."""
    random = np.random.default_rng(seed)
    spread = np.linspace(0.5, 6, max(n, 1))[:n, np.newaxis]
    return (-30 + spread * random.standard_normal((n, N_FEATURES))).astype(np.float32)


def outputs_of(inputs: Float32Array) -> Float32Array:
    """`(n, N_FEATURES)`: what the network gives, in float64 by NumPy."""
    hidden = np.maximum(inputs.astype(np.float64) @ W1.T + B1, 0.0)
    return (hidden @ W2.T + B2).astype(np.float32)


def scores_of(batch: Float32Array) -> Float32Array:
    """`(n,)` scores of feature rows, without any runtime."""
    if not len(batch):
        return np.empty(0, np.float32)
    prepared = prepare(SPEC, batch)
    return scores(SPEC, prepared, outputs_of(prepared.inputs), LIMIT)


def halved_scores_of(batch: Float32Array) -> Float32Array:
    """`(n,)` scores where the network gives half of its input: what the test delegate does."""
    if not len(batch):
        return np.empty(0, np.float32)
    prepared = prepare(SPEC, batch)
    return scores(SPEC, prepared, prepared.inputs / 2, LIMIT)


def golden() -> tuple[GoldenVector, ...]:
    """Four rows, one of them far beyond what the network sees, with the float scores."""
    batch = np.concatenate([rows(3, seed=9), np.full((1, N_FEATURES), 10.0, np.float32)])
    return tuple(
        GoldenVector(tuple(float(value) for value in row), float(score), 0.03)
        for row, score in zip(batch, scores_of(batch), strict=True)
    )


def manifest_of(artefact: bytes, *backends: str, precision: Precision = Precision.FLOAT32) -> ModelManifest:
    """A manifest that states one artefact for each of some backends."""
    entry = Artefact(
        backend=backends[0],
        sha256=hashlib.sha256(artefact).hexdigest(),
        size_bytes=len(artefact),
        limit=LIMIT,
        file="network.bin",
        precision=precision,
    )
    return ModelManifest(
        name="tiny-network",
        version="1.0",
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=NAMES,
        input_shape=(N_FEATURES,),
        extractor_version="trend-1",
        artefacts=tuple(replace(entry, backend=name) for name in backends),
        golden=golden(),
        network=SPEC,
    )


@cache
def onnx_float(batch: int | None = None) -> bytes:
    """The network as float32 ONNX; `batch` None leaves the batch open."""
    nodes = [
        helper.make_node("Gemm", ["features", "w1", "b1"], ["before"], transB=1),
        helper.make_node("Relu", ["before"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["rebuilt"], transB=1),
    ]
    weights = {"w1": W1, "b1": B1, "w2": W2, "b2": B2}
    return _onnx(nodes, weights, batch)


@cache
def onnx_int8() -> bytes:
    """The network as ONNX with int8 weights and 8-bit activations (QDQ), float at its ends."""
    q1, s1 = _int8(W1)
    q2, s2 = _int8(W2)
    weights = {
        "q1": q1, "s1": s1, "b1": B1, "q2": q2, "s2": s2, "b2": B2, "zero": np.int8(0),
        "in_scale": np.float32(IN_SCALE), "hidden_scale": np.float32(HIDDEN_SCALE),
        "hidden_zero": np.int8(HIDDEN_ZERO), "out_scale": np.float32(OUT_SCALE),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["features", "in_scale", "zero"], ["x_q"]),
        helper.make_node("DequantizeLinear", ["x_q", "in_scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["q1", "s1", "zero"], ["w1"]),
        helper.make_node("Gemm", ["x", "w1", "b1"], ["before"], transB=1),
        helper.make_node("Relu", ["before"], ["relu"]),
        helper.make_node("QuantizeLinear", ["relu", "hidden_scale", "hidden_zero"], ["h_q"]),
        helper.make_node("DequantizeLinear", ["h_q", "hidden_scale", "hidden_zero"], ["hidden"]),
        helper.make_node("DequantizeLinear", ["q2", "s2", "zero"], ["w2"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["y"], transB=1),
        helper.make_node("QuantizeLinear", ["y", "out_scale", "zero"], ["y_q"]),
        helper.make_node("DequantizeLinear", ["y_q", "out_scale", "zero"], ["rebuilt"]),
    ]
    return _onnx(nodes, weights, None)


def _onnx(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray], batch: int | None) -> bytes:
    shape = [batch or "batch", N_FEATURES]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("rebuilt", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def _int8(weights: Float32Array) -> tuple[np.ndarray, np.float32]:
    scale = np.float32(np.abs(weights).max() / 127)
    return np.rint(weights / scale).astype(np.int8), scale


@cache
def tflite_float() -> bytes:
    """The network as float32 TFLite, batch 1."""
    return _tflite([("x", None, None), ("w1", W1, None), ("b1", B1, None), ("h", None, None),
                    ("w2", W2, None), ("b2", B2, None), ("y", None, None)])  # fmt: skip


@cache
def tflite_int8() -> bytes:
    """The network as TFLite with int8 throughout, batch 1."""
    q1, s1 = _int8(W1)
    q2, s2 = _int8(W2)
    bias1 = np.rint(B1 / (IN_SCALE * s1)).astype(np.int32)
    bias2 = np.rint(B2 / (HIDDEN_SCALE * s2)).astype(np.int32)
    return _tflite([
        ("x", None, (IN_SCALE, 0)), ("w1", q1, (s1, 0)), ("b1", bias1, (IN_SCALE * s1, 0)),
        ("h", None, (HIDDEN_SCALE, HIDDEN_ZERO)), ("w2", q2, (s2, 0)), ("b2", bias2, (HIDDEN_SCALE * s2, 0)),
        ("y", None, (OUT_SCALE, 0)),
    ])  # fmt: skip


_TFLITE_TYPE = {"float32": tfl.TensorType.FLOAT32, "int8": tfl.TensorType.INT8, "int32": tfl.TensorType.INT32}
_WIDTH = {"x": N_FEATURES, "h": N_HIDDEN, "y": N_FEATURES}
Tensor = tuple[str, "np.ndarray | None", "tuple[float, int] | None"]


def _tflite(tensors: list[Tensor]) -> bytes:
    """Two fully connected layers over tensors x, w1, b1, h, w2, b2, y."""
    layers = []
    for inputs, output, activation in (
        ([0, 1, 2], 3, tfl.ActivationFunctionType.RELU),
        ([3, 4, 5], 6, tfl.ActivationFunctionType.NONE),
    ):
        options = tfl.FullyConnectedOptionsT()
        options.fusedActivationFunction = activation
        layer = tfl.OperatorT()
        layer.opcodeIndex, layer.inputs, layer.outputs = 0, inputs, [output]
        layer.builtinOptionsType, layer.builtinOptions = tfl.BuiltinOptions.FullyConnectedOptions, options
        layers.append(layer)
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.FULLY_CONNECTED
    code.version = 4 if tensors[0][2] else 1
    return packed(tensors, [code], layers, inputs=[0], outputs=[6])


@cache
def tflite_compiled() -> bytes:
    """As the Edge TPU's compiler leaves it: one custom operator, int8 in and out; no CPU can run it."""
    operator = tfl.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
    code = tfl.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = tfl.BuiltinOperator.CUSTOM
    code.customCode, code.version = "edgetpu-custom-op", 1
    ends: list[Tensor] = [("x", None, (IN_SCALE, 0)), ("y", None, (IN_SCALE, 0))]
    return packed(ends, [code], [operator], inputs=[0], outputs=[1])


def packed(
    tensors: list[Tensor],
    codes: list[tfl.OperatorCodeT],
    operators: list[tfl.OperatorT],
    inputs: list[int],
    outputs: list[int],
) -> bytes:
    """A TFLite file of one subgraph."""
    model, graph = tfl.ModelT(), tfl.SubGraphT()
    model.version, model.operatorCodes, model.subgraphs = 3, codes, [graph]
    model.buffers = [tfl.BufferT()]
    graph.tensors, graph.operators, graph.inputs, graph.outputs = [], operators, inputs, outputs
    for name, value, quantised in tensors:
        tensor = tfl.TensorT()
        dtype = "int8" if value is None and quantised else "float32" if value is None else str(value.dtype)
        tensor.name, tensor.type = name, _TFLITE_TYPE[dtype]
        tensor.shape = [1, _WIDTH[name]] if value is None else list(value.shape)
        tensor.buffer = len(model.buffers)
        buffer = tfl.BufferT()
        if value is not None:
            buffer.data = np.frombuffer(value.tobytes(), dtype=np.uint8)
        model.buffers.append(buffer)
        if quantised:
            tensor.quantization = tfl.QuantizationParametersT()
            tensor.quantization.scale = np.array([quantised[0]], np.float32)
            tensor.quantization.zeroPoint = np.array([quantised[1]], np.int64)
        graph.tensors.append(tensor)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())
