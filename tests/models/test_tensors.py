"""Features reach a model by name, or are refused by name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.samples import Quality
from models.errors import TensorError
from models.manifest import Artefact, ModelKind, ModelManifest
from models.tensors import from_tensor, to_tensor

MANIFEST = ModelManifest(
    "test",
    "1",
    ModelKind.ANOMALY_SCORE,
    ("a", "b", "c"),
    (3,),
    EXTRACTOR_VERSION,
    (Artefact("numpy_reference", hashlib.sha256(b"").hexdigest(), 1, 1.0),),
)


def vector(names: tuple[str, ...], values: list[float], version: str = EXTRACTOR_VERSION) -> FeatureVector:
    return FeatureVector("x", 0, 1.0, names, np.array(values, np.float32), "", Quality.GOOD, version)


def test_the_manifest_s_order_counts_not_the_vector_s() -> None:
    batch = to_tensor([vector(("c", "a", "b"), [3, 1, 2]), vector(("a", "b", "c"), [4, 5, np.nan])], MANIFEST)
    np.testing.assert_array_equal(batch, [[1, 2, 3], [4, 5, np.nan]])
    assert batch.dtype == np.float32
    assert from_tensor(batch[0], MANIFEST) == {"a": 1.0, "b": 2.0, "c": 3.0}


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a", "b"), ["missing: c"]),
        (("a", "b", "c", "d"), ["not known to the model: d"]),
        (("a", "b", "d"), ["missing: c", "not known to the model: d"]),
        (("a", "b", "c", "a"), ["twice: a"]),
    ],
)
def test_names_that_do_not_fit_are_told(names: tuple[str, ...], words: list[str]) -> None:
    with pytest.raises(TensorError) as caught:
        to_tensor([vector(names, [0.0] * len(names))], MANIFEST)
    for word in words:
        assert word in str(caught.value)


def test_another_extractor_s_features_are_refused() -> None:
    with pytest.raises(TensorError, match="trend-0"):
        to_tensor([vector(("a", "b", "c"), [1, 2, 3], "trend-0")], MANIFEST)


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(TensorError, match=r"\(2,\)"):
        from_tensor(np.zeros(2, np.float32), MANIFEST)
