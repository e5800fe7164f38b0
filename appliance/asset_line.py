"""One machine's line: the bounded queues in front of its analysis, and what is collected behind it.

Duty: which items an analysis takes next, and what a full queue drops. Runs nothing: the pipeline does.
"""

from __future__ import annotations

import asyncio

from appliance.analysis import AssetAnalysis
from appliance.machine_usage import MachineUsage
from appliance.source_queue import SourceQueue
from appliance.sources.source import Source
from appliance.telemetry.stage_meter import AssetMeters
from appliance.telemetry_averager import TelemetryAverager
from dsp.samples import GapCause, SourceItem

QUEUE_CAPACITY = 1200  # items: some 40 s of a three-axis sensor


class AssetLine:
    """One machine's way through the house: its queues, its analysis, what is collected for the journal."""

    def __init__(
        self, analysis: AssetAnalysis, telemetry_period_s: float, meters: AssetMeters | None = None
    ) -> None:
        self.meters = meters or AssetMeters()
        self.asset_id = analysis.machine.asset_id
        self.analysis = analysis
        self.lock = asyncio.Lock()  # one asset never in two threads at once
        self.wake = asyncio.Event()
        self.queues: dict[str, SourceQueue] = {}  # by source
        self._tags: set[str] = set()  # channels of process values
        self._tag_sources: set[str] = set()  # that deliver nothing else
        self.averager = TelemetryAverager(telemetry_period_s)
        self.usage = MachineUsage()
        self.blocked_by_journal = False

    def connect(self, source: Source) -> None:
        """Make the queue between a source and this machine."""
        queue = SourceQueue(f"{source.source_id} > {self.asset_id}", QUEUE_CAPACITY)
        self.queues[source.source_id] = queue
        own = [channel for channel in source.channels if channel.asset_id == self.asset_id]
        tags = {channel.channel_id for channel in own if channel.sample_rate_hz <= 0.0}
        self._tags |= tags
        if len(tags) == len(own):
            self._tag_sources.add(source.source_id)

    def take(self, most: int) -> list[SourceItem]:
        """The oldest items of all queues, tags before the samples that they belong to.

        While samples wait, later tags wait with them: a backlog is judged by what the machine did then.
        """
        self._measure_waits()
        sampled = [queue for source_id, queue in self.queues.items() if source_id not in self._tag_sources]
        items = [item for queue in sampled for item in queue.take(most)]
        until_ns = max((item.end_ns for item in items), default=None)
        for source_id in self._tag_sources:
            items += self.queues[source_id].take(QUEUE_CAPACITY if items else most, until_ns)
        items.sort(key=lambda item: item.channel_id not in self._tags)  # stable: each channel keeps its order
        return items

    def put(self, source_id: str, item: SourceItem, cause: GapCause = GapCause.OVERLOAD) -> bool:
        """One item into its queue; whether an older one had to go."""
        queue = self.queues[source_id]
        drops = queue.put(item, cause, self.meters.monotonic_ns())
        meter = self.meters.queues[queue.name]
        meter.processed, meter.dropped = meter.processed + 1, queue.dropped
        return drops

    def fill(self) -> float:
        """How full its fullest queue is: 0 to 1."""
        return max((len(queue) / queue.capacity for queue in self.queues.values()), default=0.0)

    def _measure_waits(self) -> None:
        """What a batch waited is what its oldest item did: one measurement per queue and batch."""
        now_ns = self.meters.monotonic_ns()
        for queue in self.queues.values():
            if queue.oldest_ns is not None:
                self.meters.queues[queue.name].latency.add((now_ns - queue.oldest_ns) / 1e9)
