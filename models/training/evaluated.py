"""A network as a one-class detector of an evaluation: trained in each fold on what that fold may learn.

Duty: the interface of `models.detectors.one_class`, in float32 and in int8, by the reference and by every
runtime that is installed, through the same backends as on a box. Reads no label.

As the other detectors do, it judges a row by the group (session, speed) it fits best: deviations are counted
from each group's centre, and the smallest distance is the score. Each column has its own limit, fitted in its
runtime on the rows that said when to stop, and scores are in limits: 1.0 may be an alarm.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.backend import InferenceBackend
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.baseline import FeatureScale
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
from models.errors import ManifestError, ModelStateError
from models.manifest import ModelKind, ModelManifest, Precision
from models.network import LayerNetwork
from models.network_score import NetworkForm, NetworkSpec, prepare
from models.training.fitting import REACH, FitSettings, NetworkKind, fit
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
        for group in range(len(self.columns.centres)):
            z = self.columns.deviations(values, group).astype(np.float32)
            for first in range(0, len(z), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                result[part] = np.minimum(result[part], self.backend.infer(z[part]))
        result[self.columns.says_nothing(values)] = np.nan
        return result / self.limit

    def with_limit_of(self, rows: Float64Array, labels: GroupArray) -> Self:
        """The same with the limit of these healthy rows, in order of time within their groups."""
        return replace(self, limit=fitted_limit(self.score(rows) * self.limit, labels))

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


@dataclass(frozen=True, slots=True, eq=False)
class _Trained:
    """One training, and what every runtime runs of it."""

    columns: Columns
    manifest: ModelManifest
    files: dict[str, RuntimeFile]  # by column
    until: Float64Array  # rows that said when to stop
    until_of: GroupArray


@dataclass(frozen=True, slots=True)
class Networks:
    """Detectors of one kind, which share each training; see `detectors`."""

    kind: NetworkKind
    scale: ScaleRules
    seed: int = 0
    runtimes: tuple[str, ...] = field(default_factory=runtimes_here, repr=False)
    _trained: dict[str, _Trained] = field(default_factory=dict, repr=False)

    def detectors(self) -> dict[str, OneClassDetector]:
        """The detectors by the name of their column: `int8` and `float32` by the reference come first."""
        first = [str(Precision.INT8), str(Precision.FLOAT32)]
        others = [
            f"{precision}:{runtime}"
            for precision in first
            for runtime in self.runtimes
            if runtime != NUMPY and not (runtime == "litert" and precision == "float32")
        ]
        return {name: _NetworkDetector(self, name) for name in (*first, *others)}

    def trained(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None) -> _Trained:
        """The network of these rows, trained once, in the files of every runtime."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        labels = group_labels(groups, len(values))
        columns = fit_columns(values, labels, self.scale)
        order = np.argsort(labels, kind="stable")
        values, labels = values[order], labels[order]
        z = np.concatenate(
            [columns.deviations(values[labels == group], group) for group in range(int(labels.max()) + 1)]
        ).astype(np.float32)
        ends = _ends(labels)
        key = hashlib.sha256(z.tobytes() + ends.tobytes()).hexdigest()
        if key not in self._trained:
            learn, until = (_evenly(part) for part in (z[~ends], z[ends]))
            network, spec = self._taught(columns, learn, until)
            calibration = _calibration(learn, self.seed)
            files = (
                runtime_files(network, calibration, WEIGHT_BITS)
                if self.runtimes != (NUMPY,)
                else reference_files(network, quantise(network, calibration))
            )
            named = {_column(file): file for file in files if file.entry.backend != TENSORRT}
            manifest = _manifest(spec, files[0], self.kind)
            self._trained[key] = _Trained(columns, manifest, named, values[ends], labels[ends])
        return self._trained[key]

    def _taught(
        self, columns: Columns, learn: Float32Array, until: Float32Array
    ) -> tuple[LayerNetwork, NetworkSpec]:
        fitted = fit(self.kind, learn, until, FitSettings(seed=self.seed, most_epochs=EPOCHS))
        outputs = fitted.network.layers[-1].outputs
        target = np.array(fitted.target, dtype=np.float64)
        open_spec = _spec(columns, np.ones(outputs), target)
        prepared = prepare(open_spec, until)
        rest = prepared.target - fitted.network.run(prepared.inputs)
        return fitted.network, _spec(columns, output_spread(rest, bool(fitted.target)), target)


@dataclass(frozen=True, slots=True)
class _NetworkDetector:
    networks: Networks
    column: str

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        """See `OneClassDetector.fit`. Raises ModelError where the runtime cannot run its file."""
        trained = self.networks.trained(rows, groups)
        file = trained.files[self.column]
        entry = replace(file.entry, golden_outputs=())
        manifest = replace(trained.manifest, artefacts=(entry,))
        fitted = FittedNetwork(trained.columns, manifest, file.content, loaded(manifest, file))
        return fitted.with_limit_of(trained.until, trained.until_of)


def _column(file: RuntimeFile) -> str:
    precision, backend = file.entry.precision, file.entry.backend
    return str(precision) if backend == NUMPY else f"{precision}:{backend}"


def _manifest(spec: NetworkSpec, file: RuntimeFile, kind: NetworkKind) -> ModelManifest:
    """A manifest of deviations: they have no names but their places."""
    n = len(spec.columns)
    return ModelManifest(
        name=str(kind),
        version="fold",
        kind=ModelKind.ANOMALY_SCORE,
        feature_names=tuple(f"deviation_{i}" for i in range(n)),
        input_shape=(n,),
        extractor_version="",
        artefacts=(file.entry,),
        network=spec,
    )


def _calibration(learn: Float32Array, seed: int) -> Float32Array:
    """100 to 1000 rows that taught, a quarter of them raised up to the reach."""
    chance = np.random.Generator(np.random.PCG64(seed + 3))
    rows = np.tile(learn, (-(-LEAST_ROWS // len(learn)), 1)) if len(learn) < LEAST_ROWS else learn
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).astype(int)].copy()
    far = np.arange(len(rows)) % 4 == 3
    rows[far] = raised(rows[far], chance, 1.0, REACH)
    clipped: Float32Array = np.clip(rows, -REACH, REACH)
    return clipped


def _spec(columns: Columns, output_spread: Float64Array, target: Float64Array) -> NetworkSpec:
    """Deviations are taken as they are: `Columns` made them."""
    n = int(columns.used.sum())
    return NetworkSpec(
        form=NetworkForm.EMBEDDING if len(target) else NetworkForm.RECONSTRUCTION,
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
