"""From evidence to a technician's sentence: which part, how sure, how strong, since when; or abstain."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What a diagnosis can say."""

    HEALTHY = "healthy"
    FAULT = "fault"
    ABSTAIN = "abstain"


@dataclass(frozen=True, slots=True)
class RankedFault:
    fault: str  # "outer race", "inner race", "rolling element", "cage", "unbalance", "misalignment", ...
    evidence: float  # 1.0 = limit of calling it


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The most likely cause of what one machine shows, or the statement that it cannot be told."""

    asset_id: str
    channel_id: str
    start_ns: int
    verdict: Verdict
    fault: str | None
    confidence: float  # 0..1
    text: str  # "outer race, BPFO at 3.58 x shaft speed, 14 dB over baseline, rising for 90 s"
    ranking: tuple[RankedFault, ...]  # strongest first
    over_baseline_db: float | None  # None: no baseline
    frequency_hz: float | None
