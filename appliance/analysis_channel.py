"""One acceleration channel of a machine: whether its sensor can be believed, what is learned of it, what its
windows and records say.

Duty: sensor check, spectra, score, severity and diagnosis of one channel. Which window is due when is
`analysis_intake`'s duty, what all channels together mean for the machine the alarm rules'.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from appliance.alarms.lifecycle import Severity
from appliance.alarms.rules import WindowJudgement
from appliance.analysis_intake import DueRecord, DueWindow
from appliance.analysis_sensor import SensorBaseline
from appliance.analysis_settings import AnalysisSettings
from appliance.analysis_watch import ChannelWatch
from appliance.sensor_doubt import SensorDoubt
from dsp.envelope import FaultEvidence, fault_evidence
from dsp.envelope_history import EnvelopeHistory
from dsp.envelope_spectrum import envelope_spectrum
from dsp.errors import DspError
from dsp.extractor import FeatureVector
from dsp.framing import Window
from dsp.samples import Channel
from dsp.sensor_check import SensorCheck, SensorCondition, check_sensor
from dsp.severity import SLOW_BAND_HZ, measured_band_hz, rate_severity
from dsp.slow_velocity import SlowVelocity
from dsp.spectrum import Spectrum, SpectrumKind, amplitude_spectrum, decimated
from models.baseline import Baseline
from models.detector import AnomalyScore, BaselineDetector, LearningProgress, explain
from models.diagnosis import Diagnoser, Diagnosis, Verdict
from models.errors import ModelStateError
from models.learning import LearnedState
from models.machine import Machine
from models.operating_state import STOPPED, UNKNOWN_STATES, OperatingState

LIMITS_FORMAT = "channel-limits-1"
VELOCITY = "velocity_rms_mm_s"
_USUAL_SPREADS = 2.0  # robust ones: some 95 % of healthy running lies within
_ENVELOPE_MAX_HZ = 1000.0
_ENVELOPE_FLOOR_HZ = 25.0


class ChannelAnalysis:
    """What is known of one channel between windows."""

    def __init__(
        self, machine: Machine, channel: Channel, settings: AnalysisSettings, channels: int = 1
    ) -> None:
        """`channels`: how many of the machine share its budget of false alarms."""
        self.channel = channel
        self._machine = machine
        self._settings = settings
        self.doubt = SensorDoubt(channel.channel_id)
        self._slow = SlowVelocity()
        self._envelopes = EnvelopeHistory()
        self._records_learned: dict[str, int] = {}  # per operating state, into the diagnoser's baseline
        self._mean = math.nan  # of the latest window's samples
        self._sharers = channels
        self.limit_held = False  # a person locked or set a limit: that of fault lines is not settled
        self._forget()

    def check(self, window: Window, state: OperatingState) -> SensorCheck:
        """Whether the sensor behind a window can be believed. A machine at rest may well be a flat line."""
        found = check_sensor(window, self.channel.full_scale)
        self._mean = float(window.samples.mean())
        if state.label == STOPPED and found.verdict is SensorCondition.FLAT_LINE:
            return SensorCheck(found.channel_id, found.start_ns, SensorCondition.OK, "", "", 0.0)
        if not (found.usable and state.rated and self._settings.baseline):
            return found
        learning = self._detector.learning and not self._scored(state.label)
        return self._sensor.check(window, found, state.label, state.shaft_hz, learning=learning)

    @property
    def sensor(self) -> SensorBaseline:
        """What this channel's sensor showed while it was trusted, and shows."""
        return self._sensor

    def spectrum(self, window: Window) -> Spectrum:
        """Amplitude spectrum of a window, as coarse as a screen."""
        return decimated(amplitude_spectrum(window, self.channel.unit))

    def score(self, features: FeatureVector, state: OperatingState, may_learn: bool) -> AnomalyScore | None:
        """Score of a window; None while its state is learned, and where it may not even be learned."""
        if not (self._settings.baseline and state.rated):
            return None
        if state.learnable and not may_learn and not self._scored(state.label):
            return None
        score = self._detector.observe(features)
        if score is None:
            return None
        baseline = self._detector.baseline_of(features.channel_id, features.operating_state)
        return self.watch.score(features, score, baseline, self._mean, healthy=may_learn)

    def baselines_for(self, levels: FeatureVector) -> list[Baseline]:
        """What a window's levels would be scored against now."""
        return self._detector.baselines_for(levels) if self._settings.baseline else []

    def judge(self, features: FeatureVector, score: AnomalyScore | None, due: DueWindow) -> WindowJudgement:
        """What a window says of the machine: its score, and its velocity's rating."""
        shaft_hz = due.state.shaft_hz or self._machine.nominal_shaft_hz
        band_hz, displacement = measured_band_hz(shaft_hz), None
        velocity, usual, reference = self._velocity(features)
        if band_hz == SLOW_BAND_HZ and self.channel.unit == "m/s2":
            # A baseline knows the velocity from 10 Hz on: a slow machine's change cannot be told by it.
            motion, usual, reference = self._slow.observe(due.window), None, None
            velocity = math.nan if motion is None else motion.velocity_mm_s
            displacement = None if motion is None else motion.displacement_um
        rating = rate_severity(
            velocity,
            self._machine.rated_power_kw,
            self._machine.foundation,
            reference_mm_s=reference,
            shaft_hz=shaft_hz,
            steady=due.state.rated,
            displacement_um=displacement,
            band_hz=band_hz,
            limits=self._machine.zone_limits,
        )
        if rating.limits is not None and usual is not None and due.state.rated:
            most = max(usual, *self._learned_velocities(features))
            self.watch.velocity(features.start_ns, velocity, usual, most, rating.limits)
        return WindowJudgement(
            channel_id=features.channel_id,
            time_ns=due.end_ns,
            rating=Severity(str(rating.severity)),
            rating_reason=rating.reason,
            score=None if score is None else score.value,
            unsmoothed=math.nan if score is None else score.unsmoothed,
            fresh=1.0 if score is None else score.fresh,
            explanation="" if score is None else explain(score, features.names),
            provisional=self.watch.statement.provisional
            or any(
                progress.provisional
                for progress in self._detector.progress()
                if progress.operating_state == features.operating_state
            ),
            velocity_mm_s=velocity if math.isfinite(velocity) else None,
        )

    def evidence(self, due: DueRecord) -> tuple[FaultEvidence | None, Spectrum | None]:
        """Fault lines and envelope spectrum of a record; the latter alone where bearing or speed is unknown.

        Neither where the record cannot be transformed at all.
        """
        try:
            if due.shaft is None or self._machine.bearing is None:
                return None, decimated(_envelope(due.record))
            found = fault_evidence(
                due.record,
                due.shaft.speed_hz,
                self._machine.bearing,
                due.shaft.tolerance,
                gear_teeth=self._machine.gear_teeth,
                line_frequency_hz=self._machine.line_frequency_hz,
            )
        except DspError:
            return None, None
        return self._envelopes.extended(due.record, found), decimated(found.envelope)

    def diagnose(self, evidence: FaultEvidence, label: str, may_learn: bool, healthy: bool) -> Diagnosis:
        """Diagnosis after one more record, which is learned from while the state's baseline is not whole.

        `healthy` False while an alarm of the machine stands.
        """
        learned = self._records_learned.get(label, 0)
        whole = learned >= self._settings.diagnosis.baseline_records and self._scored(label)
        may_learn = may_learn and self._settings.baseline and self._detector.learning and not whole
        diagnosis = self._diagnoser.observe(evidence, label, may_learn)
        if may_learn and diagnosis.verdict is not Verdict.FAULT:
            self._records_learned[label] = learned + 1
        if not self._settings.baseline:
            return diagnosis
        compared = bool(self._diagnoser.rises) and not may_learn
        return self.watch.diagnosed(diagnosis, evidence.start_ns, compared, healthy, self.limit_held)

    def progress(self) -> list[LearningProgress]:
        """How much is learned per operating state; complete when windows and fault lines both are."""
        needed = self._settings.diagnosis.baseline_records
        statement = self.watch.statement
        text = statement.text
        if self._machine.bearing is not None:
            text += f"; fault lines: {self.watch.fault_statement.text}"
        return [
            replace(
                progress,
                provisional=progress.provisional or statement.provisional,
                limit_text=text,
                complete=progress.complete
                and self._records_learned.get(progress.operating_state, needed) >= needed,
            )
            for progress in self._detector.progress()
        ]

    def learned(self, operating_state: str) -> LearnedState | None:
        """What is learned in an operating state, or half learned; None where nothing is."""
        return self._detector.learned_of(self.channel.channel_id, operating_state)

    @property
    def scores(self) -> bool:
        """Whether any operating state is learned, so that windows can be scored at all."""
        return any(progress.complete for progress in self._detector.progress())

    def resume_rise(self, line: str, since_ns: int | None) -> None:
        """After a restart: a fault's line has been rising since then (None: it was not)."""
        if since_ns is not None:
            self._diagnoser.resume_rise(line, since_ns)

    def end_learning(self) -> None:
        """What was learned so far is the baseline; nothing is learned from here on."""
        self._detector.end_learning()

    def limits(self) -> dict[str, Any]:
        """What was learned, JSON-ready."""
        return {
            "format": LIMITS_FORMAT,
            "detector": self._detector.state(),
            "diagnoser": self._diagnoser.state(),
            "records_learned": dict(self._records_learned),
            "sensor": self._sensor.state(),
            "watch": self.watch.state(),
        }

    def restore(self, limits: Mapping[str, Any], feature_names: tuple[str, ...]) -> None:
        """Take over what was learned from these features. Raises ModelStateError; it then learns anew."""
        try:
            if limits.get("format") != LIMITS_FORMAT:
                raise ModelStateError(
                    f"limits of format {limits.get('format')!r}; {LIMITS_FORMAT!r} is known"
                )
            self._detector.restore(dict(limits["detector"]))
            self._detector.require(feature_names)
            self._diagnoser.restore(dict(limits["diagnoser"]))
            self._records_learned = {str(k): int(v) for k, v in limits["records_learned"].items()}
            self._sensor.restore(limits.get("sensor", {}))
            if "watch" in limits:  # limits of before there was a watch have none
                self.watch.restore(limits["watch"])
        except ModelStateError:
            self._forget()
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self._forget()
            raise ModelStateError(f"limits cannot be read: {type(error).__name__} {error}") from error

    def _forget(self) -> None:
        self._detector = BaselineDetector(
            self._settings.learning,
            unlearnable=UNKNOWN_STATES,
            judged_by=self._settings.detector,
            network=self._settings.networks.get(self.channel.channel_id),
        )
        self._diagnoser = Diagnoser(self._machine, self.channel.channel_id, self._settings.diagnosis)
        self._records_learned = {}
        self._sensor = SensorBaseline()
        self.watch = ChannelWatch(
            self.channel.channel_id, self._settings.watch, self._sharers, self._settings.rules
        )

    def _learned_velocities(self, features: FeatureVector) -> list[float]:
        """Velocity RMS that was learned in each operating state, mm/s."""
        at = features.names.index(VELOCITY)
        baselines = [
            self._detector.baseline_of(progress.channel_id, progress.operating_state)
            for progress in self._detector.progress()
        ]
        centres = [float(known.centre[at]) for known in baselines if known is not None]
        return [10.0 ** (centre / 20.0) for centre in centres if math.isfinite(centre)]

    def _scored(self, label: str) -> bool:
        return self._detector.is_learned(self.channel.channel_id, label)

    def _velocity(self, features: FeatureVector) -> tuple[float, float | None, float | None]:
        """Velocity RMS, mm/s (NaN where it cannot be stated), the usual one, and the one to compare it with.

        A change is counted from the nearer end of what healthy running showed: what came and went while it
        was learned (load within the state, a neighbour) is no change, in either direction.
        """
        if VELOCITY not in features.names:
            return math.nan, None, None
        at = features.names.index(VELOCITY)
        baseline = self._detector.baseline_of(features.channel_id, features.operating_state)
        if baseline is None or not math.isfinite(baseline.centre[at]):
            return float(features.values[at]), None, None
        usual_db, spread_db = float(baseline.centre[at]), float(baseline.spread[at])
        velocity, usual = float(features.values[at]), 10.0 ** (usual_db / 20.0)
        factor = 10.0 ** (_USUAL_SPREADS * spread_db / 20.0)
        return velocity, usual, min(max(velocity, usual / factor), usual * factor)


def _envelope(record: Window) -> Spectrum:
    max_hz = min(_ENVELOPE_MAX_HZ, 0.4 * record.sample_rate_hz)
    found = envelope_spectrum(record.samples, record.sample_rate_hz, max_hz, _ENVELOPE_FLOOR_HZ)
    return Spectrum(
        record.channel_id, record.start_ns, SpectrumKind.ENVELOPE, 0.0, found.step_hz, found.depth, "1"
    )
