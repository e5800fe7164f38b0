"""Whether a runtime gives what the golden vectors say: before it serves, and now and then while it does.

Duty: the expected scores of one artefact, held against what came out. Runs nothing.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import ArtefactError
from models.manifest import (
    ModelManifest,
    golden_blindness,
    golden_differences,
    golden_figures,
    golden_inputs,
)
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

    def hold(self, outputs: Float32Array) -> None:
        """Raises ArtefactError unless all golden inputs `(n_golden, ...)` gave what they must."""
        self._hold(golden_figures(self._manifest, outputs))

    def _hold(self, figures: Float32Array) -> None:
        if differences := golden_differences(self._manifest, self._entry, figures):
            raise ArtefactError("gives wrong answers: " + "; ".join(differences[:2]))

    def hold_one(self, which: int, output: Float32Array) -> None:
        """Raises ArtefactError unless one golden input gave `(1, ...)` what it must."""
        figures = self._wanted.copy()
        figures[which] = golden_figures(self._manifest, output)[0]
        self._hold(figures.astype(np.float32))
