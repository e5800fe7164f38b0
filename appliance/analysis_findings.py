"""What the analysis of one machine gives: the types that leave it.

Duty: the vocabulary between `analysis` and the pipeline, the journal's records and the replay's timeline.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.alarms.lifecycle import Alarm, AlarmTransition, Severity
from appliance.analysis_watch import Advisory
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
    verdict: str  # "clipped", "flat line", "not a number", "dropouts", "wrong rate", ...
    text: str
    remedy: str

    @property
    def sentence(self) -> str:
        """What is wrong with the sensor, and what to do about it."""
        return f"{self.text.rstrip('.')}. {self.remedy}"


@dataclass(slots=True)
class Findings:
    """All that one `process` call found out, in order of time."""

    features: list[FeatureVector] = field(default_factory=list)
    scores: list[AnomalyScore] = field(default_factory=list)
    spectra: list[Spectrum] = field(default_factory=list)  # for a screen; the newest per channel and kind
    evidence: list[FaultEvidence] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    sensor_verdicts: list[SensorVerdict] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    transitions: list[AlarmTransition] = field(default_factory=list)
    advisories: list[Advisory] = field(default_factory=list)
    learning: list[LearningProgress] = field(default_factory=list)  # of all states, where any window came
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)  # channel id -> LEARNED_LIMIT to commit
    severity: Severity = Severity.NOT_RATED
    operating_state: str = ""


@dataclass(frozen=True, slots=True)
class AnalysisState:
    """What a restart takes over: learned limits per channel (JSON-ready), and alarms as they stand."""

    limits: dict[str, dict[str, Any]]
    alarms: tuple[Alarm, ...]
