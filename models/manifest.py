"""What a model says of itself, and the check that it says it fully.

Duty: `ModelManifest` from and to JSON, validated with errors that name the field. Reads no files, verifies
no signature (the package store does), runs no model.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np

from dsp.samples import Float32Array
from models import network_score
from models.errors import ArtefactError, ManifestError
from models.manifest_entries import (
    MANIFEST_FILE,
    NAME,
    Artefact,
    BundleFile,
    GoldenVector,
    Precision,
    Quantisation,
    artefact_from,
    check_artefact,
    check_bytes,
    file_from,
    golden_from,
)
from models.manifest_fields import an_object, as_integer, as_number, as_text, each, only, text_at
from models.network_score import NetworkForm, NetworkSpec
from models.vision import picture_score
from models.vision.picture_score import PictureSpec

MANIFEST_FORMAT = 1
MAX_MANIFEST_BYTES = 1 << 20
MAX_FEATURES = 4096
MAX_TOLERANCE = 0.1  # of golden vectors: beyond it a score is wrong

__all__ = [
    "MANIFEST_FILE",
    "Artefact",
    "BundleFile",
    "GoldenVector",
    "ModelKind",
    "ModelManifest",
    "Precision",
    "Quantisation",
    "golden_blindness",
    "golden_differences",
    "golden_figures",
    "golden_inputs",
    "verify_artefact",
]


class ModelKind(StrEnum):
    """What a model turns its input into."""

    ANOMALY_SCORE = "anomaly score"  # (n, n_features) or (n, n_steps, n_features) -> (n,), 1.0 = limit
    DEFECT_MAP = "defect map"  # image -> defects


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
    network: NetworkSpec | None = None  # what stands around the network; None for a baseline
    picture: PictureSpec | None = None  # the same of a network over pictures
    latency_budget_s: float | None = None  # per item, on the slowest processor it is meant for
    files: tuple[BundleFile, ...] = ()

    def __post_init__(self) -> None:
        _check(self)

    def artefact_for(self, backend: str, precision: Precision | None = None) -> Artefact:
        """The artefact of one backend: int8 where it has one, unless a precision is asked for.

        Raises ArtefactError that lists what there is.
        """
        wanted = (Precision.INT8, Precision.FLOAT32) if precision is None else (precision,)
        for one in wanted:
            for artefact in self.artefacts:
                if artefact.backend == backend and artefact.precision is one:
                    return artefact
        have = ", ".join(dict.fromkeys(a.backend for a in self.artefacts))
        asked = "" if precision is None else f" in {precision}"
        raise ArtefactError(
            f"model {self.name!r} has no artefact for backend {backend!r}{asked}; it has: {have}"
        )

    @property
    def output_values(self) -> int:
        """Values that a backend gives for one item: 1, the score, but of pictures the map, too."""
        return 1 if self.picture is None else self.picture.values

    def to_json(self) -> str:
        """The manifest as JSON text with sorted keys, the same for equal manifests."""
        fields = asdict(self)
        if self.picture is None:  # a reader that knows no pictures must be able to read the others
            del fields["picture"]
        elif self.picture.texture is None:  # likewise
            del fields["picture"]["texture"]
        return json.dumps({"format": MANIFEST_FORMAT, **fields}, sort_keys=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ModelManifest:
        """A manifest from JSON text. Raises ManifestError that names the field and what would be right."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise ManifestError(f"manifest has {len(text)} bytes; at most {MAX_MANIFEST_BYTES} are accepted")
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ManifestError(f"manifest is not JSON: {error}") from error
        fields = an_object(raw, "manifest")
        if fields.get("format") != MANIFEST_FORMAT:
            raise ManifestError(f"manifest.format is {fields.get('format')!r}; expected {MANIFEST_FORMAT}")
        only(fields, "manifest", {"format", *cls.__dataclass_fields__}, optional=_OPTIONAL)
        kind = text_at(fields, "manifest", "kind")
        if kind not in list(ModelKind):
            raise ManifestError(f"manifest.kind is {kind!r}; expected one of {[str(k) for k in ModelKind]}")
        return cls(
            name=text_at(fields, "manifest", "name"),
            version=text_at(fields, "manifest", "version"),
            kind=ModelKind(kind),
            feature_names=each(fields, "manifest", "feature_names", as_text),
            input_shape=each(fields, "manifest", "input_shape", as_integer),
            extractor_version=text_at(fields, "manifest", "extractor_version"),
            artefacts=each(fields, "manifest", "artefacts", artefact_from),
            golden=each({"golden": [], **fields}, "manifest", "golden", golden_from),
            network=None
            if fields.get("network") is None
            else network_score.from_fields(fields["network"], "manifest.network"),
            picture=None
            if fields.get("picture") is None
            else picture_score.from_fields(fields["picture"], "manifest.picture"),
            latency_budget_s=None
            if fields.get("latency_budget_s") is None
            else as_number(fields["latency_budget_s"], "manifest.latency_budget_s"),
            files=each({"files": [], **fields}, "manifest", "files", file_from),
        )


_OPTIONAL = {"golden", "network", "picture", "latency_budget_s", "files"}


def verify_artefact(manifest: ModelManifest, backend: str, artefact: bytes) -> Artefact:
    """The manifest's entry for these bytes, after their size and SHA-256 were found right.

    A backend with an int8 and a float32 artefact is given the entry of that one whose bytes they are. Raises
    ArtefactError. Every backend calls it first: no parser sees bytes that were not verified.
    """
    entry = manifest.artefact_for(backend)
    digest = hashlib.sha256(artefact).hexdigest()
    for other in manifest.artefacts:
        if other.backend == backend and other.sha256 == digest and other.size_bytes == len(artefact):
            return other
    if len(artefact) != entry.size_bytes:
        raise ArtefactError(
            f"artefact of model {manifest.name!r} for {backend!r} has {len(artefact)} bytes;"
            f" the manifest says {entry.size_bytes}"
        )
    raise ArtefactError(
        f"artefact of model {manifest.name!r} for {backend!r} has SHA-256 {digest};"
        f" the manifest says {entry.sha256}"
    )


def golden_inputs(manifest: ModelManifest) -> Float32Array:
    """The golden inputs as one batch `(n, *input_shape)`; of pictures, crops are kept that are mirrored."""
    if manifest.picture is not None:
        crops = [np.array(vector.inputs, dtype=np.float32) for vector in manifest.golden]
        sides = [math.isqrt(crop.size) for crop in crops]
        pictures = [
            picture_score.mirrored(crop.reshape(side, side), manifest.input_shape)
            for crop, side in zip(crops, sides, strict=True)
        ]
        return np.stack(pictures) if pictures else np.empty((0, *manifest.input_shape), np.float32)
    flat = np.array([vector.inputs for vector in manifest.golden], dtype=np.float32)
    return flat.reshape(len(manifest.golden), *manifest.input_shape)


def golden_figures(manifest: ModelManifest, outputs: Float32Array) -> Float32Array:
    """`(n,)` the figure that golden vectors hold of each item that a backend answered."""
    if manifest.picture is None or outputs.shape[1:] != (manifest.output_values,):
        return outputs
    return picture_score.figures(manifest.picture, outputs)


def golden_differences(manifest: ModelManifest, entry: Artefact, outputs: Float32Array) -> list[str]:
    """What an artefact's `outputs` `(n,)` of the golden inputs say other than they must, in words.

    Outputs are scores, of pictures results or their `golden_figures`. Empty where every one is within its
    vector's tolerance; a NaN never is.
    """
    outputs = golden_figures(manifest, outputs)
    if outputs.shape != (len(manifest.golden),):
        return [f"{outputs.shape} scores for {len(manifest.golden)} golden inputs"]
    wanted = entry.golden_outputs or tuple(vector.output for vector in manifest.golden)
    found = []
    for i, (vector, right, score) in enumerate(zip(manifest.golden, wanted, outputs.tolist(), strict=True)):
        # written so that NaN fails
        if not abs(score - right) <= vector.tolerance * max(abs(right), 1.0):
            found.append(f"golden input {i} ({vector.why or 'usual'}) gives {score:.6g}, not {right:.6g}")
    return found


def golden_blindness(manifest: ModelManifest, entry: Artefact) -> str:
    """Why the golden vectors could not tell an artefact that is wrong, in words; "" where they could.

    Where one and the same score is right for all of them, a network of zeros might pass.
    """
    if not manifest.golden:
        return "there are no golden vectors: nobody could tell a damaged network from a sound one"
    wanted = entry.golden_outputs or tuple(vector.output for vector in manifest.golden)
    room = [
        vector.tolerance * max(abs(right), 1.0) for vector, right in zip(manifest.golden, wanted, strict=True)
    ]
    lowest = max(right - much for right, much in zip(wanted, room, strict=True))
    highest = min(right + much for right, much in zip(wanted, room, strict=True))
    if lowest > highest:
        return ""
    return f"its golden outputs are all near {wanted[0]:.3g}: a network that always says so would pass them"


def _check(manifest: ModelManifest) -> None:
    if not NAME.fullmatch(manifest.name):
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
    if manifest.kind is ModelKind.ANOMALY_SCORE:
        _check_input(manifest)
    if (manifest.picture is not None) != (manifest.kind is ModelKind.DEFECT_MAP):
        raise ManifestError(
            f"manifest.picture must be there for the kind {ModelKind.DEFECT_MAP!r}, and only there"
        )
    if manifest.picture is not None:
        picture_score.check(manifest.picture, manifest.input_shape, "manifest.picture")
    _check_parts(manifest)


def _check_parts(manifest: ModelManifest) -> None:
    if not manifest.artefacts:
        raise ManifestError("manifest.artefacts is empty; expected at least one artefact")
    backends = [(artefact.backend, artefact.precision) for artefact in manifest.artefacts]
    if len(set(backends)) != len(backends):
        listed = ", ".join(f"{name} ({precision})" for name, precision in sorted(backends))
        raise ManifestError(f"manifest.artefacts names a backend twice: {listed}")
    for i, artefact in enumerate(manifest.artefacts):
        check_artefact(artefact, f"manifest.artefacts[{i}]", len(manifest.golden))
    for i, file in enumerate(manifest.files):
        check_bytes(file, f"manifest.files[{i}]")
    for i, golden in enumerate(manifest.golden):
        n = len(golden.inputs)
        if manifest.picture is not None and (n == 0 or math.isqrt(n) ** 2 != n):
            raise ManifestError(f"manifest.golden[{i}].inputs has {n} values; expected a square crop")
        if manifest.picture is None and n != math.prod(manifest.input_shape):
            raise ManifestError(
                f"manifest.golden[{i}].inputs has {len(golden.inputs)} values;"
                f" the input has {math.prod(manifest.input_shape)}"
            )
        if not 0 < golden.tolerance <= MAX_TOLERANCE:
            raise ManifestError(
                f"manifest.golden[{i}].tolerance is {golden.tolerance};"
                f" expected above 0, at most {MAX_TOLERANCE}"
            )
    budget_s = manifest.latency_budget_s
    if budget_s is not None and not budget_s > 0:
        raise ManifestError(f"manifest.latency_budget_s is {budget_s}; expected above 0")


def _check_input(manifest: ModelManifest) -> None:
    shape, n_features = manifest.input_shape, len(manifest.feature_names)
    temporal = manifest.network is not None and manifest.network.form is NetworkForm.PREDICTION
    if shape[-1] != n_features or len(shape) != (2 if temporal else 1):
        raise ManifestError(
            f"manifest.input_shape is {shape}, but feature_names has {n_features} names"
            + ("; expected (steps, features)" if temporal else "")
        )
    if temporal and shape[0] < 2:
        raise ManifestError(f"manifest.input_shape is {shape}; a prediction needs 2 steps or more")
    if manifest.network is not None:
        network_score.check(manifest.network, n_features, "manifest.network")
