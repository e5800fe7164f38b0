"""What a machine's figures would be at a speed that was never learned, from those at other speeds.

Duty: a smooth curve of healthy rows over speed, and how far a row lies from it. For operating states
without a baseline of their own; where there is one, a detector on fine rows is far better.

Centre at speed v: the value at v of the parabola (line, constant where there are fewer speeds) through
the medians of the four nearest learned speeds, weighted by 1 / distance (local regression: Cleveland, J.
Am. Stat. Assoc. 74 (1979) 829). Spread: what rows vary within a speed. Cost: a 4 x 3 least-squares fit
per speed; memory: one row per speed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.detectors.columns import Columns, ScaleRules, State, array_of, columns_from, fit_columns
from models.errors import ModelError, ModelStateError

NEIGHBOURS = 4
DEGREE = 2


@dataclass(frozen=True, slots=True, eq=False)
class SpeedModel:
    """Medians of healthy rows by speed; `speeds` `(n_speeds,)` in any one unit, one per centre."""

    columns: Columns
    speeds: Float64Array

    def score(self, rows: npt.ArrayLike, speed: float) -> Float64Array:
        """`(n,)` root mean square deviation from the curve at `speed`, in spreads; NaN for a row of holes."""
        z = self.columns.filled(rows) - self.centre(speed)
        result: Float64Array = np.sqrt((z**2).mean(axis=1)) if z.shape[1] else np.full(len(z), np.nan)
        result[self.columns.says_nothing(rows)] = np.nan
        return result

    def centre(self, speed: float) -> Float64Array:
        """`(n_used,)` expected healthy row at `speed`, in spreads. Raises ModelError for no number."""
        if not np.isfinite(speed):
            raise ModelError(f"speed is {speed}; expected a finite number")
        distance = np.abs(self.speeds - speed)
        near = np.argsort(distance, kind="stable")[:NEIGHBOURS]
        step = float(distance[near].max()) or 1.0
        terms = np.vander((self.speeds[near] - speed) / step, min(DEGREE + 1, len(near)))
        weight = 1.0 / np.maximum(distance[near] / step, 1e-3)[:, None]
        centres = self.columns.centres[near] / self.columns.spread
        fitted: Float64Array = np.linalg.lstsq(terms * weight, centres * weight, rcond=None)[0][-1]
        return fitted

    def state(self) -> State:
        """Arrays from which `restore` makes it again."""
        return {**self.columns.state(), "speeds": self.speeds}

    @classmethod
    def restore(cls, state: State) -> Self:
        """A model from its state. Raises ModelStateError for one that does not fit."""
        columns, speeds = columns_from(state), array_of(state, "speeds", 1).astype(np.float64)
        if len(speeds) != len(columns.centres) or not np.isfinite(speeds).all():
            raise ModelStateError(f"{len(speeds)} speeds for {len(columns.centres)} centres")
        return cls(columns, speeds)


def fit_speed_model(rows: npt.ArrayLike, speeds: npt.ArrayLike, rules: ScaleRules) -> SpeedModel:
    """A curve through healthy `rows` `(n, n_columns)` at `speeds` `(n,)`. Raises ModelError without rows or
    for a speed that is not finite."""
    each = np.asarray(speeds, dtype=np.float64)
    if not np.isfinite(each).all():
        raise ModelError("a learned speed is not finite")
    columns = fit_columns(rows, each, rules)
    _, first = np.unique(each, return_index=True)
    return SpeedModel(columns, each[np.sort(first)])
