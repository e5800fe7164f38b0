"""A network as a one-class detector of an evaluation: trained in each fold on what that fold may learn.

Duty: the interface of `models.detectors.one_class`, in float32 and in int8, by the reference and by every
runtime that is installed, through the same backends as on a box. Reads no label.

As the other detectors do, it judges a row by the group (session, speed) it fits best: deviations are counted
from each group's centre, and the smallest distance is the score. Each column has its own limit, fitted in its
runtime on the rows that said when to stop, and scores are in limits: 1.0 may be an alarm.

A temporal network takes the rows of a group for one sequence when it learns, and the rows of one call for one
when it scores: the first eight of these have no score yet. Where a block of time is left out of learning, up
to eight of its items bridge the gap.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.baseline import FeatureScale
from models.detectors.catalogue import detectors
from models.detectors.columns import (
    Columns,
    GroupArray,
    ScaleRules,
    State,
    array_of,
    columns_from,
    fit_columns,
    group_labels,
)
from models.detectors.one_class import Fitted, OneClassDetector
from models.errors import ManifestError, ModelStateError, TooFewRowsError
from models.evaluation.result import FUSED
from models.manifest import ModelKind, ModelManifest, Precision
from models.network import LayerNetwork
from models.network_score import NetworkSpec, prepare
from models.training.fitting import REACH, FitSettings, NetworkKind, fit
from models.training.fused import FusedDetector
from models.training.judging import fitted_limit
from models.training.making import output_spread
from models.training.quantiser import LEAST_ROWS, MOST_ROWS, quantise
from models.training.rows import raised
from models.training.runtime_files import (
    NUMPY,
    TENSORRT,
    RuntimeFile,
    loaded,
    reference_files,
    runtime_files,
    runtimes_here,
)

EPOCHS = 60
WEIGHT_BITS = 7  # of U8S8: what an evaluation prints must not depend on this box's processor
LEAST_ITEMS = 12  # of a temporal network: what any detector beside the baseline must be given
_STOP_SHARE = 0.25  # of each group, its end
_MOST_LEARNED = 2000  # rows; beyond, evenly drawn
_AT_ONCE = 4096
_NO_CAP = 1e9  # spreads: a manifest holds finite numbers


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A network in its runtime, with the columns that it reads and its limit."""

    columns: Columns
    manifest: ModelManifest  # of deviations, with one artefact
    artefact: bytes
    backend: InferenceBackend  # with the artefact loaded; gives raw distances
    limit: float = 1.0

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        result = np.full(len(values), np.inf)
        history = self.history
        scored = result[history:]
        for group in range(len(self.columns.centres)):
            z = _items(self.columns.deviations(values, group).astype(np.float32), self.steps)
            for first in range(0, len(z), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                scored[part] = np.minimum(scored[part], self.backend.infer(z[part]))
        result[:history] = np.nan  # no score yet
        result[self.columns.says_nothing(values)] = np.nan
        return result / self.limit

    @property
    def steps(self) -> int:
        """Rows of an item; 0 where an item is a row."""
        shape = self.manifest.input_shape
        return shape[0] if len(shape) == 2 else 0

    @property
    def history(self) -> int:
        """How many rows before a row it must have seen."""
        return max(0, self.steps - 1)

    def with_limit_of(self, rows: Float64Array, labels: GroupArray, judged: npt.NDArray[np.bool_]) -> Self:
        """The same with the limit of those of the healthy rows that are to judge, in order of time within
        their groups; the others are what lay before them."""
        raw = np.full(len(rows), np.nan)
        for label in np.unique(labels):
            raw[labels == label] = self.score(rows[labels == label]) * self.limit
        return replace(self, limit=fitted_limit(raw[judged], labels[judged]))

    def state(self) -> State:
        """See `Fitted.state`."""
        return {
            **self.columns.state(),
            "manifest": np.frombuffer(self.manifest.to_json().encode(), dtype=np.uint8),
            "artefact": np.frombuffer(self.artefact, dtype=np.uint8),
            "limit": np.array(self.limit),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        text, artefact = (
            array_of(state, name, 1).astype(np.uint8).tobytes() for name in ("manifest", "artefact")
        )
        try:
            manifest = ModelManifest.from_json(text)
        except ManifestError as error:
            raise ModelStateError(f"manifest: {error}") from error
        backend = backend_named(manifest.artefacts[0].backend, BackendOptions())
        backend.load(manifest, artefact)
        limit = float(array_of(state, "limit", 0).astype(np.float64))
        return cls(columns_from(state), manifest, artefact, backend, limit)


@dataclass(frozen=True, eq=False)
class _Trained:
    """One training, and what every runtime runs of it."""

    columns: Columns
    kind: NetworkKind
    spec: NetworkSpec
    network: LayerNetwork
    calibration: Float32Array
    rows: Float64Array  # healthy ones, group by group
    labels: GroupArray
    ends: npt.NDArray[np.bool_]  # which of them said when to stop

    def file(self, column: str) -> RuntimeFile:
        """What runs in this column. Other runtimes' files are written once one of them is asked for."""
        return (self._reference if ":" not in column else self._others)[column]

    @cached_property
    def _reference(self) -> dict[str, RuntimeFile]:
        return _by_column(reference_files(self.network, quantise(self.network, self.calibration)))

    @cached_property
    def _others(self) -> dict[str, RuntimeFile]:
        return _by_column(runtime_files(self.network, self.calibration, WEIGHT_BITS))


@dataclass(frozen=True, slots=True)
class Networks:
    """Detectors of one kind, which share each training; see `detectors`."""

    kind: NetworkKind
    scale: ScaleRules
    seed: int = 0
    beside: str = ""  # the statistical detector that each is also fused with; "" none
    runtimes: tuple[str, ...] = field(default_factory=runtimes_here, repr=False)
    _trained: dict[str, _Trained] = field(default_factory=dict, repr=False)

    def detectors(self) -> dict[str, OneClassDetector]:
        """The detectors by the name of their column: `int8` and `float32` by the reference come first, then
        both fused with the statistical detector, then other runtimes."""
        first = [str(Precision.INT8), str(Precision.FLOAT32)]
        others = [
            f"{precision}:{runtime}"
            for precision in first
            for runtime in self.runtimes
            if runtime != NUMPY and not (runtime == "litert" and precision == "float32")
        ]
        single: dict[str, OneClassDetector] = {name: _NetworkDetector(self, name) for name in first}
        fused: dict[str, OneClassDetector] = {}
        if self.beside:
            statistical = {self.beside: detectors(self.scale)[self.beside]}
            fused = {
                f"{name}{FUSED}": FusedDetector({**statistical, "network": part})
                for name, part in single.items()
            }
        return {**single, **fused, **{name: _NetworkDetector(self, name) for name in others}}

    def trained(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None) -> _Trained:
        """The network of these rows, trained once. Raises TooFewRowsError where they make too few items."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        labels = group_labels(groups, len(values))
        columns = fit_columns(values, labels, self.scale)
        order = np.argsort(labels, kind="stable")
        values, labels = values[order], labels[order]
        parts = [
            columns.deviations(values[labels == group], group).astype(np.float32)
            for group in range(int(labels.max()) + 1)
        ]
        ends = _ends(labels)
        key = hashlib.sha256(np.concatenate(parts).tobytes() + ends.tobytes()).hexdigest()
        if key not in self._trained:
            steps = self.kind.steps
            items = np.concatenate([_items(part, steps) for part in parts])
            # an item belongs to where its last row does: the row that is foretold
            lasts = np.concatenate(
                [ends[labels == group][max(0, steps - 1) :] for group in range(len(parts))]
            )
            learn, until = items[~lasts], items[lasts]
            if steps and (len(learn) < LEAST_ITEMS or not len(until)):
                raise TooFewRowsError(
                    f"abstains: {len(values)} rows in {len(parts)} sequences make {len(learn)} items of"
                    f" {steps} rows to learn from and {len(until)} to stop by; needs {LEAST_ITEMS} and 1"
                )
            learn, until = _evenly(learn), _evenly(until)
            network, spec = self._taught(columns, learn, until)
            calibration = _calibration(spec, learn, self.seed)
            self._trained[key] = _Trained(
                columns, self.kind, spec, network, calibration, values, labels, ends
            )
        return self._trained[key]

    def _taught(
        self, columns: Columns, learn: Float32Array, until: Float32Array
    ) -> tuple[LayerNetwork, NetworkSpec]:
        fitted = fit(self.kind, learn, until, FitSettings(seed=self.seed, most_epochs=EPOCHS))
        outputs = fitted.network.layers[-1].outputs
        target = np.array(fitted.target, dtype=np.float64)
        open_spec = _spec(self.kind, columns, np.ones(outputs), target)
        prepared = prepare(open_spec, until)
        rest = prepared.target - fitted.network.run(prepared.inputs)
        spread = output_spread(rest, bool(fitted.target))
        return fitted.network, _spec(self.kind, columns, spread, target)


@dataclass(frozen=True, slots=True)
class _NetworkDetector:
    networks: Networks
    column: str

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        """See `OneClassDetector.fit`. Raises ModelError where the runtime cannot run its file, and
        TooFewRowsError where the rows cannot teach a network of this kind."""
        trained = self.networks.trained(rows, groups)
        file = trained.file(self.column)
        manifest = _manifest(trained.spec, file, trained.kind)
        fitted = FittedNetwork(trained.columns, manifest, file.content, loaded(manifest, file))
        return fitted.with_limit_of(trained.rows, trained.labels, trained.ends)


def _by_column(files: list[RuntimeFile]) -> dict[str, RuntimeFile]:
    return {_column(file): file for file in files if file.entry.backend != TENSORRT}


def _column(file: RuntimeFile) -> str:
    precision, backend = file.entry.precision, file.entry.backend
    return str(precision) if backend == NUMPY else f"{precision}:{backend}"


def _items(rows: Float32Array, steps: int) -> Float32Array:
    """Rows of one sequence as a network's items: themselves, or `(n - steps + 1, steps, n_columns)`."""
    if not steps:
        return rows
    if len(rows) < steps:
        return np.zeros((0, steps, rows.shape[1]), np.float32)
    seen = np.lib.stride_tricks.sliding_window_view(rows, steps, axis=0)
    return np.ascontiguousarray(seen.transpose(0, 2, 1))


def _manifest(spec: NetworkSpec, file: RuntimeFile, kind: NetworkKind) -> ModelManifest:
    """A manifest of deviations: they have no names but their places."""
    n = len(spec.columns)
    return ModelManifest(
        name=str(kind),
        version="fold",
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=tuple(f"deviation_{i}" for i in range(n)),
        input_shape=(kind.steps, n) if kind.steps else (n,),
        extractor_version="",
        artefacts=(replace(file.entry, golden_outputs=()),),
        network=spec,
    )


def _calibration(spec: NetworkSpec, learn: Float32Array, seed: int) -> Float32Array:
    """What the network sees of 100 to 1000 items that taught, a quarter of them raised up to the reach."""
    chance = np.random.Generator(np.random.PCG64(seed + 3))
    rows = np.concatenate([learn] * -(-LEAST_ROWS // len(learn))) if len(learn) < LEAST_ROWS else learn
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int)].copy()
    far = np.arange(len(rows)) % 4 == 3
    rows[far] = raised(rows[far], chance, 1.0, REACH)
    return prepare(spec, rows).inputs


def _spec(
    kind: NetworkKind, columns: Columns, output_spread: Float64Array, target: Float64Array
) -> NetworkSpec:
    """Deviations are taken as they are: `Columns` made them."""
    n = int(columns.used.sum())
    return NetworkSpec(
        form=kind.form,
        scales=(FeatureScale.LINEAR,) * n,
        columns=tuple(range(n)),
        centre=(0.0,) * n,
        spread=(1.0,) * n,
        fall_cap=min(columns.fall_cap, _NO_CAP),
        reach=REACH,
        output_spread=tuple(output_spread.tolist()),
        target=tuple(target.tolist()),
    )


def _ends(labels: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """`(n,)` True for the last quarter of each group; of very few rows, the last one at least."""
    ends = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        ends[own[len(own) - int(_STOP_SHARE * len(own)) :]] = True
    if not ends.any():
        ends[-1] = True
    if ends.all():
        ends[0] = False
    return ends


def _evenly(rows: Float32Array) -> Float32Array:
    if len(rows) <= _MOST_LEARNED:
        return rows
    drawn: Float32Array = rows[np.linspace(0, len(rows) - 1, _MOST_LEARNED).astype(int)]
    return drawn
