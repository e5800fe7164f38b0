"""Principal components: Hotelling's T2 in the plane that healthy rows span, and Q, the rest outside it.

    s(x) = min over groups of T2 / limit of T2 + Q / limit of Q,   T2 = sum t_i^2 / l_i,   Q = |z - P t|^2

Theory: components up to a share of the variance are the machine's normal ways to vary; T2 says how far
along them, Q whether the pattern itself is new. Each is measured by its healthy mean out of sample, so
both count alike. Source: Hotelling 1931; Jackson & Mudholkar, Technometrics 21 (1979) 341. Few rows:
components are at most a third of them. Cost: O(groups x p x components) per row; memory: p x components
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors.columns import (
    DEFAULT_SCALE,
    Columns,
    ScaleRules,
    State,
    array_of,
    columns_from,
    fit_columns,
)
from models.detectors.mahalanobis import rests
from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class PcaDetector:
    """Settings of T2 + Q."""

    scale: ScaleRules = DEFAULT_SCALE
    variance_share: float = 0.9  # of the components kept

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedPca:
        """See `OneClassDetector.fit`."""
        columns = fit_columns(rows, groups, self.scale)
        rest = rests(columns, rows, groups)
        components, variances = principal_components(rest, self.variance_share)
        # Out of sample: components of every second row judge the rows between.
        levels = []
        for part in (0, 1):
            learn, judge = rest[part::2], rest[1 - part :: 2]
            if len(learn) and len(judge):
                axes, spans = principal_components(learn, self.variance_share)
                levels.append([float(level.mean()) for level in _t2_and_q(judge, axes, spans)])
        t2, q = np.mean(levels, axis=0) if levels else (1.0, 1.0)
        scale = np.array([t2 if t2 > 0 else 1.0, q if q > 0 else 1.0])
        return FittedPca(columns, components, variances, scale)


@dataclass(frozen=True, slots=True, eq=False)
class FittedPca:
    """T2 + Q after learning: components `(k, p)`, their variances `(k,)`, healthy means of T2 and Q."""

    columns: Columns
    components: Float64Array
    variances: Float64Array
    healthy: Float64Array

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; 2 is an average healthy row."""
        result = np.full(len(np.atleast_2d(np.asarray(rows))), np.inf)
        for group in range(len(self.columns.centres)):
            t2, q = _t2_and_q(self.columns.deviations(rows, group), self.components, self.variances)
            result = np.minimum(result, t2 / self.healthy[0] + q / self.healthy[1])
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {
            **self.columns.state(),
            "components": self.components,
            "variances": self.variances,
            "healthy": self.healthy,
        }

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        columns = columns_from(state)
        components = array_of(state, "components", 2).astype(np.float64)
        variances = array_of(state, "variances", 1).astype(np.float64)
        healthy = array_of(state, "healthy", 1).astype(np.float64)
        fits = components.shape == (len(variances), int(columns.used.sum())) and healthy.shape == (2,)
        if not fits or not (np.isfinite(components).all() and (variances > 0).all() and (healthy > 0).all()):
            raise ModelStateError(f"components {components.shape}, variances {variances.shape} do not fit")
        return cls(columns, components, variances, healthy)


def principal_components(rest: Float64Array, variance_share: float) -> tuple[Float64Array, Float64Array]:
    """Components `(k, p)` and variances `(k,)` of centred rows, up to a share of the variance."""
    n, p = rest.shape
    if n < 2 or p == 0:
        return np.zeros((0, p)), np.zeros(0)
    # The smaller of the two products has the same axes, at a fraction of a singular decomposition's cost.
    if p <= n:
        squares, vectors = np.linalg.eigh(rest.T @ rest)
        axes = vectors.T[::-1]
    else:
        squares, vectors = np.linalg.eigh(rest @ rest.T)
        images = vectors.T[::-1] @ rest
        axes = images / np.maximum(np.linalg.norm(images, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    variances = np.maximum(squares[::-1], 0.0) / (n - 1)
    total = float(variances.sum())
    if total <= 0.0:
        return np.zeros((0, p)), np.zeros(0)
    enough = int(np.searchsorted(np.cumsum(variances) / total, variance_share - 1e-12)) + 1
    # What is only rounding spans nothing, and a plane through every row would leave no Q.
    sound = int((variances > 1e-9 * variances[0]).sum())
    k = min(enough, sound, max(1, n // 3))
    axes = axes[:k]
    signs = np.where(axes[np.arange(k), np.abs(axes).argmax(axis=1)] < 0.0, -1.0, 1.0)
    return axes * signs[:, None], variances[:k]


def _t2_and_q(
    z: Float64Array, axes: Float64Array, variances: Float64Array
) -> tuple[Float64Array, Float64Array]:
    scores = z @ axes.T
    rest = z - scores @ axes
    t2: Float64Array = (scores**2 / variances).sum(axis=1)
    q: Float64Array = np.einsum("ij,ij->i", rest, rest)
    return t2, q
