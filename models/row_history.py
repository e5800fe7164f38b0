"""The rows before a row: what a temporal network must have seen of a channel before it scores a window.

Duty: keep the last rows that each baseline was offered, and say when they are a sequence. A sequence has one
operating state and windows that each begin half a window after the one before, as those that it learned from
did; a gap, another state, windows taken more seldom, a row that states nothing: it begins anew. Nothing of it
outlives a restart. Scores nothing.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.baseline import Baseline

HOP_TOLERANCE = 0.1  # of a hop: a sensor's clock is fitted, and its windows begin a little off
MOST_BASELINES = 512  # channels and operating states of a machine; the one that waited longest is dropped


@dataclass(slots=True)
class _Rows:
    baseline: Baseline  # kept, so that no other one can take its place in memory
    state: str
    rows: deque[Float32Array]
    start_ns: int = 0
    begun: bool = field(default=False)


class RowHistory:
    """Sequences of `steps` rows. One thread at a time."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._of: dict[int, _Rows] = {}

    def item(self, baseline: Baseline, features: FeatureVector) -> Float32Array | None:
        """`(steps, n_features)`: this window's row behind those before it; None while there are too few.

        To be called for every window that is scored against the baseline, in order of time; a window that was
        taken already is not taken twice.
        """
        own = self._of.pop(id(baseline), None)
        if own is None or own.state != features.operating_state:
            own = _Rows(baseline, features.operating_state, deque(maxlen=self.steps))
        self._of[id(baseline)] = own
        if len(self._of) > MOST_BASELINES:
            del self._of[next(iter(self._of))]
        if own.begun and own.start_ns == features.start_ns:
            return self._sequence(own)
        if not own.begun or not _follows(own.start_ns, features):
            own.rows.clear()
        own.begun, own.start_ns = True, features.start_ns
        if np.isfinite(features.values).any():
            own.rows.append(features.values.copy())
        else:
            own.rows.clear()
        return self._sequence(own)

    def _sequence(self, own: _Rows) -> Float32Array | None:
        return np.array(own.rows, dtype=np.float32) if len(own.rows) == self.steps else None


def _follows(before_ns: int, features: FeatureVector) -> bool:
    """Whether a window begins half a window after the one before it."""
    hop_ns = features.duration_s * 0.5e9
    return abs(features.start_ns - before_ns - hop_ns) <= HOP_TOLERANCE * hop_ns
