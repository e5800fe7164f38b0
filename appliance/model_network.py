"""One bundle in service on its chain of runtimes: whom a machine's windows are asked of, and what that costs.

Duty: build the model host of a bundle, measure each call, and say how its runtimes stand. Any thread may ask;
who is asked, and until when, is the host's business (`models.fallback_chain`).
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence

from appliance.alarms.network_rule import STATISTICAL_WORDS, RuntimeStanding
from appliance.telemetry.distribution import Meter
from dsp.samples import Float32Array
from models.bundle import Bundle
from models.errors import ArtefactError, InferenceError
from models.fallback_chain import ChainRules, TierState
from models.host import PASS_THROUGH, STATISTICAL, ModelHost
from models.host_tiers import Tier, workers_of
from models.network_judge import NetworkAnswer, NetworkJudge


class NetworkMeter:
    """What a slot's network did since the start of the service; over all bundles that were in service."""

    def __init__(self) -> None:
        self.latency = Meter()  # of a call, whoever answered
        self.answers: Counter[str] = Counter()  # rows, by who answered
        self.starts: Counter[str] = Counter()  # processes, by backend
        self.fallbacks = 0
        self._lock = threading.Lock()

    def answered(self, backend: str, rows: int, seconds: float) -> None:
        """One call; any thread."""
        with self._lock:
            self.latency.add(seconds)
            self.answers[backend] += rows


class ServedNetwork:
    """A bundle whose processes run from `start` to `close`."""

    def __init__(self, bundle: Bundle, tiers: Sequence[Tier], rules: ChainRules, meter: NetworkMeter) -> None:
        """Raises ModelError where the bundle cannot judge live windows, or has a file for no tier."""
        self.bundle = bundle
        self._meter = meter
        self._missing: list[str] = []
        usable = []
        for tier in tiers:
            try:
                bundle.artefact_bytes(tier.backend, tier.precision)
            except ArtefactError:
                self._missing.append(tier.backend)
            else:
                usable.append(tier)
        if not usable:
            bundle.artefact_bytes(tiers[0].backend)  # raises, and says what there is
        self.judge = NetworkJudge(bundle.manifest, self._ask)
        self._host = ModelHost(workers_of(bundle, usable), rules=rules)
        self._pids: dict[str, int] = {}

    @property
    def title(self) -> str:
        """The model's name and version."""
        return self.judge.name

    def start(self) -> None:
        """Start its processes; it answers once one of them has passed its check."""
        self._host.__enter__()

    def close(self) -> None:
        """End them; a call in flight gets its answer."""
        self._host.__exit__(None, None, None)

    def look(self) -> list[RuntimeStanding]:
        """How its runtimes stand, in order of preference; counts starts and falls on the way."""
        self._meter.fallbacks += sum(move.down for move in self._host.moves())
        lacks = "has no file in the bundle"
        standing = [RuntimeStanding(name, TierState.DOWN, lacks) for name in self._missing]
        for tier in self._host.report():
            if tier.pid is not None and self._pids.get(tier.backend) != tier.pid:
                self._pids[tier.backend] = tier.pid
                self._meter.starts[tier.backend] += 1
            standing.append(RuntimeStanding(tier.backend, tier.state, tier.reason))
        return standing

    def processes(self) -> dict[str, int]:
        """Process ids by backend, of those that run."""
        return {tier.backend: tier.pid for tier in self._host.report() if tier.pid is not None}

    def _ask(self, rows: Float32Array) -> NetworkAnswer:
        begin_ns = time.monotonic_ns()
        answer = self._host.infer(rows)
        lost = answer.backend in (STATISTICAL, PASS_THROUGH)
        self._meter.answered(
            STATISTICAL if lost else answer.backend, len(rows), (time.monotonic_ns() - begin_ns) / 1e9
        )
        if lost:
            raise InferenceError(f"no runtime answered, {STATISTICAL_WORDS} does: {answer.reason}")
        return NetworkAnswer(answer.scores, answer.backend)
