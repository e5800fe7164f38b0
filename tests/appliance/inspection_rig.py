"""Inspection lines over a real journal, with cameras that a test lets deliver."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from appliance.capture_care import stored_captures
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import InspectionLine, LineSettings
from appliance.inspection_pictures import PictureKeeper
from appliance.inspection_values import CameraPublishing
from appliance.inspection_verdict import Part, PartVerdict
from appliance.publishers.publisher import PublishedValue
from appliance.sources.camera import Frame, FrameMissed, Picture
from appliance.sources.source import LinkReport, LinkState, SourceLost
from tests.appliance.capture_rig import CaptureRig, capture_rig
from tests.fakes.drawn_parts import DrawnParts

CAMERA = "press-3"
LEARN = 12


class HandCamera:
    """A camera whose pictures a test takes by hand."""

    camera_id = CAMERA

    def __init__(self) -> None:
        self.items: asyncio.Queue[Frame | FrameMissed | SourceLost] = asyncio.Queue()

    async def frames(self) -> AsyncIterator[Frame | FrameMissed]:
        while True:
            item = await self.items.get()
            if isinstance(item, SourceLost):
                raise item
            yield item

    def report(self) -> LinkReport:
        return LinkReport(CAMERA, "camera folder", "/dev/null", LinkState.CONNECTED)


class Listener:
    """Remembers what the line was told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.verdicts: list[PartVerdict] = []

    def part_arrived(self, part: Part) -> None:
        self.told.append(("arrived", part.number))

    def part_decided(self, verdict: PartVerdict) -> None:
        self.told.append((str(verdict.result), verdict.part.number))
        self.verdicts.append(verdict)

    def camera_lost(self, camera_id: str) -> None:
        self.told.append(("lost", 0))


class InspectionRig:
    """One camera's line as wiring builds it."""

    def __init__(
        self, house: CaptureRig, settings: LineSettings, knowledge: CameraKnowledge, budget_bytes: int
    ) -> None:
        self.house = house
        self.camera = HandCamera()
        self.listener = Listener()
        self.published: list[PublishedValue] = []
        self.pressed = False
        self.keeper = PictureKeeper(
            CAMERA, house.desk, clock=house.clock, counters=house.counters, most_per_hour=20,
            unsure_budget_bytes=budget_bytes,
        )  # fmt: skip
        self.line = InspectionLine(
            self.camera,
            knowledge,
            settings,
            clock=house.clock,
            counters=house.counters,
            watch=house.watch,
            listeners=(self.listener, CameraPublishing(self.published.extend, house.clock)),
            keep=self.keeper.keep,
            record_gap=house.journal.record_gap,
            pressed=lambda: self.pressed,
        )

    async def show(self, *pictures: Picture) -> list[PartVerdict]:
        """Parts that come one after the other; their verdicts."""
        before = len(self.listener.verdicts)
        for picture in pictures:
            self.arrive(picture)
            await self.line.work_off()
        return self.listener.verdicts[before:]

    def arrive(self, picture: Picture, age_ns: int = 0) -> None:
        """A part comes; nobody looks at it yet."""
        taken_ns = self.house.clock.monotonic_ns() - age_ns
        self.line.put(Frame(taken_ns, f"{len(self.listener.told)}.png", picture))

    async def teach(self, parts: DrawnParts) -> None:
        await self.show(*(parts.good() for _ in range(LEARN)))
        assert self.line.knowledge.learned

    def value(self, name: str) -> PublishedValue:
        """The newest of one node."""
        return next(one for one in reversed(self.published) if one.path == f"cameras/{CAMERA}/{name}")

    def counted(self, *counters: str) -> tuple[float, ...]:
        return tuple(self.house.counters.value(one, CAMERA) for one in counters)

    def condition(self, name: str) -> str:
        """The sentence of one of the camera's alarms while it stands."""
        return self.house.condition(f"appliance.{name}.{CAMERA}")

    async def captures(self) -> list[dict[str, object]]:
        """Why each picture was kept, the latest first."""
        await self.house.stored()
        return [one.triggers[0] for one in await stored_captures(self.house.journal)]


@contextlib.asynccontextmanager
async def inspection_rig(
    folder: Path,
    settings: LineSettings = LineSettings(budget_s=60.0),  # noqa: B008 - frozen
    make: Callable[[], CameraKnowledge] = lambda: CameraKnowledge(LEARN),
    budget_bytes: int = 1_000_000,
) -> AsyncIterator[InspectionRig]:
    """The rig over a journal in this folder, closed whatever happens."""
    async with capture_rig(folder) as house:
        rig = InspectionRig(house, settings, make(), budget_bytes)
        try:
            yield rig
        finally:
            rig.line.close()
