"""The parts of a manifest: artefacts, golden vectors, files; from JSON, and checked one by one.

Duty: what each part must be by itself. How parts fit together is `models.manifest`'s.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from models.errors import ManifestError
from models.manifest_fields import an_object, as_integer, as_number, each, only, text_at

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
MANIFEST_FILE = "manifest.json"  # in a bundle; it cannot list itself


class Precision(StrEnum):
    """The numbers that a network computes with; its distance is always float."""

    FLOAT32 = "float32"
    INT8 = "int8"


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
    input_quantisation: Quantisation | None = None  # of the network's input and output, where it wants int8
    output_quantisation: Quantisation | None = None
    file: str = ""  # in the bundle; artefacts of several backends may be the same file
    precision: Precision = Precision.FLOAT32
    weight_bits: int | None = None  # 7 where products may saturate on processors without VNNI
    fitted_in: str = ""  # the runtime, with its version, in which limit and golden outputs were found
    min_runtime: str = ""  # the oldest version of the runtime that may run it
    golden_outputs: tuple[float, ...] = ()  # scores of the golden inputs; empty: the golden vectors' own


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """One input with the score that every backend must give within `tolerance`.

    The tolerance is relative to the score, or to the limit (1.0) where the score is below it.
    """

    inputs: tuple[float, ...]  # flat, of one item
    output: float
    tolerance: float
    why: str = ""  # what the vector is there for: "usual", "faulty", "saturating"


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file of a bundle that is no artefact: the model card, rows for calibration."""

    file: str
    sha256: str
    size_bytes: int


def check_artefact(artefact: Artefact, where: str, golden: int) -> None:
    """Raises ManifestError for an artefact that is not what it must be beside `golden` golden vectors."""
    if not NAME.fullmatch(artefact.backend):
        raise ManifestError(f"{where}.backend is {artefact.backend!r}; expected a name: 'numpy_reference'")
    check_bytes(artefact, where)
    if not (math.isfinite(artefact.limit) and artefact.limit > 0):
        raise ManifestError(f"{where}.limit is {artefact.limit}; expected a finite number above 0")
    for field in ("input_quantisation", "output_quantisation"):
        quantisation: Quantisation | None = getattr(artefact, field)
        if quantisation is not None and not (math.isfinite(quantisation.scale) and quantisation.scale > 0):
            raise ManifestError(f"{where}.{field}.scale is {quantisation.scale}; expected above 0")
    if artefact.weight_bits is not None and not 2 <= artefact.weight_bits <= 8:
        raise ManifestError(f"{where}.weight_bits is {artefact.weight_bits}; expected 2 to 8")
    if artefact.golden_outputs and len(artefact.golden_outputs) != golden:
        raise ManifestError(
            f"{where}.golden_outputs has {len(artefact.golden_outputs)} values for {golden} golden vectors"
        )


def check_bytes(entry: Artefact | BundleFile, where: str) -> None:
    """Raises ManifestError for a digest, size or file name that cannot be one."""
    if not _SHA256.fullmatch(entry.sha256):
        raise ManifestError(f"{where}.sha256 is {entry.sha256!r}; expected 64 lower-case hex digits")
    if entry.size_bytes < 1:
        raise ManifestError(f"{where}.size_bytes is {entry.size_bytes}; expected 1 or more")
    optional = isinstance(entry, Artefact)
    if (entry.file or not optional) and (not _FILE.fullmatch(entry.file) or entry.file == MANIFEST_FILE):
        raise ManifestError(f"{where}.file is {entry.file!r}; expected a bare name like 'int8.onnx'")


def artefact_from(raw: Any, where: str) -> Artefact:
    """An artefact from its JSON object. Raises ManifestError."""
    fields = an_object(raw, where)
    known = set(Artefact.__dataclass_fields__)
    only(fields, where, known, known - {"backend", "sha256", "size_bytes", "limit"})
    precision = fields.get("precision", Precision.FLOAT32)
    if precision not in list(Precision):
        raise ManifestError(
            f"{where}.precision is {precision!r}; expected one of {[str(one) for one in Precision]}"
        )
    words = {"file": "", "fitted_in": "", "min_runtime": "", **fields}
    bits = fields.get("weight_bits")
    return Artefact(
        backend=text_at(fields, where, "backend"),
        sha256=text_at(fields, where, "sha256"),
        size_bytes=as_integer(fields["size_bytes"], f"{where}.size_bytes"),
        limit=as_number(fields["limit"], f"{where}.limit"),
        input_quantisation=_quantisation(fields.get("input_quantisation"), f"{where}.input_quantisation"),
        output_quantisation=_quantisation(fields.get("output_quantisation"), f"{where}.output_quantisation"),
        file=text_at(words, where, "file"),
        precision=Precision(precision),
        weight_bits=None if bits is None else as_integer(bits, f"{where}.weight_bits"),
        fitted_in=text_at(words, where, "fitted_in"),
        min_runtime=text_at(words, where, "min_runtime"),
        golden_outputs=each({"golden_outputs": [], **fields}, where, "golden_outputs", as_number),
    )


def _quantisation(raw: Any, where: str) -> Quantisation | None:
    if raw is None:
        return None
    fields = an_object(raw, where)
    only(fields, where, {"scale", "zero_point"}, set())
    return Quantisation(
        scale=as_number(fields["scale"], f"{where}.scale"),
        zero_point=as_integer(fields["zero_point"], f"{where}.zero_point"),
    )


def golden_from(raw: Any, where: str) -> GoldenVector:
    """A golden vector from its JSON object. Raises ManifestError."""
    fields = an_object(raw, where)
    only(fields, where, {"inputs", "output", "tolerance", "why"}, {"why"})
    return GoldenVector(
        inputs=each(fields, where, "inputs", as_number),
        output=as_number(fields["output"], f"{where}.output"),
        tolerance=as_number(fields["tolerance"], f"{where}.tolerance"),
        why=text_at({"why": "", **fields}, where, "why"),
    )


def file_from(raw: Any, where: str) -> BundleFile:
    """A file of a bundle from its JSON object. Raises ManifestError."""
    fields = an_object(raw, where)
    only(fields, where, set(BundleFile.__dataclass_fields__), set())
    return BundleFile(
        file=text_at(fields, where, "file"),
        sha256=text_at(fields, where, "sha256"),
        size_bytes=as_integer(fields["size_bytes"], f"{where}.size_bytes"),
    )
