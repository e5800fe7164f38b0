"""Hop 3 for recordings: a file's samples as the blocks that a live sensor would have delivered.

Duty: cut a Recording into SampleBlocks, as fast as they are taken or at real time. What follows (framing
onward) cannot tell it from a live source. Does not read files (see recordings) nor judge anything.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import AsyncIterator, Callable

import numpy as np

from appliance.sources.recordings import Recording
from appliance.sources.source import LinkReport, LinkState
from dsp.samples import Channel, Measurand, Quality, SampleBlock, SourceItem, TimeQuality

BLOCK_S = 0.1  # a live bridge merges frames to about this length


def channel_id_of(asset_id: str, name: str) -> str:
    """A channel id out of a column's name: lower case, only `a-z0-9._-`."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "channel"
    return f"{asset_id}.{slug}"


def recording_channels(
    asset_id: str, recording: Recording, only: int | None = None, shaft_speed: bool = False
) -> tuple[Channel, ...]:
    """Channels of a recording: one per column (or only column `only`), and the speed tag if it is known."""
    chosen = range(len(recording.channel_names)) if only is None else (only,)
    channels = [
        Channel(
            channel_id_of(asset_id, recording.channel_names[column]),
            asset_id,
            Measurand.ACCELERATION,
            recording.unit,
            recording.sample_rate_hz,
            math.inf,
        )
        for column in chosen
    ]
    if shaft_speed:
        channels.append(
            Channel(f"{asset_id}.shaft-speed", asset_id, Measurand.SHAFT_SPEED, "Hz", 0.0, math.inf)
        )
    return tuple(channels)


class ReplaySource:
    """A recording as a Source; `start_ns` places its first sample, so that recordings can follow."""

    def __init__(
        self,
        source_id: str,
        asset_id: str,
        recording: Recording,
        *,
        shaft_hz: float | None = None,
        only: int | None = None,
        start_ns: int = 0,
        real_time: bool = False,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        if only is not None and not 0 <= only < len(recording.channel_names):
            raise ValueError(
                f"channel {only} of {len(recording.channel_names)}: it should be below that number"
            )
        self.source_id = source_id
        self.channels = recording_channels(asset_id, recording, only, shaft_hz is not None)
        self.samples_delivered = 0
        self._recording = recording
        self._columns = tuple(range(len(recording.channel_names))) if only is None else (only,)
        self._shaft_hz = shaft_hz
        self._start_ns = start_ns
        self._real_time = real_time
        self._on_progress = on_progress
        self._finished = False

    async def blocks(self) -> AsyncIterator[SourceItem]:
        """All blocks, oldest first; at real time each waits until its last sample would have arrived."""
        recording = self._recording
        rate_hz = recording.sample_rate_hz
        step = max(1, round(BLOCK_S * rate_hz))
        began_ns = time.monotonic_ns()
        sequence = 0
        for segment in recording.segments:
            segment_ns = self._start_ns + round(segment.start_s * 1e9)
            if self._shaft_hz is not None:
                yield self._speed_tag(sequence, segment_ns)
            for first in range(0, len(segment.samples), step):
                piece = segment.samples[first : first + step]
                start_ns = segment_ns + round(first * 1e9 / rate_hz)
                if self._real_time:
                    due_ns = began_ns + start_ns - self._start_ns + round(len(piece) * 1e9 / rate_hz)
                    await asyncio.sleep(max(0, due_ns - time.monotonic_ns()) / 1e9)
                for channel, column in zip(self.channels, self._columns, strict=False):
                    yield SampleBlock(
                        channel.channel_id,
                        sequence,
                        start_ns,
                        TimeQuality.RECORDED,
                        rate_hz,
                        np.ascontiguousarray(piece[:, column]),
                        Quality.GOOD,
                    )
                sequence += 1
                self.samples_delivered += len(piece)
                if self._on_progress is not None:
                    self._on_progress(self.samples_delivered)
        self._finished = True

    def report(self) -> LinkReport:
        """How far the replay is."""
        total = self._recording.n_samples
        return LinkReport(
            self.source_id,
            "replay",
            str(self._recording.path),
            LinkState.FINISHED if self._finished else LinkState.CONNECTED,
            counts={"samples": self.samples_delivered, "samples_total": total},
        )

    def _speed_tag(self, sequence: int, at_ns: int) -> SampleBlock:
        assert self._shaft_hz is not None
        value = np.array([self._shaft_hz], dtype=np.float32)
        return SampleBlock(
            self.channels[-1].channel_id, sequence, at_ns, TimeQuality.RECORDED, 0.0, value, Quality.GOOD
        )
