"""Whether a runtime gives what the golden vectors say: before it serves, and now and then while it does.

Duty: the expected scores of one artefact, held against what came out. Runs nothing.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import ArtefactError
from models.manifest import ModelManifest, golden_blindness, golden_differences, golden_inputs
from models.manifest_entries import Artefact


class GoldenCheck:
    """The golden vectors of one model, with the scores that one artefact of it must give."""

    def __init__(self, manifest: ModelManifest, entry: Artefact) -> None:
        """Raises ArtefactError for golden vectors that could not tell a wrong artefact from a right one."""
        if blindness := golden_blindness(manifest, entry):
            raise ArtefactError(f"model {manifest.name!r} cannot be checked: {blindness}")
        self._manifest, self._entry = manifest, entry
        self.inputs: Float32Array = golden_inputs(manifest)
        wanted = entry.golden_outputs or tuple(vector.output for vector in manifest.golden)
        self._wanted: Float64Array = np.array(wanted, dtype=np.float64)

    def hold(self, scores: Float32Array) -> None:
        """Raises ArtefactError unless every score `(n_golden,)` is within its tolerance."""
        if differences := golden_differences(self._manifest, self._entry, scores):
            raise ArtefactError("gives wrong answers: " + "; ".join(differences[:2]))

    def hold_one(self, which: int, score: float) -> None:
        """Raises ArtefactError unless the score of one golden vector is within its tolerance."""
        scores = self._wanted.copy()
        scores[which] = score
        self.hold(scores.astype(np.float32))
