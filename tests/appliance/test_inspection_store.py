"""What was learned of a camera: kept once the disk takes it; damage is told and never fatal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance import wiring_inspection
from appliance.config_cameras import FolderCameraSettings
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import SAVE_AGAIN_NS
from appliance.inspection_store import keep_knowledge, knowledge_path, restore_knowledge
from appliance.inspection_verdict import WhyNone
from appliance.sources.camera import Frame
from appliance.wiring_inspection import Inspections
from tests.appliance.capture_rig import CaptureRig, capture_rig
from tests.fakes.drawn_parts import DrawnParts

LEARN = 12


def taught(parts: DrawnParts) -> CameraKnowledge:
    knowledge = CameraKnowledge(LEARN)
    for _ in range(LEARN):
        knowledge.look(parts.good())
    assert knowledge.learned
    return knowledge


def built(house: CaptureRig, folder: Path) -> Inspections:
    settings = FolderCameraSettings(
        id="press", name="Press", kind="folder", folder=folder, learn_pictures=LEARN, latency_budget_ms=30e3
    )
    return Inspections(
        [settings], folder, journal=house.journal, clock=house.clock, counters=house.counters,
        watch=house.watch, captures=None,
    )  # fmt: skip


def test_no_damage_of_the_file_raises(tmp_path: Path) -> None:
    path = knowledge_path(tmp_path, "press")
    parts = DrawnParts(1)
    keep_knowledge(taught(parts).state(), path)
    whole, chance, refused = path.read_bytes(), np.random.default_rng(2), 0
    for _ in range(400):
        content = bytearray(whole)
        for offset in chance.integers(0, len(content), 4):
            content[offset] ^= 1 << int(chance.integers(8))
        path.write_bytes(bytes(content))
        knowledge = CameraKnowledge(LEARN)
        trouble = restore_knowledge(knowledge, path)
        assert knowledge.learned == (not trouble)
        refused += bool(trouble)
    assert refused > 300


async def test_a_damaged_file_is_set_aside_and_an_alarm_says_that_parts_teach_anew(tmp_path: Path) -> None:
    """The parts that come now were vouched for by nobody."""
    path, parts = knowledge_path(tmp_path, "press"), DrawnParts(3)
    keep_knowledge(taught(parts).state(), path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    async with capture_rig(tmp_path / "house") as house:
        line = built(house, tmp_path).lines["press"]
        assert path.with_name("press.npz.damaged").read_bytes() == content[: len(content) // 2]
        for number in range(4):
            line.put(Frame(house.clock.monotonic_ns(), f"{number}.png", parts.good()))
            await line.work_off()
            assert line.last is not None and line.last.why is WhyNone.FAILED
        assert "learned anew" in house.condition("appliance.inspection-impaired.press")
        line.close()


async def test_what_the_disk_did_not_take_is_kept_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, parts, tried = knowledge_path(tmp_path, "press"), DrawnParts(4), 0
    full = True

    def kept(state: dict[str, object], path: Path) -> None:
        nonlocal tried
        tried += 1
        if full:
            raise OSError(28, "No space left on device")
        keep_knowledge(state, path)

    monkeypatch.setattr(wiring_inspection, "keep_knowledge", kept)
    async with capture_rig(tmp_path / "house") as house:
        line = built(house, tmp_path).lines["press"]

        async def show() -> None:
            line.put(Frame(house.clock.monotonic_ns(), "part.png", parts.good()))
            await line.work_off()

        for _ in range(LEARN + 3):
            await show()
        assert (line.knowledge.learned, path.exists(), tried) == (True, False, 1)
        full = False
        house.clock.set(house.clock.monotonic_ns() + SAVE_AGAIN_NS)  # type: ignore[attr-defined]
        await show()
        assert (path.exists(), tried) == (True, 2)
        await show()
        assert tried == 2
        line.close()
