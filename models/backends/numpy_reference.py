"""The reference backend: runs a robust baseline in NumPy, on every box, as the last real model of the chain.

Duty: verify, parse and score with the arithmetic of `models.baseline`. What other backends compute for the
same model is compared with this one.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.baseline import Baseline, from_artefact, scores
from models.errors import ArtefactError, ModelError, TensorError
from models.manifest import ModelManifest, verify_artefact

NUMPY_REFERENCE = "numpy_reference"


class NumpyReference:
    """Scores feature batches against one baseline; implements InferenceBackend."""

    name = NUMPY_REFERENCE

    def __init__(self) -> None:
        self._baseline: Baseline | None = None

    def load(self, manifest: ModelManifest, artefact: bytes) -> None:
        """Take over a baseline. Raises ArtefactError; what was loaded before is then still loaded."""
        entry = verify_artefact(manifest, self.name, artefact)
        baseline = from_artefact(artefact)
        if baseline.feature_names != manifest.feature_names:
            raise ArtefactError(
                f"artefact of model {manifest.name!r} has other features than its manifest:"
                f" {_first_difference(baseline.feature_names, manifest.feature_names)}"
            )
        if baseline.limit != entry.limit:
            raise ArtefactError(
                f"artefact of model {manifest.name!r} has limit {baseline.limit};"
                f" the manifest says {entry.limit}"
            )
        self._baseline = baseline

    def infer(self, batch: Float32Array) -> Float32Array:
        """Scores `(n,)`, 1.0 = limit, of features `(n, n_features)` in the manifest's order."""
        if self._baseline is None:
            raise ModelError(f"{self.name}: no model is loaded; call load first")
        wanted = len(self._baseline.feature_names)
        if batch.ndim != 2 or batch.shape[1] != wanted:
            raise TensorError(f"{self.name}: batch of shape {batch.shape}; expected (n, {wanted})")
        return scores(self._baseline, np.asarray(batch, dtype=np.float32))

    def close(self) -> None:
        """Forget the model."""
        self._baseline = None


def _first_difference(have: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    for position, (a, b) in enumerate(zip(have, wanted, strict=False)):
        if a != b:
            return f"feature {position} is {a!r}, the manifest says {b!r}"
    return f"{len(have)} features, the manifest says {len(wanted)}"
