"""When a drift is an alarm: what moved since which baseline, and what to do about it. Without I/O.

Whether something drifts is `models.drift`'s to say, period by period: no further debounce is needed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.alarms.lifecycle import AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of
from appliance.alarms.rules import DRIFT
from models.drift import Drift, DriftCause

_TOLD_AGAIN = 1.5  # a shift that grew by this factor is told again


class DriftRule:
    """One channel's alarm "drift"."""

    def __init__(self, asset_id: str, channel_id: str) -> None:
        self.alarm_id = alarm_id_of(asset_id, DRIFT, channel_id)
        self._asset_id = asset_id
        self._channel_id = channel_id

    def decide(
        self, register: AlarmRegister, time_ns: int, drifts: Sequence[Drift], told_otherwise: bool
    ) -> AlarmTransition | None:
        """The transition that these drifts make, the most telling first; None where nothing is to be told.

        `told_otherwise`: the machine's own alarm stands. It says the same better, and one failure is one
        alarm: no drift is raised beside it, but one of the sensor, which that alarm does not explain.
        """
        alarm = register.get(self.alarm_id)
        active = alarm is not None and alarm.state.active
        if not drifts:
            return register.clear(self.alarm_id, time_ns)
        drift = drifts[0]
        if not active and told_otherwise and drift.cause is not DriftCause.SENSOR:
            return None
        if active and alarm is not None and not _worth_telling(alarm.evidence, drift):
            return None
        others = [other.text for other in drifts[1:] if other.quantity != drift.quantity]
        also = f" (also: {'; '.join(others)})" if others else ""
        return register.state(
            Condition(
                alarm_id=self.alarm_id,
                asset_id=self._asset_id,
                channel_id=self._channel_id,
                rule=DRIFT,
                severity=Severity.WATCH if drift.cause is DriftCause.SCORES else Severity.NOT_RATED,
                reason=f"drift of {self._channel_id}: {drift.text}{also}. {drift.act}",
                evidence={
                    "cause": str(drift.cause),
                    "quantity": drift.quantity,
                    "since": f"{drift.since} baseline",
                    "shift": round(drift.shift, 3),
                    "psi": round(drift.psi, 3),
                    "ks": round(drift.ks, 3),
                    "act": drift.act,
                },
            ),
            time_ns,
        )


def _worth_telling(told: dict[str, object], drift: Drift) -> bool:
    """Whether another cause stands than the one told, or it grew by half."""
    if told.get("cause") != str(drift.cause):
        return True
    shift = told.get("shift")
    return (
        told.get("quantity") == drift.quantity
        and isinstance(shift, float)
        and abs(drift.shift) >= _TOLD_AGAIN * abs(shift) > 0.0
    )
