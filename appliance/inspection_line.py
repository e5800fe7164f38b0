"""One camera's line: from its pictures to verdicts within the budget: counted, told, kept where they matter.

Duty: the motion. A picture is looked at in a thread, and at its deadline the part has no verdict, whatever
the model may still say. Who is told first is the line (`told`), then the counters, then the alarms. What a
look means is `inspection_verdict`'s, what is worth an alarm `inspection_rules`' to say.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, cast

from appliance.alarms.system import OF_CAMERAS, SystemCondition
from appliance.clock import Clock
from appliance.counters import Counter, Counters
from appliance.inspection_knowledge import CameraKnowledge, Look
from appliance.inspection_queue import InspectionQueue, QueuedPart
from appliance.inspection_rules import InspectionRules
from appliance.inspection_verdict import Part, PartResult, PartVerdict, WhyNone, judged, late, none
from appliance.sources.camera import Camera, Frame, FrameMissed, Picture
from appliance.sources.source import LinkState, SourceLost
from appliance.telemetry.stage_meter import StageMeter
from dsp.samples import Gap, GapCause

logger = logging.getLogger(__name__)

APART_NS = 1000
SAVE_AGAIN_NS = 60_000_000_000  # after a disk that did not take what was learned


class Watch(Protocol):
    """Who raises the appliance's own alarms."""

    async def source_lost(self, lost: SourceLost) -> None: ...

    async def source_delivers(self, source_id: str) -> None: ...

    async def state(
        self, stands: bool, condition: SystemCondition, subject: str, reason: str, remedy: str = ""
    ) -> None: ...


class LineListener(Protocol):
    """Whom the line's verdicts reach at once (the OPC UA server)."""

    def part_arrived(self, part: Part) -> None: ...

    def part_decided(self, verdict: PartVerdict) -> None: ...

    def camera_lost(self, camera_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How one camera is inspected. `budget_s`: from picture to verdict; infinite in a replay."""

    budget_s: float = 0.1
    queue_frames: int = 4
    defects_needed: int = 3
    defects_of: int = 10


class InspectionLine:
    """Built once, then `feed` and `run` under the supervisor."""

    def __init__(
        self,
        camera: Camera,
        knowledge: CameraKnowledge,
        settings: LineSettings,
        *,
        clock: Clock,
        counters: Counters,
        watch: Watch,
        listeners: tuple[LineListener, ...] = (),
        keep: Callable[[PartVerdict, Picture], Awaitable[None]] | None = None,
        save: Callable[[dict[str, Any]], Awaitable[bool]] | None = None,
        record_gap: Callable[[Gap], None] = lambda _gap: None,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`keep` takes pictures of parts that matter, `save` what was learned, and says whether it could;
        `pressed`: the box has so much to do that pictures are given up."""
        self.camera, self.knowledge, self.settings = camera, knowledge, settings
        self._clock, self._counters, self._watch = clock, counters, watch
        self._listeners, self._keep, self._save = listeners, keep, save
        self._record_gap, self._pressed = record_gap, pressed
        self._rules = InspectionRules(settings.defects_needed, settings.defects_of)
        self.queue = InspectionQueue(settings.queue_frames)
        self.meter = StageMeter()
        self._something, self._idle = asyncio.Event(), asyncio.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"inspection {camera.camera_id}")
        self._number, self._stamp_ns = 0, -APART_NS
        self._saved, self._save_ns = knowledge.learned, -SAVE_AGAIN_NS
        self._uncounted = False  # the part that is inspected now
        self.counted: Callable[[], None] = lambda: None  # who makes counts durable
        self.last: PartVerdict | None = None

    @property
    def camera_id(self) -> str:
        return self.camera.camera_id

    def restore(self, standing: set[SystemCondition]) -> None:
        """Count on where the last start ended, with the conditions that stood."""
        ended = (Counter.PARTS_INSPECTED, Counter.PARTS_NO_VERDICT)
        self._number = round(sum(self._counters.value(one, self.camera_id) for one in ended))
        self._rules.restore(standing & set(OF_CAMERAS))

    async def feed(self) -> None:
        """Take the camera's pictures until it is lost. Raises SourceLost; call it again after a back-off."""
        try:
            frames = cast(AsyncGenerator[Frame | FrameMissed, None], self.camera.frames())
            async with aclosing(frames):
                async for item in frames:
                    await self._watch.source_delivers(self.camera_id)
                    self.put(item)
                    if isinstance(item, Frame) and item.patient:
                        await self._idle.wait()
        except SourceLost as lost:
            await self._lost(lost)
            raise
        except Exception as error:
            reason = f"it failed unexpectedly ({type(error).__name__}: {error})"
            remedy = "look into the log of the service"
            await self._lost(SourceLost(self.camera_id, LinkState.LOST, reason, remedy))
            raise

    def put(self, item: Frame | FrameMissed) -> None:
        """A part arrived: it gets its number, and the line is told that it waits."""
        self._number += 1
        # A client tells by the time which values belong together: no two parts have the same.
        self._stamp_ns = max(item.taken_ns, self._stamp_ns + APART_NS)
        name = item.name.encode(errors="backslashreplace").decode()  # a file's need not be text
        part = Part(self.camera_id, self._number, item.taken_ns, name, self._stamp_ns)
        queued = (
            QueuedPart(part, item.picture)
            if isinstance(item, Frame)
            else QueuedPart(part, None, WhyNone.MISSING, item.reason)
        )
        # First: whoever fails to hear of it, it is a part.
        dropped, crowded_out = self.queue.put(queued)
        if crowded_out is not None:  # the line heard of newer ones long ago, but it was a part
            self._counters.add(Counter.PARTS_NO_VERDICT, self.camera_id)
        self._something.set()
        self._idle.clear()
        if dropped is not None:
            self._give_up(dropped.part)
        for listener in self._listeners:
            listener.part_arrived(part)

    async def run(self) -> None:
        """Inspect parts as they come, for ever. What waits at a stop are parts without a verdict."""
        self._something.set()  # what waited when a fault ended it waits still
        try:
            while True:
                await self._something.wait()
                self._something.clear()
                await self.work_off()
                self._idle.set()
        except asyncio.CancelledError:
            while self.queue.take() is not None:
                self._counters.add(Counter.PARTS_NO_VERDICT, self.camera_id)
            raise

    async def work_off(self) -> None:
        """Inspect all that waits."""
        while (queued := self.queue.take()) is not None:
            self._uncounted = True
            try:
                await self._inspect(queued)
            finally:
                if self._uncounted:  # cut short by a stop, or by a fault of ours
                    self._counters.add(Counter.PARTS_NO_VERDICT, self.camera_id)

    def close(self) -> None:
        """End its thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # ---- inside ----

    async def _inspect(self, queued: QueuedPart) -> None:
        part, picture, now_ns = queued.part, queued.picture, self._clock.monotonic_ns()
        if picture is None:
            await self._decide(none(part, queued.why or WhyNone.MISSING, queued.reason, now_ns), None)
            return
        if self._pressed():
            self._give_up(part)
            reason = "the appliance has too much to do"
            await self._decide(none(part, WhyNone.SACRIFICED, reason, now_ns), None)
            return
        left_s = self.settings.budget_s - (now_ns - part.taken_ns) / 1e9
        if left_s <= 0.0:
            await self._decide(late(part, self.settings.budget_s, now_ns), None)
            return
        work = asyncio.get_running_loop().run_in_executor(self._thread, self.knowledge.look, picture)
        try:
            async with asyncio.timeout(None if math.isinf(left_s) else left_s):
                look = await asyncio.shield(work)
        except TimeoutError:
            await self._decide(late(part, self.settings.budget_s, self._clock.monotonic_ns()), None)
            look = await _ended(work)  # the thread is busy until then
        except Exception as error:
            logger.exception("inspection failed camera=%s", self.camera_id)
            failed = f"it failed unexpectedly ({type(error).__name__}: {error})"
            await self._decide(none(part, WhyNone.FAILED, failed, self._clock.monotonic_ns()), None)
            return
        else:
            self._rules.fell_back(look.trouble)
            await self._decide(self._verdict(part, look), picture)
        if look.learned:
            logger.info("good parts are learned camera=%s", self.camera_id)
        await self._keep_knowledge()

    async def _keep_knowledge(self) -> None:
        """What was learned goes to the disk, once that takes it: a restart must not learn anew in silence."""
        now_ns = self._clock.monotonic_ns()
        if self._save is None or self._saved or not self.knowledge.learned:
            return
        if now_ns - self._save_ns >= SAVE_AGAIN_NS:
            self._save_ns = now_ns
            self._saved = await self._save(self.knowledge.state())

    def _verdict(self, part: Part, look: Look) -> PartVerdict:
        now_ns = self._clock.monotonic_ns()
        if look.unusable:
            return none(part, WhyNone.PICTURE, look.unusable, now_ns)
        if look.inspection is None:
            why = WhyNone.FAILED if look.trouble else WhyNone.LEARNING
            return none(part, why, look.trouble or look.learning, now_ns)
        if (now_ns - part.taken_ns) / 1e9 > self.settings.budget_s:
            return late(part, self.settings.budget_s, now_ns)
        return judged(part, look.inspection, now_ns)

    async def _decide(self, verdict: PartVerdict, picture: Picture | None) -> None:
        """Tell the line, then count, then what is worth an alarm, then keep the picture."""
        self.last = verdict
        for listener in self._listeners:
            listener.part_decided(verdict)
        self.meter.done(max(0.0, verdict.latency_s))
        self._count(verdict)
        for change in self._rules.observe(verdict):
            await self._watch.state(
                change.stands, change.condition, self.camera_id, change.reason, change.remedy
            )
        matters = verdict.result is PartResult.DEFECT or verdict.unsure
        if picture is not None and self._keep is not None and matters:
            await self._keep(verdict, picture)

    def _count(self, verdict: PartVerdict) -> None:
        self._uncounted = False
        self.counted()
        add, camera_id = self._counters.add, self.camera_id
        if verdict.result is PartResult.NONE:
            add(Counter.PARTS_NO_VERDICT, camera_id)
            return
        add(Counter.PARTS_INSPECTED, camera_id)
        if verdict.result is PartResult.DEFECT:
            add(Counter.PARTS_DEFECTIVE, camera_id)
            if verdict.kind is not None:
                add(Counter.DEFECTS, f"{camera_id}/{verdict.kind}")

    def _give_up(self, part: Part) -> None:
        """A picture is dropped unseen: counted, and a gap."""
        self._counters.add(Counter.DROPPED_FRAMES, self.camera_id)
        self.meter.drop()
        now_ns = max(self._clock.monotonic_ns(), part.taken_ns + 1)
        self._record_gap(Gap(self.camera_id, part.taken_ns, now_ns, GapCause.OVERLOAD))

    async def _lost(self, lost: SourceLost) -> None:
        for listener in self._listeners:
            listener.camera_lost(self.camera_id)
        await self._watch.source_lost(lost)


async def _ended(work: asyncio.Future[Look]) -> Look:
    """What a look that came too late ended with."""
    try:
        return await asyncio.shield(work)
    except Exception:
        logger.exception("inspection failed after its time")
        return Look(None)
