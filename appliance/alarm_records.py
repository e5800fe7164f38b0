"""Alarm transitions as journal records, and back.

Duty: the payload of ALARM_TRANSITION records. Times inside an alarm are monotonic and mean nothing after a
reboot, so the payload also carries the UTC at which the activation was raised, when it was acknowledged, and
when a fault's line began to rise. Each transition has a mark (origin, sequence, hybrid stamp) and carries
that of the raising: with them the box and the centre fold to one state. What a journal of an earlier release
does not hold of it is derived from what it does hold. Pure; the journal gives a record its own time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson

from appliance.alarms.acts import (
    BOX,
    Act,
    ActivationId,
    ActKind,
    EventMark,
    HybridStamp,
    act_of,
    conflict_of,
    mark_of,
)
from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, Severity
from appliance.clock import Clock, WallTime
from appliance.errors import Rejected
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.reconcile.hybrid_clock import HybridClock
from models.diagnosis import that_lasts


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
    mark: EventMark = field(default_factory=EventMark)
    raised_mark: EventMark = field(default_factory=EventMark)  # of the step that raised this activation

    @property
    def activation(self) -> ActivationId:
        """Which activation of the alarm it is, beyond this life of the journal."""
        return ActivationId(self.transition.alarm.activation, self.raised_time_ns)


class AlarmRecords:
    """Makes records of transitions and remembers when each activation was raised."""

    def __init__(self, clock: Clock, boot_id: str) -> None:
        self._clock = clock
        self._boot_id = boot_id
        self.hybrid = HybridClock(f"{BOX}{boot_id}")
        self._raised: dict[str, tuple[ActivationId, EventMark]] = {}
        self._acknowledged: dict[str, int] = {}  # alarm id: UTC ns, while its activation is acknowledged
        self._made = 0

    def record(self, transition: AlarmTransition) -> NewRecord:
        """The record of one transition."""
        alarm = transition.alarm
        mark = transition.mark or self.mark()
        known = self._raised.get(alarm.alarm_id)
        if known is None or known[0].number != alarm.activation:
            raised_time_ns = self._clock.wall(alarm.raised_ns).time_ns
            known = (ActivationId(alarm.activation, raised_time_ns), mark)
            self._raised[alarm.alarm_id] = known
        if alarm.acknowledged_by is None:
            self._acknowledged.pop(alarm.alarm_id, None)
        elif transition.what == "acknowledged":  # who came second does not change when it was seen first
            self._acknowledged.setdefault(alarm.alarm_id, self._clock.wall(alarm.changed_ns).time_ns)
        self._made += 1
        rising = None if alarm.rising_since_ns is None else self._clock.wall(alarm.rising_since_ns)
        payload = {
            "what": transition.what,
            "actor": transition.actor,
            "reason": transition.reason,
            "mark": dataclasses.asdict(mark),
            "raised_mark": dataclasses.asdict(known[1]),
            "raised_time_ns": known[0].raised_time_ns,
            "acknowledged_time_ns": self._acknowledged.get(alarm.alarm_id),
            "rising_since_time_ns": None if rising is None else rising.time_ns,
            "alarm": _that_lasts(dataclasses.asdict(alarm), rising),
        }
        return NewRecord(
            RecordClass.ALARM,
            RecordKind.ALARM_TRANSITION,
            f"alarm/{self._boot_id}/{self._made}",
            alarm.alarm_id,
            alarm.changed_ns,
            orjson.dumps(payload, option=orjson.OPT_SERIALIZE_NUMPY),
        )

    def mark(self) -> EventMark:
        """The mark of what happens on this box now."""
        return self.hybrid.mark(self._clock.wall(self._clock.monotonic_ns()).time_ns)

    def adopt(self, alarm_id: str, activation: ActivationId, raised: EventMark, seen_ns: int | None) -> None:
        """An activation that this journal does not have, as it was: `seen_ns` is when it was acknowledged."""
        self._raised[alarm_id] = (activation, raised)
        self.hybrid.recall(raised.stamp)
        if seen_ns is not None:
            self._acknowledged[alarm_id] = seen_ns

    def observe(self, stamp: HybridStamp) -> bool:
        """A stamp of the centre was seen (see `HybridClock.observe`)."""
        return self.hybrid.observe(stamp, self._clock.wall(self._clock.monotonic_ns()).time_ns)

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
            self._raised[alarm.alarm_id] = (stored.activation, stored.raised_mark)
            self.hybrid.recall(max(stored.mark.stamp, stored.raised_mark.stamp))
            if stored.acknowledged_time_ns is not None:
                self._acknowledged[alarm.alarm_id] = stored.acknowledged_time_ns
            restored.append(
                dataclasses.replace(stored, transition=dataclasses.replace(stored.transition, alarm=alarm))
            )
        return restored


def _that_lasts(alarm: dict[str, Any], rising: WallTime | None) -> dict[str, Any]:
    """An alarm's fields as people see them while it stands: since when a line rises, not for how long."""
    if rising is None:
        return alarm
    since = None
    evidence = dict(alarm["evidence"])
    if rising.trusted:
        since = f"{datetime.fromtimestamp(rising.time_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M} UTC"
        evidence.pop("rising_s", None)
        evidence["rising_since"] = since
    return alarm | {"reason": that_lasts(alarm["reason"], since), "evidence": evidence}


def stored_transition(record: Record) -> StoredTransition:
    """The transition of a record. Raises Rejected if its payload is not one."""
    try:
        payload = orjson.loads(record.payload)
        raised_time_ns = int(payload["raised_time_ns"])
        rising_ns = payload.get("rising_since_time_ns")
        rising_since_time_ns = None if rising_ns is None else int(rising_ns)
        acknowledged_ns = payload.get("acknowledged_time_ns")
        acknowledged_time_ns = None if acknowledged_ns is None else int(acknowledged_ns)
        mark = mark_of(payload["mark"]) if "mark" in payload else _early_mark(record)
        alarm = alarm_of(payload["alarm"], acknowledged_time_ns or raised_time_ns, record.sequence > 0)
        raised_mark = raised_mark_of(payload.get("raised_mark"), alarm.activation, raised_time_ns)
        what = str(payload["what"])
        early = alarm.comment if what == "acknowledged" else ""  # what an earlier release had for it
        transition = AlarmTransition(
            what, str(payload["actor"]), alarm, mark, str(payload.get("reason", early))
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
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
        mark,
        raised_mark,
    )


def alarm_of(fields: Mapping[str, Any], acknowledged_time_ns: int, durable: bool) -> Alarm:
    """The alarm of its JSON; an acknowledgement of an earlier release gets the mark of its time.

    Raises KeyError, ValueError, TypeError.
    """
    acts = fields.get("acknowledgements")
    by = fields.get("acknowledged_by")
    acknowledgements: tuple[Act, ...]
    if acts is None and by is not None:
        mark = EventMark(HybridStamp(acknowledged_time_ns), "", acknowledged_time_ns)
        acknowledgements = (Act(ActKind.ACKNOWLEDGE, mark, str(by), str(fields.get("comment") or "")),)
    else:
        acknowledgements = tuple(act_of(one) for one in acts or ())
    shelving = fields.get("shelving")
    return Alarm(
        **{
            **fields,
            "severity": Severity(fields["severity"]),
            "state": AlarmState(fields["state"]),
            "durable": durable,
            "acknowledgements": acknowledgements,
            "shelving": None if shelving is None else act_of(shelving),
            "conflicts": tuple(conflict_of(one) for one in fields.get("conflicts") or ()),
        }
    )


def acts_document(stored: StoredTransition) -> dict[str, Any]:
    """All that a fold needs of an alarm, for JSON: signed by the device, and read by `central_alarms`."""
    alarm = stored.transition.alarm
    return {
        "alarm_id": alarm.alarm_id,
        "activation": alarm.activation,
        "raised_time_ns": stored.raised_time_ns,
        "active": alarm.state.active,
        "asset_id": alarm.asset_id,
        "channel_id": alarm.channel_id,
        "rule": alarm.rule,
        "severity": alarm.severity,
        "raised_mark": dataclasses.asdict(stored.raised_mark),
        "acknowledgements": [dataclasses.asdict(act) for act in alarm.acknowledgements],
        "shelving": None if alarm.shelving is None else dataclasses.asdict(alarm.shelving),
        "conflicts": [dataclasses.asdict(one) for one in alarm.conflicts],
    }


def raised_mark_of(said: Mapping[str, Any] | None, activation: int, raised_time_ns: int) -> EventMark:
    """The mark of a raising; of an earlier release's: its time. Raises KeyError, ValueError, TypeError."""
    if said is not None:
        return mark_of(said)
    return EventMark(HybridStamp(raised_time_ns), "", activation)


def _early_mark(record: Record) -> EventMark:
    """Of a record of an earlier release: its key counts the transitions of one start."""
    number = record.key.rpartition("/")[2]
    sequence = int(number) if number.isdecimal() else 0
    return EventMark(HybridStamp(record.time_ns), f"{BOX}{record.boot_id}", sequence)
