"""Hops 5 to 8 without I/O: what one machine's blocks mean.

Duty: framing, features, score, diagnosis, severity, alarm rules of one asset, in that order. A pure
core: no clock, no queue, no journal; `process` is called in
a worker thread by the pipeline, live and in replay alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.alarms.lifecycle import AlarmTransition, Severity
from dsp.envelope import FaultEvidence
from dsp.extractor import FeatureVector
from dsp.samples import Gap
from dsp.spectrum import Spectrum
from models.detector import AnomalyScore, LearningProgress
from models.diagnosis import Diagnosis


@dataclass(frozen=True, slots=True)
class SensorVerdict:
    """A sensor that cannot be trusted: what is wrong with it, and what to check. Never a machine alarm."""

    channel_id: str
    start_ns: int
    verdict: str  # "clipped", "flat line", "not a number", "dropouts", ...
    text: str
    remedy: str


@dataclass(slots=True)
class Findings:
    """All that one `process` call found out, in order of time."""

    features: list[FeatureVector] = field(default_factory=list)
    scores: list[AnomalyScore] = field(default_factory=list)
    spectra: list[Spectrum] = field(default_factory=list)
    evidence: list[FaultEvidence] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    sensor_verdicts: list[SensorVerdict] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    transitions: list[AlarmTransition] = field(default_factory=list)
    learning: list[LearningProgress] = field(default_factory=list)
    severity: Severity = Severity.NOT_RATED
    operating_state: str = ""
