"""A small bundle whose artefacts are arbitrary bytes: for what is said about bundles, not about networks."""

from __future__ import annotations

from models.baseline import FeatureScale
from models.bundle import MODEL_CARD, Bundle, artefact_of, entry_of
from models.manifest import Artefact, GoldenVector, ModelKind, ModelManifest, Precision
from models.network_score import NetworkForm, NetworkSpec

FILES = {
    "int8.onnx": b"eight bits",
    "float32.onnx": b"thirty-two bits",
    MODEL_CARD: "# Läufer\n".encode(),
}


def small_bundle() -> Bundle:
    """Sound; the backends onnxruntime and openvino share the int8 file."""
    raw = Artefact("onnxruntime", "", 0, 3.0)
    manifest = ModelManifest(
        name="pump-autoencoder",
        version="1.0",
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=("band_0_10_hz_db", "band_10_20_hz_db"),
        input_shape=(2,),
        extractor_version="trend-1",
        artefacts=(
            artefact_of(with_precision(raw), "int8.onnx", FILES["int8.onnx"]),
            artefact_of(with_precision(raw, "openvino"), "int8.onnx", FILES["int8.onnx"]),
            artefact_of(raw, "float32.onnx", FILES["float32.onnx"]),
        ),
        golden=(GoldenVector((-30.0, -31.0), 0.4, 0.02), GoldenVector((-20.0, -31.0), 3.0, 0.02)),
        network=NetworkSpec(
            form=NetworkForm.RECONSTRUCTION,
            scales=(FeatureScale.DECIBEL, FeatureScale.DECIBEL),
            columns=(0, 1),
            centre=(-30.0, -30.0),
            spread=(0.5, 0.5),
            fall_cap=1.0,
            reach=8.0,
            output_spread=(1.0, 1.0),
        ),
        latency_budget_s=0.002,
        files=(entry_of(MODEL_CARD, FILES[MODEL_CARD]),),
    )
    return Bundle(manifest, dict(FILES))


def with_precision(entry: Artefact, backend: str = "onnxruntime") -> Artefact:
    """The entry as int8 of this backend."""
    return Artefact(backend, entry.sha256, entry.size_bytes, entry.limit, precision=Precision.INT8)
