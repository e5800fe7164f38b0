"""An inspection line for a folder: the one of the appliance, with a journal that is thrown away afterwards.

Duty: build camera line, counters, alarms and kept pictures for a replay. What is printed is the command's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.alarm_desk import AlarmDesk
from appliance.alarm_records import StoredTransition
from appliance.capture_care import stored_captures
from appliance.capture_desk import CaptureDesk
from appliance.capture_group import CaptureTiming
from appliance.clock import ReplayClock
from appliance.counter_desk import CounterDesk
from appliance.counters import Counters, CounterTotal
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import InspectionLine, LineListener, LineSettings
from appliance.inspection_pictures import PictureKeeper
from appliance.journal.capture_record import Capture
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets, ClassBudget
from appliance.sources.camera import Camera, Frame, FrameMissed
from appliance.system_watch import SystemWatch

MOST_PICTURES = 100_000
WAITING_BYTES = 64 << 20
KEPT_BYTES = 1 << 40  # and of any age: pictures of a folder may be of years


class InspectionReplay:
    """Parts one after the other. `told` of the constructor gets each step of an alarm."""

    def __init__(
        self,
        line: InspectionLine,
        desk: CaptureDesk,
        journal: Journal,
        counters: CounterDesk,
        clock: ReplayClock,
    ) -> None:
        self.line, self._desk, self._journal = line, desk, journal
        self._counter_desk, self._clock = counters, clock

    async def show(self, item: Frame | FrameMissed) -> None:
        """Inspect one part, at its own time."""
        self._clock.set(max(self._clock.monotonic_ns(), item.taken_ns))
        self.line.put(item)
        await self.line.work_off()
        await self._desk.finish()

    async def counters(self) -> list[CounterTotal]:
        """What was counted."""
        await self._counter_desk.commit()
        return self._counter_desk.counters.committed()

    async def captures(self) -> list[Capture]:
        """The pictures that were kept, in order; without those for which the disk had no room."""
        return [one for one in (await stored_captures(self._journal))[::-1] if one.parts[0].file]

    def picture(self, capture: Capture) -> bytes:
        """The file (PNG) of a kept picture. Blocking."""
        return self._desk.files.segment(capture.parts[0].file).picture


@asynccontextmanager
async def inspection_replay(
    camera: Camera,
    knowledge: CameraKnowledge,
    settings: LineSettings,
    listener: LineListener,
    told: Callable[[StoredTransition], None],
) -> AsyncIterator[InspectionReplay]:
    """From picture to counter, kept picture and alarm; `told` gets each step of an alarm."""
    clock = ReplayClock(0)
    with tempfile.TemporaryDirectory(prefix="stethos-inspect-") as folder:
        budgets = Budgets(capture=ClassBudget(KEPT_BYTES, None, False), reserve_transitions=500)
        journal = await Journal.open(Path(folder) / "journal", budgets, clock)
        try:
            alarms = AlarmDesk(journal, clock)
            alarms.listen(told)
            counters = Counters(journal.incarnation, journal.boot_id)
            timing = CaptureTiming(memory_bytes=WAITING_BYTES)
            desk = CaptureDesk([], timing, journal=journal, clock=clock, counters=counters)
            keeper = PictureKeeper(
                camera.camera_id,
                desk,
                clock=clock,
                counters=counters,
                most_per_hour=MOST_PICTURES,
                unsure_budget_bytes=0,
            )
            line = InspectionLine(
                camera,
                knowledge,
                settings,
                clock=clock,
                counters=counters,
                watch=SystemWatch(alarms, journal, clock),
                listeners=(listener,),
                keep=keeper.keep,
                record_gap=journal.record_gap,
            )
            following = asyncio.create_task(alarms.follow())
            try:
                yield InspectionReplay(line, desk, journal, CounterDesk(journal, clock, counters), clock)
            finally:
                line.close()
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
        finally:
            await journal.close()
