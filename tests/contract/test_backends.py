"""What every inference backend must do, whatever runs beneath it. Add a backend: add its case to CASES."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from dsp.samples import Float32Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import BACKENDS, backend_named
from models.baseline import BaselineRules, FeatureScale, fit, scores
from models.errors import ArtefactError, BackendUnavailableError, ModelError, TensorError
from models.learning import as_package
from models.manifest import ModelManifest
from models.manifest_entries import Precision
from tests.fakes import layer_networks as layers
from tests.fakes import tiny_networks as tiny
from tests.fakes.edgetpu_delegate import delegate_library

FLOAT, INT8 = Precision.FLOAT32, Precision.INT8
HEALTHY = (-30 + np.random.default_rng(8).standard_normal((100, len(tiny.NAMES)))).astype(np.float32)
BASELINE = fit(HEALTHY, tiny.NAMES, [FeatureScale.DECIBEL] * len(tiny.NAMES), BaselineRules())
# Providers of ONNX Runtime that no test machine is known to have: they must refuse aloud, see below.
NEED_HARDWARE = {"tensorrt", "qnn", "migraphx", "coreml"}


@dataclass(frozen=True)
class Case:
    """A backend with a model for it, what the model means, and how near the backend must come to it."""

    backend: str
    package: Callable[[], tuple[bytes, ModelManifest]]
    definition: Callable[[Float32Array], Float32Array]
    tolerance: float  # relative to the score, or to 1.0 below it
    options: Callable[[], BackendOptions] = field(default=BackendOptions)

    def made(self) -> InferenceBackend:
        backend = backend_named(self.backend, self.options())
        artefact, manifest = self.package()
        backend.load(manifest, artefact)
        return backend


def network(backend: str, artefact: Callable[[], bytes], precision: Precision) -> Case:
    def package() -> tuple[bytes, ModelManifest]:
        return artefact(), tiny.manifest_of(artefact(), backend, precision=precision)

    return Case(backend, package, tiny.scores_of, 1e-5 if precision is FLOAT else 0.03)


def compiled() -> tuple[bytes, ModelManifest]:
    artefact = tiny.tflite_compiled()
    return artefact, tiny.manifest_of(artefact, "coral_edgetpu", precision=INT8)


CASES = {
    "numpy_reference": Case(
        "numpy_reference", lambda: as_package(BASELINE, "trend-1"), lambda rows: scores(BASELINE, rows), 0.0
    ),
    "numpy_reference-network-float32": network("numpy_reference", layers.tiny_layers, FLOAT),
    "numpy_reference-network-int8": network("numpy_reference", layers.tiny_layers_int8, INT8),
    "onnxruntime-float32": network("onnxruntime", tiny.onnx_float, FLOAT),
    "onnxruntime-batch-of-4": network("onnxruntime", lambda: tiny.onnx_float(4), FLOAT),
    "onnxruntime-int8": network("onnxruntime", tiny.onnx_int8, INT8),
    "openvino-float32": network("openvino", tiny.onnx_float, FLOAT),
    "openvino-batch-of-4": network("openvino", lambda: tiny.onnx_float(4), FLOAT),
    "openvino-int8": network("openvino", tiny.onnx_int8, INT8),
    "litert-float32": network("litert", tiny.tflite_float, FLOAT),
    "litert-int8": network("litert", tiny.tflite_int8, INT8),
    "coral_edgetpu-test-delegate": Case(
        "coral_edgetpu",
        compiled,
        tiny.halved_scores_of,
        0.03,
        lambda: BackendOptions(library=delegate_library()),
    ),
}


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def backend(case: Case) -> InferenceBackend:
    return case.made()


def test_every_backend_has_a_case() -> None:
    assert {case.backend for case in CASES.values()} | NEED_HARDWARE == set(BACKENDS)


def test_its_name_is_the_manifest_s(case: Case, backend: InferenceBackend) -> None:
    assert case.package()[1].artefact_for(backend.name).backend == backend.name == case.backend


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_it_agrees_with_the_definition(case: Case, backend: InferenceBackend, n: int) -> None:
    batch = HEALTHY[:n] + np.linspace(0, 20, n, dtype=np.float32)[:, np.newaxis]
    found, wanted = backend.infer(batch), case.definition(batch)
    assert found.shape == (n,)
    assert found.dtype == np.float32
    assert np.all(np.abs(found - wanted) <= case.tolerance * np.maximum(wanted, 1.0))


def test_a_batch_gives_what_its_rows_give(case: Case, backend: InferenceBackend) -> None:
    together = backend.infer(HEALTHY[:9] + 5)
    alone = np.array([backend.infer(HEALTHY[i : i + 1] + 5)[0] for i in range(9)])
    # a kernel for one row may sum in another order than one for nine
    np.testing.assert_allclose(together, alone, rtol=0.0 if case.backend == "numpy_reference" else 1e-5)


def test_its_answer_stays_what_it_was(backend: InferenceBackend) -> None:
    first = backend.infer(HEALTHY[:5])
    kept = first.copy()
    backend.infer(HEALTHY[:5] + 9)
    np.testing.assert_array_equal(first, kept)


def test_it_leaves_its_input_alone(backend: InferenceBackend) -> None:
    batch = HEALTHY[:5].copy()
    backend.infer(batch)
    np.testing.assert_array_equal(batch, HEALTHY[:5])


def test_it_takes_rows_that_cannot_be_written_and_such_with_gaps(backend: InferenceBackend) -> None:
    wide = np.repeat(HEALTHY[:6], 2, axis=0)
    wanted = backend.infer(HEALTHY[:6])
    frozen = HEALTHY[:6].copy()
    frozen.setflags(write=False)
    np.testing.assert_array_equal(backend.infer(frozen), wanted)
    np.testing.assert_array_equal(backend.infer(wide[::2]), wanted)


def test_a_row_without_values_gives_nan_and_spoils_no_other(backend: InferenceBackend) -> None:
    batch = HEALTHY[:3].copy()
    clean = backend.infer(batch)
    batch[1] = np.nan
    found = backend.infer(batch)
    assert np.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])


def test_another_shape_is_refused(backend: InferenceBackend) -> None:
    n_features = len(tiny.NAMES)
    for shape in ((3, n_features + 1), (n_features,), (1, 1, n_features)):
        with pytest.raises(TensorError, match="expected"):
            backend.infer(np.zeros(shape, np.float32))


@pytest.mark.parametrize("change", ["flip", "cut", "grow", "other"])
def test_bytes_that_are_not_the_manifest_s_are_refused_and_the_old_model_stays(
    case: Case, backend: InferenceBackend, change: str
) -> None:
    artefact, manifest = case.package()
    damaged = {
        "flip": artefact[:50] + bytes([artefact[50] ^ 1]) + artefact[51:],
        "cut": artefact[:-1],
        "grow": artefact + b" ",
        "other": b"not a model",
    }[change]
    before = backend.infer(HEALTHY[:3])
    with pytest.raises(ArtefactError):
        backend.load(manifest, damaged)
    np.testing.assert_array_equal(backend.infer(HEALTHY[:3]), before)


def test_a_manifest_of_another_backend_is_refused(case: Case, backend: InferenceBackend) -> None:
    artefact, manifest = case.package()
    elsewhere = replace(manifest.artefacts[0], backend="somewhere-else")
    with pytest.raises(ArtefactError, match="no artefact"):
        backend.load(replace(manifest, artefacts=(elsewhere,)), artefact)


def test_verified_bytes_that_are_no_model_are_refused_and_the_old_model_stays(
    case: Case, backend: InferenceBackend
) -> None:
    before = backend.infer(HEALTHY[:3])
    for nonsense in (b"nonsense", b"\0" * 4096):
        entry = replace(
            case.package()[1].artefacts[0],
            sha256=hashlib.sha256(nonsense).hexdigest(),
            size_bytes=len(nonsense),
        )
        with pytest.raises(ArtefactError):
            backend.load(replace(case.package()[1], artefacts=(entry,)), nonsense)
        np.testing.assert_array_equal(backend.infer(HEALTHY[:3]), before)


def test_closed_it_says_so_and_can_be_loaded_again(case: Case, backend: InferenceBackend) -> None:
    backend.close()
    with pytest.raises(ModelError, match="load"):
        backend.infer(HEALTHY[:1])
    backend.close()
    artefact, manifest = case.package()
    backend.load(manifest, artefact)
    assert backend.infer(HEALTHY[:1]).shape == (1,)


def test_the_reference_refuses_a_manifest_of_other_features_or_of_another_limit() -> None:
    artefact, manifest = CASES["numpy_reference"].package()
    backend = backend_named("numpy_reference", BackendOptions())
    with pytest.raises(ArtefactError, match="other"):
        backend.load(replace(manifest, feature_names=("other", *tiny.NAMES[1:])), artefact)
    looser = replace(manifest, artefacts=(replace(manifest.artefacts[0], limit=99.0),))
    with pytest.raises(ArtefactError, match="limit"):
        backend.load(looser, artefact)


def test_a_name_that_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(BackendUnavailableError, match="onnxruntime"):
        backend_named("abacus", BackendOptions())
