"""A network as a one-class detector of an evaluation: trained in each fold on what that fold may learn.

Duty: the interface of `models.detectors.one_class`, in float32, and in int8 by the reference's arithmetic.
Reads no label; chooses no threshold.

As the other detectors do, it judges a row by the group (session, speed) it fits best: deviations are counted
from each group's centre, and the smallest distance is the score.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.baseline import FeatureScale
from models.detectors.columns import (
    Columns,
    ScaleRules,
    State,
    array_of,
    columns_from,
    fit_columns,
    group_labels,
)
from models.detectors.one_class import Fitted, OneClassDetector
from models.manifest import Precision
from models.network import LayerNetwork, from_artefact, to_artefact
from models.network_score import NetworkForm, NetworkSpec, prepare, raw_scores
from models.training.fitting import REACH, FitSettings, NetworkKind, fit
from models.training.quantiser import LEAST_ROWS, MOST_ROWS, quantise
from models.training.rows import raised

EPOCHS = 60
_STOP_SHARE = 0.25  # of each group, its end
_MOST_LEARNED = 2000  # rows; beyond, evenly drawn
_LEAST_SCATTER = 0.05
_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class FittedNetwork:
    """A trained network with the columns that it reads."""

    columns: Columns
    spec: NetworkSpec
    network: LayerNetwork

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        result = np.full(len(values), np.inf)
        for group in range(len(self.columns.centres)):
            z = self.columns.deviations(values, group).astype(np.float32)
            for first in range(0, len(z), _AT_ONCE):
                part = slice(first, first + _AT_ONCE)
                prepared = prepare(self.spec, z[part])
                found = raw_scores(self.spec, prepared, self.network.run(prepared.inputs))
                result[part] = np.minimum(result[part], found)
        result[self.columns.says_nothing(values)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {
            **self.columns.state(),
            "network": np.frombuffer(to_artefact(self.network), dtype=np.uint8),
            "output_spread": np.array(self.spec.output_spread),
            "target": np.array(self.spec.target),
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        columns = columns_from(state)
        network = from_artefact(array_of(state, "network", 1).astype(np.uint8).tobytes())
        spread, target = (array_of(state, name, 1).astype(np.float64) for name in ("output_spread", "target"))
        return cls(columns, _spec(columns, spread, target), network)


@dataclass(frozen=True, slots=True)
class Networks:
    """Detectors of one kind, which share each training; see `detectors`."""

    kind: NetworkKind
    scale: ScaleRules
    seed: int = 0
    _trained: dict[str, FittedNetwork] = field(default_factory=dict, repr=False)

    def detectors(self) -> dict[str, OneClassDetector]:
        """The int8 and the float32 detector, by the name of their column."""
        return {str(one): _NetworkDetector(self, one) for one in (Precision.INT8, Precision.FLOAT32)}

    def trained(
        self, rows: npt.ArrayLike, groups: npt.ArrayLike | None
    ) -> tuple[FittedNetwork, Float32Array]:
        """The float32 network of these rows, and the deviations that it learned from."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        labels = group_labels(groups, len(values))
        columns = fit_columns(values, labels, self.scale)
        z = np.concatenate(
            [columns.deviations(values[labels == group], group) for group in range(int(labels.max()) + 1)]
        ).astype(np.float32)
        order = np.concatenate([labels[labels == group] for group in range(int(labels.max()) + 1)])
        ends = _ends(order)
        learn, until = (_evenly(part) for part in (z[~ends], z[ends]))
        key = hashlib.sha256(z.tobytes() + ends.tobytes()).hexdigest()
        if key not in self._trained:
            self._trained[key] = self._taught(columns, learn, until)
        return self._trained[key], learn

    def _taught(self, columns: Columns, learn: Float32Array, until: Float32Array) -> FittedNetwork:
        fitted = fit(self.kind, learn, until, FitSettings(seed=self.seed, most_epochs=EPOCHS))
        outputs = fitted.network.layers[-1].outputs
        target = np.array(fitted.target, dtype=np.float64)
        open_spec = _spec(columns, np.ones(outputs), target)
        prepared = prepare(open_spec, until)
        rest = prepared.target - fitted.network.run(prepared.inputs)
        scatter = np.sqrt(np.mean(rest**2, axis=0))
        floor = 0.1 * float(np.sqrt(np.mean(scatter**2)))
        floor = max(floor, 1e-6 if fitted.target else _LEAST_SCATTER)
        return FittedNetwork(columns, _spec(columns, np.maximum(scatter, floor), target), fitted.network)


@dataclass(frozen=True, slots=True)
class _NetworkDetector:
    networks: Networks
    precision: Precision

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> Fitted:
        """See `OneClassDetector.fit`."""
        fitted, learn = self.networks.trained(rows, groups)
        if self.precision is Precision.FLOAT32:
            return fitted
        return FittedNetwork(
            fitted.columns, fitted.spec, quantise(fitted.network, _calibration(learn, self.networks.seed))
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
        fall_cap=columns.fall_cap,
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
