"""What healthy rows of process tags teach: each tag's level, how far its short means stray, how slow it is.

Duty: the arithmetic of learning, and its JSON. When to learn and what follows is `models.process_detector`.

A tag's spread is that of means over a short window, taken from all windows of the learned rows: whatever
correlation neighbouring rows have is in it. It is widened by the square root of the tag's correlation time:
rows that depend on each other say less about where the level may go, and a temperature that drifted all
through the learning has shown next to nothing of its range. So slow tags are found by their own statistics.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float64Array
from models.correlation_time import correlation_time
from models.errors import ModelStateError

FEW_INDEPENDENT = 20  # a tag whose learned rows are worth fewer values is called slow
_STUCK_SHARE = 0.01  # of its level: spread of a tag that never moved while it was learned
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class LearnedTags:
    """What is known of each tag, `(n_tags,)` each; NaN spread: it is not judged."""

    level: Float64Array  # unit of the tag
    spread: Float64Array  # unit of the tag, of a window's mean, widened for slow tags
    correlation_rows: Float64Array
    rows: int

    @property
    def slow(self) -> tuple[bool, ...]:
        """Tags of which the learned rows show too few independent values to know their range well."""
        return tuple(bool(self.rows / time < FEW_INDEPENDENT) for time in self.correlation_rows)

    def to_json(self) -> dict[str, Any]:
        """Its fields, JSON-ready."""
        return {
            "level": _listed(self.level),
            "spread": _listed(self.spread),
            "correlation_rows": _listed(self.correlation_rows),
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], n_tags: int) -> LearnedTags:
        """Read back. Raises ModelStateError for other lengths and spreads that are not above 0."""
        level, spread, correlation = (
            unlisted(fields[name]) for name in ("level", "spread", "correlation_rows")
        )
        lengths = {len(level), len(spread), len(correlation)}
        if lengths != {n_tags}:
            raise ModelStateError(f"learned tags have lengths {sorted(lengths)}; expected {n_tags} each")
        judged = np.isfinite(spread)
        if not ((spread[judged] > 0.0).all() and np.isfinite(level[judged]).all()):
            raise ModelStateError("a judged tag has no finite level, or a spread that is not above 0")
        if not (correlation >= 1.0).all():
            raise ModelStateError("a tag's correlation time is below 1 row")
        return cls(level, spread, correlation, int(fields["rows"]))


def learn_tags(rows: Float64Array, window_rows: int) -> LearnedTags:
    """Level and spread of each tag from healthy `rows` `(n_rows, n_tags)` in order; NaN is an empty cell.

    A tag that stated fewer than half of its rows, or stood still at 0, is not judged. One that stood still at
    another level has a spread of 1 % of it.
    """
    n_rows, n_tags = rows.shape
    level = np.full(n_tags, np.nan)
    spread = np.full(n_tags, np.nan)
    correlation = np.ones(n_tags)
    for tag in range(n_tags):
        column = rows[:, tag]
        if 2 * int(np.isfinite(column).sum()) < n_rows:
            continue
        level[tag] = float(np.nanmean(column))
        means = window_means(column, window_rows)
        seen = means[np.isfinite(means)]
        found = float(seen.std()) if len(seen) else 0.0
        if found <= _ROUNDING * abs(level[tag]):
            found = _STUCK_SHARE * abs(level[tag])
        if found > 0.0:
            correlation[tag] = correlation_time(column, n_rows // 4)
            spread[tag] = found * math.sqrt(correlation[tag])
    return LearnedTags(level, spread, correlation, n_rows)


def window_means(column: Float64Array, window_rows: int) -> Float64Array:
    """`(n - window + 1,)` means of each whole window, NaN where fewer than half of its cells are stated."""
    if len(column) < window_rows:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(column, window_rows)
    stated = np.isfinite(windows)
    count = stated.sum(axis=1)
    sums = np.where(stated, windows, 0.0).sum(axis=1)
    return np.where(2 * count >= window_rows, sums / np.maximum(count, 1), np.nan)


def _listed(values: Float64Array) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def unlisted(raw: Sequence[float | None]) -> Float64Array:
    """An array from JSON, where null stands for NaN."""
    return np.array([math.nan if value is None else float(value) for value in raw], dtype=np.float64)


def listed(rows: Float64Array) -> list[list[float | None]]:
    """Rows for JSON, where null stands for NaN."""
    return [_listed(row) for row in rows]
