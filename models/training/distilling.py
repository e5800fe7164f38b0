"""A bundle's network as the teacher of a smaller one.

Duty: what the teacher gives for what a student sees, in the student's units. Trains nothing.
"""

from __future__ import annotations

import numpy as np

from dsp.samples import Float32Array
from models.bundle import Bundle
from models.errors import ModelError
from models.network import from_artefact
from models.network_score import NetworkForm, NetworkSpec
from models.training.fitting import Teacher
from models.training.runtime_files import FLOAT_FILE


def teacher_of(bundle: Bundle, student: NetworkSpec, feature_names: tuple[str, ...]) -> Teacher:
    """The float32 network of `bundle`. Raises ModelError where it does not read what the student reads."""
    spec = bundle.manifest.network
    if spec is None or FLOAT_FILE not in bundle.files:
        raise ModelError("the teacher's bundle has no float32 network: it was not made by `stethos train`")
    if spec.form is not student.form:
        raise ModelError(f"the teacher is a {spec.form} network; the student is a {student.form}")
    if bundle.manifest.feature_names != feature_names or spec.columns != student.columns:
        raise ModelError("the teacher reads other features than these rows have")
    network = from_artefact(bundle.files[FLOAT_FILE])
    centre, spread, own_centre, own_spread = (
        np.asarray(part, dtype=np.float64)
        for part in (student.centre, student.spread, spec.centre, spec.spread)
    )

    def outputs(seen: Float32Array) -> Float32Array:
        z = (seen * spread + centre - own_centre) / own_spread
        z = np.clip(z, -min(spec.fall_cap, spec.reach), spec.reach)
        found = network.run(np.ascontiguousarray(z, dtype=np.float32)).astype(np.float64)
        if spec.form is not NetworkForm.EMBEDDING:
            found = (found * own_spread + own_centre - centre) / spread
        result: Float32Array = found.astype(np.float32)
        return result

    return Teacher(outputs, spec.target)
