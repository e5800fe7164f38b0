"""Builds cameras and their inspections from settings.

Duty: which camera for which kind, what each line is told and tells. Holds no logic of any part.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from appliance.alarms.lifecycle import Alarm
from appliance.alarms.system import OF_CAMERAS, SystemCondition
from appliance.capture_care import stored_captures
from appliance.clock import Clock
from appliance.config_cameras import (
    CameraBase,
    FolderCameraSettings,
    StreamCameraSettings,
    UrlCameraSettings,
    V4l2CameraSettings,
)
from appliance.counters import Counters
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import InspectionLine, LineListener, LineSettings
from appliance.inspection_model import PictureModel
from appliance.inspection_pictures import PictureKeeper
from appliance.inspection_store import keep_knowledge, knowledge_path, restore_knowledge, set_aside
from appliance.inspection_tag_session import PlcAddress, VerdictNodes
from appliance.inspection_tag_writer import TagWriter
from appliance.inspection_views import InspectionViews
from appliance.journal.journal import Journal
from appliance.secret_file import secret_of
from appliance.sources.camera import Camera
from appliance.sources.camera_folder import FolderCamera
from appliance.sources.camera_stream import StreamAddress, StreamCamera
from appliance.sources.camera_trigger import EveryFrame, TagTrigger, TimeTrigger, Trigger
from appliance.sources.source import LinkReport
from appliance.supervisor import Supervisor
from appliance.system_watch import SystemWatch
from appliance.telemetry.health import Stage
from appliance.telemetry.reporter import StageProbe
from appliance.wiring_captures import Captures
from dsp.samples import SampleBlock

logger = logging.getLogger(__name__)

MODEL_SHARE = 0.6  # of the latency budget: the rest is for decoding, quality and what comes after
AnyCamera = FolderCameraSettings | V4l2CameraSettings | UrlCameraSettings


class Inspections:
    """All cameras: `supervise` them, `close` at the end."""

    def __init__(
        self,
        settings: Sequence[AnyCamera],
        state_dir: Path,
        *,
        journal: Journal,
        clock: Clock,
        counters: Counters,
        watch: SystemWatch,
        captures: Captures | None,
        listeners: tuple[LineListener, ...] = (),
        plcs: Mapping[str, PlcAddress] | None = None,
        pressed: Callable[[], bool] = lambda: False,
    ) -> None:
        """`captures` None: no picture is kept. `plcs`: servers of verdict tags, by source id. `pressed`:
        whether the box has too much to do."""
        self._journal, self._watch = journal, watch
        self._triggers: list[TagTrigger] = []
        self._models: list[PictureModel] = []
        self._not_started: list[PictureModel] = []
        self.lines: dict[str, InspectionLine] = {}
        self.keepers: dict[str, PictureKeeper] = {}
        self.writers: dict[str, TagWriter] = {}
        for one in settings:
            model = self._model(one)
            preferred = "" if model is None else one.runtimes[0]
            knowledge = CameraKnowledge(one.learn_pictures, model, preferred)
            path = knowledge_path(state_dir, one.id)
            if trouble := restore_knowledge(knowledge, path):
                logger.error("%s", trouble)
                knowledge.forgotten = trouble
                set_aside(path)
            if captures is not None and one.pictures_per_hour:
                self.keepers[one.id] = PictureKeeper(
                    one.id,
                    captures.desk,
                    clock=clock,
                    counters=counters,
                    most_per_hour=one.pictures_per_hour,
                    unsure_budget_bytes=round(one.unsure_budget_mb * 1e6),
                )
            keeper = self.keepers.get(one.id)
            if (tags := one.verdict_tags) is not None:
                self.writers[one.id] = TagWriter(
                    one.id,
                    (plcs or {})[tags.source],
                    VerdictNodes(tags.verdict, tags.part_number, tags.score),
                    one.latency_budget_ms / 1e3,
                    clock=clock,
                    counters=counters,
                    watch=watch,
                )
            self.lines[one.id] = InspectionLine(
                self._camera(one),
                knowledge,
                _line_settings(one),
                clock=clock,
                counters=counters,
                watch=watch,
                listeners=(*listeners, *(w for w in (self.writers.get(one.id),) if w is not None)),
                keep=None if keeper is None else keeper.keep,
                save=_saving(path),
                record_gap=journal.record_gap,
                pressed=pressed,
            )
        self.views = InspectionViews(
            journal,
            names={one.id: one.name for one in settings},
            lines=self.lines,
            keepers=self.keepers,
            counters=counters,
            to_ms=lambda monotonic_ns: clock.wall(monotonic_ns).time_ns / 1e6,
        )

    def restore(self, alarms: Sequence[Alarm]) -> None:
        """Count on, with what stood before the restart."""
        for camera_id, line in self.lines.items():
            standing = {
                SystemCondition(alarm.rule)
                for alarm in alarms
                if alarm.state.active
                and alarm.rule in OF_CAMERAS
                and alarm.evidence.get("subject") == camera_id
            }
            line.restore(standing)

    def supervise(self, supervisor: Supervisor) -> None:
        """Add their tasks."""
        supervisor.add("camera alarms", self._settle_alarms)
        if self._models:
            supervisor.add("camera models", self._start_models)
        for camera_id, writer in self.writers.items():
            supervisor.add(f"verdict tags {camera_id}", writer.run)
        for camera_id, line in self.lines.items():
            supervisor.add(f"inspection {camera_id}", line.run)
        if self.keepers:
            supervisor.add("kept pictures", self._recall_pictures)
        for camera_id, line in self.lines.items():
            supervisor.add(f"camera {camera_id}", line.feed)

    def tell_counted(self, counted: Callable[[], None]) -> None:
        """Have it told that a part was counted."""
        for line in self.lines.values():
            line.counted = counted

    def hear(self, block: SampleBlock) -> None:
        """A process value: it may be a trigger."""
        for trigger in self._triggers:
            trigger.hear(block)

    def reports(self) -> list[LinkReport]:
        """The cameras as lines of the appliance page."""
        cameras = [line.camera.report() for line in self.lines.values()]
        return [*cameras, *(writer.report() for writer in self.writers.values())]

    def probes(self) -> list[StageProbe]:
        """How long parts take, and what waits."""
        return [
            StageProbe(Stage.INSPECTION, camera_id, line.meter, len(line.queue), line.queue.capacity)
            for camera_id, line in self.lines.items()
        ]

    def close(self) -> None:
        """End their threads."""
        for line in self.lines.values():
            line.close()
        for model in self._models:
            model.close()

    def _model(self, settings: CameraBase) -> PictureModel | None:
        if settings.bundle is None:
            return None
        deadline_s = MODEL_SHARE * settings.latency_budget_ms / 1e3
        model = PictureModel(settings.bundle, settings.runtimes, deadline_s)
        if model.trouble:
            logger.error("model cannot be used camera=%s reason=%s", settings.id, model.trouble)
        self._models.append(model)
        self._not_started.append(model)
        return model

    async def _start_models(self) -> None:
        models, self._not_started = self._not_started, []
        for model in models:
            await asyncio.to_thread(model.start)

    def _camera(self, settings: AnyCamera) -> Camera:
        if isinstance(settings, FolderCameraSettings):
            return FolderCamera(
                settings.id, settings.folder, colour=settings.colour, delete_after=settings.delete_after
            )
        if isinstance(settings, V4l2CameraSettings):
            where = StreamAddress(
                "v4l2", str(settings.device), width_px=settings.width_px, height_px=settings.height_px
            )
            return StreamCamera(
                settings.id,
                where,
                self._trigger(settings),
                colour=settings.colour,
                silence_s=settings.silence_s,
            )
        password_file = settings.password_file
        return StreamCamera(
            settings.id,
            StreamAddress("network", settings.url, settings.user),
            self._trigger(settings),
            colour=settings.colour,
            silence_s=settings.silence_s,
            password=lambda: secret_of(password_file),
        )

    def _trigger(self, settings: StreamCameraSettings) -> Trigger:
        if settings.trigger_channel:
            trigger = TagTrigger(settings.trigger_channel, counts=settings.trigger_by == "count")
            self._triggers.append(trigger)
            return trigger
        return TimeTrigger(settings.period_s) if settings.period_s else EveryFrame()

    async def _settle_alarms(self) -> None:
        """What was said of cameras that are not configured any more is over."""
        await self._watch.cameras_are(list(self.lines))
        for camera_id in self.lines.keys() - self.writers.keys():
            await self._watch.state(False, SystemCondition.VERDICT_NOT_WRITTEN, camera_id, "")

    async def _recall_pictures(self) -> None:
        """What earlier starts kept. Raises Retryable."""
        captures = await stored_captures(self._journal)
        for keeper in self.keepers.values():
            keeper.restore(captures)


def _line_settings(settings: CameraBase) -> LineSettings:
    return LineSettings(
        settings.latency_budget_ms / 1e3, settings.queue_frames, settings.defects_needed, settings.defects_of
    )


def _saving(path: Path) -> Callable[[dict[str, Any]], Any]:
    async def save(state: dict[str, Any]) -> bool:
        try:
            await asyncio.to_thread(keep_knowledge, state, path)
        except OSError as error:
            logger.error("what was learned of a camera cannot be kept path=%s error=%s", path, error)
            return False
        return True

    return save
