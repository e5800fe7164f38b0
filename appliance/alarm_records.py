"""Alarm transitions as journal records, and back.

Duty: the payload of ALARM_TRANSITION records. Times inside an alarm are monotonic and mean nothing after a
reboot, so the payload also carries the UTC at which the activation was raised, when it was acknowledged, and
when a fault's line began to rise. Pure; the journal gives a record its own time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, Severity
from appliance.clock import Clock
from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind


@dataclass(frozen=True, slots=True)
class StoredTransition:
    """A transition as the journal has it. Times are UTC ns; `sequence` 0: held in memory, not durable yet."""

    sequence: int
    transition: AlarmTransition
    time_ns: int
    time_trusted: bool
    raised_time_ns: int
    rising_since_time_ns: int | None = None
    acknowledged_time_ns: int | None = None  # None: nobody has acknowledged this activation
    key: str = ""  # of its record: the same before and after the commit


class AlarmRecords:
    """Makes records of transitions and remembers when each activation was raised."""

    def __init__(self, clock: Clock, boot_id: str) -> None:
        self._clock = clock
        self._boot_id = boot_id
        self._raised: dict[str, tuple[int, int]] = {}  # alarm id: (activation, UTC ns)
        self._acknowledged: dict[str, int] = {}  # alarm id: UTC ns, while its activation is acknowledged
        self._made = 0

    def record(self, transition: AlarmTransition) -> NewRecord:
        """The record of one transition."""
        alarm = transition.alarm
        known = self._raised.get(alarm.alarm_id)
        if known is None or known[0] != alarm.activation:
            known = (alarm.activation, self._clock.wall(alarm.raised_ns).time_ns)
            self._raised[alarm.alarm_id] = known
        if alarm.acknowledged_by is None:
            self._acknowledged.pop(alarm.alarm_id, None)
        elif transition.what == "acknowledged":
            self._acknowledged[alarm.alarm_id] = self._clock.wall(alarm.changed_ns).time_ns
        self._made += 1
        rising_ns = alarm.rising_since_ns
        payload = {
            "what": transition.what,
            "actor": transition.actor,
            "raised_time_ns": known[1],
            "acknowledged_time_ns": self._acknowledged.get(alarm.alarm_id),
            "rising_since_time_ns": None if rising_ns is None else self._clock.wall(rising_ns).time_ns,
            "alarm": dataclasses.asdict(alarm),
        }
        return NewRecord(
            RecordClass.ALARM,
            RecordKind.ALARM_TRANSITION,
            f"alarm/{self._boot_id}/{self._made}",
            alarm.alarm_id,
            alarm.changed_ns,
            orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY),
        )

    def restore(self, records: Iterable[Record]) -> list[StoredTransition]:
        """The newest transition of each alarm, its monotonic times moved to this boot.

        A record that cannot be read is left out: the journal keeps it.
        """
        restored = []
        now_ns = self._clock.monotonic_ns()
        now_utc_ns = self._clock.wall(now_ns).time_ns

        def of_this_boot(time_ns: int) -> int:
            return now_ns - max(0, now_utc_ns - time_ns)  # a clock that was set back makes no future

        for record in records:
            try:
                stored = stored_transition(record)
            except Rejected:
                continue
            rising_ns = stored.rising_since_time_ns
            alarm = dataclasses.replace(
                stored.transition.alarm,
                raised_ns=of_this_boot(stored.raised_time_ns),
                changed_ns=of_this_boot(stored.time_ns),
                rising_since_ns=None if rising_ns is None else of_this_boot(rising_ns),
            )
            self._raised[alarm.alarm_id] = (alarm.activation, stored.raised_time_ns)
            if stored.acknowledged_time_ns is not None:
                self._acknowledged[alarm.alarm_id] = stored.acknowledged_time_ns
            restored.append(
                dataclasses.replace(stored, transition=dataclasses.replace(stored.transition, alarm=alarm))
            )
        return restored


def stored_transition(record: Record) -> StoredTransition:
    """The transition of a record. Raises Rejected if its payload is not one."""
    try:
        payload = orjson.loads(record.payload)
        fields = payload["alarm"]
        alarm = Alarm(
            **{
                **fields,
                "severity": Severity(fields["severity"]),
                "state": AlarmState(fields["state"]),
                "durable": record.sequence > 0,
            }
        )
        transition = AlarmTransition(str(payload["what"]), str(payload["actor"]), alarm)
        raised_time_ns = int(payload["raised_time_ns"])
        rising_ns = payload.get("rising_since_time_ns")
        rising_since_time_ns = None if rising_ns is None else int(rising_ns)
        acknowledged_ns = payload.get("acknowledged_time_ns")
        acknowledged_time_ns = None if acknowledged_ns is None else int(acknowledged_ns)
    except (ValueError, TypeError, KeyError) as error:
        raise Rejected(f"record {record.key} is no alarm transition: {error}") from error
    return StoredTransition(
        record.sequence,
        transition,
        record.time_ns,
        record.time_trusted,
        raised_time_ns,
        rising_since_time_ns,
        acknowledged_time_ns,
        record.key,
    )
