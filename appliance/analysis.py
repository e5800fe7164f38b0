"""Hops 5 to 8 without I/O: what one machine's blocks mean.

Duty: sensor check, features, score, severity, diagnosis, alarm rules of one asset, in that order, in the
order of time. A pure core: no clock, no queue, no journal; `process` is called in a worker thread by the
pipeline, live and in replay alike. One call at a time: the caller sees to it that `acknowledge`, `state` and
`restore` do not run while `process` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from appliance.alarms.drift_rule import DriftRule
from appliance.alarms.lifecycle import Alarm, AlarmTransition
from appliance.alarms.register import AlarmRegister
from appliance.alarms.rules import MachineConditionRule
from appliance.alarms.sensor_rule import CheckSensorRule
from appliance.analysis_axes import AxisWatch
from appliance.analysis_channel import ChannelAnalysis
from appliance.analysis_features import ask_ahead, features_of
from appliance.analysis_findings import AnalysisState, Findings, SensorVerdict
from appliance.analysis_intake import DueRecord, DueWindow, Intake, MachineIntake, window_samples_of
from appliance.analysis_limits import AssetLimits
from appliance.analysis_owners import LimitOwners
from appliance.analysis_process import AssetProcess, ProcessWatches
from appliance.analysis_settings import PROFILES, AnalysisSettings
from appliance.analysis_watch import Advisory
from dsp.channel_extractor import ChannelExtractor, channel_extractor
from dsp.extractor import FeatureVector
from dsp.samples import Channel, Gap, Measurand, SampleBlock, SourceItem
from dsp.spectrum import Spectrum, SpectrumKind
from models.detector import AnomalyScore, LearningProgress
from models.errors import ModelStateError
from models.machine import Machine
from models.record_length import unlooked_text

__all__ = ["PROFILES", "AnalysisSettings", "AnalysisState", "AssetAnalysis", "Findings", "SensorVerdict"]

WRONG_RATE = "wrong rate"
_WRONG_RATE_PERIOD_NS = 1_000_000_000
_SELDOM = 36  # times the period: how seldom limits are handed out once they are whole
Detect = Callable[[FeatureVector], AnomalyScore | None]


def _plainly(detect: Detect, features: FeatureVector) -> AnomalyScore | None:
    return detect(features)


class AssetAnalysis:
    """One machine: its acceleration channels, its tags, its alarms. Items of other channels are ignored."""

    def __init__(
        self,
        machine: Machine,
        channels: Sequence[Channel],
        settings: AnalysisSettings,
        scored_by: Callable[[Detect, FeatureVector], AnomalyScore | None] = _plainly,
        watches: ProcessWatches | None = None,
    ) -> None:
        """`scored_by` calls the detector for a window; a shell that measures how long that takes gives its
        own. `watches` says which process values are judged; None: none."""
        self.machine = machine
        self._scored_by = scored_by
        self.settings = settings
        self._intake = MachineIntake(machine, channels, settings)
        sensed = [channel for channel in channels if channel.measurand is Measurand.ACCELERATION]
        self._channels = {
            channel.channel_id: ChannelAnalysis(machine, channel, settings, len(sensed)) for channel in sensed
        }
        self._axes = AxisWatch(channels, self._channels)
        self._register = AlarmRegister()
        unlooked = unlooked_text(machine, settings.diagnosis)
        self._condition = MachineConditionRule(machine.asset_id, settings.rules, unlooked)
        self._sensors = {
            channel_id: CheckSensorRule(machine.asset_id, channel_id, settings.rules)
            for channel_id in self._channels
        }
        self._drifts = {channel_id: DriftRule(machine.asset_id, channel_id) for channel_id in self._channels}
        self.limits = AssetLimits(
            self._channels,
            self._feature_names,
            self._limits,
            self._condition.forget_scores,
            needed_s=settings.learning.learn_s,
        )
        self._process = AssetProcess(
            machine.asset_id, channels, watches or ProcessWatches(), settings.limits_period_s
        )
        self.limit_owners = LimitOwners(self.limits, self._process, self._unsound)
        self._limits_given: dict[str, tuple[int, int]] = {}  # channel id: (time, states learned whole)
        self._wrong_rate_ns: dict[str, int] = {}
        self._unwatched: list[str] = []  # alarms of channels that are not configured any more

    def warm_up(self) -> None:
        """Compile the kernels, or load them from the cache, ahead of data (seconds, or a fraction of one)."""
        for channel in self._channels.values():
            self._extractor(channel.channel, window_samples_of(channel.channel, self.settings)).warm_up()

    def process(self, items: Sequence[SourceItem]) -> Findings:
        """Take blocks and gaps in the order they came; returns all that they mean."""
        findings = self._judge(self._intake.take(items))
        if self._process.watches or not self._channels:
            self._process_values(items, findings)
        return findings

    def finish(self) -> Findings:
        """The end of a recording: the rest of its windows and records, and the verdict on the whole."""
        findings = self._judge(self._intake.flush())
        self._condition.confirm_latest()
        self._decide(findings, self._intake.newest_ns)
        findings.severity = self._condition.severity(self._intake.state.rated)
        return findings

    def end_learning(self) -> None:
        """Healthy recordings are over: what they taught is the baseline, and nothing is learned any more."""
        for channel in self._channels.values():
            channel.end_learning()

    def interrupt(self) -> None:
        """The next items do not follow the last ones (another recording): no window spans the seam."""
        self._intake.interrupt()
        self._process.interrupt()

    def learning_progress(self) -> list[LearningProgress]:
        """How much is learned, per channel and operating state that was seen.

        Of process values only where there is no vibration: they learn for longer, and have limits of their
        own."""
        if not self._channels:
            return self._process.progress()
        return [progress for channel in self._channels.values() for progress in channel.progress()]

    @property
    def process_alarms(self) -> set[str]:
        """Ids of the alarms that process values can raise."""
        return self._process.alarm_ids

    def alarms(self) -> list[Alarm]:
        """All alarms of this machine that ever were, as they stand."""
        return self._register.alarms()

    def acknowledge(
        self, alarm_id: str, activation: int, actor: str, comment: str, time_ns: int
    ) -> AlarmTransition:
        """A person has seen an alarm. Raises StaleActivationError, NothingToAcknowledgeError."""
        return self._register.acknowledge(alarm_id, activation, actor, comment, time_ns)

    def take_over(self, transition: AlarmTransition) -> None:
        """See `AlarmRegister.take_over`."""
        self._register.take_over(transition)

    def carry_out(self, alarm_id: str, step: Callable[[Alarm], AlarmTransition]) -> AlarmTransition:
        """See `AlarmRegister.carry_out`."""
        return self._register.carry_out(alarm_id, step)

    def state(self) -> AnalysisState:
        """What a restart needs."""
        return AnalysisState(
            {channel_id: self._limits(channel_id) for channel_id in self._channels}
            | self._process.documents(),
            tuple(self._register.alarms()),
        )

    def restore(self, limits: Mapping[str, Mapping[str, Any]], alarms: Iterable[Alarm]) -> list[str]:
        """Take over what the journal holds: limits per channel, and alarms with times of this boot.

        Returns a sentence for each channel whose limits do not fit (another extractor, damaged): it learns
        anew. Limits of channels and alarms of assets that are not this machine's are left out.
        """
        refused = self._process.restore(limits)
        for channel_id, channel in self._channels.items():
            if channel_id not in limits:
                continue
            try:
                channel.restore(limits[channel_id], self._feature_names(channel_id))
                self._intake.prefer(limits[channel_id].get("operating_bins"))
            except ModelStateError as error:
                refused.append(f"channel {channel_id!r} learns anew: {error}")
        own = [alarm for alarm in alarms if alarm.asset_id == self.machine.asset_id]
        self._register.restore(own)
        self._condition.restore(
            own,
            channels=list(self._channels),
            scored={channel_id for channel_id, channel in self._channels.items() if channel.scores},
            diagnosed=self.machine.bearing is not None,
        )
        for alarm in own:
            line = alarm.evidence.get("line")
            if alarm.state.active and alarm.channel_id in self._channels and isinstance(line, str):
                self._channels[alarm.channel_id].resume_rise(line, alarm.rising_since_ns)
        for sensor in self._sensors.values():
            sensor.restore(own)
        watched = {self._condition.alarm_id, *(sensor.alarm_id for sensor in self._sensors.values())}
        watched |= {drift.alarm_id for drift in self._drifts.values()} | self._process.alarm_ids
        self._unwatched = [alarm.alarm_id for alarm in own if alarm.alarm_id not in watched]
        return refused

    def resume(self, advisories: Iterable[Advisory]) -> list[Advisory]:
        """After a restart: those of this machine's channels hold until told otherwise; returns them."""
        own = [advisory for advisory in advisories if advisory.channel_id in self._channels]
        for advisory in own:
            self._channels[advisory.channel_id].watch.resume(advisory)
        return own

    def _judge(self, intake: Intake) -> Findings:
        """Windows and records in order of time, all windows' features computed together before."""
        findings = Findings(gaps=list(intake.gaps))
        gaps = sorted(intake.gaps, key=lambda gap: gap.start_ns, reverse=True)
        for block in intake.refused:
            self._wrong_rate(block, findings)
        spectra: dict[tuple[str, SpectrumKind], Spectrum] = {}
        usable: list[DueWindow] = []
        for window in intake.windows:
            while gaps and gaps[-1].start_ns <= window.window.start_ns:
                self._missing(gaps.pop(), findings)
            if self._believed(window, findings):
                usable.append(window)
        while gaps:
            self._missing(gaps.pop(), findings)
        findings.features = self._features(usable)
        in_time: list[tuple[int, int, DueWindow | DueRecord]] = [
            (due.end_ns, i, due) for i, due in enumerate(usable)
        ]
        in_time += [(due.end_ns, len(usable) + i, due) for i, due in enumerate(intake.records)]
        for end_ns, position, due in sorted(in_time, key=lambda entry: entry[:2]):
            if isinstance(due, DueWindow):
                self._window(due, findings.features[position], findings)
            else:
                self._record(due, findings, spectra)
            self._decide(findings, end_ns)
        for channel_id, newest in {due.window.channel_id: due.window for due in usable}.items():
            spectra[channel_id, SpectrumKind.AMPLITUDE] = self._channels[channel_id].spectrum(newest)
        findings.spectra = list(spectra.values())
        findings.transitions.sort(key=lambda transition: transition.alarm.changed_ns)
        if intake.windows:
            self._clear_unwatched(findings)
            findings.learning = self.learning_progress()
            self._give_limits(findings)
        findings.severity = self._condition.severity(self._intake.state.rated)
        findings.operating_state = self._intake.state.label
        return findings

    def _believed(self, due: DueWindow, findings: Findings) -> bool:
        """Whether this window's sensor can be trusted; tells the sensor's alarm rule either way."""
        channel_id = due.window.channel_id
        check = self._axes.checked(due.window, self._channels[channel_id].check(due.window, due.state))
        verdict = None if check.usable else str(check.verdict)
        doubt, start_ns = self._channels[channel_id].doubt, due.window.start_ns
        findings.gaps += doubt.believed(start_ns, due.end_ns) if check.usable else doubt.doubted(start_ns)
        if verdict is not None:
            findings.sensor_verdicts.append(
                SensorVerdict(channel_id, due.window.start_ns, verdict, check.text, check.remedy)
            )
        transition = self._sensors[channel_id].observe(
            self._register, due.end_ns, verdict, check.text, check.remedy
        )
        if transition is not None:
            findings.transitions.append(transition)
        return check.usable

    def _missing(self, gap: Gap, findings: Findings) -> None:
        if gap.channel_id in self._channels:
            findings.gaps += self._channels[gap.channel_id].doubt.missing(gap)

    def _wrong_rate(self, block: SampleBlock, findings: Findings) -> None:
        """A channel that delivers at another rate than it was set up for: once a second, as a bad window."""
        channel = self._channels[block.channel_id].channel
        before_ns = self._wrong_rate_ns.get(block.channel_id)
        if before_ns is not None and 0 <= block.start_ns - before_ns < _WRONG_RATE_PERIOD_NS:
            return
        self._wrong_rate_ns[block.channel_id] = block.start_ns
        findings.gaps += self._channels[block.channel_id].doubt.doubted(block.start_ns)
        text = f"it delivers {block.sample_rate_hz:g} Hz, it is set up for {channel.sample_rate_hz:g} Hz"
        remedy = "Set the sensor's rate, or the one it is set up for here."
        findings.sensor_verdicts.append(
            SensorVerdict(block.channel_id, block.start_ns, WRONG_RATE, text, remedy)
        )
        transition = self._sensors[block.channel_id].observe(
            self._register, block.start_ns, WRONG_RATE, text, remedy
        )
        if transition is not None:
            findings.transitions.append(transition)

    def _features(self, due: Sequence[DueWindow]) -> list[FeatureVector]:
        """Features of these windows in their order; networks are asked for them ahead."""
        found = features_of(due, self._extractor_of)
        if self.settings.networks:
            ask_ahead(self._channels, self.settings.networks, due, map(self._levels, due, found))
        return found

    def _levels(self, due: DueWindow, features: FeatureVector) -> FeatureVector | None:
        """What a window is scored by; None for one of another length."""
        channel = self._channels[features.channel_id].channel
        if len(due.window.samples) != window_samples_of(channel, self.settings):
            return None
        return self._extractor_of(due).levels_of(features)

    def _extractor_of(self, due: DueWindow) -> ChannelExtractor:
        return self._extractor(self._channels[due.window.channel_id].channel, len(due.window.samples))

    def _extractor(self, channel: Channel, window_samples: int) -> ChannelExtractor:
        even = window_samples - window_samples % 2
        return channel_extractor(channel.sample_rate_hz, even, channel.unit, self.settings.engine)

    def _window(self, due: DueWindow, features: FeatureVector, findings: Findings) -> None:
        channel = self._channels[features.channel_id]
        score = None
        if (levels := self._levels(due, features)) is not None:
            may_learn = self._may_learn()
            score = self._scored_by(lambda vector: channel.score(vector, due.state, may_learn), levels)
        if score is not None:
            score = self.limits.in_service(score)
            findings.scores.append(score)
            drift = self._drifts[features.channel_id].decide(
                self._register, due.end_ns, channel.watch.drifts, told_otherwise=not self._may_learn()
            )
            if drift is not None:
                findings.transitions.append(drift)
        if due.state.rated:
            judgement = channel.judge(features, score, due)
            ordered = self.limits.ordered(features.channel_id, features.operating_state)
            self._condition.observe_window(replace(judgement, limit_factor=ordered))
        findings.advisories += channel.watch.advisories
        channel.watch.advisories.clear()

    def _record(
        self, due: DueRecord, findings: Findings, spectra: dict[tuple[str, SpectrumKind], Spectrum]
    ) -> None:
        channel = self._channels[due.record.channel_id]
        if not channel.check(due.record, due.state).usable:
            return
        evidence, envelope = channel.evidence(due)
        if envelope is not None:
            spectra[envelope.channel_id, envelope.kind] = envelope
        if evidence is None:
            return
        findings.evidence.append(evidence)
        healthy = self._may_learn()
        diagnosis = channel.diagnose(evidence, due.label, due.state.learnable and healthy, healthy)
        findings.diagnoses.append(diagnosis)
        self._condition.observe_diagnosis(diagnosis, evidence.shaft_hz)

    def _may_learn(self) -> bool:
        """A machine that is known to be faulty teaches nothing."""
        return not self._register.active(self._condition.alarm_id)

    def _unsound(self) -> str | None:
        """Why this machine may give no first baseline to drift now; None where it may."""
        alarm = self._register.get(self._condition.alarm_id)
        return f"its alarm stands ({alarm.reason})" if alarm is not None and alarm.state.active else None

    def _process_values(self, items: Sequence[SourceItem], findings: Findings) -> None:
        """What the process values among these items mean."""
        found = self._process.take(items, self._register, self._intake.state_at, self._may_learn)
        findings.transitions += found.transitions
        findings.transitions.sort(key=lambda transition: transition.alarm.changed_ns)
        findings.limits |= found.limits
        if not self._channels and found.newest_ns is not None:
            self._intake.newest_ns = max(self._intake.newest_ns, found.newest_ns)
            self._clear_unwatched(findings)
        if not self._channels:
            findings.learning = self.learning_progress()

    def _decide(self, findings: Findings, time_ns: int) -> None:
        transition = self._condition.decide(self._register, time_ns)
        if transition is not None:
            findings.transitions.append(transition)

    def _clear_unwatched(self, findings: Findings) -> None:
        """What was said of a sensor that was taken out of the configuration: no window will deny it."""
        while self._unwatched:
            transition = self._register.clear(self._unwatched.pop(), self._intake.newest_ns)
            if transition is not None:
                findings.transitions.append(transition)

    def _feature_names(self, channel_id: str) -> tuple[str, ...]:
        channel = self._channels[channel_id].channel
        return self._extractor(channel, window_samples_of(channel, self.settings)).level_names

    def _limits(self, channel_id: str) -> dict[str, Any]:
        return {**self._channels[channel_id].limits(), "operating_bins": self._intake.bins()}

    def _give_limits(self, findings: Findings) -> None:
        """Limits for the journal: when a state was learned whole, and now and then while one is learned."""
        now_ns = self._intake.newest_ns
        for channel_id, channel in self._channels.items():
            progress = channel.progress()
            if not progress or not self.settings.baseline:
                continue
            whole = sum(entry.complete for entry in progress)
            given_ns, given_whole = self._limits_given.get(channel_id, (now_ns, 0))
            period_s = self.settings.limits_period_s * (1 if whole < len(progress) else _SELDOM)
            if whole != given_whole or now_ns - given_ns >= period_s * 1e9:
                findings.limits[channel_id] = self._limits(channel_id)
                given_ns = now_ns
            self._limits_given[channel_id] = (given_ns, whole)
