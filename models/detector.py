"""Feature vector to anomaly score: a robust baseline per channel and operating state, learned on the box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array


@dataclass(frozen=True, slots=True)
class AnomalyScore:
    """How far one window is from what was learned: 1.0 stands at the limit."""

    channel_id: str
    start_ns: int
    value: float
    model_version: str
    backend: str
    contributions: Float32Array  # (n_features,), each feature's share, same order as the vector's names


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """How much of the baseline of one channel and operating state is learned."""

    channel_id: str
    operating_state: str
    learned_s: float
    needed_s: float
    complete: bool
    provisional: bool  # the limit rests on too short a span for a stated false-alarm rate


@dataclass(frozen=True, slots=True)
class LearningSettings:
    """How a baseline is learned; a profile (`demo`, `default`) chooses the figures."""

    learn_s: float  # healthy running per operating state before scores are given
    min_windows: int


class Detector(Protocol):
    """Learns from healthy running, then scores. One interface for every detector, trained or statistical."""

    model_version: str

    def observe(self, features: FeatureVector) -> AnomalyScore | None:
        """Learn from this vector while its operating state is being learned (returns None), else score it."""
        ...

    def progress(self) -> list[LearningProgress]: ...

    def state(self) -> dict[str, Any]:
        """Everything learned, JSON-ready, for the journal's class `limit`."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state from the journal. Raises ModelStateError if it does not fit."""
        ...
