"""How one machine's data are judged: the figures of a profile, frozen.

Duty: the profiles. `default` is for a plant, `demo` shows in minutes what takes hours there, `snapshots` is
for a second of waveform each ten minutes (`at_cadence`), `recording` is for files without healthy running of
the same machine, `recording_with_baseline` for files that follow some.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from appliance.alarms.budget import FALSE_ALARMS_PER_YEAR
from appliance.alarms.rules import RuleSettings
from dsp.window_extractor import Engine
from models.detector import LearningSettings
from models.diagnosis_settings import DiagnosisSettings
from models.drift import DriftSettings
from models.fault_confirmation import ConfirmationRules
from models.network_seat import NetworkSeat
from models.one_class_judge import ROBUST, JudgeName
from models.operating_state import OperatingStateSettings

ProfileName = Literal["default", "demo", "snapshots", "recording", "recording_with_baseline"]


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """What is watched of a channel once it is scored: budget of false alarms, drift, forecasts."""

    false_alarms_per_year: float = FALSE_ALARMS_PER_YEAR  # of one machine, over all its rules
    drift: DriftSettings = field(default_factory=DriftSettings)
    forecast_block_s: float = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class AnalysisSettings:
    """All figures of `AssetAnalysis`."""

    learning: LearningSettings
    baseline: bool = True  # False: nothing is learned; absolute evidence, zones and sensor checks judge
    rules: RuleSettings = field(default_factory=RuleSettings)
    operating_state: OperatingStateSettings = field(default_factory=OperatingStateSettings)
    diagnosis: DiagnosisSettings = field(default_factory=DiagnosisSettings)
    window_samples: int | None = None  # of a trend window; None: 1 s or a little longer, a power of two
    detector: JudgeName = ROBUST  # what scores learned states: the baseline's statistic, or another
    networks: Mapping[str, NetworkSeat] = field(default_factory=dict)  # by channel, before the detector
    engine: Engine = Engine.LANES  # what computes the figures of a window's hops
    limits_period_s: float = 600.0  # how often half-learned baselines are handed out for the journal
    watch: WatchSettings = field(default_factory=WatchSettings)
    cadence_s: float = 0.0  # one window, and one record of evidence, each so long; 0: every one


CADENCE_S = 600.0  # the usual one, where decisions are to be seldom
_LONGEST_STEP = 1.5  # cadences: a window that is late stands for its time too, one after a gap does not
_DEMO_LEARNING = LearningSettings(learn_s=40.0, min_windows=40)
# A recording's one speed stands for all of it.
_RECORDED = OperatingStateSettings(stale_after_s=math.inf)
# Its speed is a note of whoever recorded it, no better than a plate's.
_RECORDED_DIAGNOSIS = replace(
    DiagnosisSettings(), measured_speed_tolerance=DiagnosisSettings().speed_tolerance
)
# A recording may be shorter than a second sensor check, or a third record of evidence; what it shows is all
# that there will ever be, and no year of it comes in which it could be wrong.
_RECORDED_RULES = RuleSettings(sensor_needed=1, sensor_of=1, confirmation=ConfirmationRules(2, 3))

PROFILES: dict[ProfileName, AnalysisSettings] = {
    "default": AnalysisSettings(LearningSettings(learn_s=4 * 3600.0, min_windows=2000)),
    "demo": AnalysisSettings(
        _DEMO_LEARNING, operating_state=OperatingStateSettings(stale_after_s=10.0), limits_period_s=5.0
    ),
    "snapshots": AnalysisSettings(
        LearningSettings(learn_s=48 * 3600.0, min_windows=144, longest_step_s=_LONGEST_STEP * CADENCE_S),
        diagnosis=replace(DiagnosisSettings(), record_s=1.0, record_hop_s=1.0),
        limits_period_s=6 * 3600.0,
    ),
    "recording": AnalysisSettings(
        _DEMO_LEARNING,
        baseline=False,
        rules=_RECORDED_RULES,
        operating_state=_RECORDED,
        diagnosis=_RECORDED_DIAGNOSIS,
    ),
    "recording_with_baseline": AnalysisSettings(
        LearningSettings(learn_s=math.inf, min_windows=3),
        rules=_RECORDED_RULES,
        operating_state=_RECORDED,
        diagnosis=_RECORDED_DIAGNOSIS,
    ),
}
"""`snapshots`: a record of evidence fits into one snapshot, since none may span two. One second resolves
races' and elements' lines above some 850 rpm (6205, 1 %); slower shafts need longer snapshots, a cage 17 s.
`recording_with_baseline` learns until `AssetAnalysis.end_learning` is called: all healthy files, whole."""


def at_cadence(cadence_s: float) -> AnalysisSettings:
    """How a machine is judged by a second of waveform each `cadence_s`; 0: every window (`default`).

    Each decision stands for the time since the one before it, of whatever source the samples are: one that
    never pauses, or one that delivers snapshots.
    """
    if cadence_s <= 0.0:
        return PROFILES["default"]
    settings = PROFILES["snapshots"]
    step_s = _LONGEST_STEP * cadence_s
    learning = replace(
        settings.learning,
        longest_step_s=step_s,
        min_windows=min(settings.learning.min_windows, round(settings.learning.learn_s / cadence_s / 2.0)),
    )
    drift = replace(settings.watch.drift, longest_step_s=step_s)
    watch = replace(settings.watch, drift=drift)
    return replace(settings, cadence_s=cadence_s, learning=learning, watch=watch)
