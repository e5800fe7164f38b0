"""Every part is counted once and has a time of its own, whatever cuts its way short. With a real journal."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from appliance import inspection_queue
from appliance.counters import Counter
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import LineSettings
from appliance.inspection_verdict import Part, PartVerdict
from appliance.sources.camera import Frame, FrameMissed
from tests.appliance.inspection_rig import LEARN, inspection_rig
from tests.appliance.test_inspection_line import RESULTS, Model
from tests.fakes.drawn_parts import DrawnParts


async def test_a_backlog_pushes_none_of_its_own_out(tmp_path: Path) -> None:
    parts = DrawnParts(18)
    async with inspection_rig(tmp_path, LineSettings(60.0, queue_frames=2)) as rig:
        await rig.teach(parts)
        for number in range(12):
            taken_ns = rig.house.clock.monotonic_ns()
            rig.camera.items.put_nowait(Frame(taken_ns, f"{number}.png", parts.good(), patient=True))
        tasks = [asyncio.create_task(one()) for one in (rig.line.run, rig.line.feed)]
        async with asyncio.timeout(60):
            while len(rig.listener.verdicts) < LEARN + 12:
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert rig.counted(Counter.DROPPED_FRAMES, *RESULTS) == (0, 12, 0, LEARN)


async def test_a_file_name_that_is_no_text_costs_no_picture(tmp_path: Path) -> None:
    parts = DrawnParts(19)
    async with inspection_rig(tmp_path) as rig:
        await rig.teach(parts)
        name = os.fsdecode(b"caf\xe9.png")  # as Python tells a name that is not UTF-8
        rig.line.put(Frame(rig.house.clock.monotonic_ns(), name, parts.scratched()))
        await rig.line.work_off()
        assert [one["file"] for one in await rig.captures()] == ["caf\\udce9.png"]


async def test_no_two_parts_bear_one_time(tmp_path: Path) -> None:
    """A client tells by it that a verdict and a number belong together."""
    async with inspection_rig(tmp_path) as rig:
        now_ns = rig.house.clock.monotonic_ns()
        for name in ("missed before", "the same trigger's", "of a clock tick before"):
            rig.line.put(FrameMissed(now_ns, name, "no picture"))
            now_ns -= name.startswith("the")
        arrived = [one for one in rig.published if one.path.endswith("part_number")]
        times = [one.source_time_ns // 100 for one in arrived]  # OPC UA counts in 100 ns
        assert len(times) == len(set(times)) == 3
        assert times == sorted(times)


async def test_no_part_of_a_flood_is_left_uncounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the queue remembers: they leave it, and are parts without a verdict all the same."""
    monkeypatch.setattr(inspection_queue, "MOST_PARTS", 50)
    parts = DrawnParts(16)
    async with inspection_rig(tmp_path, LineSettings(60.0, queue_frames=2)) as rig:
        await rig.teach(parts)
        for number in range(70):
            rig.line.put(FrameMissed(number, "x", "no picture"))
        rig.arrive(parts.good())
        await rig.line.work_off()
        assert rig.counted(*RESULTS) == (1, 0, LEARN + 70)
        assert rig.listener.verdicts[-1].part.number == LEARN + 71


async def test_a_part_is_counted_once_even_when_its_inspection_is_cut_short(tmp_path: Path) -> None:
    """By an orderly stop, with more parts that wait; by a fault of ours on the way to the line."""
    parts, model = DrawnParts(17), Model()
    async with inspection_rig(
        tmp_path, LineSettings(60.0, queue_frames=2), lambda: CameraKnowledge(LEARN, model)
    ) as rig:
        model.go.clear()
        for _ in range(3):
            rig.arrive(parts.good())
        running = asyncio.create_task(rig.line.run())
        async with asyncio.timeout(60):
            while not rig.listener.verdicts:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        model.go.set()
        assert rig.counted(*RESULTS) == (0, 0, 3)
        assert rig.line.queue.take() is None

        def broken(verdict: PartVerdict) -> None:
            raise RuntimeError("a fault of ours")

        told, rig.listener.part_decided = rig.listener.part_decided, broken  # type: ignore[method-assign]
        rig.arrive(parts.good())
        with pytest.raises(RuntimeError):
            await rig.line.work_off()
        rig.listener.part_decided = told  # type: ignore[method-assign]
        assert rig.counted(*RESULTS) == (0, 0, 4)
        await rig.show(parts.good())
        assert rig.counted(*RESULTS) == (1, 0, 4)


async def test_a_part_of_which_nobody_could_be_told_is_inspected_all_the_same(tmp_path: Path) -> None:
    parts = DrawnParts(7)

    def broken(part: Part) -> None:
        raise RuntimeError("a fault of ours")

    async with inspection_rig(tmp_path, LineSettings(60.0), lambda: CameraKnowledge(LEARN)) as rig:
        await rig.show(*(parts.good() for _ in range(LEARN)))
        before = rig.counted(*RESULTS)
        told, rig.listener.part_arrived = rig.listener.part_arrived, broken  # type: ignore[method-assign]
        with pytest.raises(RuntimeError):
            rig.arrive(parts.good())
        rig.listener.part_arrived = told  # type: ignore[method-assign]
        running = asyncio.create_task(rig.line.run())
        async with asyncio.timeout(60):
            while rig.counted(*RESULTS) == before:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert sum(rig.counted(*RESULTS)) == sum(before) + 1
