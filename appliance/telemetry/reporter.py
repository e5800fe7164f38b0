"""Gathers the health report: looks at the box, reads the meters, and keeps the journal's history of both.

Duty: the shell of telemetry. Everything that is told stands in `HealthReport`; who measures what is given to
it by the wiring. Decides nothing: alarms are the health watch's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from appliance.clock import Clock
from appliance.journal.journal import Journal
from appliance.journal.record import RecordKind
from appliance.telemetry.box import Box, BoxFigures
from appliance.telemetry.distribution import Distribution
from appliance.telemetry.flash import wear_health
from appliance.telemetry.health import (
    ClassWear,
    ClockHealth,
    HealthReport,
    LatencyTrend,
    LinkHealth,
    PartErrors,
    ScoreHealth,
    Stage,
    StageHealth,
)
from appliance.telemetry.latency_week import HOUR_NS, WEEK_HOURS, LatencyWeek
from appliance.telemetry.record import health_records, latency_of, stage_subject
from appliance.telemetry.stage_meter import AssetMeters, StageMeter

logger = logging.getLogger(__name__)

LOOK_S = 5.0  # how often the operating system is asked
FRESH_S = 0.9  # many may ask for a report; it is made about once a second
STEPS = 6  # snapshots per period, so that quantiles are over the last period and not over a younger one
PAGE_RECORDS = 360  # of history at once: the loop has other work between
PAGE_PAUSE_S = 0.01


@dataclass(frozen=True, slots=True)
class StageProbe:
    """A stage as it stands: its meter, and what waits. What is None is taken from the meter."""

    stage: Stage
    instance: str
    meter: StageMeter
    depth: int | None = None
    capacity: int | None = None
    dropped: int | None = None
    errors: int | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the figures come from that others keep; each is asked at every report."""

    stages: Callable[[], Sequence[StageProbe]]
    assets: Callable[[], Mapping[str, AssetMeters]]
    links: Callable[[int], Sequence[LinkHealth]]  # monotonic ns
    parts: Callable[[], Sequence[PartErrors]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    made_s: float
    latencies: dict[tuple[Stage, str], Distribution]
    scores: dict[str, Distribution]


class Reporter:
    """Makes reports; `run` and `remember` are its tasks."""

    def __init__(
        self,
        sources: Sources,
        *,
        name: str,
        version: str,
        box: Box,
        journal: Journal,
        clock: Clock,
        period_s: float,
        endurance_tb: float = 0.0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Looks at the box once, blocking for a moment."""
        self._name, self._version = name, version
        self._sources = sources
        self._box = box
        self._journal = journal
        self._clock = clock
        self._period_s = period_s
        self._endurance_tb = endurance_tb
        self._monotonic_s = monotonic_s
        self._started_s = monotonic_s()
        self._figures: BoxFigures = box.look()
        self._snapshots: deque[_Snapshot] = deque(maxlen=STEPS + 2)
        self._weeks: dict[tuple[Stage, str], LatencyWeek] = {}
        self._read_until_ns: dict[tuple[Stage, str], int] = {}
        self._trends: tuple[LatencyTrend, ...] = ()
        self._trusted_at_s = self._started_s
        self._made_s = float("-inf")
        self._made: HealthReport | None = None

    def report(self) -> HealthReport:
        """How the appliance is; at most a second old."""
        now_s = self._monotonic_s()
        if self._made is None or now_s - self._made_s >= FRESH_S:
            self._made, self._made_s = self._make(now_s), now_s
        return self._made

    async def run(self) -> None:
        """Look at the box and write the journal's record, for ever."""
        looked_s = stepped_s = recorded_s = self._monotonic_s()
        self._step()
        while True:
            await asyncio.sleep(min(LOOK_S, self._period_s / STEPS))
            now_s = self._monotonic_s()
            if now_s - looked_s >= LOOK_S * 0.9:
                looked_s = now_s
                await self.look()
            if now_s - recorded_s >= self._period_s:
                recorded_s = now_s
                self.record()
            if now_s - stepped_s >= self._period_s / STEPS:
                stepped_s = now_s
                self._step()

    async def look(self) -> None:
        """Ask the operating system. A disk that is gone leaves what was known; its alarm is the journal's."""
        try:
            self._figures = await asyncio.to_thread(self._box.look)
        except OSError as error:
            logger.warning("box not readable reason=%s", error)

    def record(self) -> None:
        """Hand the present report to the journal."""
        for record in health_records(self._make(self._monotonic_s())):
            self._journal.submit(record)

    async def remember(self) -> None:
        """Follow the journal's own history of latencies, for ever. Raises Retryable."""
        while True:
            await self.catch_up()
            await asyncio.sleep(self._period_s)

    async def catch_up(self) -> None:
        """Take up what the journal has of every stage since the last call; the first call reads a week."""
        for probe in self._sources.stages():
            await self._catch_up(probe.stage, probe.instance)
        now_ns = self._wall_ns()
        self._trends = tuple(week.trend(now_ns) for week in self._weeks.values())

    async def _catch_up(self, stage: Stage, instance: str) -> None:
        key, now_ns = (stage, instance), self._wall_ns()
        week = self._weeks.setdefault(key, LatencyWeek(stage, instance))
        start_ns = self._read_until_ns.get(key, now_ns - (WEEK_HOURS + 2) * HOUR_NS)
        start_ns = min(start_ns, now_ns)  # a clock that was set back goes on from where it is
        while True:
            records = await self._journal.between(
                RecordKind.HEALTH, stage_subject(stage, instance), start_ns, now_ns, PAGE_RECORDS
            )
            for record in records:
                value = latency_of(record)
                if value is not None:
                    week.add(record.time_ns, value)
            if records:
                start_ns = records[-1].time_ns + 1
            self._read_until_ns[key] = start_ns
            if len(records) < PAGE_RECORDS:
                return
            await asyncio.sleep(PAGE_PAUSE_S)

    def _step(self) -> None:
        """Remember what the meters say now: what quantiles are since."""
        probes, assets = self._sources.stages(), self._sources.assets()
        self._snapshots.append(
            _Snapshot(
                self._monotonic_s(),
                {(probe.stage, probe.instance): probe.meter.latency.distribution() for probe in probes},
                {asset_id: meters.scores.distribution() for asset_id, meters in assets.items()},
            )
        )

    def _make(self, now_s: float) -> HealthReport:
        # Whole periods: the youngest snapshot that is old enough, else (soon after the start) the start.
        before = next(
            (one for one in reversed(self._snapshots) if now_s - one.made_s >= self._period_s), None
        )
        now_ns = self._clock.monotonic_ns()
        wall, figures = self._clock.wall(now_ns), self._figures
        wear = [
            ClassWear(one.record_class, one.written_bytes, one.written_bytes_per_day)
            for one in self._journal.backlog()
        ]
        return HealthReport(
            monotonic_ns=now_ns,
            time_ns=wall.time_ns,
            time_trusted=wall.trusted,
            uptime_s=now_s - self._started_s,
            period_s=now_s - (self._started_s if before is None else before.made_s),
            name=self._name,
            version=self._version,
            stages=tuple(_stage(probe, before) for probe in self._sources.stages()),
            scores=tuple(
                _scores(asset_id, meters, before) for asset_id, meters in self._sources.assets().items()
            ),
            parts=tuple(self._sources.parts()),
            load=figures.load,
            temperatures=figures.temperatures,
            disk=figures.disk,
            wear=wear_health(figures.flash, wear, self._endurance_tb),
            clock=self._clock_health(now_s),
            links=tuple(self._sources.links(now_ns)),
            trends=self._trends,
            journal_durable=self._journal.durable,
        )

    def _clock_health(self, now_s: float) -> ClockHealth:
        state = self._clock.state()
        if state.trusted:
            self._trusted_at_s = now_s
        return ClockHealth(
            state.trusted,
            state.source,
            state.text,
            now_s - self._trusted_at_s,
            state.steps,
            state.last_step_s,
        )

    def _wall_ns(self) -> int:
        return self._clock.wall(self._clock.monotonic_ns()).time_ns


def _stage(probe: StageProbe, before: _Snapshot | None) -> StageHealth:
    latency = probe.meter.latency.distribution()
    earlier = None if before is None else before.latencies.get((probe.stage, probe.instance))
    period = latency.since(earlier)
    return StageHealth(
        stage=probe.stage,
        instance=probe.instance,
        depth=probe.depth,
        capacity=probe.capacity,
        processed=probe.meter.processed,
        dropped=probe.meter.dropped if probe.dropped is None else probe.dropped,
        errors=probe.meter.errors if probe.errors is None else probe.errors,
        p50_s=period.quantile(0.5),
        p99_s=period.quantile(0.99),
        latency=latency,
    )


def _scores(asset_id: str, meters: AssetMeters, before: _Snapshot | None) -> ScoreHealth:
    scores = meters.scores.distribution()
    period = scores.since(None if before is None else before.scores.get(asset_id))
    return ScoreHealth(
        asset_id=asset_id,
        p50=period.quantile(0.5),
        p90=period.quantile(0.9),
        p99=period.quantile(0.99),
        over_limit=meters.over_limit,
        scores=scores,
        period_scores=period,
    )
