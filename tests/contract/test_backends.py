"""What every inference backend must do, whatever runs beneath it. Add a backend: add it to BACKENDS."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.backend import InferenceBackend
from models.backends.numpy_reference import NumpyReference
from models.baseline import BaselineRules, FeatureScale, fit, scores
from models.errors import ArtefactError, ModelError, TensorError
from models.learning import as_package
from models.manifest import ModelManifest

BACKENDS: dict[str, Callable[[], InferenceBackend]] = {"numpy_reference": NumpyReference}
TOLERANCE = {"numpy_reference": 0.0}

NAMES = tuple(f"band_{i}00_{i + 1}00_hz_db" for i in range(1, 11))
HEALTHY = (-30 + np.random.default_rng(8).standard_normal((100, len(NAMES)))).astype(np.float32)
BASELINE = fit(HEALTHY, NAMES, [FeatureScale.DECIBEL] * len(NAMES), BaselineRules())
ARTEFACT, MANIFEST = as_package(BASELINE, "trend-1")


@pytest.fixture(params=BACKENDS, ids=str)
def backend(request: pytest.FixtureRequest) -> InferenceBackend:
    made = BACKENDS[request.param]()
    made.load(MANIFEST, ARTEFACT)
    return made


def test_its_name_is_the_manifest_s(backend: InferenceBackend) -> None:
    assert MANIFEST.artefact_for(backend.name).backend == backend.name


@pytest.mark.parametrize("n", [0, 1, 7, 100])
def test_it_agrees_with_the_definition(backend: InferenceBackend, n: int) -> None:
    batch = HEALTHY[:n] + np.linspace(0, 20, n, dtype=np.float32)[:, np.newaxis]
    found = backend.infer(batch)
    assert found.shape == (n,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, scores(BASELINE, batch), rtol=TOLERANCE[backend.name])


def test_a_batch_gives_what_its_rows_give(backend: InferenceBackend) -> None:
    together = backend.infer(HEALTHY[:9] + 5)
    alone = np.array([backend.infer(HEALTHY[i : i + 1] + 5)[0] for i in range(9)])
    np.testing.assert_array_equal(together, alone)


def test_it_leaves_its_input_alone(backend: InferenceBackend) -> None:
    batch = HEALTHY[:5].copy()
    backend.infer(batch)
    np.testing.assert_array_equal(batch, HEALTHY[:5])


def test_a_row_without_values_gives_nan_and_spoils_no_other(backend: InferenceBackend) -> None:
    batch = HEALTHY[:3].copy()
    clean = backend.infer(batch)
    batch[1] = np.nan
    found = backend.infer(batch)
    assert np.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2]], clean[[0, 2]])


def test_another_shape_is_refused(backend: InferenceBackend) -> None:
    for shape in ((3, len(NAMES) + 1), (len(NAMES),), (1, 1, len(NAMES))):
        with pytest.raises(TensorError, match="expected"):
            backend.infer(np.zeros(shape, np.float32))


@pytest.mark.parametrize("change", ["flip", "cut", "grow", "other"])
def test_bytes_that_are_not_the_manifest_s_are_refused_and_the_old_model_stays(
    backend: InferenceBackend, change: str
) -> None:
    damaged = {
        "flip": ARTEFACT[:50] + bytes([ARTEFACT[50] ^ 1]) + ARTEFACT[51:],
        "cut": ARTEFACT[:-1],
        "grow": ARTEFACT + b" ",
        "other": b"not a model",
    }[change]
    before = backend.infer(HEALTHY[:3])
    with pytest.raises(ArtefactError):
        backend.load(MANIFEST, damaged)
    np.testing.assert_array_equal(backend.infer(HEALTHY[:3]), before)


def test_a_manifest_that_describes_another_model_is_refused(backend: InferenceBackend) -> None:
    with pytest.raises(ArtefactError, match="no artefact"):
        backend.load(replaced_backend(MANIFEST, "somewhere-else"), ARTEFACT)
    renamed = replace(MANIFEST, feature_names=("other", *NAMES[1:]))
    with pytest.raises(ArtefactError, match="other"):
        backend.load(renamed, ARTEFACT)
    looser = replace(MANIFEST, artefacts=(replace(MANIFEST.artefacts[0], limit=99.0),))
    with pytest.raises(ArtefactError, match="limit"):
        backend.load(looser, ARTEFACT)


def test_verified_bytes_that_are_no_model_are_refused(backend: InferenceBackend) -> None:
    nonsense = b"nonsense"
    entry = replace(
        MANIFEST.artefacts[0], sha256=hashlib.sha256(nonsense).hexdigest(), size_bytes=len(nonsense)
    )
    with pytest.raises(ArtefactError):
        backend.load(replace(MANIFEST, artefacts=(entry,)), nonsense)


def test_closed_it_says_so_and_can_be_loaded_again(backend: InferenceBackend) -> None:
    backend.close()
    with pytest.raises(ModelError, match="load"):
        backend.infer(HEALTHY[:1])
    backend.close()
    backend.load(MANIFEST, ARTEFACT)
    assert backend.infer(HEALTHY[:1]).shape == (1,)


def replaced_backend(manifest: ModelManifest, name: str) -> ModelManifest:
    return replace(manifest, artefacts=(replace(manifest.artefacts[0], backend=name),))
