"""Distance to the nearest healthy rows: the mean over the k nearest, in units of the features' spread.

    s(x) = mean over the k nearest rows r of sqrt(mean_j d_j^2),  d_j = max(z_j - r_j, -fall cap)

Theory: no shape of the healthy cloud is assumed, so several operating states are no difficulty; its
weakness is that anything beyond the learned rows, a new load too, looks new. Source: Ramaswamy, Rastogi &
Shim, SIGMOD 2000; strong on few rows of spectra (Harada et al., DCASE baselines). Rows beyond `max_rows`
are thinned evenly, which bounds cost and memory: O(rows x columns) per row, float32 rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numba
import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.detectors.columns import (
    DEFAULT_SCALE,
    Columns,
    ScaleRules,
    State,
    array_of,
    columns_from,
    fit_columns,
)
from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class KnnDetector:
    """Settings of the nearest neighbours."""

    scale: ScaleRules = DEFAULT_SCALE
    k: int = 1
    max_rows: int = 512

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedKnn:
        """See `OneClassDetector.fit`."""
        columns = fit_columns(rows, groups, self.scale)
        learned = columns.standardised(rows)[~columns.says_nothing(rows)]
        if len(learned) == 0:
            learned = np.zeros((1, int(columns.used.sum())))
        if len(learned) > self.max_rows:
            learned = learned[np.linspace(0, len(learned) - 1, self.max_rows).round().astype(np.int64)]
        return FittedKnn(columns, np.ascontiguousarray(learned, dtype=np.float32), self.k)


@dataclass(frozen=True, slots=True, eq=False)
class FittedKnn:
    """Nearest neighbours after learning; `learned` `(n, p)` rows in spreads from the mean centre."""

    columns: Columns
    learned: Float32Array
    k: int

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; unit: spreads per feature."""
        z = np.ascontiguousarray(self.columns.standardised(rows))
        result = np.empty(len(z))
        _mean_nearest(z, self.learned, min(self.k, len(self.learned)), self.columns.fall_cap, result)
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {**self.columns.state(), "learned": self.learned, "k": np.array(self.k)}

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        columns = columns_from(state)
        learned = array_of(state, "learned", 2).astype(np.float32)
        k = int(array_of(state, "k", 0).astype(np.int64))
        if learned.shape[1] != columns.used.sum() or len(learned) == 0 or not np.isfinite(learned).all():
            raise ModelStateError(
                f"learned has shape {learned.shape}; expected ({columns.used.sum()}) columns"
            )
        if k < 1:
            raise ModelStateError(f"k is {k}; expected 1 or more")
        return cls(columns, np.ascontiguousarray(learned), k)


@numba.njit(nogil=True, cache=True)
def _mean_nearest(z: Float64Array, learned: Float32Array, k: int, fall_cap: float, out: Float64Array) -> None:
    """Fills `out` `(n,)`; a row is left as soon as it is farther than the k nearest so far."""
    n, p = z.shape
    nearest = np.empty(k)
    for i in range(n):
        nearest[:] = np.inf
        for j in range(len(learned)):
            total = 0.0
            column = 0
            while column < p and total < nearest[k - 1]:
                stop = min(p, column + 16)
                for c in range(column, stop):
                    d = max(z[i, c] - learned[j, c], -fall_cap)
                    total += d * d
                column = stop
            if total < nearest[k - 1]:
                place = k - 1
                while place > 0 and nearest[place - 1] > total:
                    nearest[place] = nearest[place - 1]
                    place -= 1
                nearest[place] = total
        mean = 0.0
        for j in range(k):
            mean += np.sqrt(nearest[j] / max(p, 1))
        out[i] = mean / k
