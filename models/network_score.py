"""What stands around a network, in float: rows to its input, its output to a score.

Duty: the arithmetic that every backend shares, so that only the network itself differs from runtime to
runtime. Runs no network, reads no file.

A row's used features become deviations z = (value - centre) / spread, falls capped, holes 0. The network sees
z within +-reach; what lies beyond is added in the distance, so that a far row never looks nearer because an
int8 input cannot follow it:

    raw = sqrt(mean(((target - output) / output_spread)^2) + mean(max(|z| - reach, 0)^2))

The target is z itself (autoencoder: reconstruction), a fixed centre (one-class network: Ruff et al., Deep
One-Class Classification, ICML 2018), or the row that follows those that the network saw (temporal:
prediction). The score is raw / limit, with the limit that was fitted on the very artefact that runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.baseline import FeatureScale, level_db
from models.errors import ManifestError, TensorError
from models.manifest_fields import an_object, as_integer, as_number, as_text, each, only

_FARTHEST = 1e9  # deviations: keeps squares of hostile values finite


class NetworkForm(StrEnum):
    """What a network's output is compared with."""

    RECONSTRUCTION = "reconstruction"  # its own input
    EMBEDDING = "embedding"  # a fixed centre
    PREDICTION = "prediction"  # the row after the input's rows


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """How rows of features become a network's input, and its output a distance."""

    form: NetworkForm
    scales: tuple[FeatureScale, ...]  # one per feature; unused ones do not reach the network
    columns: tuple[int, ...]  # positions of the features that do
    centre: tuple[float, ...]  # per column, on its scale
    spread: tuple[float, ...]  # per column, above 0
    fall_cap: float  # a fall counts at most so many spreads
    reach: float  # the network sees at most so many spreads
    output_spread: tuple[float, ...]  # per output, above 0
    target: tuple[float, ...] = ()  # of an embedding: its centre

    @property
    def outputs(self) -> int:
        """Width of the network's output."""
        return len(self.output_spread)


class Prepared(NamedTuple):
    """A batch on its way through a network. A tuple, because each call makes one."""

    inputs: Float32Array  # (n, n_columns), or (n, n_steps - 1, n_columns) where the form is prediction
    target: Float64Array  # (n, outputs)
    beyond: Float64Array  # (n,) mean square of what lies beyond the network's reach
    empty: npt.NDArray[np.bool_]  # (n,) rows that state nothing
    whole: bool  # no row has any hole


class ScoreArithmetic:
    """The arithmetic of one description, its figures made arrays once: a box does it for every window."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec = spec
        columns = np.array(spec.columns, dtype=np.intp)
        every = np.array_equal(columns, np.arange(len(spec.scales)))
        self._columns = None if every else columns  # None: all of them, as they stand
        used = [spec.scales[i] for i in spec.columns]
        self._levels = _positions([scale == FeatureScale.LEVEL for scale in used])
        self._unused = _positions([scale == FeatureScale.UNUSED for scale in used])
        self._centre = np.asarray(spec.centre, dtype=np.float64)
        self._spread = np.asarray(spec.spread, dtype=np.float64)
        self._lowest = -min(spec.fall_cap, _FARTHEST)
        self._falls_out = self._lowest < -spec.reach  # of what the network sees
        # the sum of squares of what is weighted so is the mean of squares of what is divided by the spread
        self._output_weight = 1.0 / (np.array(spec.output_spread, dtype=np.float64) * math.sqrt(spec.outputs))
        self._target = np.asarray(spec.target, dtype=np.float64)
        self._targets = self._target[np.newaxis]  # of an embedding, as many times as a batch was large
        self._steps = spec.form is NetworkForm.PREDICTION

    def prepare(self, batch: Float32Array) -> Prepared:
        """The network's input of a batch; see `models.network_score.prepare`."""
        spec, steps = self.spec, self._steps
        wanted = 3 if steps else 2
        if batch.ndim != wanted or batch.shape[-1] != len(spec.scales) or (steps and batch.shape[1] < 2):
            shape = f"(n, {'n_steps, ' if steps else ''}{len(spec.scales)})"
            raise TensorError(f"batch of shape {batch.shape}; expected {shape}")
        # A box does this for every window, of few rows: what counts is the number of NumPy's calls.
        rows = batch.reshape(-1, batch.shape[-1])
        if self._columns is not None:
            rows = rows.take(self._columns, axis=1)
        if self._levels is None:
            z = rows - self._centre  # float64
        else:
            z = rows.astype(np.float64)
            z[:, self._levels] = level_db(z[:, self._levels])
            z -= self._centre
        if self._unused is not None:
            z[:, self._unused] = np.nan
        z /= self._spread
        # One figure tells of holes and of hostile values: both are rare, and looking for each costs calls.
        whole = float(np.vdot(z, z)) < _FARTHEST * _FARTHEST
        if not whole:
            finite = np.isfinite(z)
            whole = bool(finite.all())
            z[~finite] = 0.0
            np.minimum(z, _FARTHEST, out=z)
        np.maximum(z, self._lowest, out=z)
        seen = np.minimum(z, spec.reach)
        if self._falls_out:
            np.maximum(seen, -spec.reach, out=seen)
        inputs, last, last_seen = seen, z, seen
        if steps:
            z, seen = z.reshape(*batch.shape[:-1], -1), seen.reshape(*batch.shape[:-1], -1)
            inputs, last, last_seen = seen[:, :-1], z[:, -1], seen[:, -1]
        empty: npt.NDArray[np.bool_] = np.zeros(len(batch), dtype=np.bool_)
        if not whole:
            finite = finite.reshape(z.shape)
            empty = ~np.asarray((finite[:, -1] if steps else finite).any(axis=-1))
        return Prepared(
            inputs=inputs.astype(np.float32, order="C"),
            target=self._centres(len(batch)) if spec.form is NetworkForm.EMBEDDING else last_seen,
            beyond=_mean_square(last - last_seen),
            empty=empty,
            whole=whole,
        )

    def _centres(self, n: int) -> Float64Array:
        """`(n, outputs)` of an embedding's centre."""
        targets = self._targets
        if len(targets) != n:
            self._targets = targets = np.broadcast_to(self._target, (n, self.spec.outputs))
        return targets

    def raw_scores(self, prepared: Prepared, outputs: Float32Array) -> Float64Array:
        """`(n,)` distances of a network's outputs; see `models.network_score.raw_scores`."""
        if outputs.shape != prepared.target.shape:
            raise TensorError(f"the network gave {outputs.shape}; expected {prepared.target.shape}")
        rest = prepared.target - outputs
        rest *= self._output_weight
        raw: Float64Array = np.vecdot(rest, rest)
        raw += prepared.beyond
        np.sqrt(raw, out=raw)
        if not prepared.whole:
            raw[prepared.empty] = np.nan
        return raw


def _positions(wanted: Sequence[bool]) -> slice | npt.NDArray[np.intp] | None:
    """Which of the columns: None for none of them, a slice for all."""
    if all(wanted):
        return slice(None)
    return np.flatnonzero(wanted) if any(wanted) else None


def _mean_square(values: Float64Array) -> Float64Array:
    mean: Float64Array = np.vecdot(values, values)
    mean /= values.shape[1]
    return mean


def moved(values: Float64Array, step: Float64Array, levels: npt.NDArray[np.bool_]) -> Float64Array:
    """Feature rows, raised by `step` `(n_features,)` on their scales: levels by so many dB."""
    raised: Float64Array = np.where(levels, values * 10.0 ** (step / 20.0), values + step)
    return raised


def prepare(spec: NetworkSpec, batch: Float32Array) -> Prepared:
    """The network's input of a batch `(n, n_features)`, or `(n, n_steps, n_features)` for a prediction.

    Raises TensorError for another shape.
    """
    return ScoreArithmetic(spec).prepare(batch)


def raw_scores(spec: NetworkSpec, prepared: Prepared, outputs: Float32Array) -> Float64Array:
    """`(n,)` distances of a network's `outputs` `(n, spec.outputs)`; NaN for a row that states nothing.

    Raises TensorError for outputs of another shape.
    """
    return ScoreArithmetic(spec).raw_scores(prepared, outputs)


def scores(spec: NetworkSpec, prepared: Prepared, outputs: Float32Array, limit: float) -> Float32Array:
    """`(n,)` scores, 1.0 = limit; see `raw_scores`."""
    result: Float32Array = (raw_scores(spec, prepared, outputs) / limit).astype(np.float32)
    return result


def check(spec: NetworkSpec, n_features: int, where: str) -> None:
    """Raises ManifestError where a part of the description does not fit the others."""
    if len(spec.scales) != n_features:
        raise ManifestError(f"{where}.scales has {len(spec.scales)} scales for {n_features} features")
    columns = spec.columns
    if not columns or len(set(columns)) != len(columns) or not all(0 <= i < n_features for i in columns):
        raise ManifestError(f"{where}.columns must name positions below {n_features}, each once")
    for field in ("centre", "spread"):
        if len(getattr(spec, field)) != len(columns):
            raise ManifestError(f"{where}.{field} has {len(getattr(spec, field))} values, not {len(columns)}")
    outputs = spec.outputs if spec.form is NetworkForm.EMBEDDING else len(columns)
    if spec.outputs != outputs or outputs < 1:
        raise ManifestError(f"{where}.output_spread has {spec.outputs} values; expected {outputs}")
    targets = outputs if spec.form is NetworkForm.EMBEDDING else 0
    if len(spec.target) != targets:
        raise ManifestError(f"{where}.target has {len(spec.target)} values; expected {targets}")
    for field in ("spread", "output_spread"):
        if not all(value > 0 for value in getattr(spec, field)):
            raise ManifestError(f"{where}.{field} must be above 0")
    for field in ("fall_cap", "reach"):
        value: float = getattr(spec, field)
        if not (math.isfinite(value) and value > 0):
            raise ManifestError(f"{where}.{field} is {value}; expected above 0")


def from_fields(raw: Any, where: str) -> NetworkSpec:
    """A description from its JSON object. Raises ManifestError that names the field."""
    fields = an_object(raw, where)
    only(fields, where, set(NetworkSpec.__dataclass_fields__), {"target"})
    form = as_text(fields["form"], f"{where}.form")
    if form not in list(NetworkForm):
        raise ManifestError(f"{where}.form is {form!r}; expected one of {[str(one) for one in NetworkForm]}")
    return NetworkSpec(
        form=NetworkForm(form),
        scales=each(fields, where, "scales", _scale),
        columns=each(fields, where, "columns", as_integer),
        centre=each(fields, where, "centre", as_number),
        spread=each(fields, where, "spread", as_number),
        fall_cap=as_number(fields["fall_cap"], f"{where}.fall_cap"),
        reach=as_number(fields["reach"], f"{where}.reach"),
        output_spread=each(fields, where, "output_spread", as_number),
        target=each({"target": [], **fields}, where, "target", as_number),
    )


def _scale(raw: Any, where: str) -> FeatureScale:
    if raw not in list(FeatureScale):
        raise ManifestError(f"{where} is {raw!r}; expected one of {[str(one) for one in FeatureScale]}")
    return FeatureScale(raw)
