"""From what the appliance knows to what the web floor shows: one function per view.

Duty: translation, units and rounding for people; times become UTC. Holds no state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.alarm_records import StoredTransition
from appliance.alarms.acts import Act, EventMark
from appliance.alarms.lifecycle import Alarm
from appliance.alarms.rules import MACHINE_CONDITION
from appliance.dead_letters import DeadLetterTally, RefusedRecord
from appliance.journal.record import ClassBacklog, StoredGap
from appliance.machine_status import ChannelStatus, Learning, MachineStatus
from appliance.source_queue import SourceQueue
from appliance.sources.source import LinkReport
from dsp.envelope import FaultEvidence, FaultLine
from dsp.samples import Measurand
from dsp.spectrum import SpectrumKind
from models.diagnosis import Diagnosis
from web.schemas import (
    ActView,
    AlarmTransitionView,
    AlarmView,
    BacklogView,
    ChannelView,
    DeadLetterPage,
    DeadLetterView,
    DiagnosisView,
    FaultMarker,
    LearningView,
    LinkView,
    MachineDetail,
    MachineSummary,
    OriginName,
    QueueView,
    SpectrumView,
)
from web.trend_schemas import GapView

SCORE = "score"
TAG_VALUE = "value"
_DRAWN_HARMONICS = 3

ToMs = Callable[[int], float]  # monotonic ns -> UTC ms


@dataclass(frozen=True, slots=True)
class MachineAlarms:
    """The alarms of one machine, as they stand at `time_ns` (UTC; None: nothing is taken as shelved)."""

    alarms: Sequence[Alarm]
    time_ns: int | None = None

    @property
    def active(self) -> int:
        return sum(alarm.state.active for alarm in self.alarms)

    @property
    def forbid_learning(self) -> bool:
        """Whether the machine is known to be faulty: it teaches nothing then."""
        return any(alarm.state.active and alarm.rule == MACHINE_CONDITION for alarm in self.alarms)

    @property
    def unacknowledged(self) -> int:
        return sum("unacknowledged" in alarm.state for alarm in self.alarms if not self._shelved(alarm))

    def _shelved(self, alarm: Alarm) -> bool:
        return self.time_ns is not None and alarm.shelved(self.time_ns)


def machine_summary(status: MachineStatus, alarms: MachineAlarms, now_ns: int, to_ms: ToMs) -> MachineSummary:
    """One line of the machine list."""
    learning = status.learning()
    return MachineSummary(
        asset_id=status.machine.asset_id,
        name=status.machine.name,
        severity=status.severity_at(now_ns, alarms.alarms).value,
        headline=status.headline(alarms.alarms, now_ns),
        operating_state=status.operating_state,
        shaft_hz=finite(status.tag_value(Measurand.SHAFT_SPEED, now_ns)),
        load=finite(status.tag_value(Measurand.LOAD, now_ns)),
        learning=learning_view(learning, alarms),
        active_alarms=alarms.active,
        unacknowledged_alarms=alarms.unacknowledged,
        velocity_rms_mm_s=finite(status.velocity_mm_s()),
        score=finite(status.score()),
        scored_by=status.scored_by(),
        updated_ms=None if status.updated_ns is None else to_ms(status.updated_ns),
    )


def learning_view(learning: Learning, alarms: MachineAlarms) -> LearningView:
    """How much is learned; a machine that is known to be faulty teaches nothing, and the text says so."""
    paused = alarms.forbid_learning and not learning.complete
    return LearningView(
        percent=round(100.0 * learning.part, 1),
        complete=learning.complete,
        provisional=learning.provisional,
        text=f"{learning.text}; paused while the alarm stands" if paused else learning.text,
        learned_h=learning.learned_s / 3600.0,
        needed_h=learning.needed_s / 3600.0,
        states_learned=learning.states_learned,
        states_seen=learning.states_seen,
        paused=paused,
    )


def machine_detail(status: MachineStatus, summary: MachineSummary, now_ns: int) -> MachineDetail:
    """One machine's page."""
    diagnosis = status.diagnosis()
    shown = None if diagnosis is None else status.channels[diagnosis.channel_id]
    bearing = status.machine.bearing
    return MachineDetail(
        summary=summary,
        channels=[_channel(channel, now_ns) for channel in status.channels.values()],
        diagnosis=None if diagnosis is None else _diagnosis(diagnosis),
        bearing=None if bearing is None else bearing.designation or "bearing",
        markers=[] if shown is None else markers(shown),
    )


def spectrum_view(
    channel: ChannelStatus, kind: Literal["amplitude", "envelope"], to_ms: ToMs
) -> SpectrumView | None:
    """The latest spectrum of a channel; None while there is none."""
    spectrum = channel.spectra.get(SpectrumKind(kind))
    if spectrum is None:
        return None
    evidence = channel.evidence
    return SpectrumView(
        channel_id=spectrum.channel_id,
        kind=kind,
        time_ms=to_ms(spectrum.start_ns),
        first_hz=spectrum.first_hz,
        step_hz=spectrum.step_hz,
        values=[float(f"{value:.4g}") for value in spectrum.values.tolist()],
        unit=spectrum.unit,
        markers=markers(channel) if kind == "envelope" else [],
        shaft_hz=None if evidence is None else finite(evidence.shaft_hz),
    )


def markers(channel: ChannelStatus) -> list[FaultMarker]:
    """Fault frequencies of the newest record that was searched for them."""
    evidence = channel.evidence
    if evidence is None:
        return []
    return [
        FaultMarker(
            fault=line.fault.value,
            label=line.label,
            frequency_hz=line.frequency_hz,
            harmonics=max(_DRAWN_HARMONICS, line.harmonics),
            level_db=finite(line.level_db),
            over_baseline_db=_over_baseline(channel.diagnosis, line.fault.value),
        )
        for line in _stated(evidence)
    ]


def _stated(evidence: FaultEvidence) -> Iterable[FaultLine]:
    return (line for line in evidence.lines if line.resolvable and math.isfinite(line.frequency_hz))


def _over_baseline(diagnosis: Diagnosis | None, fault: str) -> float | None:
    if diagnosis is None or diagnosis.fault != fault:
        return None
    return finite(diagnosis.over_baseline_db)


def _diagnosis(diagnosis: Diagnosis) -> DiagnosisView:
    return DiagnosisView(
        verdict=diagnosis.verdict.value,
        fault=diagnosis.fault,
        confidence=diagnosis.confidence,
        text=diagnosis.text,
        channel_id=diagnosis.channel_id,
        ranking=[(fault.fault, float(f"{fault.evidence:.3g}")) for fault in diagnosis.ranking],
    )


def _channel(status: ChannelStatus, now_ns: int) -> ChannelView:
    channel = status.channel
    latest: dict[str, float | None] = {}
    if status.vector is not None:
        latest = {
            name: finite(float(value))
            for name, value in zip(status.vector.names, status.vector.values, strict=True)
        }
        if status.score is not None:
            latest[SCORE] = finite(status.score.value)
    elif channel.measurand is not Measurand.ACCELERATION:
        latest = {TAG_VALUE: None if status.tag is None else finite(float(status.tag.samples[-1]))}
    latest |= {name: None for name in status.stored if name not in latest}
    return ChannelView(
        channel_id=channel.channel_id,
        name=channel_name(channel.channel_id, channel.asset_id, channel.measurand),
        measurand=channel.measurand.value,
        unit=channel.unit,
        sample_rate_hz=channel.sample_rate_hz,
        features=list(latest),
        latest=latest,
        quality=status.quality(now_ns).value,
        sensor_verdict=_verdict(status, now_ns),
    )


def _verdict(status: ChannelStatus, now_ns: int) -> str | None:
    if status.silent(now_ns):
        return "no new values"
    return None if status.sensor is None else status.sensor.sentence


def channel_name(channel_id: str, asset_id: str, measurand: Measurand) -> str:
    """A channel in words: "acceleration de-x", "shaft speed", "process value flow"."""
    own = channel_id.removeprefix(asset_id).strip(".-_")
    words = measurand.value.replace("_", " ")
    several = measurand in (Measurand.ACCELERATION, Measurand.PROCESS_VALUE)
    return f"{words} {own}" if several and own else words


def alarm_view(stored: StoredTransition, asset_name: str) -> AlarmView:
    """An alarm as it stood after a transition."""
    alarm = stored.transition.alarm
    shelving = alarm.shelving if alarm.shelving is not None and alarm.shelving.until_ns else None
    return AlarmView(
        alarm_id=alarm.alarm_id,
        asset_id=alarm.asset_id,
        asset_name=asset_name,
        channel_id=alarm.channel_id,
        rule=alarm.rule,
        severity=alarm.severity.value,
        state=alarm.state.value,
        activation=alarm.activation,
        raised_ms=stored.raised_time_ns / 1e6,
        changed_ms=stored.time_ns / 1e6,
        time_trusted=stored.time_trusted,
        fault=alarm.fault,
        confidence=finite(alarm.confidence),
        text=alarm.reason,
        evidence={str(key): _plain(value) for key, value in alarm.evidence.items()},
        durable=alarm.durable,
        acknowledged_by=alarm.acknowledged_by,
        acknowledged_ms=None if stored.acknowledged_time_ns is None else stored.acknowledged_time_ns / 1e6,
        comment=alarm.comment,
        acknowledgements=[act_view(act) for act in alarm.acknowledgements],
        shelved=None if shelving is None else act_view(shelving),
        shelved_until_ms=None if shelving is None else shelving.until_ns / 1e6,
        conflicts=[one.text for one in alarm.conflicts],
    )


def act_view(act: Act) -> ActView:
    """Who did it, where and when: the wall time of its stamp."""
    return ActView(
        actor=act.actor, origin=_origin(act.mark), time_ms=act.mark.stamp.wall_ns / 1e6, reason=act.reason
    )


def _origin(mark: EventMark) -> OriginName:
    return "centre" if mark.at_centre else "box"


def transition_view(stored: StoredTransition, asset_name: str) -> AlarmTransitionView:
    """One step in an alarm's life."""
    return AlarmTransitionView(
        sequence=stored.sequence,
        what=stored.transition.what,
        actor=stored.transition.actor,
        origin=_origin(stored.mark),
        reason=stored.transition.reason,
        time_ms=stored.time_ns / 1e6,
        alarm=alarm_view(stored, asset_name),
    )


def link_view(report: LinkReport) -> LinkView:
    """The link of one source."""
    figures = {name: value for name, value in (report.figures or {}).items() if math.isfinite(value)}
    return LinkView(
        source_id=report.source_id,
        kind=report.kind,
        address=report.address,
        state=report.state.value,
        reason=report.reason,
        remedy=report.remedy,
        counts=report.counts or {},
        figures=figures,
    )


def queue_view(queue: SourceQueue) -> QueueView:
    return QueueView(name=queue.name, depth=len(queue), capacity=queue.capacity, dropped=queue.dropped)


def backlog_view(backlog: ClassBacklog) -> BacklogView:
    return BacklogView(
        record_class=backlog.record_class.value,
        records=backlog.records,
        stored_bytes=backlog.stored_bytes,
        budget_bytes=backlog.budget_bytes,
        oldest_age_s=finite(backlog.oldest_age_s),
        days_left=finite(backlog.days_left),
        dropped=backlog.dropped,
        written_bytes_per_day=backlog.written_bytes_per_day,
    )


def gap_view(gap: StoredGap) -> GapView:
    return GapView(
        start_ms=gap.start_ns / 1e6,
        end_ms=gap.end_ns / 1e6,
        cause=gap.cause.value,
        state=gap.state.value,
        samples_missing=gap.samples_missing,
    )


def finite(value: float | None) -> float | None:
    """The value, or None where JSON could not carry it."""
    return value if value is not None and math.isfinite(value) else None


def _plain(value: object) -> float | int | str | bool | None:
    if isinstance(value, float):
        return finite(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return ", ".join(str(item) for item in value) if isinstance(value, list | tuple) else str(value)


def dead_letter_page(
    letters: Sequence[RefusedRecord], tallies: Sequence[DeadLetterTally], destination: str | None
) -> DeadLetterPage:
    """One page of what was refused for good."""
    return DeadLetterPage(
        total=sum(tally.refused for tally in tallies if destination in (None, tally.destination)),
        letters=[
            DeadLetterView(
                destination=letter.destination,
                letter_id=letter.letter_id,
                kind=letter.kind,
                record_id=letter.record_id,
                refused_ms=letter.refused_ns / 1e6 if letter.refused_ns else None,
                reason=letter.reason,
            )
            for letter in letters
        ],
    )
