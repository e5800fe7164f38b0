"""Builds captures from their settings: the desk that takes them, and the care for those on the disk.

Duty: which part gets what. Holds no logic of any part.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from appliance.asset_line import AssetLine
from appliance.capture_care import CaptureCare
from appliance.capture_desk import CaptureDesk
from appliance.capture_group import CaptureTiming
from appliance.captured_views import CapturedViews
from appliance.clock import Clock
from appliance.config_captures import CaptureSettings
from appliance.counters import Counters
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.journal import Journal
from appliance.journal.retention import MIB
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from dsp.samples import Channel


class Captures:
    """The built captures: `supervise` them, `close` at the end."""

    def __init__(
        self,
        settings: CaptureSettings,
        journal: Journal,
        clock: Clock,
        watch: SystemWatch,
        counters: Counters,
        *,
        channels: Sequence[Channel],
        lines: Sequence[AssetLine],
    ) -> None:
        """With `enabled` false nothing is captured; what is on the disk is looked after all the same."""
        self._begun = asyncio.Event()
        by_asset = {line.asset_id: line for line in lines}
        self.care = CaptureCare(journal, CaptureFiles(journal.folder), clock, watch)
        self.desk = CaptureDesk(
            channels if settings.enabled else [],
            CaptureTiming(
                settings.before_s, settings.after_s, settings.memory_mb * MIB, settings.most_per_hour
            ),
            journal=journal,
            clock=clock,
            counters=counters,
            queue_fill=lambda asset_id: by_asset[asset_id].fill(),
            left_out=self.care.left_out,
        )
        names = {line.asset_id: line.analysis.machine.name for line in lines}
        self.views = CapturedViews(journal, self.desk, names)

    def supervise(self, supervisor: Supervisor) -> None:
        """Add its tasks."""
        supervisor.add("captures", self._run)
        supervisor.add("captured files", self._check)
        supervisor.add("captures left out", self.care.run)

    async def close(self) -> None:
        """Store what is begun."""
        await self.desk.finish()

    async def _run(self) -> None:
        await self.care.begin()
        self._begun.set()
        await self.desk.run()

    async def _check(self) -> None:
        await self._begun.wait()
        await self.care.check()
