"""The reference backend: runs robust baselines and small networks in NumPy, on every box.

Duty: verify, parse and score with the arithmetic of `models.baseline` and `models.network`, networks in int8
as a runtime would. What other backends compute for the same model is compared with this one; a baseline is
the last real model of the chain.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.backends.network import BackendOptions, NetworkBackend
from models.baseline import Baseline, from_artefact, scores
from models.errors import ArtefactError, ModelError, TensorError
from models.manifest import Artefact, ModelManifest, verify_artefact
from models.network import LayerNetwork
from models.network import from_artefact as network_from

NUMPY_REFERENCE = "numpy_reference"


class LayerRunner:
    """A network of layers as a backend's network; implements Network."""

    batch: int | None = None

    def __init__(self, network: LayerNetwork) -> None:
        self._network = network
        self.item_shape: tuple[int, ...] = network.input_shape

    def run(self, batch: Float32Array) -> Float32Array:
        """Output `(n, outputs)` of a batch `(n, *item_shape)`."""
        return self._network.run(batch)

    def close(self) -> None:
        """Nothing was taken."""


def _open(artefact: bytes, entry: Artefact, options: BackendOptions) -> LayerRunner:
    return LayerRunner(network_from(artefact))


class NumpyReference:
    """Scores feature batches against one baseline or network; implements InferenceBackend."""

    name = NUMPY_REFERENCE

    def __init__(self) -> None:
        self._baseline: Baseline | None = None
        self._network: NetworkBackend | None = None

    def load(self, manifest: ModelManifest, artefact: bytes) -> None:
        """Take over a model. Raises ArtefactError; what was loaded before is then still loaded."""
        entry = verify_artefact(manifest, self.name, artefact)
        if manifest.network is not None or manifest.picture is not None:
            network = NetworkBackend(self.name, _open)
            network.load(manifest, artefact)
            self._baseline, self._network = None, network
            return
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
        self._baseline, self._network = baseline, None

    def infer(self, batch: Float32Array) -> Float32Array:
        """Scores `(n,)`, 1.0 = limit, of features `(n, n_features)` in the manifest's order."""
        if self._network is not None:
            return self._network.infer(batch)
        if self._baseline is None:
            raise ModelError(f"{self.name}: no model is loaded; call load first")
        wanted = len(self._baseline.feature_names)
        if batch.ndim != 2 or batch.shape[1] != wanted:
            raise TensorError(f"{self.name}: batch of shape {batch.shape}; expected (n, {wanted})")
        return scores(self._baseline, np.asarray(batch, dtype=np.float32))

    def close(self) -> None:
        """Forget the model."""
        self._baseline = self._network = None


def _first_difference(have: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    for position, (a, b) in enumerate(zip(have, wanted, strict=False)):
        if a != b:
            return f"feature {position} is {a!r}, the manifest says {b!r}"
    return f"{len(have)} features, the manifest says {len(wanted)}"
