"""Cameras as the appliance builds them: a folder with a model, a tag that triggers, what a restart finds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from appliance.alarms.system import SystemCondition
from appliance.config_cameras import FolderCameraSettings, UrlCameraSettings, VerdictTagsSettings
from appliance.inspection_line import InspectionLine
from appliance.inspection_store import knowledge_path
from appliance.inspection_tag_session import PlcAddress
from appliance.inspection_verdict import PartResult
from appliance.sources import camera_folder
from appliance.sources.source import LinkState
from appliance.wiring_inspection import AnyCamera, Inspections
from dsp.samples import Quality, SampleBlock, TimeQuality
from models.store import write_bundle
from tests.appliance.capture_rig import CaptureRig, capture_rig
from tests.fakes import picture_bundles as drawn
from tests.fakes.drawn_parts import DrawnParts, Picture, lay
from tests.fakes.mjpeg_camera import mjpeg_camera
from tests.fakes.verdict_plc import NUMBER, SCORE, VERDICT, patient, verdict_plc

pytest.importorskip("cv2", reason="cameras need the extra `vision`")
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    patient(monkeypatch)
    monkeypatch.setattr(camera_folder, "READ_LIMIT_S", 60.0)


def built(house: CaptureRig, folder: Path, *settings: AnyCamera, plc_url: str = "") -> Inspections:
    return Inspections(
        settings, folder, journal=house.journal, clock=house.clock, counters=house.counters,
        watch=house.watch, captures=None, plcs={"plc": PlcAddress("plc", plc_url)},
    )  # fmt: skip


@contextlib.asynccontextmanager
async def running(inspections: Inspections) -> AsyncIterator[None]:
    await inspections._start_models()
    lines = inspections.lines.values()
    tasks = [asyncio.create_task(run()) for line in lines for run in (line.feed, line.run)]
    tasks += [asyncio.create_task(writer.run()) for writer in inspections.writers.values()]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        inspections.close()


async def until(condition: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.02)


async def shown(line: InspectionLine, folder: Path, *pictures: Picture) -> None:
    """One part after the other: of many at once, the oldest would lose their pictures."""
    for picture in pictures:
        number = 1 if line.last is None else line.last.part.number + 1
        lay(folder, f"{number:02d}", picture)
        await until(lambda number=number: line.last is not None and line.last.part.number == number)


async def test_a_folder_with_a_model_and_without(tmp_path: Path) -> None:
    write_bundle(drawn.int8_bundle(), tmp_path / "press.zip")
    chance = np.random.default_rng(3)
    common = {"name": "Press", "delete_after": True, "latency_budget_ms": 60_000.0, "kind": "folder"}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with_model = FolderCameraSettings(
        id="a", folder=tmp_path / "a", bundle=tmp_path / "press.zip", runtimes=["numpy_reference"], **common
    )
    taught = FolderCameraSettings(id="b", folder=tmp_path / "b", learn_pictures=12, **common)
    async with capture_rig(tmp_path / "house") as house:
        inspections = built(house, tmp_path, with_model, taught)
        model, (line, other) = inspections._models[0], inspections.lines.values()
        async with running(inspections):
            assert await asyncio.to_thread(model.serves, 60.0)
            await shown(line, tmp_path / "a", drawn.with_spot(drawn.surface(chance), 60, 50, 30)[0])
            assert line.last is not None and line.last.result is PartResult.DEFECT, line.last
            parts = DrawnParts(5)
            await shown(other, tmp_path / "b", *(parts.good() for _ in range(12)))
            await until(lambda: other.knowledge.learned and knowledge_path(tmp_path, "b").is_file())
            assert [report.state for report in inspections.reports()] == [LinkState.CONNECTED] * 2
            views = {view.camera_id: view for view in inspections.views.cameras()}
            assert views["a"].last is not None and views["a"].last.result == "defect"
            assert (views["b"].learning, views["a"].learning != "") == ("", True)
        again = built(house, tmp_path, taught)
        assert again.lines["b"].knowledge.learned  # after a restart
        await house.watch.state(True, SystemCondition.PICTURE_UNUSABLE, "b", "dark")
        again.restore([stored.transition.alarm for stored in house.alarms.standing()])
        assert again.lines["b"]._rules._told[SystemCondition.PICTURE_UNUSABLE]
        again.close()


async def test_a_part_s_verdict_stands_in_the_plc_s_tags(tmp_path: Path) -> None:
    pictures, parts = tmp_path / "pictures", DrawnParts(5)
    pictures.mkdir()
    camera = FolderCameraSettings(
        kind="folder", id="press", name="Press", folder=pictures, learn_pictures=12, delete_after=True,
        latency_budget_ms=60_000.0,
        verdict_tags=VerdictTagsSettings(source="plc", verdict=VERDICT, part_number=NUMBER, score=SCORE),
    )  # fmt: skip
    async with verdict_plc() as plc, capture_rig(tmp_path / "house") as house:
        inspections = built(house, tmp_path, camera, plc_url=plc.url)
        async with running(inspections):
            reports = inspections.reports
            await until(lambda: [one.state for one in reports()] == [LinkState.CONNECTED] * 2)
            await shown(inspections.lines["press"], pictures, *(parts.good() for _ in range(13)))
            await until(lambda: plc.writes[-1].get(NUMBER) == 13)
            assert (await plc.value(VERDICT), plc.writes[-1][SCORE] < 1.0) == (1, True)
            lay(pictures, "13", parts.scratched())
            await until(lambda: plc.writes[-1].get(NUMBER) == 14)
            assert (await plc.value(VERDICT), plc.writes[-1][SCORE] > 1.0) == (2, True)
        assert await plc.value(VERDICT) == 0
        assert {node for write in plc.writes for node in write} == {VERDICT, NUMBER, SCORE}


async def test_a_tag_triggers_a_picture(tmp_path: Path) -> None:
    async with mjpeg_camera() as served, capture_rig(tmp_path / "house") as house:
        camera = UrlCameraSettings(
            kind="network", id="gate", name="Gate", url=f"http://127.0.0.1:{served.port}/video.mjpg",
            trigger_channel="part-there", latency_budget_ms=60_000.0,
        )  # fmt: skip
        inspections = built(house, tmp_path, camera)
        async with running(inspections):
            await until(lambda: inspections.reports()[0].state is LinkState.CONNECTED)
            for value in (0.0, 1.0):
                samples = np.array([value], np.float32)
                inspections.hear(
                    SampleBlock("part-there", 0, 0, TimeQuality.PROVISIONAL, 0.0, samples, Quality.GOOD)
                )
            await until(lambda: inspections.lines["gate"].last is not None)
            assert inspections.lines["gate"].last is not None
            assert inspections.lines["gate"].last.part.number == 1
