"""Hops 4 to 9 in motion: each machine's analysis in a worker thread, the journal out.

Duty: takes items from sources into queues (`asset_line`), runs one analysis per machine at a time, hands what
it finds to the journal and then to the station, and counts. Decides nothing about machines; what a figure
means is the analysis's duty, what is stored when is the averager's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Protocol, cast

import numpy as np
import orjson

from appliance.advisory_records import advisory_record, standing_advisories
from appliance.alarm_desk import AlarmDesk
from appliance.alarms.lifecycle import Alarm, AlarmTransition
from appliance.analysis import Findings
from appliance.asset_line import AssetLine
from appliance.clock import Clock
from appliance.counter_desk import CounterDesk
from appliance.counters import Counter, Counters
from appliance.errors import Rejected
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordClass, RecordKind
from appliance.limit_desk import LimitDesk
from appliance.sources.source import LinkState, Source, SourceLost
from appliance.system_watch import SystemWatch
from appliance.telemetry.stage_meter import Meters
from dsp.samples import Gap, GapCause, SampleBlock, SourceItem

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64  # items per call of an analysis: some 2 s, so that an alarm does not wait for a backlog
FINISH_WAIT_S = 3.0
PARTS_COMMIT_S = 1.0  # the most that a power cut takes of the parts that cameras count


class Audience(Protocol):
    """Who shows what was found (the station)."""

    def take_findings(self, asset_id: str, findings: Findings) -> None: ...

    def take_tag(self, block: SampleBlock) -> None: ...


class Captor(Protocol):
    """Who keeps the waveform around an alarm (the desk of captures)."""

    def take(
        self, asset_id: str, items: Sequence[SourceItem], transitions: Sequence[AlarmTransition]
    ) -> None: ...


class Pipeline:
    """All machines' lines, and what they share: worker threads, counters, the desk of alarms."""

    def __init__(
        self,
        lines: Sequence[AssetLine],
        *,
        journal: Journal,
        clock: Clock,
        desk: AlarmDesk,
        counters: Counters,
        watch: SystemWatch,
        audience: Audience,
        counter_period_s: float,
        workers: int,
        meters: Meters | None = None,
        limit_desk: LimitDesk | None = None,
        captor: Captor | None = None,
        hear_tag: Callable[[SampleBlock], None] = lambda _block: None,
    ) -> None:
        """`hear_tag` gets process values the moment they come (a camera may wait for one)."""
        self._captor = captor
        self._hear_tag = hear_tag
        self._meters = meters or Meters()
        self._limit_desk = limit_desk or LimitDesk(journal, clock)
        self._lines = {line.asset_id: line for line in lines}
        self._journal = journal
        self._clock = clock
        self._desk = desk
        self._counters = counters
        self.counter_desk = CounterDesk(journal, clock, counters)
        self._watch = watch
        self._audience = audience
        self._counter_period_s, self._part_counted = counter_period_s, asyncio.Event()
        self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="analysis")
        for line in lines:
            desk.add_owner(line.asset_id, line.analysis, line.lock)
            self._limit_desk.add_owner(line.asset_id, line.analysis.limit_owners, line.lock)

    def restore(self, alarms: Sequence[Alarm]) -> None:
        """Take up what the journal holds: counters, limits, alarms, forecasts. Before anything runs."""
        self.counter_desk.restore()
        limits = {
            record.subject: orjson.loads(record.payload)
            for record in self._journal.latest(RecordKind.LEARNED_LIMIT)
        }
        for line in self._lines.values():
            for refused in line.analysis.restore(limits, alarms):
                logger.warning("learned limits not taken over asset=%s reason=%s", line.asset_id, refused)
        self._limit_desk.restore()
        told = standing_advisories(self._journal.latest(RecordKind.ADVISORY), self._clock)
        for line in self._lines.values():
            if own := line.analysis.resume(told):
                self._audience.take_findings(line.asset_id, Findings(advisories=own))

    def connect(self, source: Source) -> None:
        """Make the queues between a source and the machines that it measures."""
        for asset_id in sorted({channel.asset_id for channel in source.channels}):
            self._lines[asset_id].connect(source)

    async def feed(self, source: Source) -> None:
        """Take one source's items until it is lost. Raises SourceLost; call it again after a back-off."""
        assets = {channel.channel_id: channel.asset_id for channel in source.channels}
        try:
            async with aclosing(cast(AsyncGenerator[SourceItem, None], source.blocks())) as items:
                async for item in items:
                    await self._watch.source_delivers(source.source_id)
                    if isinstance(item, SampleBlock):
                        self._meters.heard_ns[item.channel_id] = self._clock.monotonic_ns()
                        if not _is_vibration(item):
                            self._hear_tag(item)
                    self.put(source.source_id, assets[item.channel_id], item)
        except SourceLost as lost:
            await self._watch.source_lost(lost)
            raise
        except Exception as error:
            # A fault of ours delivers no data either: the operator must not read that all is well.
            reason = f"it failed unexpectedly ({type(error).__name__}: {error})"
            remedy = "look into the log of the service"
            await self._watch.source_lost(SourceLost(source.source_id, LinkState.LOST, reason, remedy))
            raise

    def put(self, source_id: str, asset_id: str, item: SourceItem) -> None:
        """Hop 4: one item into its queue, which drops its oldest when full. Never blocks."""
        line = self._lines[asset_id]
        cause = GapCause.BACKPRESSURE if line.blocked_by_journal else GapCause.OVERLOAD
        if line.put(source_id, item, cause):
            self._counters.add(Counter.DROPPED_BLOCKS, source_id)
            self._watch.queue_overflows(source_id)
        line.wake.set()

    async def play(self, source: Source) -> None:
        """Take a finite source whole: a full queue is worked off first, so that nothing is dropped."""
        assets = {channel.channel_id: channel.asset_id for channel in source.channels}
        async for item in source.blocks():
            line = self._lines[assets[item.channel_id]]
            line.put(source.source_id, item)
            if len(line.queues[source.source_id]) >= MOST_AT_ONCE:
                await self._process(line, line.take(MOST_AT_ONCE))
        for line in self._lines.values():
            while items := line.take(MOST_AT_ONCE):
                await self._process(line, items)

    async def finish(self, asset_id: str) -> None:
        """The end of a recording: the rest of its windows and records is judged too."""
        line = self._lines[asset_id]
        async with line.lock:
            loop = asyncio.get_running_loop()
            findings = await loop.run_in_executor(self._threads, line.analysis.finish)
            await self._deliver(line, [], findings)

    async def run_asset(self, asset_id: str) -> None:
        """One machine's line, for ever."""
        line = self._lines[asset_id]
        try:
            while True:
                await line.wake.wait()
                line.wake.clear()
                while items := line.take(MOST_AT_ONCE):
                    await self._process(line, items)
        finally:
            for record in line.averager.flush():
                self._journal.submit(record)

    async def run_counters(self) -> None:
        """Make counters durable now and then, soon after a part, and at the end."""
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._counter_period_s):
                        await self._part_counted.wait()
                        await asyncio.sleep(PARTS_COMMIT_S)  # for the flash: more parts may come
                self._part_counted.clear()
                await self.commit_counters()
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FINISH_WAIT_S):
                    await self.commit_counters()

    def part_counted(self) -> None:
        """A camera counted a part: unlike hours, parts that a power cut took back would never be missed."""
        self._part_counted.set()

    async def commit_counters(self) -> None:
        """Commit every counter that grew; only then is it shown."""
        await self.counter_desk.commit()

    def close(self) -> None:
        """End the worker threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _process(self, line: AssetLine, items: list[SourceItem]) -> None:
        """Hops 5 to 9 for some items of one machine."""
        loop, meters = asyncio.get_running_loop(), line.meters
        async with line.lock:
            begin_ns = meters.monotonic_ns()
            work = loop.run_in_executor(self._threads, line.analysis.process, items)
            try:
                findings = await asyncio.shield(work)
            except asyncio.CancelledError:
                # Shutting down: what was being analysed is still brought to the journal.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FINISH_WAIT_S):
                        findings = await work
                    await self._deliver(line, items, findings)
                raise
            except Exception:
                meters.analysis.fail()
                for gap in _gaps_of(items):
                    self._journal.record_gap(gap)
                raise
            meters.analysis.done((meters.monotonic_ns() - begin_ns) / 1e9, len(items))
            if (sampled_ns := _sampled_ns(items)) is not None:
                meters.decision.done((self._clock.monotonic_ns() - sampled_ns) / 1e9)
            await self._deliver(line, items, findings)

    async def _deliver(self, line: AssetLine, items: list[SourceItem], findings: Findings) -> None:
        """Hop 9 and 10: alarms, limits and forecasts are durable before anybody sees what was found."""
        line.blocked_by_journal = True
        try:
            await self._desk.publish(findings.transitions, _sampled_ns(items))
            if self._captor is not None:
                self._captor.take(line.asset_id, items, findings.transitions)
            for channel_id, learned in findings.limits.items():
                await self._keep(_limit_record(self._clock, channel_id, learned))
            for advisory in findings.advisories:
                await self._keep(advisory_record(advisory, line.asset_id, self._clock))
            await self._limit_desk.note(line.asset_id)
        finally:
            line.blocked_by_journal = False
        self._submit(line, items, findings)
        self._count(line, items, findings)
        for item in items:
            if isinstance(item, SampleBlock) and not _is_vibration(item):
                self._audience.take_tag(item)
        self._audience.take_findings(line.asset_id, findings)

    async def _keep(self, record: NewRecord) -> None:
        """Make what was learned, or is foreseen, durable. One that the journal refuses costs only itself."""
        try:
            await self._journal.commit([record])
        except Rejected as error:
            logger.error("%s not stored subject=%s reason=%s", record.kind, record.subject, error)

    def _submit(self, line: AssetLine, items: list[SourceItem], findings: Findings) -> None:
        records: list[NewRecord] = []
        for gap in findings.gaps:
            records += line.averager.interrupt(gap.channel_id)
            self._journal.record_gap(gap)
        for vector in findings.features:
            records += line.averager.features(vector)
        for score in findings.scores:
            records += line.averager.score(score)
        for item in items:
            if isinstance(item, SampleBlock) and not _is_vibration(item):
                records += line.averager.tag(item)
        for record in records:
            self._journal.submit(record)

    def _count(self, line: AssetLine, items: list[SourceItem], findings: Findings) -> None:
        add = self._counters.add
        for item in items:
            if isinstance(item, Gap):
                add(Counter.GAPS, item.channel_id)
                add(Counter.MISSING_SAMPLES, item.channel_id, item.samples_missing or 0)
            elif _is_vibration(item):
                add(Counter.BLOCKS, item.channel_id)
                add(Counter.SAMPLES, item.channel_id, len(item.samples))
        for vector in findings.features:
            add(Counter.WINDOWS, vector.channel_id)
        add(
            Counter.ALARMS,
            line.asset_id,
            sum(t.what in ("raised", "re-raised") for t in findings.transitions),
        )
        begins_ns = min((item.start_ns for item in items if _is_vibration(item)), default=None)
        ends_ns = _sampled_ns(items)
        if begins_ns is not None and ends_ns is not None:
            usage = line.usage.observe(begins_ns, ends_ns, findings.operating_state, _greatest_rms(findings))
            add(Counter.RUNNING_HOURS, line.asset_id, usage.running_h)
            add(Counter.STARTS, line.asset_id, usage.starts)


def _is_vibration(item: SourceItem) -> bool:
    return isinstance(item, SampleBlock) and item.sample_rate_hz > 0.0


def _sampled_ns(items: Sequence[SourceItem]) -> int | None:
    """When the last vibration sample of these items was taken."""
    return max(
        (item.end_ns for item in items if isinstance(item, SampleBlock) and _is_vibration(item)), default=None
    )


def _greatest_rms(findings: Findings) -> float | None:
    values = [
        float(vector.values[vector.names.index("rms_mps2")])
        for vector in findings.features
        if "rms_mps2" in vector.names
    ]
    finite = [value for value in values if np.isfinite(value)]
    return max(finite, default=None)


def _gaps_of(items: Sequence[SourceItem]) -> list[Gap]:
    """What is lost when these items could not be analysed."""
    return [
        Gap(item.channel_id, item.start_ns, item.end_ns, GapCause.OVERLOAD, len(item.samples))
        if isinstance(item, SampleBlock)
        else item
        for item in items
    ]


def _limit_record(clock: Clock, channel_id: str, learned: object) -> NewRecord:
    now_ns = clock.monotonic_ns()
    return NewRecord(
        RecordClass.LIMIT,
        RecordKind.LEARNED_LIMIT,
        f"limit/{channel_id}/{clock.wall(now_ns).time_ns}",
        channel_id,
        now_ns,
        orjson.dumps(learned, option=orjson.OPT_SERIALIZE_NUMPY),
    )
