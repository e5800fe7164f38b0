"""What a model says of itself, and the check that it says it fully.

Duty: `ModelManifest` from and to JSON, validated with errors that name the field. Reads no files, verifies
no signature (the package store does), runs no model.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from models.errors import ArtefactError, ManifestError

MANIFEST_FORMAT = 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_FEATURES = 4096
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ModelKind(StrEnum):
    """What a model turns its input into."""

    ANOMALY_SCORE = "anomaly score"  # (n, n_features) -> (n,), 1.0 = limit
    DEFECT_MAP = "defect map"  # image -> defects


@dataclass(frozen=True, slots=True)
class Quantisation:
    """Real value = scale * (stored integer - zero_point)."""

    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True)
class Artefact:
    """One file that runs the model on one backend, with the limit that was fitted on this very file."""

    backend: str  # "numpy_reference", ...
    sha256: str  # lower-case hex
    size_bytes: int
    limit: float  # raw output that becomes score 1.0
    input_quantisation: Quantisation | None = None
    output_quantisation: Quantisation | None = None


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """One input with the output that every backend must give within `tolerance` (relative to the output)."""

    inputs: tuple[float, ...]
    output: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """A model's identity, its input in tensor order, and its artefacts, one per backend."""

    name: str
    version: str
    kind: ModelKind
    feature_names: tuple[str, ...]  # empty for image models
    input_shape: tuple[int, ...]  # of one item
    extractor_version: str
    artefacts: tuple[Artefact, ...]
    golden: tuple[GoldenVector, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def artefact_for(self, backend: str) -> Artefact:
        """The artefact of one backend. Raises ArtefactError that lists what there is."""
        for artefact in self.artefacts:
            if artefact.backend == backend:
                return artefact
        have = ", ".join(a.backend for a in self.artefacts) or "none"
        raise ArtefactError(f"model {self.name!r} has no artefact for backend {backend!r}; it has: {have}")

    def to_json(self) -> str:
        """The manifest as JSON text with sorted keys, the same for equal manifests."""
        return json.dumps({"format": MANIFEST_FORMAT, **asdict(self)}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelManifest:
        """A manifest from JSON text. Raises ManifestError that names the field and what would be right."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise ManifestError(f"manifest has {len(text)} bytes; at most {MAX_MANIFEST_BYTES} are accepted")
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"manifest is not JSON: {error}") from error
        fields = _object(raw, "manifest")
        if fields.get("format") != MANIFEST_FORMAT:
            raise ManifestError(f"manifest.format is {fields.get('format')!r}; expected {MANIFEST_FORMAT}")
        _only(fields, "manifest", _MANIFEST_FIELDS, optional={"golden"})
        kind = _text(fields, "manifest", "kind")
        if kind not in list(ModelKind):
            raise ManifestError(f"manifest.kind is {kind!r}; expected one of {[str(k) for k in ModelKind]}")
        return cls(
            name=_text(fields, "manifest", "name"),
            version=_text(fields, "manifest", "version"),
            kind=ModelKind(kind),
            feature_names=tuple(
                _as_text(item, f"manifest.feature_names[{i}]")
                for i, item in enumerate(_list(fields, "manifest", "feature_names"))
            ),
            input_shape=tuple(
                _as_integer(item, f"manifest.input_shape[{i}]")
                for i, item in enumerate(_list(fields, "manifest", "input_shape"))
            ),
            extractor_version=_text(fields, "manifest", "extractor_version"),
            artefacts=tuple(
                _artefact(item, f"manifest.artefacts[{i}]")
                for i, item in enumerate(_list(fields, "manifest", "artefacts"))
            ),
            golden=tuple(
                _golden(item, f"manifest.golden[{i}]")
                for i, item in enumerate(_list({"golden": [], **fields}, "manifest", "golden"))
            ),
        )


_MANIFEST_FIELDS = {
    "format",
    "name",
    "version",
    "kind",
    "feature_names",
    "input_shape",
    "extractor_version",
    "artefacts",
    "golden",
}


def verify_artefact(manifest: ModelManifest, backend: str, artefact: bytes) -> Artefact:
    """The manifest's entry for these bytes, after their size and SHA-256 were found right.

    Raises ArtefactError. Every backend calls it first: no parser sees bytes that were not verified.
    """
    entry = manifest.artefact_for(backend)
    if len(artefact) != entry.size_bytes:
        raise ArtefactError(
            f"artefact of model {manifest.name!r} for {backend!r} has {len(artefact)} bytes;"
            f" the manifest says {entry.size_bytes}"
        )
    digest = hashlib.sha256(artefact).hexdigest()
    if digest != entry.sha256:
        raise ArtefactError(
            f"artefact of model {manifest.name!r} for {backend!r} has SHA-256 {digest};"
            f" the manifest says {entry.sha256}"
        )
    return entry


def _check(manifest: ModelManifest) -> None:
    if not _NAME.fullmatch(manifest.name):
        raise ManifestError(f"manifest.name is {manifest.name!r}; expected a name like 'pump-baseline'")
    if not manifest.version:
        raise ManifestError("manifest.version is empty; expected a version like '1.0'")
    names = manifest.feature_names
    if len(names) > MAX_FEATURES:
        raise ManifestError(f"manifest.feature_names has {len(names)} names; at most {MAX_FEATURES}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ManifestError(f"manifest.feature_names has names twice: {', '.join(twice)}")
    if any(size < 1 for size in manifest.input_shape) or not manifest.input_shape:
        raise ManifestError(f"manifest.input_shape is {manifest.input_shape}; expected sizes of 1 or more")
    if manifest.kind is ModelKind.ANOMALY_SCORE and manifest.input_shape != (len(names),):
        raise ManifestError(
            f"manifest.input_shape is {manifest.input_shape}, but feature_names has {len(names)} names"
        )
    if not manifest.artefacts:
        raise ManifestError("manifest.artefacts is empty; expected at least one artefact")
    backends = [artefact.backend for artefact in manifest.artefacts]
    if len(set(backends)) != len(backends):
        raise ManifestError(f"manifest.artefacts names a backend twice: {', '.join(sorted(backends))}")
    for i, artefact in enumerate(manifest.artefacts):
        _check_artefact(artefact, f"manifest.artefacts[{i}]")
    for i, golden in enumerate(manifest.golden):
        if len(golden.inputs) != math.prod(manifest.input_shape):
            raise ManifestError(
                f"manifest.golden[{i}].inputs has {len(golden.inputs)} values;"
                f" the input has {math.prod(manifest.input_shape)}"
            )
        if not golden.tolerance > 0:
            raise ManifestError(f"manifest.golden[{i}].tolerance is {golden.tolerance}; expected above 0")


def _check_artefact(artefact: Artefact, where: str) -> None:
    if not _NAME.fullmatch(artefact.backend):
        raise ManifestError(f"{where}.backend is {artefact.backend!r}; expected a name: 'numpy_reference'")
    if not _SHA256.fullmatch(artefact.sha256):
        raise ManifestError(f"{where}.sha256 is {artefact.sha256!r}; expected 64 lower-case hex digits")
    if artefact.size_bytes < 1:
        raise ManifestError(f"{where}.size_bytes is {artefact.size_bytes}; expected 1 or more")
    if not (math.isfinite(artefact.limit) and artefact.limit > 0):
        raise ManifestError(f"{where}.limit is {artefact.limit}; expected a finite number above 0")
    for field in ("input_quantisation", "output_quantisation"):
        quantisation: Quantisation | None = getattr(artefact, field)
        if quantisation is not None and not (math.isfinite(quantisation.scale) and quantisation.scale > 0):
            raise ManifestError(f"{where}.{field}.scale is {quantisation.scale}; expected above 0")


def _artefact(raw: Any, where: str) -> Artefact:
    fields = _object(raw, where)
    optional = {"input_quantisation", "output_quantisation"}
    _only(fields, where, {"backend", "sha256", "size_bytes", "limit"} | optional, optional)
    return Artefact(
        backend=_text(fields, where, "backend"),
        sha256=_text(fields, where, "sha256"),
        size_bytes=_as_integer(fields["size_bytes"], f"{where}.size_bytes"),
        limit=_as_number(fields["limit"], f"{where}.limit"),
        input_quantisation=_quantisation(fields.get("input_quantisation"), f"{where}.input_quantisation"),
        output_quantisation=_quantisation(fields.get("output_quantisation"), f"{where}.output_quantisation"),
    )


def _quantisation(raw: Any, where: str) -> Quantisation | None:
    if raw is None:
        return None
    fields = _object(raw, where)
    _only(fields, where, {"scale", "zero_point"}, set())
    return Quantisation(
        scale=_as_number(fields["scale"], f"{where}.scale"),
        zero_point=_as_integer(fields["zero_point"], f"{where}.zero_point"),
    )


def _golden(raw: Any, where: str) -> GoldenVector:
    fields = _object(raw, where)
    _only(fields, where, {"inputs", "output", "tolerance"}, set())
    inputs = _list(fields, where, "inputs")
    return GoldenVector(
        inputs=tuple(_as_number(value, f"{where}.inputs[{i}]") for i, value in enumerate(inputs)),
        output=_as_number(fields["output"], f"{where}.output"),
        tolerance=_as_number(fields["tolerance"], f"{where}.tolerance"),
    )


def _object(raw: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise ManifestError(f"{where} is {type(raw).__name__}; expected an object")
    return raw


def _only(fields: Mapping[str, Any], where: str, known: set[str], optional: set[str]) -> None:
    unknown = sorted(set(fields) - known)
    if unknown:
        raise ManifestError(f"{where} has unknown fields {unknown}; known are {sorted(known)}")
    missing = sorted(known - optional - set(fields))
    if missing:
        raise ManifestError(f"{where} lacks {', '.join(missing)}")


def _text(fields: Mapping[str, Any], where: str, field: str) -> str:
    return _as_text(fields[field], f"{where}.{field}")


def _list(fields: Mapping[str, Any], where: str, field: str) -> list[Any]:
    value = fields[field]
    if not isinstance(value, list):
        raise ManifestError(f"{where}.{field} is {type(value).__name__}; expected a list")
    return value


def _as_text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise ManifestError(f"{where} is {value!r}; expected text")
    return value


def _as_integer(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ManifestError(f"{where} is {value!r}; expected a whole number")
    return value


def _as_number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ManifestError(f"{where} is {value!r}; expected a finite number")
    return float(value)
