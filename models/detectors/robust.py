"""Robust baseline per feature: the mean of a row's few largest deviations.

    s(x) = min over groups of the mean of the `worst` largest |x_j - c_j| / sigma_j

Theory: each feature is judged alone, so it needs no more rows than a median does, and it says which
feature it was; it cannot see two features that change against each other. The same arithmetic, with
learned limits and rises only, is `models.baseline`, which serves live channels. Source: Rousseeuw &
Croux, J. Am. Stat. Assoc. 88 (1993) 1273 for the scale. Cost: O(groups x columns) per row; memory: two
vectors per group.
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
from models.errors import ModelStateError


@dataclass(frozen=True, slots=True)
class RobustDetector:
    """Settings of the robust baseline."""

    scale: ScaleRules = DEFAULT_SCALE
    worst: int = 3

    def fit(self, rows: npt.ArrayLike, groups: npt.ArrayLike | None = None) -> FittedRobust:
        """See `OneClassDetector.fit`."""
        return FittedRobust(fit_columns(rows, groups, self.scale), self.worst)


@dataclass(frozen=True, slots=True, eq=False)
class FittedRobust:
    """A robust baseline after learning."""

    columns: Columns
    worst: int

    def score(self, rows: npt.ArrayLike) -> Float64Array:
        """See `Fitted.score`; unit: spreads."""
        result = np.full(len(np.atleast_2d(np.asarray(rows))), np.inf)
        count = min(self.worst, int(self.columns.used.sum()))
        for group in range(len(self.columns.centres)):
            size = np.abs(self.columns.deviations(rows, group))
            if count == 0:
                continue
            largest = np.partition(size, size.shape[1] - count, axis=1)[:, -count:]
            result = np.minimum(result, largest.mean(axis=1))
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def state(self) -> State:
        """See `Fitted.state`."""
        return {**self.columns.state(), "worst": np.array(self.worst)}

    @classmethod
    def restore(cls, state: State) -> Self:
        """See `Fitted.restore`."""
        worst = int(array_of(state, "worst", 0).astype(np.int64))
        if worst < 1:
            raise ModelStateError(f"worst is {worst}; expected 1 or more")
        return cls(columns_from(state), worst)
