"""The alarms of one owner, by id: a machine's, or the appliance's own.

Duty: bring conditions into the life of their alarms, so that one condition is one alarm however often it is
stated. Decides nothing about conditions (the rules do) and stores nothing (the journal does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from appliance.alarms import lifecycle
from appliance.alarms.lifecycle import Alarm, AlarmTransition, Condition, NothingToAcknowledgeError


class AlarmRegister:
    """Alarms as they stand; every change of one is returned as a transition for the journal."""

    def __init__(self, alarms: Iterable[Alarm] = ()) -> None:
        self._alarms = {alarm.alarm_id: alarm for alarm in alarms}

    def alarms(self) -> list[Alarm]:
        """All alarms that ever were, in the order they first became active."""
        return list(self._alarms.values())

    def get(self, alarm_id: str) -> Alarm | None:
        """An alarm as it stands; None if it never was."""
        return self._alarms.get(alarm_id)

    def active(self, alarm_id: str) -> bool:
        """Whether the alarm's condition stands."""
        alarm = self._alarms.get(alarm_id)
        return alarm is not None and alarm.state.active

    def state(self, condition: Condition, time_ns: int) -> AlarmTransition:
        """The condition stands: raised if it did not before, updated if it did."""
        alarm = self._alarms.get(condition.alarm_id)
        if alarm is not None and alarm.state.active:
            return self._keep(lifecycle.update(alarm, condition, time_ns))
        return self._keep(lifecycle.raise_alarm(alarm, condition, time_ns))

    def clear(self, alarm_id: str, time_ns: int) -> AlarmTransition | None:
        """The condition is gone; None where the alarm was not active."""
        alarm = self._alarms.get(alarm_id)
        if alarm is None or not alarm.state.active:
            return None
        return self._keep(lifecycle.clear(alarm, time_ns))

    def acknowledge(
        self, alarm_id: str, activation: int, actor: str, comment: str, time_ns: int
    ) -> AlarmTransition:
        """See `lifecycle.acknowledge`; an alarm that never was has nothing to acknowledge."""
        alarm = self._alarms.get(alarm_id)
        if alarm is None:
            known = ", ".join(self._alarms) or "none"
            raise NothingToAcknowledgeError(f"there is no alarm {alarm_id!r}; there are: {known}")
        return self._keep(lifecycle.acknowledge(alarm, activation, actor, comment, time_ns))

    def take_over(self, transition: AlarmTransition) -> None:
        """An alarm as somebody else knows it: in place of what is here."""
        self._keep(transition)

    def carry_out(self, alarm_id: str, step: Callable[[Alarm], AlarmTransition]) -> AlarmTransition:
        """What is done to an alarm as it stands. Raises NothingToAcknowledgeError, and what `step` does."""
        alarm = self._alarms.get(alarm_id)
        if alarm is None:
            raise NothingToAcknowledgeError(f"there is no alarm {alarm_id!r}")
        return self._keep(step(alarm))

    def restore(self, alarms: Iterable[Alarm]) -> None:
        """Take over the journal's newest state of each alarm, in place of all that is here."""
        self._alarms = {alarm.alarm_id: alarm for alarm in alarms}

    def _keep(self, transition: AlarmTransition) -> AlarmTransition:
        self._alarms[transition.alarm.alarm_id] = transition.alarm
        return transition


def alarm_id_of(owner_id: str, rule: str, subject: str = "") -> str:
    """Id of the alarm of a rule: `pump-2.machine-condition`, `pump-2.check-sensor.x`.

    A subject that begins with the owner's id loses it; what ids may not hold becomes a dash.
    """
    parts = [owner_id, rule]
    if subject:
        parts.append(subject.removeprefix(f"{owner_id}."))
    return ".".join(re.sub(r"[^a-z0-9._-]+", "-", part.lower()).strip("-._") or "x" for part in parts)
