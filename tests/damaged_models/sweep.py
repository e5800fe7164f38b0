"""Many damaged models through one backend, in a child process that may die of them.

Each is loaded by the real backend as the model host's child does it, then held against the golden vectors,
then asked for scores that no golden vector knows. What comes out is one of `Verdict`; only the last two may
never be.
"""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing.connection import Connection

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.errors import ModelError
from models.golden_check import GoldenCheck
from models.host_worker import limit_memory
from models.manifest import ModelManifest

HANG_S = 30.0
MEMORY_BYTES = 2 << 30
# Beyond so much (of the score, or of the limit below it) a score is wrong; the golden vectors allow less.
WRONG = 0.1


class Verdict(StrEnum):
    """What became of one damaged model."""

    REFUSED = "refused"  # the runtime, or our check of what it opened, did not take it
    GOLDEN = "golden"  # it ran, and the golden vectors gave it away
    FAILED = "failed"  # it passed, and failed aloud at a later call
    SAME = "same"  # it gives the right scores: the damage is where nothing is read, or is too small to matter
    CRASH = "crash"  # the process died: the model host's child would have
    HANG = "hang"
    ESCAPED = "escaped"  # an error that is none of ours came out of the backend
    SILENT = "SILENT"  # it passed, and gives wrong scores


@dataclass(frozen=True)
class Damage:
    """One damaged model."""

    kind: str
    artefact: bytes


@dataclass(frozen=True)
class Judgement:
    """What became of one damaged model; `off`: how far its scores were from right, where it gave any."""

    damage: Damage
    verdict: Verdict
    reason: str
    off: float


def manifest_for(manifest: ModelManifest, artefact: bytes) -> ModelManifest:
    """The manifest with the digest of these bytes."""
    entry = replace(
        manifest.artefacts[0], sha256=hashlib.sha256(artefact).hexdigest(), size_bytes=len(artefact)
    )
    return replace(manifest, artefacts=(entry,))


def judged(
    manifest: ModelManifest, artefact: bytes, probes: Float32Array, right: Float32Array
) -> tuple[Verdict, str, float]:
    """What becomes of one damaged model in this process, with the reason, and how far its scores are off."""
    verdict, reason, found = _judged(manifest, artefact, probes)
    if found is None:
        return verdict, reason, 0.0
    off = float(np.max(np.abs(verdicts_of(found) - verdicts_of(right)) / np.maximum(verdicts_of(right), 1.0)))
    return (Verdict.SAME if off <= WRONG else Verdict.SILENT), f"scores off by up to {off:.3g}", off


def verdicts_of(found: Float32Array) -> Float32Array:
    """`(n,)` scores of what a backend gives: of pictures the first value, before the map of where."""
    return found if found.ndim == 1 else found[:, 0]


def _judged(
    manifest: ModelManifest, artefact: bytes, probes: Float32Array
) -> tuple[Verdict, str, Float32Array | None]:
    described = manifest_for(manifest, artefact)
    entry = described.artefacts[0]
    backend = backend_named(entry.backend, BackendOptions())
    try:
        backend.load(described, artefact)
    except ModelError as error:
        return Verdict.REFUSED, str(error), None
    except Exception as error:
        return Verdict.ESCAPED, repr(error), None
    check = GoldenCheck(described, entry)
    try:
        check.hold(backend.infer(check.inputs))
    except ModelError as error:
        return Verdict.GOLDEN, str(error), None
    except Exception as error:
        return Verdict.ESCAPED, repr(error), None
    try:
        return Verdict.SAME, "", backend.infer(probes)
    except ModelError as error:
        return Verdict.FAILED, str(error), None
    finally:
        backend.close()


def sweep(
    manifest: ModelManifest, damages: Iterable[Damage], probes: Float32Array, right: Float32Array
) -> list[Judgement]:
    """Judges all damages, in as many child processes as it takes."""
    found: list[Judgement] = []
    child: _Child | None = None
    for damage in damages:
        child = child or _Child(manifest, probes, right)
        verdict, reason, off = child.judge(damage.artefact)
        if verdict in (Verdict.CRASH, Verdict.HANG):
            child.end()
            child = None
        found.append(Judgement(damage, verdict, reason, off))
    if child is not None:
        child.end()
    return found


class _Child:
    def __init__(self, manifest: ModelManifest, probes: Float32Array, right: Float32Array) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=_answer, args=(theirs, manifest, probes, right), daemon=True)
        self._process.start()
        theirs.close()

    def judge(self, artefact: bytes) -> tuple[Verdict, str, float]:
        try:
            self._pipe.send(artefact)
            if not self._pipe.poll(HANG_S):
                return Verdict.HANG, f"no answer for {HANG_S:.0f} s", 0.0
            verdict, reason, off = self._pipe.recv()
            return Verdict(verdict), reason, off
        except (EOFError, OSError):
            self._process.join()
            return Verdict.CRASH, f"exit code {self._process.exitcode}", 0.0

    def end(self) -> None:
        self._pipe.close()
        self._process.kill()
        self._process.join()


def _answer(pipe: Connection, manifest: ModelManifest, probes: Float32Array, right: Float32Array) -> None:
    limit_memory(MEMORY_BYTES)
    while True:
        try:
            artefact = pipe.recv()
        except EOFError:
            return
        pipe.send(judged(manifest, artefact, probes, right))
