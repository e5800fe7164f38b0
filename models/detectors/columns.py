"""How rows of features are made comparable: centres per group, one spread per column, what is not used.

Duty: the scaling that every one-class detector shares, and what holes in rows mean. Judges no row.

A column's spread is that *within* the groups of healthy rows (sessions, operating states), pooled: groups may
lie far apart and each still be narrow. A hole (NaN, infinity) says nothing and counts as the centre. A column
with fewer than half of its rows, or without spread where no floor says what change matters, is not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.errors import ModelError, ModelStateError

GroupArray = npt.NDArray[np.int64]
State = dict[str, npt.NDArray[np.generic]]

_FARTHEST = 1e9  # spreads: keeps squares of hostile values finite
_LARGEST = 1e30  # beyond it nothing is a measured value: a hole in what is learned
_NO_SPREAD = 1e-12  # share of a column's magnitude that is rounding


@dataclass(frozen=True, slots=True)
class ScaleRules:
    """What change of a feature matters; the same for every detector."""

    floor: float = 0.5  # smallest spread, unit of the features (dB); 0 makes detectors scale invariant
    fall_cap: float = np.inf  # a fall counts at most this many spreads


DEFAULT_SCALE = ScaleRules()


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Centres `(n_groups, n_used)`, spreads `(n_used,)`, and which columns `(n_columns,)` are used."""

    used: npt.NDArray[np.bool_]
    centres: Float64Array
    spread: Float64Array
    fall_cap: float

    def standardised(self, rows: npt.ArrayLike) -> Float64Array:
        """`(n, n_used)` distance to the mean of the centres in spreads; 0 for a hole."""
        return self.filled(rows) - self.origin / self.spread

    def filled(self, rows: npt.ArrayLike) -> Float64Array:
        """`(n, n_used)` values in spreads from zero, holes replaced by the mean of the centres.

        Raises ModelError for rows of another width.
        """
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))
        if values.ndim != 2 or values.shape[1] != len(self.used):
            raise ModelError(f"rows have shape {values.shape}; expected (n, {len(self.used)})")
        values = values[:, self.used]
        origin = self.origin
        values = np.where(np.isfinite(values), values, origin)
        reach = _FARTHEST * self.spread
        result: Float64Array = np.clip(values, origin - reach, origin + reach) / self.spread
        return result

    @property
    def origin(self) -> Float64Array:
        """`(n_used,)` mean of the groups' centres."""
        mean: Float64Array = self.centres.mean(axis=0)
        return mean

    def deviations(self, rows: npt.ArrayLike, group: int) -> Float64Array:
        """`(n, n_used)` deviations from one group's centre in spreads, falls capped; 0 for a hole."""
        z = self.filled(rows) - self.centres[group] / self.spread
        holes = ~np.isfinite(np.atleast_2d(np.asarray(rows, dtype=np.float64))[:, self.used])
        z[holes] = 0.0
        capped: Float64Array = np.clip(z, -min(self.fall_cap, _FARTHEST), _FARTHEST)
        return capped

    def says_nothing(self, rows: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """`(n,)` True for a row without one usable value: its score is NaN."""
        values = np.atleast_2d(np.asarray(rows, dtype=np.float64))[:, self.used]
        result: npt.NDArray[np.bool_] = np.logical_not(np.isfinite(values).any(axis=1))
        return result

    def state(self) -> State:
        """Arrays from which `columns_from` makes it again."""
        return {
            "used": self.used,
            "centres": self.centres,
            "spread": self.spread,
            "fall_cap": np.array(self.fall_cap),
        }


def fit_columns(rows: npt.ArrayLike, groups: npt.ArrayLike | None, rules: ScaleRules) -> Columns:
    """Columns of healthy `rows` `(n, n_columns)`; `groups` `(n,)` tells sessions apart, None is one session.

    Centres are medians; the spread is the root mean square of what remains, at least the floor. Raises
    ModelError without rows.
    """
    values = np.atleast_2d(np.asarray(rows, dtype=np.float64)).copy()
    if values.ndim != 2 or len(values) == 0 or values.shape[1] == 0:
        raise ModelError(f"rows have shape {values.shape}; expected at least one row and one column")
    values[~np.isfinite(values) | (np.abs(values) > _LARGEST)] = np.nan
    labels = group_labels(groups, len(values))
    used = 2 * np.isfinite(values).sum(axis=0) >= len(values)
    centres = np.full((int(labels.max()) + 1, values.shape[1]), np.nan)
    for group in range(len(centres)):
        centres[group] = _median(values[labels == group])
    overall = _median(values)
    centres = np.where(np.isfinite(centres), centres, overall)
    rest = values - centres[labels]
    count = np.maximum(np.isfinite(rest).sum(axis=0), 1)
    spread = np.sqrt(np.nansum(rest**2, axis=0) / count)
    magnitude = np.nanmax(np.abs(np.where(np.isfinite(values), values, 0.0)), axis=0)
    spread = np.where(spread <= _NO_SPREAD * magnitude, 0.0, spread)
    spread = np.maximum(spread, rules.floor)
    used &= spread > 0.0
    return Columns(used, centres[:, used], spread[used], rules.fall_cap)


def group_labels(groups: npt.ArrayLike | None, n_rows: int) -> GroupArray:
    """`(n_rows,)` groups as 0, 1, ... in order of first appearance. Raises ModelError for another length."""
    if groups is None:
        return np.zeros(n_rows, dtype=np.int64)
    raw = np.asarray(groups)
    if raw.shape != (n_rows,):
        raise ModelError(f"groups have shape {raw.shape}; expected ({n_rows},)")
    _, first, inverse = np.unique(raw, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    labels: GroupArray = rank[inverse]
    return labels


def columns_from(state: Mapping[str, npt.NDArray[np.generic]]) -> Columns:
    """Columns from their state. Raises ModelStateError where an array is missing or does not fit."""
    used = array_of(state, "used", 1).astype(bool)
    centres = array_of(state, "centres", 2).astype(np.float64)
    spread = array_of(state, "spread", 1).astype(np.float64)
    cap = float(array_of(state, "fall_cap", 0).astype(np.float64))
    if centres.shape[1] != used.sum() or spread.shape != (used.sum(),) or len(centres) == 0:
        raise ModelStateError(
            f"columns: centres {centres.shape} and spread {spread.shape} for {used.sum()} used"
        )
    if not (np.isfinite(centres).all() and np.isfinite(spread).all() and (spread > 0).all() and cap >= 0):
        raise ModelStateError("columns: centres must be finite, spreads above 0, the cap at least 0")
    return Columns(used, centres, spread, cap)


def array_of(
    state: Mapping[str, npt.NDArray[np.generic]], name: str, dimensions: int
) -> npt.NDArray[np.generic]:
    """One array of a state. Raises ModelStateError where it is missing or has other dimensions."""
    if name not in state:
        raise ModelStateError(f"{name} is missing from the detector's state")
    array = np.asarray(state[name])
    if array.ndim != dimensions or array.dtype.kind not in "biuf":
        raise ModelStateError(f"{name} has {array.ndim} dimensions of {array.dtype}; expected {dimensions}")
    return array


def _median(values: Float64Array) -> Float64Array:
    """`(n_columns,)` median of what is finite, NaN where nothing is."""
    result = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        result[some] = np.nanmedian(values[:, some], axis=0)
    return result
