"""One float32 network as the files of every runtime, and a file loaded in its runtime.

Duty: which file goes to which backend, with the entry that a manifest gets for it. Judges none: `quantising`
does on a bundle's rows, `evaluated` in an evaluation's folds.

TensorRT's file is run on the CPU, by ONNX Runtime: its numbers are the file's, not the device's, and its
entry says so.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

from dsp.samples import Float32Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import artefact_of
from models.manifest import Artefact, ModelManifest, Precision
from models.network import LayerNetwork, to_artefact
from models.training.quantiser import quantise

FLOAT_FILE = "float32.json"
NUMPY, ONNXRUNTIME, OPENVINO, LITERT, TENSORRT = (
    "numpy_reference", "onnxruntime", "openvino", "litert", "tensorrt",
)  # fmt: skip
FLOAT_ONNX, INT8_ONNX, SYMMETRIC_ONNX, INT8_TFLITE, INT8_JSON = (
    "float32.onnx", "int8.onnx", "int8_symmetric.onnx", "int8.tflite", "int8.json",
)  # fmt: skip
_DISTRIBUTIONS = {
    NUMPY: "numpy", ONNXRUNTIME: "onnxruntime", OPENVINO: "openvino", LITERT: "ai-edge-litert",
}  # fmt: skip
_MODULES = {NUMPY: "numpy", ONNXRUNTIME: "onnxruntime", OPENVINO: "openvino", LITERT: "ai_edge_litert"}
_WRITERS = ("onnx", "onnxruntime", "flatbuffers", "ai_edge_litert")  # what writing all of the files needs


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeFile:
    """One file with its manifest's entry, at limit 1."""

    entry: Artefact
    content: bytes
    run_by: str  # the backend that runs it here
    means: LayerNetwork | None = (
        None  # int8 of a foreign format: the layers that the reference computes for it
    )


def runtimes_here() -> tuple[str, ...]:
    """The CPU's backends whose packages are installed; the reference alone where files cannot be written."""
    if not all(importlib.util.find_spec(name) for name in _WRITERS):
        return (NUMPY,)
    return tuple(backend for backend, module in _MODULES.items() if importlib.util.find_spec(module))


def runtime_files(network: LayerNetwork, calibration: Float32Array, weight_bits: int) -> list[RuntimeFile]:
    """The files of a float32 network, the float32 reference first; int8 calibrated with `calibration`.

    `weight_bits`: of U8S8, 8, or 7 where processors have no VNNI. `calibration` of pictures may be crops:
    ranges need no whole ones. Raises TensorError for other than 100 to 1000 rows, ImportError without what
    writes them.
    """
    from models.training.flatbuffer import to_tflite
    from models.training.onnx_files import resized, to_onnx, to_qdq
    from models.training.qdq_reference import int8_layers

    crops = replace(network, input_shape=calibration.shape[1:])
    int8 = replace(quantise(crops, calibration), input_shape=network.input_shape)
    float_onnx, crops_onnx = to_onnx(network), to_onnx(crops)
    qdq = to_qdq(crops_onnx, calibration, symmetric=False, weight_bits=weight_bits)
    symmetric = to_qdq(crops_onnx, calibration, symmetric=True, weight_bits=8)
    if crops.input_shape != network.input_shape:
        qdq, symmetric = resized(qdq, network), resized(symmetric, network)
    means, symmetric_means = int8_layers(qdq, network), int8_layers(symmetric, network)
    return [
        *reference_files(network, int8)[:1],
        _file(ONNXRUNTIME, FLOAT_ONNX, float_onnx),
        _file(OPENVINO, FLOAT_ONNX, float_onnx),
        *reference_files(network, int8)[1:],
        _file(ONNXRUNTIME, INT8_ONNX, qdq, weight_bits, means),
        _file(OPENVINO, INT8_ONNX, qdq, weight_bits, means),
        _file(LITERT, INT8_TFLITE, to_tflite(int8), 8, int8),
        _file(TENSORRT, SYMMETRIC_ONNX, symmetric, 8, symmetric_means),
    ]


def reference_files(network: LayerNetwork, int8: LayerNetwork) -> list[RuntimeFile]:
    """The reference's float32 and int8 file: they need no package but NumPy."""
    return [_file(NUMPY, FLOAT_FILE, to_artefact(network)), reference_file(int8)]


def reference_file(int8: LayerNetwork) -> RuntimeFile:
    """The reference's file of int8 layers."""
    return _file(NUMPY, INT8_JSON, to_artefact(int8), 8)


def loaded(manifest: ModelManifest, file: RuntimeFile, limit: float = 1.0) -> InferenceBackend:
    """The file in its runtime; at limit 1 scores are raw distances. Raises ModelError where it cannot be
    loaded."""
    entry = replace(file.entry, backend=file.run_by, limit=limit)
    backend = backend_named(file.run_by, BackendOptions())
    backend.load(replace(manifest, artefacts=(entry,)), file.content)
    return backend


def _file(
    backend: str, name: str, content: bytes, bits: int | None = None, means: LayerNetwork | None = None
) -> RuntimeFile:
    """`bits` None: float32. `means`: the int8 layers of a foreign format."""
    ends = means if backend == LITERT else None  # which wants its input in int8, and gives its output so
    runs = ONNXRUNTIME if backend == TENSORRT else backend
    release = _version(runs)
    entry = Artefact(
        backend, "", 0, 1.0,
        input_quantisation=ends.input_quantisation if ends else None,
        output_quantisation=ends.layers[-1].output if ends else None,
        precision=Precision.FLOAT32 if bits is None else Precision.INT8,
        weight_bits=bits,
        fitted_in=f"{runs} {release}" + (" on the CPU, not on the device" if runs != backend else ""),
        min_runtime=release if runs == backend else "",
    )  # fmt: skip
    return RuntimeFile(artefact_of(entry, name, content), content, runs, means)


def _version(backend: str) -> str:
    try:
        return version(_DISTRIBUTIONS[backend])
    except PackageNotFoundError:
        return ""
