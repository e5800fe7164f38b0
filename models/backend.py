"""The interface of everything that can run a model.

One file per runtime under `backends/`; a runtime's library is imported inside `load`, so that a box without
it still starts. Native runtimes run in the model host's process, never in the service's.
"""

from __future__ import annotations

from typing import Protocol

from dsp.samples import Float32Array
from models.manifest import ModelManifest


class InferenceBackend(Protocol):
    """Runs one model: verified bytes in, scores out."""

    name: str  # as in the manifest's artefacts

    def load(self, manifest: ModelManifest, artefact: bytes) -> None:
        """Take over a model. Raises ArtefactError, before parsing, if the bytes are not the manifest's."""
        ...

    def infer(self, batch: Float32Array) -> Float32Array:
        """Scores `(n,)`, 1.0 = limit, of a batch `(n, *input_shape)`; quantises inside; blocking.

        A row that states no usable feature gives NaN. Raises TensorError for another shape, ModelError when
        nothing is loaded.
        """
        ...

    def close(self) -> None:
        """Give back what `load` took; afterwards `infer` raises until the next `load`."""
        ...
