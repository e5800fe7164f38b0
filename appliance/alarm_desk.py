"""Hop 9 for alarms: no transition is seen by anybody before the journal has it.

Duty: commit transitions, keep every alarm as it stands, bring what people do on the box or at the centre to
whoever owns the alarm, and tell listeners in the journal's order, none missed. Where the disk refuses, a
transition is shown at once, marked as not durable (a broken disk must not silence a real alarm), and again
when the journal has it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.alarm_records import AlarmRecords, StoredTransition, stored_transition
from appliance.alarm_times import AlarmTimes
from appliance.alarms import lifecycle
from appliance.alarms.acts import Act, ActivationId, ActKind, HybridStamp
from appliance.alarms.lifecycle import Alarm, AlarmState, AlarmTransition, StaleActivationError
from appliance.alarms.register import AlarmRegister
from appliance.clock import Clock
from appliance.errors import Rejected
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordKind
from appliance.reconcile.alarm_merge import knows, shelving_ended, with_act
from appliance.reconcile.alarm_recovery import caught_up
from appliance.reconcile.central_alarms import CentralAlarm
from appliance.telemetry.stage_meter import StageMeter

logger = logging.getLogger(__name__)

KEPT_LATENCIES = 10_000
ACTIVE_STEPS = frozenset({"raised", "re-raised"})
SHELF_LOOK_S = 1.0
LONGEST_SHELVING_NS = 7 * 86_400 * 1_000_000_000


class AlarmOwner(Protocol):
    """Who holds the life of some alarms: a machine's analysis, or the appliance's own alarms."""

    def carry_out(self, alarm_id: str, step: Callable[[Alarm], AlarmTransition]) -> AlarmTransition: ...

    def take_over(self, transition: AlarmTransition) -> None: ...


@dataclass(frozen=True, slots=True)
class CommitLatency:
    """How long a transition took from its last sample to stable storage."""

    alarm_id: str
    what: str
    latency_s: float


class AlarmDesk:
    """All alarms of this appliance, as the journal has them."""

    def __init__(self, journal: Journal, clock: Clock, meter: StageMeter | None = None) -> None:
        self._meter = meter or StageMeter()
        self._journal = journal
        self._clock = clock
        self._records = AlarmRecords(clock, journal.boot_id)
        self._newest: dict[str, StoredTransition] = {}
        self._times = AlarmTimes()
        self._owners: dict[str, tuple[AlarmOwner, asyncio.Lock]] = {}
        self._listeners: list[Callable[[StoredTransition], None]] = []
        self._told_sequence = journal.last_sequence
        self.latencies: deque[CommitLatency] = deque(maxlen=KEPT_LATENCIES)
        self.raised = 0

    def restore(self) -> list[Alarm]:
        """Take up the journal's newest state of every alarm; returns them with this boot's times."""
        for stored in self._records.restore(self._journal.latest(RecordKind.ALARM_TRANSITION)):
            self._newest[stored.transition.alarm.alarm_id] = stored
        return [stored.transition.alarm for stored in self._newest.values()]

    @property
    def seen(self) -> HybridStamp:
        """The greatest stamp of the hybrid clock so far."""
        return self._records.hybrid.latest

    def add_owner(self, asset_id: str, owner: AlarmOwner, lock: asyncio.Lock) -> None:
        """`owner` holds the alarms of this asset; `lock` keeps it from being used twice at once."""
        self._owners[asset_id] = (owner, lock)

    def listen(self, listener: Callable[[StoredTransition], None]) -> None:
        """Call `listener` for every transition: durable ones in the journal's order, the rest at once."""
        self._listeners.append(listener)

    def standing(self) -> list[StoredTransition]:
        """Every alarm that ever was, by its newest transition."""
        return list(self._newest.values())

    def get(self, alarm_id: str) -> StoredTransition | None:
        return self._newest.get(alarm_id)

    def shown(self, stored: StoredTransition) -> StoredTransition:
        """A step with the times that people should see."""
        return self._times.shown(stored)

    async def take_resolved_times(self) -> None:
        """The journal has resolved provisional times: what stands follows. Raises Retryable."""
        newest = self._journal.latest(RecordKind.ALARM_TRANSITION)
        await self._times.look_up(
            self._journal, [record.subject for record in newest if _began_unsure(record)]
        )
        for record in newest:
            known = self._newest.get(record.subject)
            if known is not None and known.sequence == record.sequence:
                self._newest[record.subject] = dataclasses.replace(
                    known, time_ns=record.time_ns, time_trusted=record.time_trusted
                )

    async def publish(
        self, transitions: Sequence[AlarmTransition], sampled_ns: int | None = None
    ) -> list[StoredTransition]:
        """Commit transitions, then let them be seen; returns them as they are stored.

        `sampled_ns` is when the last sample was taken that they rest on.
        """
        if not transitions:
            return []
        begin_s = time.monotonic()
        result = await self._journal.commit([self._records.record(t) for t in transitions])
        done_ns = self._clock.monotonic_ns()
        self._meter.done(time.monotonic() - begin_s, len(transitions))
        self._meter.fail(0 if result.durable else len(transitions))
        stored = [stored_transition(record) for record in result.records]
        for one in stored:
            alarm, what = one.transition.alarm, one.transition.what
            self._take(one)
            self.raised += what in ACTIVE_STEPS
            latency_s = None if sampled_ns is None else (done_ns - sampled_ns) / 1e9
            if latency_s is not None:
                self.latencies.append(CommitLatency(alarm.alarm_id, what, latency_s))
            logger.info(
                "alarm committed alarm=%s what=%s severity=%s durable=%s latency_s=%s text=%s",
                alarm.alarm_id,
                what,
                alarm.severity,
                result.durable,
                "-" if latency_s is None else f"{latency_s:.4f}",
                alarm.reason,
            )
            if not result.durable:
                self._tell(one)
        return stored

    async def acknowledge(self, alarm_id: str, activation: int, actor: str, comment: str) -> StoredTransition:
        """A person has seen an activation; returns once that is durable (or held, on a broken disk).

        Raises KeyError for an unknown alarm, and what `lifecycle.acknowledge` raises.
        """
        owner, lock = self._owner(alarm_id)
        async with lock:
            now_ns, mark = self._clock.monotonic_ns(), self._records.mark()
            transition = owner.carry_out(
                alarm_id,
                lambda alarm: lifecycle.acknowledge(alarm, activation, actor, comment, now_ns, mark=mark),
            )
            (stored,) = await self.publish([transition])
        return stored

    async def take_act(self, alarm_id: str, named: ActivationId, act: Act) -> StoredTransition | None:
        """What a person did at the centre; returns once that is durable (or held, on a broken disk).

        It takes effect, or it becomes a conflict that is shown. None: the journal has this act already.
        Raises KeyError for an unknown alarm, Retryable where the journal cannot be read.
        """
        owner, lock = self._owner(alarm_id)
        if any(stored.mark.name == act.mark.name for stored in await self.history(alarm_id)):
            return None
        async with lock:
            newest = self._newest[alarm_id]
            if knows(newest.transition.alarm, act.mark):
                return None
            self._records.observe(act.mark.stamp)
            now_ns, present = self._clock.monotonic_ns(), newest.activation
            transition = owner.carry_out(alarm_id, lambda alarm: with_act(alarm, present, named, act, now_ns))
            (stored,) = await self.publish([transition])
        return stored

    async def catch_up(self, told: CentralAlarm) -> bool:
        """Take over what this box itself once told the centre of an alarm, and its journal does not have (it
        is a backup, or was damaged). Whether its condition stands is what the box says now."""
        held = self._owners.get(told.asset_id)
        if held is None:
            return False  # of a machine that is not configured any more
        owner, lock = held
        async with lock:
            now_ns, standing = self._clock.monotonic_ns(), told.standing
            age_ns = max(0, self._clock.wall(now_ns).time_ns - standing.activation.raised_time_ns)
            newest = self._newest.get(standing.alarm_id)
            steps = caught_up(newest, told, now_ns, now_ns - age_ns)
            if not steps:
                return False
            acts = standing.acknowledgements
            seen_ns = acts[0].mark.stamp.wall_ns if acts else None
            self._records.adopt(standing.alarm_id, standing.activation, standing.raised, seen_ns)
            for act in acts:
                self._records.observe(act.mark.stamp)
            for step in steps:
                owner.take_over(step)
            await self.publish(steps)
        return True

    async def shelve(
        self, alarm_id: str, activation: int, actor: str, reason: str, for_s: float
    ) -> StoredTransition:
        """A person on the box shelves the activation that they see; `for_s` 0 takes it off the shelf.

        Raises KeyError for an unknown alarm, StaleActivationError, NothingToAcknowledgeError if it is normal.
        """
        owner, lock = self._owner(alarm_id)
        async with lock:
            newest = self._newest[alarm_id]
            alarm = newest.transition.alarm
            if activation != alarm.activation:
                raise StaleActivationError(
                    f"alarm {alarm_id!r}: activation {activation} was to be shelved, but the present one is"
                    f" {alarm.activation}; look at the alarm again"
                )
            if alarm.state is AlarmState.NORMAL:
                raise lifecycle.NothingToAcknowledgeError(f"alarm {alarm_id!r} is normal: nothing to shelve")
            now_ns = self._clock.monotonic_ns()
            until_ns = self._clock.wall(now_ns).time_ns + min(round(for_s * 1e9), LONGEST_SHELVING_NS)
            kind = ActKind.SHELVE if for_s > 0 else ActKind.UNSHELVE
            act = Act(kind, self._records.mark(), actor, reason, until_ns if for_s > 0 else 0)
            transition = owner.carry_out(
                alarm_id, lambda one: with_act(one, newest.activation, newest.activation, act, now_ns)
            )
            (stored,) = await self.publish([transition])
        return stored

    async def end_shelvings(self) -> None:
        """Take alarms off the shelf when their time is over, for ever."""
        while True:
            for alarm_id in [one.transition.alarm.alarm_id for one in self.standing()]:
                if self._shelf_time_is_over(alarm_id):
                    owner, lock = self._owner(alarm_id)
                    async with lock:
                        if self._shelf_time_is_over(alarm_id):
                            now_ns, mark = self._clock.monotonic_ns(), self._records.mark()
                            await self.publish(
                                [owner.carry_out(alarm_id, lambda one: shelving_ended(one, mark, now_ns))]  # noqa: B023
                            )
            await asyncio.sleep(SHELF_LOOK_S)

    async def retire_unowned(self) -> None:
        """Clear the alarms of machines that are not configured any more: nobody else ever would, and nobody
        could acknowledge them."""
        unowned = [one.transition.alarm for one in self.standing()]
        unowned = [alarm for alarm in unowned if alarm.asset_id not in self._owners]
        register, lock = AlarmRegister(unowned), asyncio.Lock()
        for alarm in unowned:
            self._owners[alarm.asset_id] = (register, lock)
        now_ns = self._clock.monotonic_ns()
        for alarm in unowned:
            logger.warning("alarm of a machine that is not configured any more alarm=%s", alarm.alarm_id)
            transition = register.clear(alarm.alarm_id, now_ns)
            if transition is not None:
                await self.publish([transition])

    async def history(self, alarm_id: str, limit: int = 1000) -> list[StoredTransition]:
        """The newest transitions of one alarm, oldest first."""
        records = await self._journal.history(RecordKind.ALARM_TRANSITION, alarm_id, limit)
        return _decoded(records)

    async def after(self, sequence: int, limit: int = 500) -> list[StoredTransition]:
        """Durable transitions after a journal sequence, in order."""
        records = await self._journal.read(sequence, {RecordKind.ALARM_TRANSITION}, limit)
        return _decoded(records)

    async def follow(self) -> None:
        """Tell listeners what the journal takes in, for ever. Raises Retryable."""
        async for record in self._journal.follow(self._told_sequence, {RecordKind.ALARM_TRANSITION}):
            self._told_sequence = record.sequence
            for stored in _decoded([record]):
                self._take(stored)
                self._tell(stored)

    def _owner(self, alarm_id: str) -> tuple[AlarmOwner, asyncio.Lock]:
        return self._owners[self._newest[alarm_id].transition.alarm.asset_id]

    def _shelf_time_is_over(self, alarm_id: str) -> bool:
        alarm = self._newest[alarm_id].transition.alarm
        now_ns = self._clock.wall(self._clock.monotonic_ns()).time_ns
        shelving = alarm.shelving
        return shelving is not None and shelving.kind is ActKind.SHELVE and not alarm.shelved(now_ns)

    def _take(self, stored: StoredTransition) -> None:
        alarm_id = stored.transition.alarm.alarm_id
        known = self._newest.get(alarm_id)
        if known is None or stored.sequence == 0 or stored.sequence > known.sequence:
            if known is not None and known.sequence == 0 and _is_before(stored, known):
                return  # a step that the disk took late: what came after it is shown already
            self._newest[alarm_id] = stored

    def _tell(self, stored: StoredTransition) -> None:
        for listener in self._listeners:
            listener(stored)


def _is_before(one: StoredTransition, other: StoredTransition) -> bool:
    """Whether one step of an alarm came before another one of this run of the service."""
    alarm, later = one.transition.alarm, other.transition.alarm
    return one.key != other.key and (alarm.activation, alarm.changed_ns) < (
        later.activation,
        later.changed_ns,
    )


def _decoded(records: Iterable[Record]) -> list[StoredTransition]:
    """Transitions of records; one that cannot be read is told in the log and left out."""
    decoded = []
    for record in records:
        try:
            decoded.append(stored_transition(record))
        except Rejected as error:
            logger.error("alarm record unreadable sequence=%s reason=%s", record.sequence, error)
    return decoded


def _began_unsure(record: Record) -> bool:
    """Whether an alarm's present activation may have begun while the clock was not trusted."""
    decoded = _decoded([record])
    return record.time_resolved or any(one.transition.alarm.state is not AlarmState.NORMAL for one in decoded)
