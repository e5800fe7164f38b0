"""The files that a network becomes: each runtime computes what the reference computes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from onnxruntime import InferenceSession

from dsp.samples import Float32Array
from models.errors import ArtefactError, TensorError
from models.network import LayerNetwork
from models.training.flatbuffer import to_tflite
from models.training.onnx_files import INPUT, resized, to_onnx, to_qdq, unquantised_tensors
from models.training.quantiser import quantise
from tests.fakes.layer_networks import random_autoencoder, random_inputs, random_temporal
from tests.fakes.picture_networks import random_network, random_pictures

NETWORKS = {"autoencoder": random_autoencoder(), "temporal": random_temporal()}
both = pytest.mark.parametrize("name", NETWORKS)
# Operators and the newest versions of them that the Edge TPU's documentation and compiler of 2021 know.
EDGE_TPU = {"FULLY_CONNECTED": 4, "CONV_2D": 3, "RESHAPE": 1}


def by_onnxruntime(content: bytes, batch: Float32Array) -> Float32Array:
    found: Float32Array = InferenceSession(content, providers=["CPUExecutionProvider"]).run(
        None, {INPUT: batch}
    )[0]
    return found


def by_litert(content: bytes, batch: Float32Array) -> tuple[Float32Array, float]:
    """Outputs, and the size of one step of them."""
    interpreter = Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    into, out = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    (scale, zero), (out_scale, out_zero) = into["quantization"], out["quantization"]
    found = []
    for item in batch:
        integers = np.clip(np.rint(item / scale) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(into["index"], integers.reshape(into["shape"]))
        interpreter.invoke()
        found.append((interpreter.get_tensor(out["index"])[0].astype(np.float64) - out_zero) * out_scale)
    return np.array(found, dtype=np.float32), out_scale


@both
def test_float_onnx_is_the_network(name: str) -> None:
    network = NETWORKS[name]
    for n in (1, 16):
        batch = random_inputs(network, n)
        np.testing.assert_allclose(by_onnxruntime(to_onnx(network), batch), network.run(batch), atol=2e-6)


@both
def test_the_flatbuffer_is_the_reference_within_a_step(name: str) -> None:
    network = NETWORKS[name]
    int8 = quantise(network, random_inputs(network))
    batch = random_inputs(network, 100, seed=9)
    batch[:10] *= 30.0  # beyond every range that was calibrated
    found, step = by_litert(to_tflite(int8), batch)
    np.testing.assert_allclose(found, int8.run(batch), atol=1.01 * step)


@both
def test_the_flatbuffer_has_only_what_the_edge_tpu_documents(name: str) -> None:
    network = NETWORKS[name]
    content = to_tflite(quantise(network, random_inputs(network)))
    assert content[4:8] == b"TFL3"
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    names = {value: key for key, value in vars(schema.BuiltinOperator).items() if key.isupper()}
    for code in model.operatorCodes:
        assert code.version <= EDGE_TPU[names[code.builtinCode]]
    whole = {schema.TensorType.INT8, schema.TensorType.INT32}
    assert {tensor.type for tensor in model.subgraphs[0].tensors} <= whole
    dense = [
        operator
        for operator in model.subgraphs[0].operators
        if names[model.operatorCodes[operator.opcodeIndex].builtinCode] == "FULLY_CONNECTED"
    ]
    assert dense
    for operator in dense:
        weights = model.subgraphs[0].tensors[operator.inputs[1]]
        assert len(weights.quantization.scale) == 1
        assert not any(weights.quantization.zeroPoint)


@both
@pytest.mark.parametrize(("symmetric", "bits"), [(False, 8), (False, 7), (True, 8)])
def test_int8_onnx_computes_in_int8_and_near_float(name: str, symmetric: bool, bits: int) -> None:
    network = NETWORKS[name]
    content = to_qdq(to_onnx(network), random_inputs(network), symmetric=symmetric, weight_bits=bits)
    assert unquantised_tensors(content) == []
    batch = random_inputs(network)  # nothing beyond the ranges that were calibrated
    right = network.run(batch)
    assert np.std(by_onnxruntime(content, batch) - right) < 0.04 * np.std(right)
    graph = onnx.load_from_string(content).graph
    largest = max(
        int(np.abs(onnx.numpy_helper.to_array(one).astype(int)).max())
        for one in graph.initializer
        if one.data_type == onnx.TensorProto.INT8 and len(one.dims) > 1
    )
    assert largest <= (64 if bits == 7 else 127)
    assert largest > (32 if bits == 7 else 64)


@both
def test_symmetric_means_no_zero_points(name: str) -> None:
    network = NETWORKS[name]
    content = to_qdq(to_onnx(network), random_inputs(network), symmetric=True, weight_bits=8)
    graph = onnx.load_from_string(content).graph
    zero_points = {
        node.input[2] for node in graph.node if node.op_type.endswith("Linear") and len(node.input) > 2
    }
    for one in graph.initializer:
        if one.name in zero_points:
            assert one.data_type == onnx.TensorProto.INT8
            assert not onnx.numpy_helper.to_array(one).any()


def test_the_same_network_gives_the_same_files() -> None:
    network: LayerNetwork = NETWORKS["temporal"]
    rows = random_inputs(network)
    assert to_tflite(quantise(network, rows)) == to_tflite(quantise(network, rows))
    assert to_onnx(network) == to_onnx(network)
    first, second = (to_qdq(to_onnx(network), rows, symmetric=False, weight_bits=8) for _ in range(2))
    assert first == second


def test_too_few_or_too_many_rows_are_refused() -> None:
    network = NETWORKS["autoencoder"]
    for n in (0, 99, 1001):
        with pytest.raises(TensorError, match="100 to 1000"):
            quantise(network, random_inputs(network, n))
        with pytest.raises(TensorError, match="100 to 1000"):
            to_qdq(to_onnx(network), random_inputs(network, n), symmetric=False, weight_bits=8)


def test_a_float_network_is_no_int8_flatbuffer() -> None:
    with pytest.raises(ArtefactError, match="quantise it first"):
        to_tflite(NETWORKS["autoencoder"])


SHAPES = [(24, 32, 1), (37, 50, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_every_runtime_computes_a_network_over_pictures(shape: tuple[int, int, int]) -> None:
    """Calibrated on smaller pictures; the int8 files agree with the reference to the last step."""
    network, small = random_network(shape), random_network((16, 16, 1))
    pictures, crops = random_pictures(3, shape), random_pictures(120, (16, 16, 1))
    wanted = network.run(pictures)
    np.testing.assert_allclose(by_onnxruntime(to_onnx(network), pictures), wanted, atol=1e-5)
    crop = quantise(small, crops)
    int8 = replace(crop, input_shape=shape)
    in_int8 = int8.run(pictures)
    step = int8.layers[-1].output
    assert step is not None
    assert np.abs(in_int8 - wanted).max() < 0.1 * np.abs(wanted).max()
    qdq = resized(to_qdq(to_onnx(small), crops, symmetric=False, weight_bits=8), network)
    assert unquantised_tensors(qdq) == []
    assert np.abs(by_onnxruntime(qdq, pictures) - in_int8).max() <= 1.01 * step.scale
    found, scale = by_litert(to_tflite(int8), pictures)
    assert np.abs(found - in_int8).max() <= 1.01 * scale
    symmetric = resized(to_qdq(to_onnx(small), crops, symmetric=True, weight_bits=8), network)
    assert np.abs(by_onnxruntime(symmetric, pictures) - wanted).max() < 0.15 * np.abs(wanted).max()
