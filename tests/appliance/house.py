"""A whole appliance without its shells, for tests: journal, desk, pipeline and station on a set clock.

Everything is real but time and the sources: a `ScriptedSource` delivers what a test gives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.analysis import AssetAnalysis
from appliance.analysis_settings import PROFILES, AnalysisSettings
from appliance.appliance_view import ApplianceFigures, Identity
from appliance.asset_line import AssetLine
from appliance.clock import ReplayClock
from appliance.config_telemetry import TelemetrySettings
from appliance.counters import Counters
from appliance.journal.journal import Journal
from appliance.journal.record import StoredGap
from appliance.journal.retention import Timing
from appliance.journal.store import FILE_NAME
from appliance.limit_desk import LimitDesk
from appliance.machine_status import MachineStatus
from appliance.pipeline import Pipeline
from appliance.sources.source import LinkReport, LinkState, SourceLost
from appliance.station import Station
from appliance.system_watch import SystemWatch
from appliance.telemetry.stage_meter import Meters
from appliance.wiring_telemetry import Telemetry
from dsp.samples import Channel, SampleBlock, SourceItem
from tests.appliance.journal.builders import ALL_TIME, PATIENT, SMALL, START_NS
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels, motor_items

AXES = "x"


class ScriptedSource:
    """A source that delivers given items, then waits, or loses its peer."""

    def __init__(self, items: Sequence[SourceItem], lost: SourceLost | None = None) -> None:
        self.source_id = "sensor"
        self.channels: tuple[Channel, ...] = tuple(channels(LOW_RATE_HZ, AXES))
        self.items = items
        self.lost = lost

    async def blocks(self) -> AsyncIterator[SourceItem]:
        for item in self.items:
            yield item
        if self.lost is not None:
            raise self.lost
        await asyncio.Event().wait()

    def report(self) -> LinkReport:
        return LinkReport(self.source_id, "serial", "/dev/null", LinkState.CONNECTED)


class House:
    """One life of an appliance on a folder; `open` it again for the next life."""

    def __init__(self, journal: Journal, clock: ReplayClock, judged_by: AnalysisSettings) -> None:
        self.journal, self.clock = journal, clock
        self.meters = Meters()
        self.desk = AlarmDesk(journal, clock, self.meters.alarm_commit)
        self.watch = SystemWatch(self.desk, journal, clock)
        self.counters = Counters(journal.incarnation, journal.boot_id)
        self.source = ScriptedSource([])
        own = self.meters.of(MOTOR.asset_id)
        self.analysis = AssetAnalysis(MOTOR, self.source.channels, judged_by, own.score)
        self.line = AssetLine(self.analysis, 0.0, own)
        self.status = MachineStatus(MOTOR, self.source.channels)
        self.telemetry = Telemetry(
            TelemetrySettings(),
            self.meters,
            name="hall-3",
            version="0",
            journal=journal,
            clock=clock,
            watch=self.watch,
            counters=self.counters,
            lines=[self.line],
            sources=[self.source],
            silence_s={},
        )
        self.limit_desk = LimitDesk(journal, clock)
        self.station = Station(
            "hall-3",
            [self.status],
            journal=journal,
            clock=clock,
            desk=self.desk,
            figures=ApplianceFigures(
                Identity("hall-3", "0"),
                journal=journal,
                clock=clock,
                counters=self.counters,
                sources=[self.source],
                queues=lambda: list(self.line.queues.values()),
            ),
            limit_desk=self.limit_desk,
        )
        self.pipeline = Pipeline(
            [self.line],
            journal=journal,
            clock=clock,
            desk=self.desk,
            counters=self.counters,
            watch=self.watch,
            audience=self.station,
            counter_period_s=3600.0,
            workers=1,
            meters=self.meters,
            limit_desk=self.limit_desk,
        )
        self.pipeline.connect(self.source)
        alarms = self.desk.restore()
        self.watch.restore(alarms, ["sensor"])
        self.pipeline.restore(alarms)
        self.tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Let the desk follow, the machine's line run and the station tell."""
        for run in (self.desk.follow, lambda: self.pipeline.run_asset("motor-1"), self.station.run):
            self.tasks.append(asyncio.create_task(run()))

    def feed(self, items: Sequence[SourceItem]) -> None:
        """Items as if the source had delivered them now; the clock follows their time."""
        for item in items:
            if isinstance(item, SampleBlock):
                self.clock.set(max(self.clock.monotonic_ns(), item.end_ns))
            self.pipeline.put("sensor", "motor-1", item)

    async def settle(self) -> None:
        """Until all that was fed is analysed and shown."""
        await until(lambda: not any(len(queue) for queue in self.line.queues.values()))
        async with self.line.lock:
            pass

    async def kill(self) -> None:
        """End all tasks without the care of a shutdown; the journal keeps what it has."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.pipeline.close()
        self.telemetry.close()
        await self.journal.close()


@contextlib.asynccontextmanager
async def house(
    folder: Path,
    clock: ReplayClock | None = None,
    judged_by: AnalysisSettings = PROFILES["demo"],
    timing: Timing = PATIENT,  # `QUICK` for what is about a disk that hangs
) -> AsyncIterator[House]:
    """An appliance in `folder`, ended whatever happens."""
    set_clock = clock or ReplayClock(START_NS)
    journal = await Journal.open(folder / "journal", SMALL, set_clock, timing)
    one = House(journal, set_clock, judged_by)
    try:
        yield one
    finally:
        await one.kill()


async def until(condition: Callable[[], bool], limit_s: float = 60.0) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.005)


async def stored_gaps(journal: Journal, channel_id: str, n: int) -> list[StoredGap]:
    """The channel's gaps, once the disk has at least `n`; more are given, too."""
    async with asyncio.timeout(60.0):
        while len(gaps := await journal.gaps(channel_id, *ALL_TIME)) < n:
            await asyncio.sleep(0.01)
    return gaps


@contextlib.contextmanager
def hanging_disk(journal: Journal) -> Iterator[None]:
    """The journal's write lock in other hands: its writer waits, as on a disk that hangs."""
    other = sqlite3.connect(journal.folder / FILE_NAME, timeout=60.0, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def running(seconds: float, seed: int = 3) -> list[list[SourceItem]]:
    """Healthy running of the motor, one axis at a low rate."""
    return list(motor_items(seed, seconds, rate_hz=LOW_RATE_HZ, axes=AXES))
