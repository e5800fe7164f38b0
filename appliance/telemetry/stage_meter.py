"""What is measured where the work is done: one meter per stage, one set of them per machine.

Duty: hold counts and latencies that the shells add, and nothing else. Each meter has one writer at a time
(the event loop, a machine's analysis, the journal's thread), so adding takes no lock; reading takes a copy.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable

from appliance.telemetry.distribution import SCORE_BOUNDS, Meter
from dsp.extractor import FeatureVector
from models.detector import AnomalyScore

Detect = Callable[[FeatureVector], AnomalyScore | None]


class StageMeter:
    """Counts what one stage does: what it finished and how long that took, what it dropped, what failed."""

    __slots__ = ("dropped", "errors", "latency", "processed")

    def __init__(self) -> None:
        self.latency = Meter()
        self.processed = 0
        self.dropped = 0
        self.errors = 0

    def done(self, seconds: float, n: int = 1) -> None:
        """`n` things were finished together, after this time; the time counts once."""
        self.latency.add(seconds)
        self.processed += n

    def drop(self, n: int = 1) -> None:
        """`n` things were given up."""
        self.dropped += n

    def fail(self, n: int = 1) -> None:
        """Something failed; whether it is tried again is another matter."""
        self.errors += n


class AssetMeters:
    """The meters of one machine's way through the house."""

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.monotonic_ns = monotonic_ns
        self.queues: defaultdict[str, StageMeter] = defaultdict(StageMeter)  # by the queue's name
        self.analysis = StageMeter()
        self.scoring = StageMeter()
        self.decision = StageMeter()
        self.scores = Meter(SCORE_BOUNDS)
        self.over_limit = 0

    def score(self, detect: Detect, features: FeatureVector) -> AnomalyScore | None:
        """`detect(features)`, measured. What it learned from without scoring is not counted."""
        begin_ns = self.monotonic_ns()
        try:
            found = detect(features)
        except Exception:
            self.scoring.fail()
            raise
        if found is not None:
            self.scoring.done((self.monotonic_ns() - begin_ns) / 1e9)
            self.scores.add(found.value)
            self.over_limit += math.isfinite(found.value) and found.value > 1.0
        return found


class Meters:
    """All meters of an appliance, and when each channel delivered last."""

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self.monotonic_ns = monotonic_ns
        self._assets: dict[str, AssetMeters] = {}
        self.alarm_commit = StageMeter()
        self.journal_commit = StageMeter()
        self.central = StageMeter()
        self.opcua_server = StageMeter()
        self.object_store = StageMeter()
        self._webhooks: dict[str, StageMeter] = {}
        self.heard_ns: dict[str, int] = {}  # by channel: when its newest block came, monotonic

    @property
    def assets(self) -> dict[str, AssetMeters]:
        return self._assets

    def of(self, asset_id: str) -> AssetMeters:
        """The meters of a machine."""
        return self._assets.setdefault(asset_id, AssetMeters(self.monotonic_ns))

    def webhook(self, name: str) -> StageMeter:
        """The meter of a receiver."""
        return self._webhooks.setdefault(name, StageMeter())
