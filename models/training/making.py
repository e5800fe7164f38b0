"""Rows to a bundle with a float32 network: what `stethos train` does once it has rows.

Duty: put together what a trained network needs to be used and judged: how rows become its input, its limit,
golden vectors, model card, the rows themselves. `models.training.fitting` trains; int8 is decided later.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.bundle import MODEL_CARD, Bundle, artefact_of, entry_of
from models.detectors.columns import Columns, ScaleRules
from models.errors import ModelError
from models.manifest import Artefact, ModelKind, ModelManifest
from models.network import to_artefact
from models.network_score import NetworkForm, NetworkSpec, prepare
from models.training.card import model_card
from models.training.distilling import teacher_of
from models.training.fitting import REACH, Fit, FitSettings, NetworkKind, Progress, Teacher, fit
from models.training.golden import golden_vectors
from models.training.judging import fitted_limit, judged_items, quality_of, raw_of
from models.training.record import RECORD_FILE
from models.training.rows import (
    ROWS_FILE,
    Rows,
    TrainingRows,
    columns_of,
    items_of,
    scales_of,
    to_bytes,
)
from models.training.runtime_files import FLOAT_FILE

LATENCY_BUDGET_S = 0.002
_RULES = ScaleRules(floor=0.5, fall_cap=1.0)  # as the other one-class detectors on live rows
Teach = Callable[[Float32Array, Float32Array], Fit]
_LEAST_SCATTER = 0.05  # spreads: an output that never errs must not rule the distance


def train(  # noqa: PLR0917
    rows: TrainingRows,
    kind: NetworkKind,
    name: str,
    settings: FitSettings,
    progress: Progress = lambda epoch, learning, stopping: None,
    teacher: Bundle | None = None,
) -> Bundle:
    """A bundle with a trained float32 network. Raises ModelError where the rows cannot teach one.

    `teacher`: a bundle of the same kind and features whose outputs the network learns to give, too.
    """
    of: Teacher | None = None
    if teacher is not None:
        columns = columns_of(rows.parts()[0], scales_of(rows.feature_names), _RULES)
        of = teacher_of(teacher, _spec(kind, rows, columns), rows.feature_names)

    def taught(learn: Float32Array, until: Float32Array) -> Fit:
        return fit(kind, learn, until, settings, progress, of)

    return finished(rows, kind, name, settings, taught, "" if teacher is None else teacher.identity)


def finished(  # noqa: PLR0917
    rows: TrainingRows, kind: NetworkKind, name: str, settings: FitSettings, teach: Teach, teacher: str = ""
) -> Bundle:
    """A bundle with the network that `teach` makes of deviations that teach and that say when to stop.

    `teacher`: the identity of the bundle that taught besides the rows.
    """
    learn, until, held = rows.parts()
    columns = columns_of(learn, scales_of(rows.feature_names), _RULES)
    open_spec = _spec(kind, rows, columns)
    items = [items_of(part, kind.steps) for part in (learn, until, held)]
    if min(len(part) for part in items) == 0:
        raise ModelError(
            "the recordings are too short: rows of each are needed to learn, to stop and to judge"
        )
    fitted = teach(_seen(open_spec, items[0]), _seen(open_spec, items[1]))
    spec = _closed(open_spec, fitted, items[1].values)
    return _bundle(rows, kind, name, settings, fitted, spec, teacher)


def _spec(kind: NetworkKind, rows: TrainingRows, columns: Columns) -> NetworkSpec:
    used = np.flatnonzero(columns.used)
    return NetworkSpec(
        form=kind.form,
        scales=scales_of(rows.feature_names),
        columns=tuple(int(i) for i in used),
        centre=_rounded(columns.origin),
        spread=_rounded(columns.spread),
        fall_cap=columns.fall_cap,
        reach=REACH,
        output_spread=(1.0,) * len(used),
        target=(),
    )


def _seen(spec: NetworkSpec, items: Rows) -> Float32Array:
    """Deviations as a network sees them; of the temporal kind the last row stands behind the others."""
    if spec.form is NetworkForm.EMBEDDING:  # its target is not known yet, and not needed here
        spec = replace(spec, form=NetworkForm.RECONSTRUCTION)
    prepared = prepare(spec, items.values)
    if prepared.inputs.ndim == 2:
        return prepared.inputs
    last = prepared.target.astype(np.float32)[:, np.newaxis]
    return np.concatenate([prepared.inputs, last], axis=1)


def _closed(spec: NetworkSpec, fitted: Fit, until: Float32Array) -> NetworkSpec:
    """The description with its target, and how outputs scatter on healthy rows that did not teach."""
    ones = (1.0,) * fitted.network.layers[-1].outputs
    spec = replace(spec, target=_rounded(np.array(fitted.target)), output_spread=ones)
    prepared = prepare(spec, until)
    rest = prepared.target - fitted.network.run(prepared.inputs)
    return replace(spec, output_spread=_rounded(output_spread(rest[~prepared.empty], bool(spec.target))))


def output_spread(rest: Float64Array, embedding: bool) -> Float64Array:
    """How outputs `(n, outputs)` scatter about their target on healthy rows that did not teach.

    An embedding has one spread for all: it learned distances in which no direction counts more than another,
    and what few rows scatter by in one of them says little.
    """
    scatter = np.sqrt(np.mean(rest**2, axis=0))
    overall = float(np.sqrt(np.mean(scatter**2)))
    if embedding:
        return np.full(len(scatter), max(overall, 1e-6))
    result: Float64Array = np.maximum(scatter, max(_LEAST_SCATTER, 0.1 * overall))
    return result


def _bundle(  # noqa: PLR0917
    rows: TrainingRows,
    kind: NetworkKind,
    name: str,
    settings: FitSettings,
    fitted: Fit,
    spec: NetworkSpec,
    teacher: str,
) -> Bundle:
    judged = judged_items(rows, spec, kind.steps, settings.seed)
    healthy, faulty = (raw_of(spec, fitted.network, part.values) for part in (judged.healthy, judged.faulty))
    limit = fitted_limit(healthy, judged.healthy.sequence)
    quality = quality_of(judged, healthy, faulty, limit)
    content = to_artefact(fitted.network)
    files = {FLOAT_FILE: content, ROWS_FILE: to_bytes(rows)}
    record = {
        "kind": kind,
        "seed": settings.seed,
        "settings": asdict(settings),
        "parameters": fitted.network.parameters,
        "zero_weights": sum(int((layer.weights == 0).sum()) for layer in fitted.network.layers),
        "teacher": teacher,
        "epochs": fitted.epochs,
        "losses": [[round(value, 6) for value in pair] for pair in fitted.losses],
        "data_sha256": rows.sha256,
        "origin": rows.origin,
        "steps": kind.steps,
        "faults": list(rows.faults),
        "made_up": judged.made_up,
        "quality": quality.to_json(),
    }
    files[RECORD_FILE] = (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()
    files[MODEL_CARD] = model_card(name, record, rows, quality).encode()
    golden = golden_vectors(spec, fitted.network, judged, limit)
    entry = Artefact("numpy_reference", "", 0, limit, fitted_in=f"numpy {np.__version__}", min_runtime="2.0")
    manifest = ModelManifest(
        name=name,
        version=rows.sha256[:6] + entry_of(FLOAT_FILE, content).sha256[:6],
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=rows.feature_names,
        input_shape=judged.healthy.values.shape[1:],
        extractor_version=rows.extractor_version,
        artefacts=(artefact_of(entry, FLOAT_FILE, content),),
        golden=golden,
        network=spec,
        latency_budget_s=LATENCY_BUDGET_S,
        files=tuple(entry_of(file, files[file]) for file in (MODEL_CARD, RECORD_FILE, ROWS_FILE)),
    )
    return Bundle(manifest, files)


def _rounded(values: Float64Array) -> tuple[float, ...]:
    return tuple(float(f"{value:.7g}") for value in values.tolist())
