"""From pictures to verdicts: fail-safe, in order, counted, kept, told as alarms. With a real journal."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from appliance.alarms.system import SystemCondition
from appliance.capture_care import stored_captures
from appliance.capture_segment import PICTURE_UNIT, decode_segment
from appliance.captured_object import CapturedObjects
from appliance.clock import ReplayClock
from appliance.counters import Counter
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import LineSettings
from appliance.inspection_pictures import PictureKeeper
from appliance.inspection_verdict import PartResult, WhyNone
from appliance.journal.record import RecordKind
from appliance.publishers.publisher import ValueStatus
from appliance.sources.camera import FrameMissed, Picture
from appliance.sources.source import LinkState, SourceLost
from models.errors import InferenceError
from models.vision.inspection import Inspection
from tests.appliance.inspection_rig import CAMERA, LEARN, inspection_rig
from tests.fakes.drawn_parts import DrawnParts

RESULTS = (Counter.PARTS_INSPECTED, Counter.PARTS_DEFECTIVE, Counter.PARTS_NO_VERDICT)


class Model:
    """An inspector that answers what a test wants: a score in limits, an error, or nothing for a while."""

    picture_size_px = (120, 160)

    def __init__(self) -> None:
        self.score = 0.5
        self.kind: str | None = None
        self.error = ""
        self.go = threading.Event()
        self.go.set()

    def inspect(self, picture: Picture) -> Inspection:
        self.go.wait(60)
        if self.error:
            raise InferenceError(self.error)
        heat = np.zeros((4, 4), np.float32)
        return Inspection(self.score * 3.0, 3.0, (7, 9), self.kind, heat, backend="test")


async def test_good_parts_pass_defects_are_found_and_everything_is_counted(tmp_path: Path) -> None:
    parts, heard = DrawnParts(1), 0

    def counted() -> None:
        nonlocal heard
        heard += 1

    async with inspection_rig(tmp_path) as rig:
        rig.line.counted = counted
        learning = await rig.show(*(parts.good() for _ in range(LEARN)))
        assert {one.why for one in learning} == {WhyNone.LEARNING}
        found = await rig.show(parts.good(), parts.scratched(), parts.good(), parts.stained())
        assert [one.result for one in found] == [PartResult.GOOD, PartResult.DEFECT] * 2
        assert found[1].score is not None and found[1].score > 1.0
        assert found[1].position_px is not None
        assert rig.counted(*RESULTS) == (4, 2, LEARN)
        assert heard == LEARN + 4
        assert [one["what"] for one in await rig.captures()] == ["defect", "defect"]
        assert [told for told in rig.listener.told if told[1] == LEARN + 2] == [
            ("arrived", LEARN + 2), ("defect", LEARN + 2),
        ]  # fmt: skip


async def test_a_bad_picture_is_never_good_and_an_alarm_says_what_is_wrong(tmp_path: Path) -> None:
    parts = DrawnParts(2)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        first = await rig.show(parts.lamp_out())
        assert (first[0].result, first[0].why) == (PartResult.NONE, WhyNone.PICTURE)
        assert rig.value("verdict").status is ValueStatus.NO_DATA
        assert "too dark" in str(rig.value("reason").value)
        assert not rig.condition("picture-unusable")  # one odd picture is no alarm
        await rig.show(parts.lamp_out(), parts.lamp_out())
        assert "lamp" in rig.condition("picture-unusable")
        await rig.show(*(parts.good() for _ in range(3)))
        assert not rig.condition("picture-unusable")
        blurred = await rig.show(*(parts.blurred() for _ in range(3)))
        assert all(one.result is PartResult.NONE for one in blurred)
        assert "blurred" in rig.condition("picture-unusable")
        assert rig.counted(Counter.PARTS_DEFECTIVE) == (0,)


async def test_a_run_of_defects_is_an_alarm_and_one_bad_part_is_none(tmp_path: Path) -> None:
    parts = DrawnParts(3)
    settings = LineSettings(60.0, defects_needed=3, defects_of=6)
    async with inspection_rig(tmp_path, settings) as rig:
        await rig.teach(parts)
        await rig.show(parts.scratched(), parts.good(), parts.good(), parts.scratched())
        assert not rig.condition("run-of-defects")
        await rig.show(parts.scratched())
        assert "3 or more of the last 6" in rig.condition("run-of-defects")
        await rig.show(*(parts.good() for _ in range(6)))
        assert not rig.condition("run-of-defects")


async def test_a_part_that_is_late_has_no_verdict_whatever_comes_after(tmp_path: Path) -> None:
    parts, model = DrawnParts(4), Model()
    settings = LineSettings(budget_s=0.3)
    async with inspection_rig(tmp_path, settings, lambda: CameraKnowledge(LEARN, model)) as rig:
        model.score = 5.0
        model.go.clear()
        rig.arrive(parts.good())
        working = asyncio.create_task(rig.line.work_off())
        async with asyncio.timeout(60):
            while not rig.listener.verdicts:
                await asyncio.sleep(0.01)
        assert rig.listener.verdicts[0].why is WhyNone.LATE
        assert rig.value("verdict").status is ValueStatus.NO_DATA
        model.go.set()
        await working
        assert rig.counted(*RESULTS) == (0, 0, 1)  # the defect that it found too late is told to nobody
        assert await rig.captures() == []
        rig.arrive(parts.good(), age_ns=400_000_000)  # waited too long already
        await rig.line.work_off()
        assert rig.listener.verdicts[1].why is WhyNone.LATE
        rig.arrive(parts.good(), age_ns=400_000_000)
        await rig.line.work_off()
        assert "3 of the last 3 parts were late" in rig.condition("inspection-impaired")
        rig.line.settings = dataclasses.replace(settings, budget_s=60.0)  # a slow machine is no late part
        await rig.show(*(parts.good() for _ in range(20)))
        assert not rig.condition("inspection-impaired")


async def test_the_oldest_picture_leaves_a_full_queue_counted_as_a_gap_and_in_order(tmp_path: Path) -> None:
    parts = DrawnParts(5)
    async with inspection_rig(tmp_path, LineSettings(60.0, queue_frames=2)) as rig:
        await rig.teach(parts)
        for _ in range(5):
            rig.arrive(parts.good())
        rig.line.put(FrameMissed(0, "broken.png", "the picture is damaged: its end is missing"))
        await rig.line.work_off()
        last = rig.listener.verdicts[-6:]
        assert [one.part.number for one in last] == list(range(LEARN + 1, LEARN + 7))
        assert [one.why for one in last] == [WhyNone.OVERTAKEN] * 3 + [None] * 2 + [WhyNone.MISSING]
        assert rig.counted(Counter.DROPPED_FRAMES, *RESULTS) == (3, 2, 0, LEARN + 4)
        await rig.house.journal.commit([])
        gaps = await rig.house.journal.gaps(CAMERA, 0, 1 << 62)
        assert [gap.cause for gap in gaps] == ["overload"] * len(gaps)
        assert gaps


async def test_under_overload_pictures_go_first(tmp_path: Path) -> None:
    parts = DrawnParts(6)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        rig.pressed = True
        found = await rig.show(*(parts.scratched() for _ in range(3)))
        assert {one.why for one in found} == {WhyNone.SACRIFICED}
        assert rig.counted(Counter.DROPPED_FRAMES) == (3,)
        assert "given up" in rig.condition("inspection-impaired")
        rig.pressed = False
        assert (await rig.show(parts.scratched()))[0].result is PartResult.DEFECT


async def test_a_model_that_fails_is_replaced_by_what_was_learned_and_said_so(tmp_path: Path) -> None:
    parts, model = DrawnParts(7), Model()
    async with inspection_rig(tmp_path, make=lambda: CameraKnowledge(LEARN, model)) as rig:
        found = await rig.show(parts.good())
        assert found[0].backend == "test"  # a model needs nothing to be learned
        await rig.show(*(parts.good() for _ in range(LEARN)))
        model.error = "the accelerator is gone"
        found = await rig.show(parts.scratched(), parts.good(), parts.good())
        assert [one.result for one in found] == [PartResult.DEFECT, PartResult.GOOD, PartResult.GOOD]
        assert {one.backend for one in found} == {"reference difference"}
        assert "accelerator is gone" in rig.condition("inspection-impaired")


async def test_a_model_that_fails_before_anything_is_learned_gives_no_verdict(tmp_path: Path) -> None:
    parts, model = DrawnParts(8), Model()
    model.error = "no device"
    async with inspection_rig(tmp_path, make=lambda: CameraKnowledge(LEARN, model)) as rig:
        found = await rig.show(parts.good(), parts.good(), parts.good())
        assert {one.why for one in found} == {WhyNone.FAILED}
        assert "could not be inspected" in rig.condition("inspection-impaired")


async def test_defects_are_counted_by_kind_and_kinds_are_bounded(tmp_path: Path) -> None:
    parts, model = DrawnParts(9), Model()
    async with inspection_rig(tmp_path, make=lambda: CameraKnowledge(LEARN, model)) as rig:
        model.score = 2.0
        for kind in ("Scratch", "scratch", "Blow Hole!", "é"):
            model.kind = kind
            await rig.show(parts.good())
        counted = {kind: rig.house.counters.value(Counter.DEFECTS, f"{CAMERA}/{kind}") for kind in
                   ("scratch", "blow-hole", "other")}  # fmt: skip
        assert counted == {"scratch": 2, "blow-hole": 1, "other": 1}
        assert "mostly scratch" in rig.condition("run-of-defects")


async def test_only_unsure_parts_may_leave_the_box_and_only_so_many_bytes_a_day(tmp_path: Path) -> None:
    parts, model = DrawnParts(10), Model()
    async with inspection_rig(
        tmp_path, make=lambda: CameraKnowledge(LEARN, model), budget_bytes=30_000
    ) as rig:
        model.score = 3.0
        await rig.show(parts.scratched())
        model.score = 0.95
        unsure = await rig.show(*(parts.good() for _ in range(4)))
        assert all(one.unsure and one.result is PartResult.GOOD for one in unsure)
        model.score = 0.3
        await rig.show(parts.good())
        kept = (await rig.captures())[::-1]
        assert [one["what"] for one in kept] == ["defect", *["unsure part"] * 4]
        assert [one["to_centre"] for one in kept] == [False, True, True, False, False]
        records = await rig.house.journal.read(0, {RecordKind.CAPTURE}, 100)
        loader = CapturedObjects(rig.house.files, "device", "stethos")
        sent = [await loader.load(record) for record in records]
        assert [one is not None for one in sent] == [False, True, True, False, False]
        again = PictureKeeper(
            CAMERA, rig.house.desk, clock=rig.house.clock, counters=rig.house.counters, most_per_hour=20,
            unsure_budget_bytes=30_000,
        )  # fmt: skip
        again.restore(await stored_captures(rig.house.journal))
        assert again.last_defect == rig.keeper.last_defect != ""
        await again.keep(dataclasses.replace(unsure[0]), parts.good())
        assert (await rig.captures())[0]["to_centre"] is False  # a restart is no new day
        clock = rig.house.clock
        assert isinstance(clock, ReplayClock)
        clock.set(clock.monotonic_ns() + 86_400 * 10**9)
        await again.keep(dataclasses.replace(unsure[0]), parts.good())
        assert (await rig.captures())[0]["to_centre"] is True


async def test_a_kept_picture_is_the_part_s_to_the_pixel_and_damage_is_told(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="another reader of PNG is needed (Pillow)")
    parts = DrawnParts(11)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        picture = parts.scratched()
        await rig.show(picture)
        await rig.captures()
        (capture,) = await stored_captures(rig.house.journal)
        assert (capture.unit, capture.asset_id, capture.complete) == (PICTURE_UNIT, CAMERA, True)
        path = rig.house.files.path(capture.parts[0].file)
        segment = decode_segment(path.read_bytes())
        assert not segment.damaged
        copy = tmp_path / "copy.png"
        copy.write_bytes(segment.picture)
        np.testing.assert_array_equal(np.asarray(image.open(copy)), picture)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        assert decode_segment(bytes(content)).damaged == ("the picture",)
        path.write_bytes(bytes(content))
        await rig.house.care.check()
        assert CAMERA in rig.house.condition("appliance.data-lost.captures")
        (after,) = await stored_captures(rig.house.journal)
        assert after.size_bytes == 0


async def test_so_many_pictures_an_hour_are_kept_and_the_rest_counted(tmp_path: Path) -> None:
    parts, model = DrawnParts(12), Model()
    model.score = 2.0
    async with inspection_rig(tmp_path, make=lambda: CameraKnowledge(LEARN, model)) as rig:
        await rig.show(*(parts.good() for _ in range(23)))
        assert len(await rig.captures()) == 20
        assert rig.counted(Counter.CAPTURES, Counter.CAPTURES_SUPPRESSED) == (20, 3)


async def test_a_lost_camera_withdraws_the_verdict_and_is_an_alarm_until_it_delivers(tmp_path: Path) -> None:
    parts = DrawnParts(13)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        await rig.show(parts.good())
        assert (rig.value("verdict").value, rig.value("verdict").status) == (1, ValueStatus.GOOD)
        rig.camera.items.put_nowait(SourceLost(CAMERA, LinkState.LOST, "it is gone", "plug it in"))
        with pytest.raises(SourceLost):
            await rig.line.feed()
        assert rig.value("verdict").status is ValueStatus.NO_COMMUNICATION
        assert rig.value("verdict").value is None
        assert "it is gone" in rig.condition("source-lost")
        feeding = asyncio.create_task(rig.line.feed())
        rig.camera.items.put_nowait(FrameMissed(rig.house.clock.monotonic_ns(), "x", "no trigger"))
        async with asyncio.timeout(60):
            while rig.condition("source-lost"):
                await asyncio.sleep(0.01)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def test_values_of_one_part_bear_one_time_and_no_old_verdict_meets_a_new_number(tmp_path: Path) -> None:
    parts = DrawnParts(14)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        await rig.show(parts.good())
        rig.arrive(parts.scratched())
        assert rig.value("verdict").status is ValueStatus.WAITING
        assert rig.value("part_number").value == LEARN + 2
        await rig.line.work_off()
        names = ("verdict", "score", "kind", "unsure", "part_number", "reason")
        told = {name: rig.value(name) for name in names}
        assert told["verdict"].value == 2
        assert len({one.source_time_ns for one in told.values()}) == 1


async def test_numbers_go_on_after_a_restart_and_alarms_that_stood_stand_until_denied(tmp_path: Path) -> None:
    parts = DrawnParts(15)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        await rig.show(parts.good())
        rig.line.restore({SystemCondition.RUN_OF_DEFECTS})
        await rig.show(parts.good())
        assert rig.listener.verdicts[-1].part.number == LEARN + 2
        stood = rig.house.watch
        await stood.state(True, SystemCondition.RUN_OF_DEFECTS, CAMERA, "of before")
        await rig.show(*(parts.good() for _ in range(8)))
        assert rig.condition("run-of-defects")
        await rig.show(parts.good())
        assert not rig.condition("run-of-defects")


async def test_alarms_of_a_camera_that_is_not_configured_any_more_clear(tmp_path: Path) -> None:
    async with inspection_rig(tmp_path) as rig:
        await rig.house.watch.state(True, SystemCondition.PICTURE_UNUSABLE, CAMERA, "dark")
        await rig.house.watch.cameras_are([CAMERA])
        assert rig.condition("picture-unusable")
        await rig.house.watch.cameras_are([])
        assert not rig.condition("picture-unusable")
