"""A series of one feature as a plot wants it: no more points than asked for, gaps as gaps.

Duty: the arithmetic of thinning. Each point shown is one that was stored (the least and the greatest of a
stretch), so that a peak is never lost and nothing is interpolated; between two stretches that a gap parts
stands a null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from appliance.journal.record import GapState, StoredGap
from dsp.samples import Float32Array

NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Thinned:
    """Points of a plot: UTC ms, and values with None where the line breaks."""

    times_ms: list[float]
    values: list[float | None]


def thinned(
    times_ns: np.ndarray, values: Float32Array, gaps: Sequence[StoredGap], max_points: int
) -> Thinned:
    """At most about `max_points` points of a series in order of time; NaN becomes None."""
    stretches = _stretches(times_ns, gaps)
    total = sum(end - begin for begin, end in stretches)
    result = Thinned([], [])
    for begin, end in stretches:
        if result.times_ms:
            _add(result, (int(times_ns[begin - 1]) + int(times_ns[begin])) // 2, None)
        share = max(2, round(max_points * (end - begin) / max(total, 1)))
        for index in _kept(values[begin:end], share):
            value = float(values[begin + index])
            _add(result, int(times_ns[begin + index]), value if np.isfinite(value) else None)
    return result


def _add(result: Thinned, time_ns: int, value: float | None) -> None:
    result.times_ms.append(time_ns / NS_PER_MS)
    result.values.append(value)


def _stretches(times_ns: np.ndarray, gaps: Sequence[StoredGap]) -> list[tuple[int, int]]:
    """Index ranges between gaps; a gap parts the two points around its middle. One that was backfilled parts
    nothing: its points are there, and what of it was never known is a gap of its own."""
    if len(times_ns) == 0:
        return []
    middles = [(gap.start_ns + gap.end_ns) // 2 for gap in gaps if gap.state is not GapState.BACKFILLED]
    cuts = sorted({int(cut) for cut in np.searchsorted(times_ns, np.array(middles, np.int64), side="right")})
    edges = [0, *(cut for cut in cuts if 0 < cut < len(times_ns)), len(times_ns)]
    return [(begin, end) for begin, end in pairwise(edges) if end > begin]


def _kept(values: Float32Array, most: int) -> list[int]:
    """Indices of the least and the greatest value of each of `most` / 2 equal parts, in order."""
    if len(values) <= most:
        return list(range(len(values)))
    kept: set[int] = set()
    for part in np.array_split(np.arange(len(values)), max(1, most // 2)):
        stretch = values[part]
        if np.all(np.isnan(stretch)):
            kept.add(int(part[0]))
        else:
            kept.update((int(part[np.nanargmin(stretch)]), int(part[np.nanargmax(stretch)])))
    return sorted(kept)
