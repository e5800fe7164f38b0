"""Mahalanobis distance with a shrunk covariance: deviations weighed by how features vary together.

    s(x) = min over groups of sqrt((z - z_g)' C^-1 (z - z_g)),  C = (1 - d) S + d (tr S / p) I

z are features in units of their spread, S the covariance within groups, d the share of shrinkage that
makes the expected squared error of C least, so that fewer rows than features are enough. Source:
Mahalanobis, Proc. Nat. Inst. Sci. India 2 (1936) 49; Ledoit & Wolf, J. Multivar. Anal. 88 (2004) 365.
Strong where healthy rows are one cloud; a bent or hollow cloud is kNN's. Cost: O(groups x p^2) per row,
O(n p^2 + p^3) to fit; memory: p^2 numbers.
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
    group_labels,
)
from models.errors import ModelStateError

_ROUNDING = 1e-50  # spreads: less is the rounding of equal rows, whose squares and quotients have no numbers


@dataclass(frozen=True, slots=True)
class MahalanobisDetector:
    """Settings of the Mahalanobis distance."""

    scale: ScaleRules = DEFAULT_SCALE

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedMahalanobis:
        """See `OneClassDetector.fit`."""
        columns = fit_columns(rows, groups, self.scale)
        z = rests(columns, rows, groups)
        covariance, _ = shrunk_covariance(z)
        size = len(covariance)
        values, vectors = np.linalg.eigh(covariance) if size else (np.zeros(0), np.zeros((0, 0)))
        largest = float(values.max(initial=0.0))
        whitening = vectors / np.sqrt(np.maximum(values, 1e-9 * largest if largest > 0 else 1.0))
        return FittedMahalanobis(columns, whitening)


@dataclass(frozen=True, slots=True, eq=False)
class FittedMahalanobis:
    """A Mahalanobis distance after learning; `whitening` `(p, p)` W has W W' = C^-1."""

    columns: Columns
    whitening: Float64Array

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; unit: standard deviations."""
        result = np.full(len(np.atleast_2d(np.asarray(rows))), np.inf)
        for group in range(len(self.columns.centres)):
            white = self.columns.deviations(rows, group) @ self.whitening
            result = np.minimum(result, np.sqrt(np.einsum("ij,ij->i", white, white)))
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {**self.columns.state(), "whitening": self.whitening}

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        columns = columns_from(state)
        whitening = array_of(state, "whitening", 2).astype(np.float64)
        size = int(columns.used.sum())
        if whitening.shape != (size, size) or not np.isfinite(whitening).all():
            raise ModelStateError(f"whitening has shape {whitening.shape}; expected finite ({size}, {size})")
        return cls(columns, whitening)


def rests(columns: Columns, rows: npt.ArrayLike, groups: npt.ArrayLike | None) -> Float64Array:
    """`(n, n_used)` what remains of healthy rows in spreads, each less its group's mean; 0 for a hole."""
    values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    labels = group_labels(groups, len(values))
    rest = columns.filled(values)
    for group in range(int(labels.max()) + 1):
        rest[labels == group] -= rest[labels == group].mean(axis=0)
    rest[np.abs(rest) < _ROUNDING] = 0.0
    return rest


def shrunk_covariance(rest: Float64Array) -> tuple[Float64Array, float]:
    """Covariance `(p, p)` of centred rows `(n, p)`, shrunk to a multiple of the identity, and the share d.

    Ledoit & Wolf 2004, lemma 3.2-3.4: d = min(b^2, d^2) / d^2 of their notation, with means over p.
    """
    n, p = rest.shape
    if p == 0:
        return np.zeros((0, 0)), 0.0
    sample = rest.T @ rest / n
    mean = float(np.trace(sample)) / p
    squares = float((sample**2).sum())
    dispersion = squares / p - mean**2
    fourth = float((np.einsum("ij,ij->i", rest, rest) ** 2).sum()) / n
    noise = (fourth - squares) / (n * p)
    share = 1.0 if dispersion <= 0.0 else float(np.clip(noise / dispersion, 0.0, 1.0))
    covariance: Float64Array = (1.0 - share) * sample
    covariance[np.diag_indices(p)] += share * mean
    return covariance, share
