"""The appliance's own alarms: lost sources, a journal that cannot write, overload, damage.

Duty: turns what shells notice into `SystemAlarms` and brings the transitions to the desk. Detects nothing by
itself but a full disk and a clock that is not trusted, which it looks at now and then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence

import orjson

from appliance.alarm_desk import AlarmDesk
from appliance.alarms.clock_rule import ClockRule
from appliance.alarms.lifecycle import Alarm, AlarmTransition
from appliance.alarms.system import OF_CAMERAS, SystemAlarms, SystemCondition
from appliance.clock import Clock, ClockState
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.sources.source import SourceLost

logger = logging.getLogger(__name__)

OWNER_ID = "appliance"
LOOK_S = 2.0
CALM_NS = 30_000_000_000  # without a dropped block for this long, the overload is over


class SystemWatch:
    """Holds the appliance's own alarms; asset id `appliance`."""

    def __init__(
        self, desk: AlarmDesk, journal: Journal, clock: Clock, clock_rule: ClockRule | None = None
    ) -> None:
        self._desk = desk
        self._clock_rule = clock_rule or ClockRule()
        self._journal = journal
        self._clock = clock
        self._alarms = SystemAlarms(OWNER_ID)
        self._lock = asyncio.Lock()
        self._overflow_ns: dict[str, int] = {}  # newest overflow per source
        self._lost: set[str] = set()
        self._removed: set[str] = set()  # sources that were lost and then taken out of the configuration
        self._changed = asyncio.Event()
        self._resolutions = -1  # of the journal, that the desk has taken up
        self._steps = 0  # of the clock, that the journal has
        desk.add_owner(OWNER_ID, self._alarms, self._lock)

    @property
    def desk(self) -> AlarmDesk:
        """Where its alarms go, as all others."""
        return self._desk

    def restore(self, alarms: Sequence[Alarm], sources: Collection[str]) -> None:
        """Take up alarms of before the restart. What still stands is stated again, the rest clears: also what
        was said of a source that is not among the configured `sources` any more."""
        self._alarms.restore(alarms)
        for alarm in self._alarms.alarms():
            subject = str(alarm.evidence.get("subject", ""))
            if alarm.state.active and alarm.rule == SystemCondition.SOURCE_LOST:
                (self._lost if subject in sources else self._removed).add(subject)
            elif alarm.state.active and alarm.rule == SystemCondition.OVERLOAD:
                self._overflow_ns[subject] = self._clock.monotonic_ns()
        self._journal.watch_durability(lambda durable, reason: self._changed.set())

    async def source_lost(self, lost: SourceLost) -> None:
        """A source says that it lost its peer."""
        self._lost.add(lost.source_id)
        reason = f"{lost.state}: {lost.reason}"
        remedy = lost.remedy[:1].upper() + lost.remedy[1:]
        await self._set(SystemCondition.SOURCE_LOST, lost.source_id, reason, remedy)

    async def source_delivers(self, source_id: str) -> None:
        """A source delivered something."""
        if source_id in self._lost:
            self._lost.discard(source_id)
            await self._clear(SystemCondition.SOURCE_LOST, source_id)

    def is_lost(self, source_id: str) -> bool:
        """Whether a source has said that it lost its peer, and delivered nothing since."""
        return source_id in self._lost

    async def silences_are(self, source_ids: Collection[str]) -> None:
        """These sources are watched for silence; what was said of others is over."""
        await self._only(SystemCondition.SOURCE_SILENT, source_ids)

    def queue_overflows(self, source_id: str) -> None:
        """A queue had to drop a block."""
        self._overflow_ns[source_id] = self._clock.monotonic_ns()
        self._changed.set()

    async def central_refuses(self, reason: str, remedy: str) -> None:
        """The central InfluxDB refuses everything, for a reason that a person must remove."""
        await self._set(SystemCondition.CENTRAL_REFUSES, "", reason, remedy)

    async def central_accepts(self) -> None:
        """It takes records again, or none are sent any more."""
        await self._clear(SystemCondition.CENTRAL_REFUSES, "")

    async def central_is_not_configured(self) -> None:
        """There is none any more: what was said of it is over."""
        await self._clear(SystemCondition.CENTRAL_REFUSES, "")
        await self.central_is_not_audited()

    async def central_is_not_audited(self) -> None:
        """Nobody asks any more what it has."""
        await self._clear(SystemCondition.CENTRAL_DIFFERS, "")

    async def webhook_state(self, name: str, failing: bool, reason: str) -> None:
        """A receiver has taken no alarm for long, or takes them again."""
        await self.state(
            failing,
            SystemCondition.WEBHOOK_FAILING,
            name,
            reason,
            "Run `stethos webhook test` on this appliance.",
        )

    async def webhooks_are(self, names: Collection[str]) -> None:
        """These receivers are configured; what was said of others is over."""
        await self._only(SystemCondition.WEBHOOK_FAILING, names)

    async def networks_are(self, names: Collection[str]) -> None:
        """These slots of networks are configured; what was said of others is over."""
        await self._only(SystemCondition.NETWORK_FALLBACK, names)

    async def cameras_are(self, camera_ids: Collection[str]) -> None:
        """These cameras are configured; what was said of others is over."""
        for condition in OF_CAMERAS:
            await self._only(condition, camera_ids)

    async def run(self) -> None:
        """Look at journal, disk, clock and queues, for ever."""
        await self._desk.retire_unowned()
        while self._removed:
            await self._clear(SystemCondition.SOURCE_LOST, self._removed.pop())
        while True:
            await self._look()
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._changed.wait()
            except TimeoutError:
                continue
            self._changed.clear()

    async def _look(self) -> None:
        journal, state = self._journal, self._clock.state()
        if (resolutions := journal.resolutions) != self._resolutions:
            await self._desk.take_resolved_times()
            self._resolutions = resolutions
        if state.steps > self._steps:
            self._steps = state.steps
            await journal.commit([_step_record(journal.boot_id, state, self._clock.monotonic_ns())])
        report = journal.damage_report  # of this start, or found since
        await self.state(
            report is not None, SystemCondition.DATA_LOST, "", "" if report is None else report.text
        )
        await self.state(
            not journal.durable,
            SystemCondition.JOURNAL_NOT_DURABLE,
            "",
            journal.not_durable_because,
            "Check the disk of this appliance.",
        )
        await self.state(
            journal.space_low, SystemCondition.DISK_FULL, "", "the reserve for alarms is in use", "Make room."
        )
        now_ns = self._clock.monotonic_ns()
        doubt = self._clock_rule.look(state.trusted, state.source, now_ns)
        if doubt is not None:
            await self.state(bool(doubt), SystemCondition.CLOCK_NOT_TRUSTED, "", doubt, state.text)
        for source_id, overflow_ns in list(self._overflow_ns.items()):
            overloaded = now_ns - overflow_ns < CALM_NS
            await self.state(
                overloaded,
                SystemCondition.OVERLOAD,
                source_id,
                f"blocks of {source_id} come faster than they are analysed",
                "Stop other programs on this appliance, or give it fewer sensors.",
            )
            if not overloaded:
                del self._overflow_ns[source_id]

    async def state(
        self, stands: bool, condition: SystemCondition, subject: str, reason: str, remedy: str = ""
    ) -> None:
        """A condition stands, or it does not. Nothing happens where that was said already."""
        if stands:
            await self._set(condition, subject, reason, remedy)
        else:
            await self._clear(condition, subject)

    async def _only(self, condition: SystemCondition, subjects: Collection[str]) -> None:
        for alarm in self._alarms.alarms():
            subject = str(alarm.evidence.get("subject", ""))
            if alarm.rule == condition and subject not in subjects:
                await self._clear(condition, subject)

    async def _set(self, condition: SystemCondition, subject: str, reason: str, remedy: str = "") -> None:
        async with self._lock:
            now_ns = self._clock.monotonic_ns()
            await self._publish(self._alarms.set(condition, subject, now_ns, reason, remedy))

    async def _clear(self, condition: SystemCondition, subject: str) -> None:
        async with self._lock:
            await self._publish(self._alarms.clear(condition, subject, self._clock.monotonic_ns()))

    async def _publish(self, transition: AlarmTransition | None) -> None:
        if transition is not None:
            await self._desk.publish([transition])


def _step_record(boot_id: str, state: ClockState, monotonic_ns: int) -> NewRecord:
    """That the wall clock was set: whoever reads times of that day must know."""
    what = {
        "what": "clock set",
        "step_s": state.last_step_s,
        "trusted": state.trusted,
        "source": state.source,
    }
    return NewRecord(
        RecordClass.ALARM,
        RecordKind.AUDIT,
        f"clock/{boot_id}/{state.steps}",
        "clock",
        monotonic_ns,
        orjson.dumps(what),
    )
