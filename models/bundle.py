"""A model bundle: a manifest, the artefacts that it lists, a model card, and nothing else.

Duty: make a bundle of its parts, and find everything that is wrong with one, by name. Files come as bytes
(`models.store` reads and writes them); runs no model and parses no artefact.

A bundle is complete in itself: every file but the manifest stands in the manifest with its size and SHA-256,
and the manifest's own SHA-256 is the bundle's identity, which a signed delivery signs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from models.errors import BundleError, ManifestError
from models.manifest import (
    MANIFEST_FILE,
    Artefact,
    BundleFile,
    ModelKind,
    ModelManifest,
    Precision,
    golden_blindness,
)

MODEL_CARD = "model_card.md"
MAX_FILE_BYTES = 64 << 20
MAX_FILES = 64
MAX_BUNDLE_BYTES = 256 << 20  # all files together: they are held in memory while they are verified


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A verified bundle: its manifest and its files by name, the manifest's own excepted."""

    manifest: ModelManifest
    files: Mapping[str, bytes]

    @property
    def identity(self) -> str:
        """SHA-256 of the manifest, lower-case hex: equal for equal bundles."""
        return hashlib.sha256(self.manifest.to_json().encode()).hexdigest()

    @property
    def model_card(self) -> str:
        """The model card, Markdown."""
        return self.files[MODEL_CARD].decode("utf-8")

    def artefact_bytes(self, backend: str, precision: Precision | None = None) -> bytes:
        """The artefact of a backend: int8 where it has one, unless asked. Raises ArtefactError."""
        return self.files[self.manifest.artefact_for(backend, precision).file]

    def contents(self) -> dict[str, bytes]:
        """All files by name, the manifest first: what `verified` takes."""
        return {MANIFEST_FILE: self.manifest.to_json().encode(), **self.files}


def entry_of(name: str, content: bytes) -> BundleFile:
    """The manifest's line for a file that is no artefact."""
    return BundleFile(name, hashlib.sha256(content).hexdigest(), len(content))


def artefact_of(entry: Artefact, name: str, content: bytes) -> Artefact:
    """`entry` with the name, digest and size of this file."""
    return replace(entry, file=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def verified(contents: Mapping[str, bytes]) -> Bundle:
    """A bundle from its files by name. Raises BundleError that lists everything that is wrong."""
    if MANIFEST_FILE not in contents:
        raise BundleError(f"the bundle has no {MANIFEST_FILE}; it has {_names(contents)}")
    try:
        manifest = ModelManifest.from_json(contents[MANIFEST_FILE])
    except ManifestError as error:
        raise BundleError(f"{MANIFEST_FILE}: {error}") from error
    files = {name: content for name, content in contents.items() if name != MANIFEST_FILE}
    problems = list(_problems(manifest, files))
    if problems:
        raise BundleError("; ".join(problems))
    return Bundle(manifest, files)


def _problems(manifest: ModelManifest, files: Mapping[str, bytes]) -> Iterator[str]:
    for artefact in manifest.artefacts:
        if not artefact.file:
            yield f"the artefact for {artefact.backend} ({artefact.precision}) names no file"
    yield from _wrong_files([*(one for one in manifest.artefacts if one.file), *manifest.files], files)
    for blindness in dict.fromkeys(golden_blindness(manifest, one) for one in manifest.artefacts):
        if blindness:
            yield blindness
    if manifest.kind is ModelKind.ANOMALY_SCORE and manifest.network is None:
        yield "the manifest does not say how a row becomes the network's input (network)"
    if MODEL_CARD not in {one.file for one in manifest.files}:
        yield f"the manifest lists no {MODEL_CARD}"
    elif MODEL_CARD in files and not _is_text(files[MODEL_CARD]):
        yield f"{MODEL_CARD} is not UTF-8 text"


def _wrong_files(entries: Sequence[Artefact | BundleFile], files: Mapping[str, bytes]) -> Iterator[str]:
    listed: dict[str, Artefact | BundleFile] = {}
    for entry in entries:
        other = listed.setdefault(entry.file, entry)
        if (other.sha256, other.size_bytes) != (entry.sha256, entry.size_bytes):
            yield f"{entry.file} is listed twice, with two digests"
    for name, entry in listed.items():
        if name not in files:
            yield f"{name} is missing"
        elif len(files[name]) != entry.size_bytes:
            yield f"{name} has {len(files[name])} bytes; the manifest says {entry.size_bytes}"
        elif (digest := hashlib.sha256(files[name]).hexdigest()) != entry.sha256:
            yield f"{name} has SHA-256 {digest}; the manifest says {entry.sha256}"
    for name in sorted(set(files) - set(listed)):
        yield f"{name} is in the bundle, but not in the manifest"


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _names(contents: Mapping[str, bytes]) -> str:
    names = sorted(contents)
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or "no files"
