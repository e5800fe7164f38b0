"""When process values are an alarm: what left what was learned, by how much. Without I/O.

Whether a deviation stands is `models.excursion`'s to say, row by row: no further debounce is needed here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.alarms.lifecycle import Alarm, AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of

PROCESS_VALUES = "process values"
SLOW_TAG = "slow tag"

_TOLD_AGAIN = 1.5  # a deviation that grew by this factor is told again
_LEAST_INTERVAL_S = 60.0


@dataclass(frozen=True, slots=True)
class ProcessFinding:
    """What the newest row or value says."""

    stands: bool  # the detector's alarm
    deviation: float  # 1.0 = limit; NaN where nothing was judged
    worst: str  # channel behind it
    text: str  # "flow 21.3 l/min, usually 30.1 l/min (2.4 x the learned limit)"
    evidence: dict[str, Any] = field(default_factory=dict)


class ProcessRule:
    """The alarm of one group of process values, or of one slow tag."""

    def __init__(self, asset_id: str, rule: str, subject: str, name: str) -> None:
        """`subject` is the group's or channel's id, `name` how a sentence begins with it."""
        self.alarm_id = alarm_id_of(asset_id, rule, subject)
        self._asset_id, self._rule, self._name = asset_id, rule, name

    def decide(self, register: AlarmRegister, time_ns: int, found: ProcessFinding) -> AlarmTransition | None:
        """The transition that this row makes; None where nothing is to be told."""
        if not found.stands:
            return register.clear(self.alarm_id, time_ns)
        alarm = register.get(self.alarm_id)
        if alarm is not None and alarm.state.active and not _worth_telling(alarm, found, time_ns):
            return None
        if not found.text:  # it stands, but this very row shows nothing
            return None
        return register.state(
            Condition(
                alarm_id=self.alarm_id,
                asset_id=self._asset_id,
                channel_id=found.worst,
                rule=self._rule,
                severity=Severity.WATCH,
                reason=f"{self._name}: {found.text}",
                score=found.deviation,
                evidence=found.evidence,
            ),
            time_ns,
        )


def _worth_telling(alarm: Alarm, found: ProcessFinding, time_ns: int) -> bool:
    """Another tag than the one told, or a deviation that grew by half; not each row."""
    if not found.deviation >= 1.0 or time_ns - alarm.changed_ns < _LEAST_INTERVAL_S * 1e9:
        return False
    return found.worst != alarm.channel_id or found.deviation >= _TOLD_AGAIN * alarm.score
