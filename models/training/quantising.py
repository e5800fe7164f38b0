"""A float32 bundle to one with int8 artefacts for every runtime that is installed, each with its own limit.

Duty: make the files, run each in its own runtime on the bundle's held-out rows, fit its limit there, compare
it with the float32 network, and refuse what changed too much (`GATE`). Trains nothing.

int8 is inside the network only; the distance is float (`models.network_score`). TensorRT's file is judged on
the CPU, by ONNX Runtime: its numbers are the file's, not the device's, and its entry says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.bundle import Bundle, artefact_of
from models.errors import BackendUnavailableError, BundleError
from models.manifest import Artefact, ModelManifest, Precision, golden_figures, golden_inputs
from models.network import from_artefact, to_artefact
from models.training.judging import Quality
from models.training.making import FLOAT_FILE
from models.training.quantiser import quantise
from models.training.subjects import Subject, subject_of

NUMPY, ONNXRUNTIME, OPENVINO, LITERT, TENSORRT = (
    "numpy_reference", "onnxruntime", "openvino", "litert", "tensorrt",
)  # fmt: skip
FLOAT_ONNX, INT8_ONNX, SYMMETRIC_ONNX, INT8_TFLITE, INT8_JSON = (
    "float32.onnx", "int8.onnx", "int8_symmetric.onnx", "int8.tflite", "int8.json",
)  # fmt: skip
_DISTRIBUTIONS = {
    NUMPY: "numpy", ONNXRUNTIME: "onnxruntime", OPENVINO: "openvino", LITERT: "ai-edge-litert",
}  # fmt: skip
_TIMED_CALLS, _TIMED_NS = 200, 2_000_000_000  # whichever is first


@dataclass(frozen=True, slots=True)
class Gate:
    """How much int8 may change; see `Verdict.refusals`."""

    mean_auroc: float = 0.002
    worst_auroc: float = 0.005
    alarm_events: int = 1


GATE = Gate()


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """One artefact against the float32 network."""

    entry: Artefact
    quality: Quality
    reference: Quality
    correlation: float  # of ranks of scores, over all judged items
    latency_us: float  # median of single calls on this machine, our part included

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
        """What of the gate the artefact does not keep, in words; empty is right."""
        changes = np.abs(self.auroc_changes)
        said = []
        if changes.mean() > gate.mean_auroc:
            said.append(f"mean AUROC change {changes.mean():.4f} is above {gate.mean_auroc}")
        if changes.max() > gate.worst_auroc:
            said.append(f"worst AUROC change {changes.max():.4f} is above {gate.worst_auroc}")
        if abs(self.alarms_changed) > gate.alarm_events:
            said.append(f"alarm events changed by {self.alarms_changed:+d}, more than {gate.alarm_events}")
        return said


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    entry: Artefact
    content: bytes
    judged_by: str  # the backend that runs it here


def quantised_bundle(
    bundle: Bundle, weight_bits: int, say: Callable[[str], None] = lambda text: None
) -> tuple[Bundle, list[Verdict]]:
    """The bundle with float32 and int8 artefacts of every runtime that is installed, and a verdict of each.

    `weight_bits`: 8, or 7 where the processors that will run U8S8 have no VNNI. Whether to use a bundle with
    refusals is the caller's to decide. Raises BundleError for a bundle without rows or float32 network.
    """
    subject = subject_of(bundle)
    found: list[tuple[_Candidate, Verdict]] = []
    reference: Quality | None = None
    before: Float64Array | None = None
    for candidate in _candidates(bundle, subject.calibration(), weight_bits):
        try:
            backend = _loaded(bundle.manifest, candidate)
        except BackendUnavailableError as error:
            say(f"{candidate.entry.backend}, {candidate.entry.precision}: left out, {error}")
            continue
        verdict, raw = _verdict(candidate, backend, subject, bundle.manifest, reference, before)
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


def _candidates(bundle: Bundle, calibration: Float32Array, weight_bits: int) -> list[_Candidate]:
    """The float32 reference first."""
    from models.training.flatbuffer import to_tflite
    from models.training.onnx_files import resized, to_onnx, to_qdq

    if FLOAT_FILE not in bundle.files:
        raise BundleError(f"the bundle has no {FLOAT_FILE}: it was not made by `stethos train`")
    content = bundle.files[FLOAT_FILE]
    network = from_artefact(content)
    float_onnx = to_onnx(network)
    crops = replace(network, input_shape=calibration.shape[1:])  # of pictures: ranges need no whole ones
    int8 = replace(quantise(crops, calibration), input_shape=network.input_shape)
    crops_onnx = to_onnx(crops)
    qdq = to_qdq(crops_onnx, calibration, symmetric=False, weight_bits=weight_bits)
    symmetric = to_qdq(crops_onnx, calibration, symmetric=True, weight_bits=8)
    if crops.input_shape != network.input_shape:
        qdq, symmetric = resized(qdq, network), resized(symmetric, network)
    ends = (int8.input_quantisation, int8.layers[-1].output)

    def one(backend: str, file: str, made: bytes, bits: int | None = None) -> _Candidate:
        runs = ONNXRUNTIME if backend == TENSORRT else backend
        precision = Precision.FLOAT32 if bits is None else Precision.INT8
        into, out = ends if backend == LITERT else (None, None)
        release = _version(runs)
        where = f"{runs} {release}" + (" on the CPU, not on the device" if runs != backend else "")
        entry = Artefact(
            backend, "", 0, 1.0, into, out, "", precision, bits, where, release if runs == backend else ""
        )
        return _Candidate(artefact_of(entry, file, made), made, runs)

    return [
        one(NUMPY, FLOAT_FILE, content),
        one(ONNXRUNTIME, FLOAT_ONNX, float_onnx),
        one(OPENVINO, FLOAT_ONNX, float_onnx),
        one(NUMPY, INT8_JSON, to_artefact(int8), 8),
        one(ONNXRUNTIME, INT8_ONNX, qdq, weight_bits),
        one(OPENVINO, INT8_ONNX, qdq, weight_bits),
        one(LITERT, INT8_TFLITE, to_tflite(int8), 8),
        one(TENSORRT, SYMMETRIC_ONNX, symmetric, 8),
    ]


def _loaded(manifest: ModelManifest, candidate: _Candidate, limit: float = 1.0) -> InferenceBackend:
    """The backend with the candidate loaded; at limit 1 its scores are raw distances."""
    entry = replace(candidate.entry, backend=candidate.judged_by, limit=limit)
    backend = backend_named(candidate.judged_by, BackendOptions())
    backend.load(replace(manifest, artefacts=(entry,)), candidate.content)
    return backend


def _verdict(  # noqa: PLR0917
    candidate: _Candidate,
    backend: InferenceBackend,
    subject: Subject,
    manifest: ModelManifest,
    reference: Quality | None,
    before: Float64Array | None,
) -> tuple[Verdict, Float64Array]:
    judgement = subject.judgement(backend.infer)
    limit, quality, raw = judgement.limit, judgement.quality, judgement.raw
    # golden outputs are scores at the artefact's own limit, which only now is known
    scored = _loaded(manifest, candidate, limit)
    golden = golden_figures(manifest, scored.infer(golden_inputs(manifest))).astype(np.float64)
    scored.close()
    entry = replace(
        candidate.entry,
        limit=limit,
        golden_outputs=tuple(float(f"{value:.7g}") for value in golden.tolist()),
    )
    verdict = Verdict(
        entry=entry,
        quality=quality,
        reference=quality if reference is None else reference,
        correlation=1.0 if before is None else _rank_correlation(before, raw),
        latency_us=_latency_us(backend, subject.one()),
    )
    return verdict, raw


def _rank_correlation(first: Float64Array, second: Float64Array) -> float:
    """Spearman's, of what is finite in both."""
    whole = np.isfinite(first) & np.isfinite(second)
    ranks = [
        np.argsort(np.argsort(values[whole], kind="stable"), kind="stable") for values in (first, second)
    ]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _latency_us(backend: InferenceBackend, item: Float32Array) -> float:
    taken: list[int] = []
    until_ns = time.perf_counter_ns() + _TIMED_NS
    while len(taken) < _TIMED_CALLS and (not taken or time.perf_counter_ns() < until_ns):
        begin = time.perf_counter_ns()
        backend.infer(item)
        taken.append(time.perf_counter_ns() - begin)
    return float(np.median(taken)) / 1e3


def _version(backend: str) -> str:
    try:
        return version(_DISTRIBUTIONS[backend])
    except PackageNotFoundError:
        return ""
