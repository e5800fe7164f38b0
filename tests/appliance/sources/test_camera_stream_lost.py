"""A stream that is lost: a part that waits for its picture is told, time without a camera makes no parts."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import numpy as np
import pytest

from appliance.sources.camera import FrameMissed
from appliance.sources.camera_process import PictureReader, ReaderError, ReadPicture
from appliance.sources.camera_stream import StreamAddress, StreamCamera
from appliance.sources.camera_trigger import EveryFrame, TagTrigger, TimeTrigger, Trigger
from appliance.sources.source import SourceLost
from dsp.samples import Quality, SampleBlock, TimeQuality

PATIENCE_S = 60.0


class Stream(PictureReader):
    """A camera that delivers while a test wants it to."""

    def __init__(self) -> None:
        super().__init__()
        self.there = True

    async def open_stream(self, wish: dict[str, Any], limit_s: float) -> None: ...

    async def next_frame(self, fresh: bool, limit_s: float) -> ReadPicture:
        if not self.there:
            raise ReaderError("no frame for 5 s", "Check its power.", lost=True)
        return ReadPicture(np.zeros((8, 8), np.uint8))


def camera_of(trigger: Trigger, stream: Stream) -> StreamCamera:
    return StreamCamera("gate", StreamAddress("v4l2", "/dev/video9"), trigger, reader=stream)


def tag(*values: float) -> SampleBlock:
    samples = np.array(values, np.float32)
    return SampleBlock("part-there", 0, 0, TimeQuality.PROVISIONAL, 0.0, samples, Quality.GOOD)


async def test_a_part_whose_camera_died_at_its_trigger_is_a_part_without_a_picture() -> None:
    trigger, stream = TagTrigger("part-there"), Stream()
    stream.there = False
    trigger.hear(tag(0.0, 1.0))
    async with asyncio.timeout(PATIENCE_S), aclosing(camera_of(trigger, stream).frames()) as frames:
        missed = await anext(frames)
        assert isinstance(missed, FrameMissed)
        assert "no frame for 5 s" in missed.reason
        with pytest.raises(SourceLost):
            await anext(frames)


async def test_a_stream_without_a_trigger_promised_no_part() -> None:
    stream = Stream()
    stream.there = False
    async with asyncio.timeout(PATIENCE_S), aclosing(camera_of(EveryFrame(), stream).frames()) as frames:
        with pytest.raises(SourceLost):
            await anext(frames)


async def test_a_weekend_without_a_camera_is_no_flood_of_parts() -> None:
    now_ns = 0
    trigger, stream = TimeTrigger(1.0, monotonic_ns=lambda: now_ns), Stream()
    camera = camera_of(trigger, stream)
    async with asyncio.timeout(PATIENCE_S):
        async with aclosing(camera.frames()) as frames:
            await anext(frames)
        now_ns = 200_000 * 10**9
        async with aclosing(camera.frames()) as frames:
            await anext(frames)
    assert (camera.report().counts or {})["triggers missed"] == 0
    assert (camera.report().counts or {})["pictures"] == 2
