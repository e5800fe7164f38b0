"""A manifest survives JSON, and whatever is wrong with one is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baseline import FeatureScale
from models.errors import ArtefactError, ManifestError
from models.manifest import (
    MAX_MANIFEST_BYTES,
    Artefact,
    BundleFile,
    GoldenVector,
    ModelKind,
    ModelManifest,
    Precision,
    Quantisation,
    golden_differences,
    golden_inputs,
    verify_artefact,
)
from models.network_score import NetworkForm, NetworkSpec

CONTENT = b"model bytes"


def manifest(**changes: Any) -> ModelManifest:
    fields: dict[str, Any] = {
        "name": "pump-baseline",
        "version": "1.0",
        "kind": ModelKind.ANOMALY_SCORE,
        "feature_names": ("rms_mps2", "band_100_160_hz_db"),
        "input_shape": (2,),
        "extractor_version": "trend-1",
        "artefacts": (
            Artefact(
                "numpy_reference",
                hashlib.sha256(CONTENT).hexdigest(),
                len(CONTENT),
                12.0,
                Quantisation(0.5, -3),
                None,
            ),
        ),
        "golden": (GoldenVector((1.0, -20.5), 0.25, 1e-6),),
    }
    return ModelManifest(**{**fields, **changes})


def test_json_round_trip_keeps_everything() -> None:
    there = manifest()
    assert ModelManifest.from_json(there.to_json()) == there
    assert ModelManifest.from_json(there.to_json().encode()).to_json() == there.to_json()


def as_object() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(manifest().to_json())
    return found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.pop("version"), ["lacks version"]),
        (lambda m: m.update(colour="red"), ["unknown fields", "colour"]),
        (lambda m: m.update(name="Not A Name"), ["manifest.name", "Not A Name"]),
        (lambda m: m.update(kind="oracle"), ["manifest.kind", "oracle", "anomaly score"]),
        (lambda m: m.update(format=99), ["manifest.format", "99"]),
        (lambda m: m.update(feature_names=["a", "a"]), ["twice", "a"]),
        (lambda m: m.update(feature_names="ab"), ["feature_names", "expected a list"]),
        (lambda m: m.update(feature_names=[1, 2]), ["feature_names[0]", "expected text"]),
        (lambda m: m.update(input_shape=[3]), ["input_shape", "2 names"]),
        (lambda m: m.update(input_shape=[True]), ["input_shape[0]", "whole number"]),
        (lambda m: m.update(artefacts=[]), ["artefacts is empty"]),
        (lambda m: m["artefacts"].append(m["artefacts"][0]), ["backend twice"]),
        (lambda m: m["artefacts"][0].update(sha256="AB"), ["artefacts[0].sha256", "64"]),
        (lambda m: m["artefacts"][0].update(limit=0), ["artefacts[0].limit", "above 0"]),
        (lambda m: m["artefacts"][0].update(limit="12"), ["artefacts[0].limit", "number"]),
        (lambda m: m["artefacts"][0].update(size_bytes=0), ["artefacts[0].size_bytes"]),
        (lambda m: m["artefacts"][0]["input_quantisation"].update(scale=-1), ["input_quantisation.scale"]),
        (lambda m: m["golden"][0].update(inputs=[1.0]), ["golden[0].inputs", "1 values", "2"]),
        (lambda m: m["golden"][0].update(tolerance=0), ["golden[0].tolerance"]),
    ],
)
def test_a_wrong_field_is_named(change: Any, words: list[str]) -> None:
    fields = as_object()
    change(fields)
    with pytest.raises(ManifestError) as caught:
        ModelManifest.from_json(json.dumps(fields))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"limit": NaN}', "[" * 100_000, "\ud800"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        ModelManifest.from_json(text)


def test_an_oversized_manifest_is_not_even_parsed() -> None:
    with pytest.raises(ManifestError, match="at most"):
        ModelManifest.from_json(" " * (MAX_MANIFEST_BYTES + 1))


OTHER = b"the same in float"
NETWORK = NetworkSpec(
    NetworkForm.EMBEDDING,
    (FeatureScale.LEVEL, FeatureScale.DECIBEL),
    (1,),
    (-20.0,),
    (0.5,),
    1.0,
    8.0,
    (0.1, 0.2, 0.3),
    (0.0, 1.5, -1.0),
)


def network_manifest(**changes: Any) -> ModelManifest:
    """With everything that a bundle's manifest may state."""
    int8 = Artefact(
        "onnxruntime",
        hashlib.sha256(CONTENT).hexdigest(),
        len(CONTENT),
        3.5,
        file="int8.onnx",
        precision=Precision.INT8,
        weight_bits=7,
        fitted_in="onnxruntime 1.31.1",
        min_runtime="1.20",
        golden_outputs=(0.26,),
    )
    real = Artefact("onnxruntime", hashlib.sha256(OTHER).hexdigest(), len(OTHER), 3.4, file="float32.onnx")
    fields: dict[str, Any] = {
        "artefacts": (int8, real),
        "network": NETWORK,
        "latency_budget_s": 0.001,
        "files": (BundleFile("card.md", "0" * 64, 5),),
        "golden": (GoldenVector((1.0, -20.5), 0.25, 0.02, "usual"),),
    }
    return manifest(**{**fields, **changes})


def test_a_network_s_manifest_survives_json() -> None:
    there = network_manifest()
    assert ModelManifest.from_json(there.to_json()) == there
    temporal = network_manifest(
        network=replace(NETWORK, form=NetworkForm.PREDICTION, output_spread=(0.1,), target=()),
        input_shape=(3, 2),
        golden=(GoldenVector((1.0, -20.5) * 3, 0.25, 0.02),),
    )
    assert ModelManifest.from_json(temporal.to_json()) == temporal
    assert golden_inputs(temporal).shape == (1, 3, 2)


def test_one_backend_may_have_int8_and_float32_and_the_bytes_tell_which() -> None:
    there = network_manifest()
    assert there.artefact_for("onnxruntime").precision is Precision.INT8
    assert there.artefact_for("onnxruntime", Precision.FLOAT32).limit == 3.4
    assert verify_artefact(there, "onnxruntime", CONTENT).limit == 3.5
    assert verify_artefact(there, "onnxruntime", OTHER).limit == 3.4
    with pytest.raises(ArtefactError, match="in float32"):
        replace(there, artefacts=there.artefacts[:1]).artefact_for("onnxruntime", Precision.FLOAT32)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m["artefacts"][0].update(precision="int4"), ["artefacts[0].precision", "int4", "int8"]),
        (lambda m: m["artefacts"][0].update(file="../x"), ["artefacts[0].file", "../x"]),
        (lambda m: m["artefacts"][0].update(file="manifest.json"), ["artefacts[0].file", "manifest.json"]),
        (lambda m: m["artefacts"][0].update(weight_bits=1), ["artefacts[0].weight_bits", "1"]),
        (lambda m: m["artefacts"][0].update(golden_outputs=[1, 2]), ["artefacts[0].golden_outputs", "2"]),
        (lambda m: m["artefacts"][1].update(precision="int8"), ["backend twice", "onnxruntime (int8)"]),
        (lambda m: m["files"][0].update(file=""), ["files[0].file"]),
        (lambda m: m["files"][0].update(sha256=""), ["files[0].sha256"]),
        (lambda m: m.update(latency_budget_s=0), ["latency_budget_s", "above 0"]),
        (lambda m: m["network"].pop("centre"), ["manifest.network lacks centre"]),
        (lambda m: m["network"].update(form="guess"), ["network.form", "guess", "embedding"]),
        (lambda m: m["network"].update(columns=[2]), ["network.columns", "below 2"]),
        (lambda m: m["network"].update(spread=[0]), ["network.spread", "above 0"]),
        (lambda m: m["network"].update(target=[]), ["network.target", "expected 3"]),
        (lambda m: m["network"].update(scales=["level"]), ["network.scales", "2 features"]),
        (lambda m: m["network"].update(scales=["level", "loud"]), ["network.scales", "loud"]),
        (lambda m: m["network"].update(reach=0), ["network.reach"]),
        (lambda m: m["network"].update(form="prediction"), ["input_shape", "(steps, features)"]),
    ],
)
def test_a_wrong_field_of_a_network_is_named(change: Any, words: list[str]) -> None:
    fields: dict[str, Any] = json.loads(network_manifest().to_json())
    change(fields)
    with pytest.raises(ManifestError) as caught:
        ModelManifest.from_json(json.dumps(fields))
    for word in words:
        assert word in str(caught.value)


def test_golden_differences_name_what_is_wrong() -> None:
    there = network_manifest()
    int8, real = there.artefacts
    assert golden_differences(there, int8, np.array([0.27], np.float32)) == []  # within 0.02 of the limit
    assert golden_differences(there, real, np.array([0.25], np.float32)) == []
    assert "0.3" in golden_differences(there, int8, np.array([0.3], np.float32))[0]
    assert golden_differences(there, int8, np.array([np.nan], np.float32))
    assert golden_differences(there, int8, np.zeros(2, np.float32))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(as_object())), json_values)
def test_any_value_anywhere_gives_a_manifest_or_its_error(field: str, value: Any) -> None:
    fields = as_object()
    fields[field] = value
    try:
        ModelManifest.from_json(json.dumps(fields))
    except ManifestError as error:
        assert "manifest" in str(error)


def test_artefacts_are_verified_before_use() -> None:
    there = manifest()
    assert verify_artefact(there, "numpy_reference", CONTENT) is there.artefacts[0]
    with pytest.raises(ArtefactError, match="has 12 bytes"):
        verify_artefact(there, "numpy_reference", CONTENT + b"x")
    with pytest.raises(ArtefactError, match="SHA-256"):
        verify_artefact(there, "numpy_reference", b"Model bytes")
    with pytest.raises(ArtefactError, match="it has: numpy_reference"):
        verify_artefact(there, "openvino", CONTENT)
