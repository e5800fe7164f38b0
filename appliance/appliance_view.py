"""The appliance's own page: links, queues, backlog, counters, clock, disk, memory.

Duty: gather figures that others keep into one view. Looks at the process and the disk; counts nothing itself.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil

from appliance.clock import Clock
from appliance.counters import Counter, Counters
from appliance.dead_letters import DeadLetters
from appliance.journal.journal import Journal
from appliance.source_queue import SourceQueue
from appliance.sources.source import LinkReport, Source
from appliance.station_views import backlog_view, link_view, queue_view
from appliance.telemetry.box import folder_bytes
from web.schemas import (
    ApplianceView,
    ClockView,
    CounterView,
    DeadLetterTallyView,
    DiskView,
    ReconciliationView,
    TrafficView,
)

_UNITS = {Counter.RUNNING_HOURS.value: "h"}
DISK_PERIOD_S = 2.0
_REFRESH_S = 0.9  # many pages may ask; the operating system is asked about once a second


@dataclass(frozen=True, slots=True)
class Identity:
    """What this appliance is called."""

    name: str
    version: str


class ApplianceFigures:
    """Makes ApplianceView of what sources, queues, journal, counters, clock and process say."""

    def __init__(
        self,
        identity: Identity,
        *,
        journal: Journal,
        clock: Clock,
        counters: Counters,
        sources: Sequence[Source],
        queues: Callable[[], Sequence[SourceQueue]],
        central: Callable[[], str] | None = None,
        traffic: Callable[[], TrafficView | None] = lambda: None,
        reconciliation: Callable[[], ReconciliationView | None] = lambda: None,
        ways_out: Callable[[], Sequence[LinkReport]] = tuple,
        dead_letters: DeadLetters | None = None,
    ) -> None:
        """`ways_out` are links to those who get something from the appliance."""
        self._identity = identity
        self._journal = journal
        self._clock = clock
        self._counters = counters
        self._sources = sources
        self._queues = queues
        self._central = central
        self._traffic = traffic
        self._reconciliation = reconciliation
        self._ways_out = ways_out
        self.dead_letters = dead_letters or DeadLetters()
        self._process = psutil.Process()
        self._process.cpu_percent(None)
        self._started_s = time.monotonic()
        self._made_s = float("-inf")
        self._made: ApplianceView | None = None
        self._disk_view = self._disk()

    async def watch_disk(self) -> None:
        """Look at the disk now and then, for ever: in a thread, since a disk that hangs does not answer."""
        while True:
            self._disk_view = await asyncio.to_thread(self._disk)
            await asyncio.sleep(DISK_PERIOD_S)

    def view(self) -> ApplianceView:
        """The page; at most a second old."""
        now_s = time.monotonic()
        if self._made is None or now_s - self._made_s >= _REFRESH_S:
            self._made, self._made_s = self._make(now_s), now_s
        return self._made

    def _make(self, now_s: float) -> ApplianceView:
        journal, clock_state = self._journal, self._clock.state()
        with self._process.oneshot():
            rss_bytes, cpu_percent = self._process.memory_info().rss, self._process.cpu_percent(None)
        return ApplianceView(
            name=self._identity.name,
            version=self._identity.version,
            boot_id=journal.boot_id,
            uptime_s=now_s - self._started_s,
            rss_bytes=rss_bytes,
            cpu_percent=cpu_percent,
            links=[
                *(link_view(source.report()) for source in self._sources),
                *(link_view(report) for report in self._ways_out()),
            ],
            queues=[queue_view(queue) for queue in self._queues()],
            backlog=[backlog_view(backlog) for backlog in journal.backlog()],
            counters=[
                CounterView(
                    counter=total.counter,
                    subject=total.subject,
                    value=total.value,
                    unit=_UNITS.get(total.counter, "1"),
                )
                for total in self._counters.committed()
            ],
            clock=ClockView(
                trusted=clock_state.trusted,
                source=clock_state.source,
                now_ms=self._clock.wall(self._clock.monotonic_ns()).time_ns / 1e6,
                text=clock_state.text,
            ),
            disk=self._disk_view,
            journal_durable=journal.durable,
            central="not configured: everything is kept here" if self._central is None else self._central(),
            traffic=self._traffic(),
            reconciliation=self._reconciliation(),
            dead_letters=[
                DeadLetterTallyView(
                    destination=tally.destination, refused=tally.refused, dropped=tally.dropped
                )
                for tally in self.dead_letters.tallies()
            ],
        )

    def _disk(self) -> DiskView:
        folder = self._journal.folder
        usage = shutil.disk_usage(folder)
        return DiskView(
            path=str(folder),
            total_bytes=usage.total,
            free_bytes=usage.free,
            journal_bytes=folder_bytes(folder),
            reserve_bytes=self._journal.reserve.held_bytes,
        )
