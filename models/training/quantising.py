"""A float32 bundle to one with int8 artefacts for every runtime that is installed, each with its own limit.

Duty: make the files, run each in its own runtime on the bundle's held-out rows, fit its limit there, compare
it with the float32 network, and say what changed too much (`models.evaluation.int8_gate`). Trains nothing.

int8 is inside the network only; the distance is float (`models.network_score`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.bundle import Bundle
from models.errors import BackendUnavailableError, BundleError
from models.evaluation.int8_gate import GATE, Gate
from models.manifest import Artefact, ModelManifest, golden_differences, golden_figures, golden_inputs
from models.network import from_artefact
from models.training.judging import Quality
from models.training.runtime_files import FLOAT_FILE, RuntimeFile, loaded, reference_file, runtime_files
from models.training.subjects import Subject, subject_of

_TIMED_CALLS, _TIMED_NS = 200, 2_000_000_000  # whichever is first


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One artefact against the float32 network."""

    entry: Artefact
    quality: Quality
    reference: Quality
    correlation: float  # of ranks of scores, over all judged items
    score_correlation: float  # Pearson's, of the scores themselves
    calibrated_with: int  # rows, by their true smallest and largest values
    latency_us: tuple[float, float]  # median and 99 % of single calls on this machine, our part included
    wrong: tuple[str, ...] = ()  # what the runtime gives here other than the file says, in words

    @property
    def auroc_changes(self) -> list[float]:
        """Change of each fault's area, and of all together."""
        pairs = [(area, self.reference.by_fault[fault]) for fault, area in self.quality.by_fault.items()] + [
            (self.quality.auroc, self.reference.auroc)
        ]
        return [area - before for area, before in pairs]

    @property
    def alarms_changed(self) -> int:
        """The larger change of the number of alarm events, healthy or faulty."""
        healthy = self.quality.healthy_alarms - self.reference.healthy_alarms
        faulty = self.quality.faulty_alarms - self.reference.faulty_alarms
        return max(healthy, faulty, key=abs)

    def refusals(self, gate: Gate = GATE) -> list[str]:
        """What of the gate the artefact does not keep, and what is computed wrongly; empty is right."""
        said = gate.refusals(self.auroc_changes, self.alarms_changed)
        if self.wrong:
            said.append(
                "this runtime on this processor computes other than the file says: "
                + "; ".join(self.wrong[:2])
                + " (8-bit weights saturate where there is no VNNI: --weight-bits 7)"
            )
        return said


def quantised_bundle(
    bundle: Bundle, weight_bits: int, say: Callable[[str], None] = lambda text: None
) -> tuple[Bundle, list[Verdict]]:
    """The bundle with float32 and int8 artefacts of every runtime that is installed, and a verdict of each.

    `weight_bits`: 8, or 7 where the processors that will run U8S8 have no VNNI. Whether to use a bundle with
    refusals is the caller's to decide. Raises BundleError for a bundle without rows or float32 network.
    """
    subject = subject_of(bundle)
    calibration = subject.calibration()
    found: list[tuple[RuntimeFile, Verdict]] = []
    reference: Quality | None = None
    before: Float64Array | None = None
    if FLOAT_FILE not in bundle.files:
        raise BundleError(f"the bundle has no {FLOAT_FILE}: it was not made by `stethos train`")
    for candidate in runtime_files(from_artefact(bundle.files[FLOAT_FILE]), calibration, weight_bits):
        try:
            backend = loaded(bundle.manifest, candidate)
        except BackendUnavailableError as error:
            say(f"{candidate.entry.backend}, {candidate.entry.precision}: left out, {error}")
            continue
        verdict, raw = _verdict(
            candidate, backend, subject, bundle.manifest, reference, before, len(calibration)
        )
        backend.close()
        if reference is None:
            reference, before = verdict.quality, raw
        found.append((candidate, verdict))
    files = {name: content for name, content in bundle.files.items() if name in _kept(bundle)}
    files |= {verdict.entry.file: candidate.content for candidate, verdict in found}
    manifest = replace(bundle.manifest, artefacts=tuple(verdict.entry for _, verdict in found))
    return Bundle(manifest, files), [verdict for _, verdict in found]


def _kept(bundle: Bundle) -> set[str]:
    """Files that are no artefacts."""
    return {one.file for one in bundle.manifest.files}


def _verdict(  # noqa: PLR0917
    candidate: RuntimeFile,
    backend: InferenceBackend,
    subject: Subject,
    manifest: ModelManifest,
    reference: Quality | None,
    before: Float64Array | None,
    calibrated_with: int,
) -> tuple[Verdict, Float64Array]:
    judgement = subject.judgement(backend.infer)
    limit, quality, raw = judgement.limit, judgement.quality, judgement.raw
    # golden outputs are scores at the artefact's own limit, which only now is known
    found = _golden_outputs(candidate, manifest, limit)
    meant = candidate.means
    right = found if meant is None else _golden_outputs(reference_file(meant), manifest, limit)
    entry = replace(
        candidate.entry,
        limit=limit,
        golden_outputs=tuple(float(f"{value:.7g}") for value in right.tolist()),
    )
    correlations = (1.0, 1.0) if before is None else _correlations(before, raw)
    verdict = Verdict(
        entry=entry,
        quality=quality,
        reference=quality if reference is None else reference,
        correlation=correlations[1],
        score_correlation=correlations[0],
        calibrated_with=calibrated_with,
        latency_us=_latency_us(backend, subject.one()),
        wrong=tuple(golden_differences(manifest, entry, found)),
    )
    return verdict, raw


def _golden_outputs(file: RuntimeFile, manifest: ModelManifest, limit: float) -> Float32Array:
    """What a file gives for the golden inputs in its runtime.

    Of int8 in a foreign format the reference's count: what this processor gives may be what only it gives.
    """
    backend = loaded(manifest, file, limit)
    golden = golden_figures(manifest, backend.infer(golden_inputs(manifest)))
    backend.close()
    return golden


def _correlations(first: Float64Array, second: Float64Array) -> tuple[float, float]:
    """Pearson's and Spearman's, of what is finite in both."""
    whole = np.isfinite(first) & np.isfinite(second)
    scores = [values[whole] for values in (first, second)]
    ranks = [np.argsort(np.argsort(values, kind="stable"), kind="stable") for values in scores]
    return float(np.corrcoef(scores[0], scores[1])[0, 1]), float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _latency_us(backend: InferenceBackend, item: Float32Array) -> tuple[float, float]:
    taken: list[float] = []
    until_ns = time.perf_counter_ns() + _TIMED_NS
    while len(taken) < _TIMED_CALLS and (not taken or time.perf_counter_ns() < until_ns):
        begin = time.perf_counter_ns()
        backend.infer(item)
        taken.append((time.perf_counter_ns() - begin) / 1e3)
    return float(np.median(taken)), float(np.percentile(taken, 99))
