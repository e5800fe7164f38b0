"""Cameras that deliver by themselves: a real MJPEG stream over HTTP, a video file; triggers by time and tag.

What no test here can run, for want of the device: V4L2 and RTSP themselves. They are opened by the same
calls.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_stream import StreamAddress, StreamCamera
from appliance.sources.camera_trigger import EveryFrame, TagTrigger, TimeTrigger, Trigger
from appliance.sources.source import LinkState, SourceLost
from dsp.samples import Quality, SampleBlock, TimeQuality
from tests.fakes.mjpeg_camera import SIZE_PX, mjpeg_camera, numbered

cv2 = pytest.importorskip("cv2", reason="cameras need the extra `vision`")
PATIENCE_S = 100.0  # beyond the silence that a stream here is allowed


def tag(*values: float, channel_id: str = "part-there") -> SampleBlock:
    samples = np.array(values, np.float32)
    return SampleBlock(channel_id, 0, 0, TimeQuality.PROVISIONAL, 0.0, samples, Quality.GOOD)


def number_of(frame: Frame) -> int:
    left, right = (float(frame.picture[4:-4, x : x + 20].mean()) for x in (4, 40))
    return round(left) + 200 * round(right)


async def taken(frames: AsyncIterator[Frame | FrameMissed]) -> Frame:
    async with asyncio.timeout(PATIENCE_S):
        item = await anext(frames)
    assert isinstance(item, Frame), item
    return item


def camera_at(port: int, trigger: Trigger, silence_s: float = 60.0) -> StreamCamera:
    return StreamCamera(
        "press", StreamAddress("network", f"http://127.0.0.1:{port}/video.mjpg"), trigger, silence_s=silence_s
    )


async def test_a_stream_over_http_is_read_lost_and_found_again() -> None:
    async with mjpeg_camera() as served:
        camera = camera_at(served.port, EveryFrame())
        async with aclosing(camera.frames()) as frames:
            seen = [await taken(frames) for _ in range(5)]
            assert seen[0].picture.shape == SIZE_PX
            numbers = [number_of(frame) for frame in seen]
            assert all(later > before for before, later in pairwise(numbers)), numbers
            assert camera.report().state is LinkState.CONNECTED
            await served.stop()
            with pytest.raises(SourceLost) as lost:
                while True:
                    await taken(frames)
            assert lost.value.state is LinkState.LOST
        await served.start(served.port)
        async with aclosing(camera.frames()) as frames:
            assert number_of(await taken(frames)) > numbers[-1]
        counts = camera.report().counts
        assert counts is not None
        assert counts["connections"] == 2


async def test_a_camera_that_falls_silent_is_lost() -> None:
    async with mjpeg_camera() as served:
        camera = camera_at(served.port, EveryFrame(), silence_s=1.0)
        async with contextlib.AsyncExitStack() as opened:
            while camera.report().state is not LinkState.CONNECTED:
                frames = await opened.enter_async_context(aclosing(camera.frames()))
                with contextlib.suppress(SourceLost):  # where it is this machine that falls silent: again
                    await taken(frames)
            served.silent = True
            with pytest.raises(SourceLost):
                while True:
                    await taken(frames)
        assert camera.report().state is LinkState.LOST


async def test_a_tag_that_rises_takes_one_picture_made_after_it() -> None:
    async with mjpeg_camera() as served:
        trigger = TagTrigger("part-there")
        camera = camera_at(served.port, trigger)
        async with aclosing(camera.frames()) as frames:
            trigger.hear(tag(0.0))
            waiting = asyncio.ensure_future(taken(frames))
            async with asyncio.timeout(PATIENCE_S):
                while camera.report().state is not LinkState.CONNECTED or served.number < 5:
                    await asyncio.sleep(0.02)
            before = served.number
            trigger.hear(tag(1.0, channel_id="another"))
            trigger.hear(tag(1.0))
            trigger.hear(tag(1.0))  # repeated while it stands: no edge
            frame = await waiting
            while number_of(frame) < before - 5:  # what was on its way may arrive after the edge: more of it
                before = served.number  # where the reader stood still
                for value in (0.0, 1.0):
                    trigger.hear(tag(value))
                frame = await taken(frames)
            for value in (0.0, 1.0, 0.0, 1.0):
                trigger.hear(tag(value))
            async with asyncio.timeout(PATIENCE_S):
                missed = await anext(frames)
            assert isinstance(missed, FrameMissed)
            assert "trigger" in missed.reason
            assert isinstance(await taken(frames), Frame)


async def test_a_video_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "belt.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, SIZE_PX[::-1], isColor=False)
    for number in range(1, 8):
        video.write(numbered(20 * number))
    video.release()
    camera = StreamCamera("press", StreamAddress("network", str(path)), EveryFrame(), colour=True)
    seen = 0
    async with aclosing(camera.frames()) as frames:
        with pytest.raises(SourceLost, match="no more"):
            while True:
                assert (await taken(frames)).picture.shape == (*SIZE_PX, 3)
                seen += 1
    counts = camera.report().counts
    assert counts is not None
    assert seen + counts["frames not wanted"] <= 7
    assert seen >= 1


async def test_a_device_that_is_not_there_is_told(tmp_path: Path) -> None:
    for where in (
        StreamAddress("v4l2", str(tmp_path / "video9")),
        StreamAddress("network", "rtsp://127.0.0.1:1/x"),
    ):
        camera = StreamCamera("press", where, EveryFrame(), silence_s=1.0)
        async with aclosing(camera.frames()) as frames:
            with pytest.raises(SourceLost) as lost:
                await taken(frames)
        assert lost.value.state is LinkState.NOT_FOUND
        assert lost.value.remedy


def test_a_password_is_put_into_the_address_and_never_shown() -> None:
    where = StreamAddress("network", "rtsp://10.0.0.5:554/stream1", user="line 4")
    assert where.with_password("p@ss/word") == "rtsp://line%204:p%40ss%2Fword@10.0.0.5:554/stream1"
    camera = StreamCamera("press", where, EveryFrame(), password=lambda: "p@ss/word")
    assert "p@ss" not in str(camera.report())


async def test_a_time_trigger_does_not_drift_and_tells_what_it_missed() -> None:
    now_ns = 0
    trigger = TimeTrigger(0.001, monotonic_ns=lambda: now_ns)
    await trigger.wait()
    now_ns = 1_000_000
    await trigger.wait()
    assert trigger.missed() == 0
    now_ns = 5_200_000  # due were 2, 3, 4 and 5 ms
    await trigger.wait()
    assert trigger.missed() == 3
    now_ns = 6_000_000
    await trigger.wait()
    assert trigger.missed() == 0


async def test_edges_of_a_tag_are_told_once_and_the_first_value_is_none() -> None:
    trigger = TagTrigger("part-there")
    trigger.hear(tag(1.0))  # it stood so before anybody listened
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await trigger.wait()
    trigger.hear(tag(0.0, 1.0, 0.0, 1.0, 1.0))
    async with asyncio.timeout(5):
        await trigger.wait()
    assert trigger.missed() == 1
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await trigger.wait()


async def test_a_count_tells_each_part_and_what_is_no_step_is_one_part() -> None:
    trigger = TagTrigger("part-there", counts=True)
    trigger.hear(tag(65_530.0))
    for values, missed in (((65_531.0,), 0), ((65_531.0, 65_535.0), 3), ((0.0,), 0), ((1e6,), 0)):
        trigger.hear(tag(*values))
        async with asyncio.timeout(5):
            await trigger.wait()
        assert trigger.missed() == missed, values
    trigger.hear(tag(1e6))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await trigger.wait()
