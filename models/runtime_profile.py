"""What a network costs in one runtime, and which of several is the best that keeps a latency budget.

Duty: the figures of `stethos profile` and what is concluded from them: throttling, the Pareto front of
latency, accuracy and size, the choice. Measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

THROTTLES = 1.1  # CPU time of a call in the last minute, against the first
SAME_AUROC = 0.002  # areas nearer than this are taken as equal: the gate's own mean


@dataclass(frozen=True, slots=True)
class OperatorTime:
    """One operator of a network."""

    name: str
    kind: str  # by the runtime's own name
    us: float  # of one call, the median


@dataclass(frozen=True, slots=True)
class Stretch:
    """Calls of one item, one after the other, for a while (a minute of a sustained run)."""

    calls: int
    seconds: float
    p50_us: float
    p99_us: float
    cpu_us: float  # per call, of both processes: what other load hardly touches


@dataclass(frozen=True, slots=True)
class Energy:
    """What a board said of its power while calls followed one another."""

    source: str  # which sensor; or why none can tell
    watts: float | None = None
    idle_watts: float | None = None  # the same sensor before, with nothing to do
    joules_per_call: float | None = None  # above idle


@dataclass(frozen=True, slots=True)
class RuntimeProfile:
    """One artefact on one backend. Latencies are of the whole way, as the service goes it."""

    bundle: str
    backend: str
    precision: str
    size_bytes: int
    whole: Stretch
    minutes: tuple[Stretch, ...]  # whole ones; empty for a shorter run
    items_per_s: float  # in batches of 16
    resident_bytes: int  # of the child process with the runtime
    energy: Energy
    operators: tuple[OperatorTime, ...]
    operators_said: str  # why there are none; "" where there are
    auroc: float | None  # of the bundle's held-out rows, run here; None where it holds none
    pauc: float | None
    judged_on: str  # SHA-256 of those rows
    elsewhere: int  # calls that this runtime did not answer in time: they are in the latencies

    @property
    def throttling(self) -> float | None:
        """CPU time of a call in the last minute over that in the first; None below two minutes."""
        if len(self.minutes) < 2 or not self.minutes[0].cpu_us > 0:
            return None
        return self.minutes[-1].cpu_us / self.minutes[0].cpu_us

    @property
    def name(self) -> str:
        """What it is called in a table."""
        return f"{self.bundle}, {self.backend}, {self.precision}"

    def to_json(self) -> dict[str, Any]:
        """Its figures, JSON-ready."""
        return {
            "bundle": self.bundle,
            "backend": self.backend,
            "precision": self.precision,
            "size_bytes": self.size_bytes,
            "latency_p50_us": self.whole.p50_us,
            "latency_p99_us": self.whole.p99_us,
            "cpu_us": self.whole.cpu_us,
            "calls": self.whole.calls,
            "seconds": self.whole.seconds,
            "items_per_s": self.items_per_s,
            "resident_bytes": self.resident_bytes,
            "energy": _fields(self.energy),
            "operators": [_fields(one) for one in self.operators],
            "operators_said": self.operators_said,
            "minutes": [_fields(one) for one in self.minutes],
            "throttling": self.throttling,
            "auroc": self.auroc,
            "pauc": self.pauc,
            "judged_on": self.judged_on,
            "answered_elsewhere": self.elsewhere,
        }


def _fields(part: Energy | OperatorTime | Stretch) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def dominates(one: RuntimeProfile, other: RuntimeProfile) -> bool:
    """Whether `one` is nowhere worse than `other`, and somewhere better. An unknown area is the worst."""
    a, b = _costs(one), _costs(other)
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def _costs(one: RuntimeProfile) -> tuple[float, float, float]:
    return one.whole.p99_us, -(one.auroc if one.auroc is not None else -1.0), float(one.size_bytes)


def pareto_front(profiles: Sequence[RuntimeProfile]) -> list[RuntimeProfile]:
    """Those that no other dominates in p99, area under the ROC curve and size; by latency."""
    front = [one for one in profiles if not any(dominates(other, one) for other in profiles)]
    return sorted(front, key=_costs)


def best_within(profiles: Sequence[RuntimeProfile], budget_us: float) -> RuntimeProfile | None:
    """The one with the largest area of those whose p99 keeps the budget; None where none does.

    Among areas that are equal to 0.002 the fastest by p99 is taken, then the smallest.
    """
    within = [one for one in profiles if one.whole.p99_us <= budget_us]
    if not within:
        return None
    best = max(-1.0 if one.auroc is None else one.auroc for one in within)
    equal = [one for one in within if (-1.0 if one.auroc is None else one.auroc) >= best - SAME_AUROC]
    return min(equal, key=lambda one: (one.whole.p99_us, one.size_bytes))
