"""When alarms of an untrusted clock were really raised and acknowledged, for whoever shows them.

Duty: after the journal has resolved provisional times, look up the steps that raised and acknowledged each
activation. The UTC in a step's own payload stays as the clock had it: with it the box and the centre name the
activation. Reads the journal; changes nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from appliance.alarm_records import StoredTransition, stored_transition
from appliance.errors import Rejected
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordKind

RAISING = frozenset({"raised", "re-raised"})
_STEPS = 1_000  # of an alarm, among which its present activation is looked for


@dataclass(frozen=True, slots=True)
class TrueTimes:
    """UTC ns of one activation's steps; None: what the step itself says is right."""

    activation: int
    raised_ns: int | None
    acknowledged_ns: int | None


class AlarmTimes:
    """The true times of activations that began while the clock was not trusted."""

    def __init__(self) -> None:
        self._known: dict[str, TrueTimes] = {}

    async def look_up(self, journal: Journal, alarm_ids: Iterable[str]) -> None:
        """Find out for these alarms. Raises Retryable."""
        for alarm_id in alarm_ids:
            records = await journal.history(RecordKind.ALARM_TRANSITION, alarm_id, _STEPS)
            times = true_times(records) if any(record.time_resolved for record in records) else None
            if times is not None:
                self._known[alarm_id] = times

    def shown(self, stored: StoredTransition) -> StoredTransition:
        """The step as people should see it."""
        times = self._known.get(stored.transition.alarm.alarm_id)
        if times is None or times.activation != stored.transition.alarm.activation:
            return stored
        acknowledged_ns = stored.acknowledged_time_ns
        if acknowledged_ns is not None and times.acknowledged_ns is not None:
            acknowledged_ns = times.acknowledged_ns
        return dataclasses.replace(
            stored,
            raised_time_ns=stored.raised_time_ns if times.raised_ns is None else times.raised_ns,
            acknowledged_time_ns=acknowledged_ns,
        )


def true_times(records: Sequence[Record]) -> TrueTimes | None:
    """Of the newest activation among an alarm's steps, in order."""
    steps: list[tuple[Record, StoredTransition]] = []
    for record in records:
        try:
            steps.append((record, stored_transition(record)))
        except Rejected:
            continue
    if not steps:
        return None
    activation = steps[-1][1].transition.alarm.activation
    raised_ns: int | None = None
    acknowledged_ns: int | None = None
    for record, step in steps:
        if step.transition.alarm.activation == activation and record.time_resolved:
            if step.transition.what in RAISING:
                raised_ns = record.time_ns
            elif step.transition.what == "acknowledged" and acknowledged_ns is None:
                acknowledged_ns = record.time_ns
    return TrueTimes(activation, raised_ns, acknowledged_ns)
