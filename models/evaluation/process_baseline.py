"""The simple baselines for process tags and slow tags, to be printed beside the product's detectors.

Duty: alarms of two rules of thumb. Their figures were chosen on the recordings they are judged on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dsp.samples import Float64Array
from models.process_learning import learn_tags

_SHORT_ROWS, _SMOOTH_ROWS = 10, 15
_MARGIN = 1.25
_LEVEL_VALUES, _LEVEL_MARGIN = 12, 1.5

BoolArray = npt.NDArray[np.bool_]


def largest_deviation_alarms(rows: Float64Array, learn: int) -> BoolArray:
    """`(n_rows,)` alarms: largest z of any tag that is not slow, raw plus of a 10-row mean, mean of 15 rows.

    The limit is 1.25 times the largest of the learned rows. Causal: a mean is of a row and those before it.
    """
    learned = learn_tags(rows[:learn], _SHORT_ROWS)
    usable = np.isfinite(learned.spread) & ~np.array(learned.slow)
    if not usable.any():
        usable = np.isfinite(learned.spread)
    if not usable.any():
        return np.zeros(len(rows), bool)
    held = _held(rows[:, usable], learned.level[usable])
    short = _trailing_mean(held, _SHORT_ROWS)
    both = _largest_z(held, learn, 0) + _largest_z(short, learn, _SHORT_ROWS - 1)
    statistic = _trailing_mean(both[:, None], _SMOOTH_ROWS)[:, 0]
    alarms: BoolArray = statistic > _MARGIN * statistic[:learn].max(initial=0.0)
    alarms[:learn] = False
    return alarms


def level_alarms(values: Float64Array, learn: int) -> BoolArray:
    """`(n,)` alarms of one slow tag: its mean of 12 values farther from the learned mean than 1.5 x ever."""
    seen = np.isfinite(values[:learn])
    if not seen.any():
        return np.zeros(len(values), bool)
    level = float(values[:learn][seen].mean())
    held = _held(values[:, None], np.array([level]))
    away = np.abs(_trailing_mean(held, _LEVEL_VALUES)[:, 0] - level)
    alarms: BoolArray = away > _LEVEL_MARGIN * away[min(_LEVEL_VALUES, learn) - 1 : learn].max(initial=0.0)
    alarms[:learn] = False
    return alarms


def _held(rows: Float64Array, level: Float64Array) -> Float64Array:
    """Rows with empty cells filled by the learned level."""
    return np.where(np.isfinite(rows), rows, level)


def _trailing_mean(rows: Float64Array, length: int) -> Float64Array:
    """`(n_rows, n)` means of each row and up to `length - 1` before it."""
    sums = np.vstack([np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)])
    ends = np.arange(1, len(rows) + 1)
    starts = np.maximum(ends - length, 0)
    means: Float64Array = (sums[ends] - sums[starts]) / (ends - starts)[:, None]
    return means


def _largest_z(rows: Float64Array, learn: int, skip: int) -> Float64Array:
    """`(n_rows,)` largest deviation from the learned mean, in learned standard deviations."""
    learned = rows[skip:learn]
    spread = np.maximum(learned.std(axis=0), 1e-9)
    largest: Float64Array = np.abs((rows - learned.mean(axis=0)) / spread).max(axis=1)
    return largest
