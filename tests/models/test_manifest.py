"""A manifest survives JSON, and whatever is wrong with one is named."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ArtefactError, ManifestError
from models.manifest import (
    MAX_MANIFEST_BYTES,
    Artefact,
    GoldenVector,
    ModelKind,
    ModelManifest,
    Quantisation,
    verify_artefact,
)

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
