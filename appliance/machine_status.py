"""What is known of one machine right now, gathered from all that was found out.

Duty: keep the newest of each thing (features, score, spectra, diagnosis, tags) and say how the machine is in
one line. Pure: times are monotonic ns, nothing is formatted for the web here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from appliance.alarms.lifecycle import Alarm, Severity
from appliance.alarms.process_rule import PROCESS_VALUES, SLOW_TAG
from appliance.alarms.rules import CHECK_SENSOR, DRIFT, MACHINE_CONDITION
from appliance.analysis import Findings, SensorVerdict
from appliance.analysis_watch import Advisory
from dsp.envelope import FaultEvidence
from dsp.extractor import FeatureVector
from dsp.samples import Channel, Measurand, Quality, SampleBlock
from dsp.spectrum import Spectrum, SpectrumKind
from models.detector import AnomalyScore, LearningProgress
from models.diagnosis import Diagnosis, Verdict
from models.machine import Machine
from models.one_class_judge import JUDGES

VELOCITY = "velocity_rms_mm_s"
STATISTICAL = "statistical detector"
TAG_STALE_NS = 15_000_000_000  # an older process value, or vibration, is not shown as the present one


@dataclass(frozen=True, slots=True)
class Learning:
    """How much of a machine's baseline is learned, over all its channels."""

    part: float  # 0..1
    complete: bool
    provisional: bool
    text: str
    learned_s: float  # over all operating states that were seen, each by its slowest channel
    needed_s: float
    states_learned: int
    states_seen: int


@dataclass(slots=True)
class ChannelStatus:
    """The newest of one channel."""

    channel: Channel
    vector: FeatureVector | None = None
    score: AnomalyScore | None = None
    tag: SampleBlock | None = None
    sensor: SensorVerdict | None = None
    evidence: FaultEvidence | None = None
    diagnosis: Diagnosis | None = None
    spectra: dict[SpectrumKind, Spectrum] = field(default_factory=dict)
    stored: tuple[str, ...] = ()  # what has a trend from before the restart

    @property
    def heard_ns(self) -> int | None:
        """End of the newest thing heard of it; None before the first."""
        ends = [] if self.tag is None else [self.tag.start_ns]
        if self.vector is not None:
            ends.append(self.vector.start_ns + round(self.vector.duration_s * 1e9))
        if self.sensor is not None:
            ends.append(self.sensor.start_ns)
        return max(ends, default=None)

    def silent(self, now_ns: int) -> bool:
        """Whether it was heard once, and is not any more."""
        return self.heard_ns is not None and now_ns - self.heard_ns > TAG_STALE_NS

    def quality(self, now_ns: int) -> Quality:
        """How far what this channel says now can be trusted."""
        if self.silent(now_ns):
            return Quality.UNCERTAIN
        if self.sensor is not None:
            return Quality.BAD
        if self.vector is not None:
            return self.vector.quality
        return self.tag.quality if self.tag is not None else Quality.UNCERTAIN


class MachineStatus:
    """One machine as it stands."""

    def __init__(self, machine: Machine, channels: Sequence[Channel]) -> None:
        self.machine = machine
        self.channels = {channel.channel_id: ChannelStatus(channel) for channel in channels}
        self.severity = Severity.NOT_RATED
        self.operating_state = ""
        # When its vibration was last heard; of a machine without accelerometers, any of its process values.
        self.updated_ns: int | None = None
        self.vibrates = any(channel.measurand is Measurand.ACCELERATION for channel in channels)
        self._learning: list[LearningProgress] = []
        self._forecasts: dict[tuple[str, str], Advisory] = {}  # by channel and boundary, those that hold

    def take_findings(self, findings: Findings) -> None:
        """What one call of the analysis found out."""
        for vector in findings.features:
            status = self.channels[vector.channel_id]
            status.vector = vector
            if status.sensor is not None and vector.start_ns > status.sensor.start_ns:
                status.sensor = None  # a window that was believed came after the one that was not
            self._touch(vector.start_ns + round(vector.duration_s * 1e9))
        for score in findings.scores:
            self.channels[score.channel_id].score = score
        for spectrum in findings.spectra:
            self.channels[spectrum.channel_id].spectra[spectrum.kind] = spectrum
        for evidence in findings.evidence:
            self.channels[evidence.channel_id].evidence = evidence
        for diagnosis in findings.diagnoses:
            self.channels[diagnosis.channel_id].diagnosis = diagnosis
        for verdict in findings.sensor_verdicts:
            self.channels[verdict.channel_id].sensor = verdict
            self._touch(verdict.start_ns)
        for advisory in findings.advisories:
            key = (advisory.channel_id, advisory.boundary)
            if advisory.forecast is None:
                self._forecasts.pop(key, None)
            else:
                self._forecasts[key] = advisory
        if findings.learning:
            self._learning = findings.learning
        if findings.operating_state:
            self.operating_state = findings.operating_state
            self.severity = findings.severity

    def take_tag(self, block: SampleBlock) -> None:
        """A process value."""
        self.channels[block.channel_id].tag = block
        if not self.vibrates:
            self._touch(block.start_ns)

    def restore_learning(self, learning: list[LearningProgress]) -> None:
        """What the analysis knew after a restart."""
        self._learning = learning

    def tag_value(self, measurand: Measurand, now_ns: int) -> float | None:
        """The present value of a process value; None where there is none, or only an old one."""
        for status in self.channels.values():
            tag = status.tag
            if status.channel.measurand is measurand and tag is not None:
                return float(tag.samples[-1]) if now_ns - tag.start_ns <= TAG_STALE_NS else None
        return None

    def velocity_mm_s(self) -> float | None:
        """The greatest velocity RMS of all channels that are believed."""
        return _greatest(
            float(status.vector.values[status.vector.names.index(VELOCITY)])
            for status in self.channels.values()
            if status.vector is not None and status.sensor is None and VELOCITY in status.vector.names
        )

    def score(self) -> float | None:
        """The greatest anomaly score of all channels."""
        return _greatest(s.score.value for s in self.channels.values() if s.score is not None)

    def scored_by(self) -> str | None:
        """Who gives the scores, in words, of all channels; None before the first score."""
        present = {answerer_of(s.score) for s in self.channels.values() if s.score is not None}
        return "; ".join(sorted(present)) or None

    def diagnosis(self) -> Diagnosis | None:
        """The diagnosis that says most: a fault with the most evidence, else an abstention, else healthy."""
        known = [s.diagnosis for s in self.channels.values() if s.diagnosis is not None]
        order = [Verdict.HEALTHY, Verdict.ABSTAIN, Verdict.FAULT]
        return max(known, key=lambda d: (order.index(d.verdict), d.confidence), default=None)

    def learning(self) -> Learning:
        """Learning in the present operating state; in the one that is learned most where that is unknown.

        Hours and states are counted over all operating states that were seen.
        """
        if not self._learning:
            return Learning(0.0, False, True, "waiting for data", 0.0, 0.0, 0, 0)
        state = self._shown_state()
        own = [progress for progress in self._learning if progress.operating_state == state]
        part = sum(_part(progress) for progress in own) / len(own)
        complete = all(progress.complete for progress in own)
        provisional = any(progress.provisional for progress in own)
        by_state = [
            [p for p in self._learning if p.operating_state == label]
            for label in dict.fromkeys(p.operating_state for p in self._learning)
        ]
        slowest = [min(of_state, key=_part) for of_state in by_state]
        learned_s = sum(p.needed_s if p.complete else min(p.learned_s, p.needed_s) for p in slowest)
        needed_s = sum(p.needed_s for p in slowest)
        learned = sum(all(p.complete for p in of_state) for of_state in by_state)
        if complete:
            text = "baseline learned, limit provisional" if provisional else "baseline learned"
            text += f"; {_states(learned, len(by_state))}" if learned < len(by_state) else ""
        else:
            text = f"learning the baseline: {_of(learned_s, needed_s)}"
            text += f", {_states(learned, len(by_state))}" if len(by_state) > 1 else ""
        done = 1.0 if complete else min(part, 0.999)
        return Learning(done, complete, provisional, text, learned_s, needed_s, learned, len(by_state))

    def silent(self, now_ns: int) -> bool:
        """Whether it was heard once, and is not any more: what is known of it is not of now."""
        return self.updated_ns is not None and now_ns - self.updated_ns > TAG_STALE_NS

    def severity_at(self, now_ns: int, alarms: Sequence[Alarm]) -> Severity:
        """How it is rated now; while it is silent no better and no worse than its standing alarms say."""
        if not self.silent(now_ns):
            return self.severity
        standing = [alarm.severity for alarm in alarms if alarm.state.active]
        return max(standing, key=lambda severity: severity.rank, default=Severity.NOT_RATED)

    def headline(self, alarms: Sequence[Alarm], now_ns: int) -> str:
        """The one line that matters."""
        active = [alarm for alarm in alarms if alarm.state.active]
        for rule in (MACHINE_CONDITION, CHECK_SENSOR, PROCESS_VALUES, SLOW_TAG, DRIFT):
            of_rule = [alarm for alarm in active if alarm.rule == rule]
            if of_rule:
                return max(of_rule, key=lambda alarm: alarm.severity.rank).reason
        if self.silent(now_ns):
            return "no new data: look at the sources on the appliance page"
        return self._headline_without_alarm()

    def _headline_without_alarm(self) -> str:
        sensors = [s.sensor for s in self.channels.values() if s.sensor is not None]
        if sensors:
            return f"check sensor {sensors[0].channel_id}: {sensors[0].text}"
        if self.updated_ns is None:
            return "no data yet"
        learning = self.learning()
        if not learning.complete:
            return learning.text
        diagnosis = self.diagnosis()
        if diagnosis is not None and diagnosis.verdict is Verdict.FAULT:
            return diagnosis.text
        if self._forecasts:
            return min(self._forecasts.values(), key=_median_s).text
        return "as learned, nothing stands out"

    def _shown_state(self) -> str:
        states = {progress.operating_state for progress in self._learning}
        if self.operating_state in states:
            return self.operating_state
        return max(
            self._learning, key=lambda progress: (progress.complete, progress.learned_s)
        ).operating_state

    def _touch(self, time_ns: int) -> None:
        self.updated_ns = time_ns if self.updated_ns is None else max(self.updated_ns, time_ns)


def answerer_of(score: AnomalyScore) -> str:
    """Who gave a score, in words: "network demo-motor 1a2b on onnxruntime", or the statistical detector."""
    judge, on, _ = score.model_version.rpartition(" on ")
    if not on:
        return STATISTICAL
    return f"{STATISTICAL} ({judge})" if judge in JUDGES else f"network {judge} on {score.backend}"


def _median_s(advisory: Advisory) -> float:
    return math.inf if advisory.forecast is None else advisory.forecast.median_s


def _part(progress: LearningProgress) -> float:
    if progress.complete:
        return 1.0
    return min(1.0, progress.learned_s / progress.needed_s) if progress.needed_s > 0.0 else 1.0


def _of(learned_s: float, needed_s: float) -> str:
    if needed_s >= 7200.0:
        digits = 0 if needed_s >= 72_000.0 else 1
        return f"{learned_s / 3600:.{digits}f} of {needed_s / 3600:.{digits}f} h"
    return f"{learned_s:.0f} of {needed_s:.0f} s"


def _states(learned: int, seen: int) -> str:
    return f"{learned} of {seen} operating states"


def _greatest(values: Iterable[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return max(finite, default=None)
