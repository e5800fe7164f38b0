"""Between feature vectors and the tensor a model reads, by name.

Duty: put features into the order a manifest states, and refuse by name what does not fit. Does not scale,
quantise or score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.errors import TensorError
from models.manifest import ModelManifest


def tensor_order(names: Sequence[str], manifest: ModelManifest) -> tuple[int, ...]:
    """Positions in `names` of the manifest's features, in tensor order.

    Raises TensorError that names every feature the vector lacks, has too many, or has twice.
    """
    have = set(names)
    wanted = set(manifest.feature_names)
    problems = []
    if missing := [name for name in manifest.feature_names if name not in have]:
        problems.append(f"missing: {', '.join(missing)}")
    if extra := [name for name in names if name not in wanted]:
        problems.append(f"not known to the model: {', '.join(extra)}")
    if len(have) != len(names):
        problems.append(f"twice: {', '.join(sorted({n for n in names if list(names).count(n) > 1}))}")
    if problems:
        raise TensorError(
            f"features do not fit model {manifest.name!r} version {manifest.version}: {'; '.join(problems)}"
        )
    position = {name: i for i, name in enumerate(names)}
    return tuple(position[name] for name in manifest.feature_names)


def to_tensor(vectors: Sequence[FeatureVector], manifest: ModelManifest) -> Float32Array:
    """Feature vectors as one batch `(n_vectors, n_features)` in tensor order; NaN stays NaN.

    Raises TensorError for wrong names, or for an extractor of another version than the model's.
    """
    rows = np.empty((len(vectors), len(manifest.feature_names)), dtype=np.float32)
    for i, vector in enumerate(vectors):
        if vector.extractor_version != manifest.extractor_version:
            raise TensorError(
                f"features of extractor {vector.extractor_version!r} do not fit model {manifest.name!r},"
                f" which was made with extractor {manifest.extractor_version!r}"
            )
        rows[i] = vector.values[list(tensor_order(vector.names, manifest))]
    return rows


def from_tensor(row: Float32Array, manifest: ModelManifest) -> Mapping[str, float]:
    """One row of a batch as `{feature name: value}`. Raises TensorError for another length."""
    if row.shape != (len(manifest.feature_names),):
        raise TensorError(
            f"tensor of shape {row.shape} does not fit model {manifest.name!r};"
            f" expected ({len(manifest.feature_names)},)"
        )
    return dict(zip(manifest.feature_names, row.tolist(), strict=True))
