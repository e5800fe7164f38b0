"""A bundle in the shadow: scores the same live windows beside what judges them, and decides nothing.

Duty: take rows from analyses without ever making them wait, ask the bundle's own processes in a thread of its
own, and count how far it says other things. What comes faster than it answers is dropped and counted.
"""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass

import numpy as np

from appliance.model_network import ServedNetwork
from appliance.telemetry.distribution import Meter
from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.baseline import Baseline
from models.disagreement import Disagreement
from models.errors import ModelError
from models.row_history import RowHistory

MOST_WAITING = 512  # rows
_MOST_AT_ONCE = 64
_LOOK_S = 0.2
_Row = tuple[Baseline, FeatureVector, float]


@dataclass(frozen=True, slots=True)
class ShadowReport:
    """What a shadow said beside what judged, since it was begun."""

    identity: str
    title: str
    windows: int
    correlation: float | None
    both_over: int
    only_active_over: int
    only_shadow_over: int
    mean_active: float
    mean_shadow: float
    latency_p50_s: float | None  # of a call, of up to 64 windows
    latency_p99_s: float | None
    unanswered: int  # windows that it gave no score
    dropped: int  # windows that came faster than it answered
    why_unanswered: str


class Shadow:
    """One bundle beside the active one, from `start` to `close`."""

    def __init__(self, network: ServedNetwork) -> None:
        self.network = network
        self._rows: queue.Queue[_Row] = queue.Queue(MOST_WAITING)
        steps = network.judge.steps
        self._history = RowHistory(steps) if steps else None  # where a row alone is not enough
        self._sums = Disagreement()
        self._latency = Meter()
        self._unanswered = self._dropped = 0
        self._why = ""
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._work, name="model-shadow", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.network.start()
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._ends.set()
        self._thread.join()
        self.network.close()

    def take(self, baseline: Baseline, features: FeatureVector, value: float) -> None:
        """What its network reads of a window, with the score that this was given. Any thread; never waits."""
        try:
            self._rows.put_nowait((baseline, features, value))
        except queue.Full:
            self._dropped += 1

    def report(self) -> ShadowReport:
        """Its counts so far."""
        sums, latency = self._sums, self._latency.distribution()
        return ShadowReport(
            self.network.bundle.identity, self.network.title, sums.windows, sums.correlation,
            sums.both_over, sums.only_active_over, sums.only_shadow_over, *sums.means,
            latency.quantile(0.5), latency.quantile(0.99), self._unanswered, self._dropped, self._why,
        )  # fmt: skip

    def _work(self) -> None:
        while not self._ends.is_set():
            try:
                rows = [self._rows.get(timeout=_LOOK_S)]
            except queue.Empty:
                continue
            while len(rows) < _MOST_AT_ONCE and not self._rows.empty():
                rows.append(self._rows.get_nowait())
            self._compare(rows)

    def _compare(self, rows: list[_Row]) -> None:
        judge, begin_ns = self.network.judge, time.monotonic_ns()
        items = [(own, one.names, self._item(own, one), value) for own, one, value in rows]
        ready = [(own, names, item, value) for own, names, item, value in items if item is not None]
        if len(ready) < len(items):
            self._unanswered += len(items) - len(ready)
            self._why = self._why or f"no score yet: it needs {judge.steps} windows without a gap"
        if not ready:
            return
        try:
            inputs = [judge.inputs(own, item[np.newaxis], names) for own, names, item, _ in ready]
            scores = judge.answer(np.concatenate(inputs)).scores
        except ModelError as error:
            self._unanswered += len(ready)
            self._why = str(error)
            return
        self._latency.add((time.monotonic_ns() - begin_ns) / 1e9)
        for (*_, value), score in zip(ready, scores.tolist(), strict=True):
            self._sums.add(value, score)

    def _item(self, baseline: Baseline, features: FeatureVector) -> Float32Array | None:
        return features.values if self._history is None else self._history.item(baseline, features)
