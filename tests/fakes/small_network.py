"""An autoencoder as large as one that serves, without training: rows of few causes, rebuilt from those.

Healthy rows are mixtures of a few causes with some noise. Encoder and decoder are the mixing and its inverse,
with both signs so that they pass a ReLU; a faulty row does not fit the causes. The files are made as `stethos
quantise` makes them, golden scores by each file's own runtime.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.manifest import ModelKind, ModelManifest, golden_inputs
from models.manifest_entries import Artefact, GoldenVector, Precision
from models.network import DENSE, Layer, LayerNetwork, to_artefact
from models.network_score import NetworkForm, NetworkSpec, prepare
from models.training.flatbuffer import to_tflite
from models.training.onnx_files import to_onnx, to_qdq
from models.training.quantiser import quantise

N_FEATURES, N_CAUSES, N_GOLDEN = 128, 40, 24
NAMES = tuple(f"band_{i}_db" for i in range(N_FEATURES))
RUNTIMES = ("numpy_reference", "onnxruntime", "openvino", "litert")
_MIXING = np.random.default_rng(30).standard_normal((N_FEATURES, N_CAUSES)) / np.sqrt(N_CAUSES)
SPEC = NetworkSpec(
    form=NetworkForm.RECONSTRUCTION,
    scales=("decibel",) * N_FEATURES,
    columns=tuple(range(N_FEATURES)),
    centre=(-30.0,) * N_FEATURES,
    spread=(1.0,) * N_FEATURES,
    fall_cap=8.0,
    reach=8.0,
    output_spread=(0.3,) * N_FEATURES,
)


def rows(n: int, seed: int, fault: float = 0.0) -> Float32Array:
    """`(n, N_FEATURES)` rows in dB; `fault` spreads of what no cause explains."""
    random = np.random.default_rng(seed)
    healthy = random.standard_normal((n, N_CAUSES)) @ _MIXING.T + 0.2 * random.standard_normal(
        (n, N_FEATURES)
    )
    return (-30 + healthy + fault * random.standard_normal((n, N_FEATURES))).astype(np.float32)


@cache
def network() -> LayerNetwork:
    """The autoencoder: 128 - 80 - 80 - 128, 27,168 parameters."""
    inverse = np.linalg.pinv(_MIXING)  # (causes, features)
    both = np.concatenate([np.eye(N_CAUSES), -np.eye(N_CAUSES)])
    weights = [both @ inverse, 0.5 * both @ both.T, _MIXING @ both.T]
    layers = [
        Layer(DENSE, w.astype(np.float32), np.zeros(len(w), np.float32), relu=i < len(weights) - 1)
        for i, w in enumerate(weights)
    ]
    return LayerNetwork((N_FEATURES,), tuple(layers))


@cache
def artefact_of(backend: str, precision: Precision) -> bytes:
    """The file of one backend."""
    calibration = prepare(SPEC, np.concatenate([rows(300, 1), rows(100, 2, fault=1.0)])).inputs
    if backend == "litert":
        return to_tflite(quantise(network(), calibration))
    if backend == "numpy_reference":
        return to_artefact(quantise(network(), calibration) if precision is Precision.INT8 else network())
    float_onnx = to_onnx(network())
    if precision is Precision.FLOAT32:
        return float_onnx
    return to_qdq(float_onnx, calibration, symmetric=False, weight_bits=8)


@cache
def package(backend: str, precision: Precision = Precision.INT8) -> tuple[ModelManifest, bytes]:
    """A manifest with one artefact, limit and golden scores found in its own runtime, and the artefact."""
    artefact = artefact_of(backend, precision)
    entry = Artefact(
        backend=backend,
        sha256=hashlib.sha256(artefact).hexdigest(),
        size_bytes=len(artefact),
        limit=1.0,
        file="network.bin",
        precision=precision,
    )
    vectors = np.concatenate(
        [rows(N_GOLDEN // 2, 11), rows(N_GOLDEN // 4, 12, 1.0), rows(N_GOLDEN // 4, 13, 5.0)]
    )
    manifest = ModelManifest(
        name="small-network",
        version="1.0",
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=NAMES,
        input_shape=(N_FEATURES,),
        extractor_version="trend-1",
        artefacts=(entry,),
        golden=tuple(GoldenVector(tuple(row.tolist()), 1.0, 0.01) for row in vectors),
        network=SPEC,
    )
    backend_of = backend_named(backend, BackendOptions())
    backend_of.load(manifest, artefact)
    limit = float(backend_of.infer(rows(200, 14)).max()) * 1.5
    golden = backend_of.infer(golden_inputs(manifest)) / limit
    backend_of.close()
    entry = replace(entry, limit=limit, golden_outputs=tuple(golden.tolist()))
    return replace(manifest, artefacts=(entry,)), artefact
