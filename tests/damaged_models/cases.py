"""The sound models that are damaged, what they score, and a model host with a damaged one as first choice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.fallback_chain import ChainRules, TierState
from models.host import PASS_THROUGH, ModelHost
from models.host_process import Worker
from models.manifest import ModelManifest
from models.manifest_entries import Precision
from tests.damaged_models.sweep import WRONG, manifest_for, verdicts_of
from tests.fakes import picture_bundles, small_network

Package = tuple[ModelManifest, bytes]
_SECOND_NS = 1_000_000_000


def _case(backend: str, precision: Precision) -> Callable[[], Package]:
    return lambda: small_network.package(backend, precision)


def _picture_case(backend: str, precision: Precision) -> Callable[[], Package]:
    """A network over pictures of 64 x 96, by `stethos quantise` and with its golden vectors."""

    def package() -> Package:
        bundle = picture_bundles.drawn_bundle()
        entry = bundle.manifest.artefact_for(backend, precision)
        return replace(bundle.manifest, artefacts=(entry,)), bundle.files[entry.file]

    return package


CASES: dict[str, Callable[[], Package]] = {
    "onnxruntime-int8": _case("onnxruntime", Precision.INT8),
    "onnxruntime-float32": _case("onnxruntime", Precision.FLOAT32),
    "openvino-int8": _case("openvino", Precision.INT8),
    "openvino-float32": _case("openvino", Precision.FLOAT32),
    "litert-int8": _case("litert", Precision.INT8),
    "numpy_reference-int8": _case("numpy_reference", Precision.INT8),
    "pictures-onnxruntime-int8": _picture_case("onnxruntime", Precision.INT8),
    "pictures-onnxruntime-float32": _picture_case("onnxruntime", Precision.FLOAT32),
    "pictures-openvino-int8": _picture_case("openvino", Precision.INT8),
    "pictures-litert-int8": _picture_case("litert", Precision.INT8),
    "pictures-numpy_reference-int8": _picture_case("numpy_reference", Precision.INT8),
}


@cache
def probes(name: str) -> Float32Array:
    """Rows, or pictures, that no golden vector is made of."""
    if name.startswith("pictures"):
        seen = picture_bundles.surfaces(seed=9, good=10, bad=10).pictures
        return np.stack([one.picture for one in seen]).astype(np.float32)
    faults = [small_network.rows(40, 80 + i, fault) for i, fault in enumerate((0.0, 0.3, 1.0, 3.0, 8.0))]
    return np.concatenate(faults)


@cache
def right_scores(name: str) -> Float32Array:
    """What the sound model gives for the probes, in its own runtime."""
    manifest, artefact = CASES[name]()
    backend = backend_named(manifest.artefacts[0].backend, BackendOptions())
    backend.load(manifest, artefact)
    found = backend.infer(probes(name))
    backend.close()
    return found


def host_survives(name: str, artefact: bytes) -> bool:
    """Whether a host, with the damaged model before the sound one, gives no wrong score, and late right ones.

    Its floor gives none, so that a score is a network's.
    """
    manifest, sound = CASES[name]()
    backend = manifest.artefacts[0].backend
    workers = [
        Worker(backend, manifest_for(manifest, artefact), artefact),
        Worker(backend, manifest, sound),
    ]
    rules = ChainRules(deadline_ns=20 * _SECOND_NS)
    right = right_scores(name)
    with ModelHost(workers, rules=rules) as host:
        until = time.monotonic() + 60
        while _is_open(host) and time.monotonic() < until:
            answer = host.infer(probes(name))
            if answer.backend != PASS_THROUGH and not _are_right(answer.scores, right):
                return False
            time.sleep(0.02)
        return not _is_open(host) and _are_right(host.infer(probes(name)).scores, right)


def _is_open(host: ModelHost) -> bool:
    """Whether the damaged model is still loading, or the sound one does not serve yet."""
    first, second = host.report()
    starts = first.state in (TierState.STARTING, TierState.CHECKING) or first.reason == "not started yet"
    return starts or second.state is not TierState.SERVING


def _are_right(scores: Float32Array, right: Float32Array) -> bool:
    scores, right = verdicts_of(scores), verdicts_of(right)
    return bool(np.all(np.abs(scores - right) <= WRONG * np.maximum(right, 1.0)))
