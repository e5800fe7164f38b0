"""When a sensor that is not believed is an alarm: debounce, and when another verdict is told. Without I/O."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.alarms.debounce import Debounce
from appliance.alarms.lifecycle import Alarm, AlarmTransition, Condition, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of
from appliance.alarms.rules import CHECK_SENSOR, RuleSettings


class CheckSensorRule:
    """One channel's alarm "check sensor"."""

    def __init__(self, asset_id: str, channel_id: str, settings: RuleSettings) -> None:
        self.alarm_id = alarm_id_of(asset_id, CHECK_SENSOR, channel_id)
        self._asset_id = asset_id
        self._channel_id = channel_id
        self._debounce = Debounce(settings.sensor_needed, settings.sensor_of, settings.sensor_off)
        self._change = settings.sensor_off  # windows that must agree before another verdict is told
        self._agreeing: tuple[str, int] = ("", 0)

    def observe(
        self, register: AlarmRegister, time_ns: int, verdict: str | None, text: str = "", remedy: str = ""
    ) -> AlarmTransition | None:
        """Take one window's sensor check: what is wrong with the sensor, or None where nothing is."""
        stands = self._debounce.observe(verdict is not None, verdict is None)
        if not stands:
            return register.clear(self.alarm_id, time_ns)
        if verdict is None or not self._worth_telling(register, verdict):
            return None
        return register.state(
            Condition(
                alarm_id=self.alarm_id,
                asset_id=self._asset_id,
                channel_id=self._channel_id,
                rule=CHECK_SENSOR,
                severity=Severity.NOT_RATED,
                reason=f"check sensor {self._channel_id}: {text.rstrip('.')}"
                + (f". {remedy}" if remedy else ""),
                evidence={"verdict": verdict},
            ),
            time_ns,
        )

    def _worth_telling(self, register: AlarmRegister, verdict: str) -> bool:
        """Whether the alarm is new, or another thing has been wrong for a while than the one told."""
        known, count = self._agreeing
        self._agreeing = (verdict, count + 1 if known == verdict else 1)
        alarm = register.get(self.alarm_id)
        if alarm is None or not alarm.state.active:
            return True
        return alarm.evidence.get("verdict") != verdict and self._agreeing[1] >= self._change

    def restore(self, alarms: Iterable[Alarm]) -> None:
        """After a restart: an active alarm stands until good windows have denied it as usual."""
        if any(alarm.alarm_id == self.alarm_id and alarm.state.active for alarm in alarms):
            self._debounce.assume_on()
