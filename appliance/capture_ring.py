"""What a sensor delivered last, kept in memory so that a capture can begin before its trigger.

Duty: the newest blocks of the channels of one sensor, bounded in seconds and in bytes, and the cut of an
interval out of them, all channels side by side. Pure: time comes with the blocks; it stores nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from appliance.capture_segment import Stretch
from dsp.samples import Channel, Gap, SampleBlock, SourceItem

MOST_GAPS = 1_000
MEET_NS = 5_000_000  # a clock that is fitted anew moves times a little; what is lost is told as a gap
MOST_SHIFT_NS = 100_000_000  # ... or much, when a sensor's clock is fitted first, between frames in sequence


class CaptureRing:
    """The newest samples of one sensor's channels (one rate, one clock)."""

    def __init__(self, channels: Sequence[Channel], keep_s: float, most_bytes: int) -> None:
        """`keep_s` of samples are kept, less where they would take more than `most_bytes`."""
        self.channels = tuple(channels)
        rate_hz = max(channel.sample_rate_hz for channel in channels)
        fits_s = most_bytes / (4.0 * rate_hz * len(self.channels))
        self.keep_s = min(keep_s, fits_s)
        self._blocks: dict[str, deque[SampleBlock]] = {one.channel_id: deque() for one in channels}
        self._gaps: deque[tuple[int, int]] = deque(maxlen=MOST_GAPS)

    @property
    def held_bytes(self) -> int:
        """Samples in memory."""
        return sum(block.samples.nbytes for blocks in self._blocks.values() for block in blocks)

    @property
    def newest_ns(self) -> int | None:
        """Up to here all channels have delivered; None as long as one has nothing."""
        ends = [blocks[-1].end_ns for blocks in self._blocks.values() if blocks]
        return min(ends) if len(ends) == len(self._blocks) else None

    def add(self, item: SourceItem) -> None:
        """Take up a block or a gap of one of the channels. A block before what is known begins anew."""
        if isinstance(item, Gap):
            self._gaps.append((item.start_ns, item.end_ns))
            return
        blocks = self._blocks[item.channel_id]
        if blocks and item.start_ns < blocks[-1].start_ns:
            blocks.clear()
        blocks.append(item)

    def trim(self) -> None:
        """Let go what is older than is to be kept. Call it after a cut that may need what came before."""
        for blocks in self._blocks.values():
            if not blocks:
                continue
            from_ns = blocks[-1].end_ns - round(self.keep_s * 1e9)
            while len(blocks) > 1 and blocks[0].end_ns <= from_ns:
                blocks.popleft()

    def cut(
        self, start_ns: int, end_ns: int, origin_ns: int, after_frame_ns: int | None = None
    ) -> list[Stretch]:
        """The samples taken from `start_ns` up to `end_ns`, where all channels have them; times count from
        `origin_ns`. Where a block is missing a new stretch begins. `after_frame_ns`: only blocks that
        began later than this one, all of each, however the clock was fitted in between.
        """
        first, *others = (self._blocks[channel.channel_id] for channel in self.channels)
        by_time = [{block.start_ns: block for block in blocks} for blocks in others]
        runs: list[tuple[SampleBlock, list[np.ndarray]]] = []  # (its last block, rows)
        starts: list[int] = []
        for block in first:
            if after_frame_ns is not None and block.start_ns <= after_frame_ns:
                continue
            if block.end_ns <= start_ns or block.start_ns >= end_ns:
                continue
            row = [block, *(known.get(block.start_ns) for known in by_time)]
            frame = [one for one in row if one is not None and len(one.samples) == len(block.samples)]
            if len(frame) < len(row):
                continue
            rate_hz = block.sample_rate_hz
            begin = max(0, math.ceil((start_ns - block.start_ns) * rate_hz / 1e9))
            end = min(len(block.samples), math.ceil((end_ns - block.start_ns) * rate_hz / 1e9))
            if begin >= end:
                continue
            rows = np.column_stack([one.samples[begin:end] for one in frame])
            if runs and self._follows(runs[-1][0], block):
                runs[-1] = (block, [*runs[-1][1], rows])
            else:
                runs.append((block, [rows]))
                starts.append(block.start_ns + round(begin * 1e9 / rate_hz) - origin_ns)
        return [
            Stretch(start, last.sample_rate_hz, np.concatenate(rows).astype(np.float32, copy=False))
            for start, (last, rows) in zip(starts, runs, strict=True)
        ]

    def newest_frame_ns(self) -> int | None:
        """When the newest block began that all channels have."""
        newest_ns = self.newest_ns
        blocks = self._blocks[self.channels[0].channel_id]
        return (
            None
            if newest_ns is None
            else max((block.start_ns for block in blocks if block.end_ns <= newest_ns), default=None)
        )

    def goes_on_after(self, frame_ns: int) -> bool:
        """Whether nothing is missing between the block that began then and the one after it."""
        blocks = list(self._blocks[self.channels[0].channel_id])
        return any(
            earlier.start_ns == frame_ns and self._follows(earlier, later)
            for earlier, later in pairwise(blocks)
        )

    def _follows(self, earlier: SampleBlock, later: SampleBlock) -> bool:
        """Whether nothing is missing between two blocks."""
        in_sequence = later.sequence == earlier.sequence + 1
        apart = max(MOST_SHIFT_NS if in_sequence else MEET_NS, round(1.5e9 / later.sample_rate_hz))
        if abs(later.start_ns - earlier.end_ns) > apart:
            return False
        begin_ns, end_ns = earlier.end_ns - MEET_NS, max(earlier.end_ns, later.start_ns) + MEET_NS
        return not any(begin_ns <= start and end <= end_ns for start, end in self._gaps)
