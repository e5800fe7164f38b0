"""What can be wrong with the appliance itself, as alarms that its shells raise and clear by key.

Duty: the list of such conditions with the sentence a technician reads. Detects none of them: whoever meets
the condition (a source, the journal, the clock) says so, and says so again when it is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum

from appliance.alarms.lifecycle import Alarm, AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of


class SystemCondition(StrEnum):
    """A condition of the appliance, not of a machine; the value is the alarm's rule."""

    SOURCE_LOST = "source lost"
    SOURCE_SILENT = "source silent"
    JOURNAL_NOT_DURABLE = "journal not durable"
    CLOCK_NOT_TRUSTED = "clock not trusted"
    DISK_FULL = "disk full"
    DISK_FILLING = "disk filling"
    DATA_LOST = "data lost"
    OVERLOAD = "overload"
    CENTRAL_REFUSES = "central refuses"
    CENTRAL_DIFFERS = "central differs"
    WEBHOOK_FAILING = "webhook failing"
    LATENCY_DOUBLED = "latency doubled"
    CAPTURES_LEFT_OUT = "captures left out"
    OBJECT_STORE_REFUSES = "object store refuses"
    NETWORK_FALLBACK = "network fallback"
    PICTURE_UNUSABLE = "picture unusable"
    INSPECTION_IMPAIRED = "inspection impaired"
    RUN_OF_DEFECTS = "run of defects"
    VERDICT_NOT_WRITTEN = "verdict not written"


_SENTENCES = {
    SystemCondition.SOURCE_LOST: "{subject} delivers no data: {reason}",
    SystemCondition.SOURCE_SILENT: "{subject} is connected, but {reason}",
    SystemCondition.JOURNAL_NOT_DURABLE: (
        "The journal cannot be written: {reason}; alarms are shown, but would not outlive a power cut"
    ),
    SystemCondition.CLOCK_NOT_TRUSTED: (
        "The clock is not trusted: {reason}; times are provisional until it is"
    ),
    SystemCondition.DISK_FULL: (
        "The disk is full: {reason}; alarms are still stored, trends are not"
    ),
    SystemCondition.DISK_FILLING: "The disk fills up: {reason}; a full one stores no trends",
    SystemCondition.DATA_LOST: "Stored data was damaged: {reason}",
    SystemCondition.OVERLOAD: "The appliance is overloaded: {reason}; parts of the data are left out",
    SystemCondition.CENTRAL_REFUSES: "The central InfluxDB takes nothing: {reason}; all of it is kept here",
    SystemCondition.CENTRAL_DIFFERS: "The central InfluxDB does not keep what was sent: {reason}",
    SystemCondition.WEBHOOK_FAILING: "Webhook {subject} does not take alarms: {reason}",
    SystemCondition.LATENCY_DOUBLED: "The appliance has become slow: {reason}",
    SystemCondition.CAPTURES_LEFT_OUT: "Waveforms around alarms are left out: {reason}",
    SystemCondition.OBJECT_STORE_REFUSES: "The object store takes no captures: {reason}; they are kept here",
    SystemCondition.NETWORK_FALLBACK: "Network {subject} does not answer as chosen: {reason}",
    SystemCondition.PICTURE_UNUSABLE: "Pictures of camera {subject} cannot be judged: {reason}",
    SystemCondition.INSPECTION_IMPAIRED: "Camera {subject} leaves parts without a verdict: {reason}",
    SystemCondition.VERDICT_NOT_WRITTEN: "Verdicts of camera {subject} do not reach the line: {reason}",
    SystemCondition.RUN_OF_DEFECTS: "Camera {subject} finds defect after defect: {reason}",
}  # fmt: skip

OF_CAMERAS = (
    SystemCondition.PICTURE_UNUSABLE,
    SystemCondition.INSPECTION_IMPAIRED,
    SystemCondition.RUN_OF_DEFECTS,
    SystemCondition.VERDICT_NOT_WRITTEN,
)
"""Those of which there is one per camera."""


class SystemAlarms:
    """The appliance's own alarms, one per condition and subject (a source's id; empty where there is one)."""

    def __init__(self, owner_id: str = "appliance") -> None:
        self._owner_id = owner_id
        self._register = AlarmRegister()

    def set(
        self, condition: SystemCondition, subject: str, time_ns: int, reason: str, remedy: str = ""
    ) -> AlarmTransition | None:
        """The condition stands. None where the alarm is active with the same reason already."""
        alarm_id = alarm_id_of(self._owner_id, condition, subject)
        sentence = _SENTENCES[condition].format(subject=subject, reason=reason)
        sentence += f". {remedy}" if remedy else ""
        present = self._register.get(alarm_id)
        if present is not None and present.state.active and present.reason == sentence:
            return None
        return self._register.state(
            Condition(
                alarm_id=alarm_id,
                asset_id=self._owner_id,
                channel_id=None,
                rule=condition,
                severity=Severity.NOT_RATED,
                reason=sentence,
                evidence={"subject": subject} if subject else {},
            ),
            time_ns,
        )

    def clear(self, condition: SystemCondition, subject: str, time_ns: int) -> AlarmTransition | None:
        """The condition is gone; None where the alarm was not active."""
        return self._register.clear(alarm_id_of(self._owner_id, condition, subject), time_ns)

    def acknowledge(
        self, alarm_id: str, activation: int, actor: str, comment: str, time_ns: int
    ) -> AlarmTransition:
        """See `lifecycle.acknowledge`."""
        return self._register.acknowledge(alarm_id, activation, actor, comment, time_ns)

    def take_over(self, transition: AlarmTransition) -> None:
        """See `AlarmRegister.take_over`."""
        self._register.take_over(transition)

    def carry_out(self, alarm_id: str, step: Callable[[Alarm], AlarmTransition]) -> AlarmTransition:
        """See `AlarmRegister.carry_out`."""
        return self._register.carry_out(alarm_id, step)

    def alarms(self) -> list[Alarm]:
        """All system alarms that ever were."""
        return self._register.alarms()

    def owns(self, alarm_id: str) -> bool:
        """Whether this alarm is one of the appliance's own."""
        return self._register.get(alarm_id) is not None

    def restore(self, alarms: Iterable[Alarm]) -> None:
        """Take over the journal's alarms of this owner; those of machines are left out."""
        self._register.restore(alarm for alarm in alarms if alarm.asset_id == self._owner_id)
