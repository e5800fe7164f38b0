"""Hop 10: the appliance as a person sees it, behind the web floor's one interface.

Duty: keep the latest states in memory, read trends from the journal, tell every open page what is new: alarm
transitions in the journal's order, none missed, and the latest of all else about once a second. Decides
nothing and stores nothing: after a restart everything comes from the journal.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Literal

from appliance.alarm_desk import AlarmDesk
from appliance.alarm_records import StoredTransition
from appliance.alarms.lifecycle import NothingToAcknowledgeError, StaleActivationError
from appliance.analysis import Findings
from appliance.appliance_view import ApplianceFigures
from appliance.clock import Clock
from appliance.errors import Retryable
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.limit_desk import LimitDesk
from appliance.machine_status import ChannelStatus, MachineStatus
from appliance.station_limits import StationLimits
from appliance.station_views import (
    SCORE,
    TAG_VALUE,
    MachineAlarms,
    alarm_view,
    dead_letter_page,
    gap_view,
    machine_detail,
    machine_summary,
    spectrum_view,
    transition_view,
)
from appliance.trend_view import thinned
from dsp.extractor import unit_of
from dsp.samples import Channel, Measurand, SampleBlock
from web.limit_schemas import LimitChange, LimitsView, LimitVersionView
from web.schemas import (
    AlarmTransitionView,
    AlarmView,
    ApplianceView,
    DeadLetterPage,
    MachineDetail,
    MachineSummary,
    SpectrumView,
)
from web.station_view import LiveUpdate, NotPossibleError, StaleAcknowledgementError, UnknownIdError
from web.trend_schemas import TrendView

LATEST_PERIOD_S = 1.0
MOST_WAITING = 2000  # alarm transitions for one page; a slower one is cut and comes back with its sequence
YEAR_2100_NS = 4_102_444_800 * 1_000_000_000


class SlowListenerError(RuntimeError):
    """A page took too long for its updates: it is cut, and resumes by sequence."""


class _Listener:
    """What one open page has still to be told."""

    def __init__(self) -> None:
        self.alarms: deque[StoredTransition] = deque()
        self.latest: list[LiveUpdate] = []
        self.something = asyncio.Event()


class Station:
    """Implements `web.station_view.StationView`."""

    def __init__(
        self,
        name: str,
        machines: Sequence[MachineStatus],
        *,
        journal: Journal,
        clock: Clock,
        desk: AlarmDesk,
        figures: ApplianceFigures,
        limit_desk: LimitDesk,
    ) -> None:
        self.name = name
        self._limits = StationLimits(limit_desk)
        self._machines = {status.machine.asset_id: status for status in machines}
        self._channels: dict[str, tuple[MachineStatus, Channel]] = {
            channel.channel.channel_id: (status, channel.channel)
            for status in machines
            for channel in status.channels.values()
        }
        self._journal = journal
        self._clock = clock
        self._desk = desk
        self._figures = figures
        self._listeners: set[_Listener] = set()
        self._latest: list[LiveUpdate] = []
        desk.listen(self._tell_alarm)

    # -- what the pipeline brings --

    def take_findings(self, asset_id: str, findings: Findings) -> None:
        """What one machine's analysis found; its alarms are durable already."""
        status = self._machines[asset_id]
        status.take_findings(findings)
        if findings.learning:
            status.restore_learning([*findings.learning, *self._limits.unlearned(status)])

    def take_tag(self, block: SampleBlock) -> None:
        """A process value."""
        self._channels[block.channel_id][0].take_tag(block)

    async def recall_trends(self) -> None:
        """Know what the journal has trends of: a sensor that is gone since the restart still has a past.

        Raises Retryable.
        """
        scored = {record.subject for record in self._journal.latest(RecordKind.SCORE)}
        for channel_id, (status, channel) in self._channels.items():
            if channel.measurand is Measurand.ACCELERATION:
                names = await self._journal.feature_names(channel_id)
                status.channels[channel_id].stored = (*names, SCORE) if channel_id in scored else names

    async def run(self) -> None:
        """Tell the latest states about once a second, for ever."""
        while True:
            if self._listeners:
                self._latest = self._latest_updates()
                for listener in self._listeners:
                    listener.latest = self._latest
                    listener.something.set()
            await asyncio.sleep(LATEST_PERIOD_S)

    async def watch_disk(self) -> None:
        """Keep the disk's figures fresh, for ever."""
        await self._figures.watch_disk()

    # -- StationView --

    def machines(self) -> list[MachineSummary]:
        """One line per machine, in the order of the configuration."""
        return [self._summary(status) for status in self._machines.values()]

    def machine(self, asset_id: str) -> MachineDetail:
        """One machine's page."""
        status = self._machine(asset_id)
        return machine_detail(status, self._summary(status), self._clock.monotonic_ns())

    def spectrum(self, channel_id: str, kind: Literal["amplitude", "envelope"]) -> SpectrumView | None:
        """The latest spectrum of a channel."""
        status, channel = self._channel(channel_id)
        return spectrum_view(status.channels[channel.channel_id], kind, self._to_ms)

    async def trend(
        self, channel_id: str, feature: str, start_ms: float | None, end_ms: float | None, max_points: int
    ) -> TrendView:
        """One feature of one channel over time, from the journal."""
        status, channel = self._channel(channel_id)
        start_ns = 0 if start_ms is None else round(start_ms * 1e6)
        end_ns = YEAR_2100_NS if end_ms is None else round(end_ms * 1e6)
        limit: float | None = None
        if feature == SCORE:
            times_ns, values = await self._journal.scores(channel_id, start_ns, end_ns)
            unit, limit = "1", 1.0
        elif feature == TAG_VALUE and channel.measurand is not Measurand.ACCELERATION:
            times_ns, values = await self._journal.tags(channel_id, start_ns, end_ns)
            unit = channel.unit
        else:
            known = await self._feature_names(status.channels[channel_id])
            if feature not in known:
                raise UnknownIdError(f"Channel {channel_id!r} has no feature {feature!r}.", [*known, SCORE])
            times_ns, values = await self._journal.features(channel_id, feature, start_ns, end_ns)
            unit = unit_of(feature)
        gaps = await self._journal.gaps(channel_id, start_ns, end_ns)
        points = thinned(times_ns, values, gaps, max_points)
        return TrendView(
            channel_id=channel_id,
            feature=feature,
            unit=unit,
            times_ms=points.times_ms,
            values=points.values,
            limit=limit,
            limit_provisional=status.learning().provisional,
            gaps=[gap_view(gap) for gap in gaps],
            limits=self._limits.levels(status, channel_id, feature),
            limit_marks=await self._limits.marks(status, channel_id),
        )

    async def alarms(self, include_closed: bool, limit: int) -> list[AlarmView]:
        """Alarms as they stand, those that changed last first."""
        shown = [self._alarm_view(stored) for stored in self._desk.standing()]
        shown = [alarm for alarm in shown if include_closed or alarm.state != "normal"]
        return sorted(shown, key=lambda alarm: -alarm.changed_ms)[:limit]

    async def alarm_history(self, alarm_id: str) -> list[AlarmTransitionView]:
        """Every stored step of one alarm, oldest first."""
        self._stored(alarm_id)
        return [self._transition_view(stored) for stored in await self._desk.history(alarm_id)]

    async def acknowledge(self, alarm_id: str, activation: int, user: str, comment: str) -> AlarmView:
        """A person has seen this activation; returns once that is durable."""
        self._stored(alarm_id)
        try:
            stored = await self._desk.acknowledge(alarm_id, activation, user, comment)
        except (StaleActivationError, NothingToAcknowledgeError) as error:
            raise StaleAcknowledgementError(str(error)) from error
        return self._alarm_view(stored)

    async def shelve(self, alarm_id: str, activation: int, user: str, hours: float, reason: str) -> AlarmView:
        """An activation is nobody's task for some hours; returns once that is durable."""
        self._stored(alarm_id)
        try:
            stored = await self._desk.shelve(alarm_id, activation, user, reason, hours * 3600.0)
        except (StaleActivationError, NothingToAcknowledgeError) as error:
            raise StaleAcknowledgementError(str(error)) from error
        return self._alarm_view(stored)

    def limits(self, asset_id: str) -> LimitsView:
        """The learned limits of a machine, as they stand."""
        status = self._machine(asset_id)
        return self._limits.view(status, self._summary(status).learning)

    async def limit_history(self, asset_id: str, limit: int) -> list[LimitVersionView]:
        """Versions of a machine's limits, the latest first."""
        return await self._limits.history(self._machine(asset_id), limit)

    async def change_limits(self, asset_id: str, change: LimitChange, user: str) -> LimitsView:
        """What a person wants of a machine's limits; returns once that is durable and in service."""
        await self._limits.change(self._machine(asset_id), change, user)
        return self.limits(asset_id)

    def appliance(self) -> ApplianceView:
        """The appliance itself."""
        return self._figures.view()

    async def dead_letters(self, destination: str | None, offset: int, limit: int) -> DeadLetterPage:
        """What receivers refused for good, the latest refusal first."""
        letters = self._figures.dead_letters
        if destination is not None:
            self._check_destination(destination)
        try:
            page = await letters.page(destination, offset, limit)
        except Retryable as error:
            raise NotPossibleError(str(error)) from error
        return dead_letter_page(page, letters.tallies(), destination)

    async def redrive(self, destination: str, letter_ids: list[str] | None, user: str) -> int:
        """Let dead letters be sent again."""
        self._check_destination(destination)
        try:
            return await self._figures.dead_letters.redrive(destination, letter_ids, user)
        except Retryable as error:
            raise NotPossibleError(str(error)) from error

    async def updates(self, after_sequence: int | None) -> AsyncIterator[LiveUpdate]:
        """Alarm transitions after that sequence, none missed, and the latest states about once a second."""
        listener = _Listener()
        self._listeners.add(listener)  # before the journal is read: nothing falls between
        try:
            # A sequence that was never given is of another journal (its folder was lost): all is news.
            told = after_sequence if after_sequence and after_sequence <= self._journal.last_sequence else 0
            if after_sequence is not None:
                while past := await self._desk.after(told):
                    for stored in past:
                        told = stored.sequence
                        yield self._alarm_update(stored)
            for update in self._latest_updates():
                yield update
            while True:
                await listener.something.wait()
                listener.something.clear()
                if len(listener.alarms) > MOST_WAITING:
                    raise SlowListenerError(f"{len(listener.alarms)} transitions wait for one page")
                while listener.alarms:
                    stored = listener.alarms.popleft()
                    if stored.sequence == 0 or stored.sequence > told:
                        told = max(told, stored.sequence)
                        yield self._alarm_update(stored)
                latest, listener.latest = listener.latest, []
                for update in latest:
                    yield update
        finally:
            self._listeners.discard(listener)

    # -- inside --

    def _tell_alarm(self, stored: StoredTransition) -> None:
        for listener in list(self._listeners):
            listener.alarms.append(stored)
            listener.something.set()

    def _latest_updates(self) -> list[LiveUpdate]:
        summaries, now_ns = self.machines(), self._clock.monotonic_ns()
        return [
            LiveUpdate("machines", summaries),
            *(
                LiveUpdate("machine", machine_detail(status, summary, now_ns))
                for status, summary in zip(self._machines.values(), summaries, strict=True)
            ),
            LiveUpdate("appliance", self.appliance()),
        ]

    def _alarm_update(self, stored: StoredTransition) -> LiveUpdate:
        return LiveUpdate("alarm", self._transition_view(stored), stored.sequence or None)

    def _summary(self, status: MachineStatus) -> MachineSummary:
        own = [
            stored.transition.alarm
            for stored in self._desk.standing()
            if stored.transition.alarm.asset_id == status.machine.asset_id
        ]
        now_ns = self._clock.monotonic_ns()
        alarms = MachineAlarms(own, self._clock.wall(now_ns).time_ns)
        return machine_summary(status, alarms, now_ns, self._to_ms)

    async def _feature_names(self, channel: ChannelStatus) -> tuple[str, ...]:
        """Features that have a trend: what is shown live is known, though its first value is still on its way
        to the disk."""
        live = () if channel.vector is None else channel.vector.names
        stored = await self._journal.feature_names(channel.channel.channel_id)
        return tuple(dict.fromkeys((*stored, *live)))

    def _machine(self, asset_id: str) -> MachineStatus:
        status = self._machines.get(asset_id)
        if status is None:
            raise UnknownIdError(f"There is no machine {asset_id!r}.", list(self._machines))
        return status

    def _channel(self, channel_id: str) -> tuple[MachineStatus, Channel]:
        found = self._channels.get(channel_id)
        if found is None:
            raise UnknownIdError(f"There is no channel {channel_id!r}.", list(self._channels))
        return found

    def _check_destination(self, destination: str) -> None:
        known = self._figures.dead_letters.destinations()
        if destination not in known:
            raise UnknownIdError(f"There is no destination {destination!r}.", known)

    def _stored(self, alarm_id: str) -> StoredTransition:
        stored = self._desk.get(alarm_id)
        if stored is None:
            known = [one.transition.alarm.alarm_id for one in self._desk.standing()]
            raise UnknownIdError(f"There is no alarm {alarm_id!r}.", known)
        return stored

    def _alarm_view(self, stored: StoredTransition) -> AlarmView:
        return alarm_view(self._desk.shown(stored), self._asset_name(stored.transition.alarm.asset_id))

    def _transition_view(self, stored: StoredTransition) -> AlarmTransitionView:
        return transition_view(self._desk.shown(stored), self._asset_name(stored.transition.alarm.asset_id))

    def _asset_name(self, asset_id: str) -> str:
        status = self._machines.get(asset_id)
        return self.name if status is None else status.machine.name

    def _to_ms(self, monotonic_ns: int) -> float:
        return self._clock.wall(monotonic_ns).time_ns / 1e6
