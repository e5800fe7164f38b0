"""From blocks of any length to windows of one length.

Duty: cut one channel's stream into overlapping windows, never across a gap, and say when each began. It
does not look at the samples' values, and it does not know which gap was whose fault: that is the source's
knowledge, told as a `Gap`, on which the caller calls `Framer.interrupt`.

A window's time comes from the block that its first sample came in (device clocks are fitted anew with every
block), never from counting hops: so a slowly drifting rate does not add up to a wrong time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dsp.errors import DspError
from dsp.samples import Float32Array, Quality, SampleBlock, TimeQuality

# How far a block may start from where the one before it ended and still continue it, on top of half a sample
# interval. A fitted clock moves by less than a frame when its fit is renewed; an arrival time jitters by what
# a USB adapter and a busy host make of it, and a lost frame is told by its sequence number, not by its time.
JITTER_ALLOWANCE_NS: dict[TimeQuality, int] = {
    TimeQuality.RECORDED: 1_000,
    TimeQuality.FITTED: 1_000_000,
    TimeQuality.PROVISIONAL: 500_000_000,
}
# A rate that moves by more than this is another setting of the sensor, not a drifting crystal.
RATE_CHANGE_LIMIT = 0.01

_QUALITY_ORDER = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)
_TIME_QUALITY_ORDER = (TimeQuality.RECORDED, TimeQuality.FITTED, TimeQuality.PROVISIONAL)


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one channel without a gap, of the framer's length (shorter only out of `flush`)."""

    channel_id: str
    start_ns: int
    sample_rate_hz: float
    samples: Float32Array  # (n_samples,)
    quality: Quality
    time_quality: TimeQuality


@dataclass(frozen=True, slots=True)
class WindowBatch:
    """Windows of several channels of equal length and rate, with what was known of the machine then."""

    channel_ids: tuple[str, ...]
    start_ns: tuple[int, ...]
    sample_rate_hz: tuple[float, ...]
    samples: Float32Array  # (n_windows, n_samples)
    qualities: tuple[Quality, ...]
    operating_states: tuple[str, ...]


def window_batch(windows: Sequence[Window], operating_states: Sequence[str]) -> WindowBatch:
    """The given windows as one batch, in their order, with the operating state that each was taken in.

    Raises DspError if there is no window, their lengths differ, or there is not one state for each.
    """
    if not windows:
        raise DspError("window_batch: no window given; at least one is needed")
    if len(operating_states) != len(windows):
        raise DspError(f"window_batch: {len(windows)} windows but {len(operating_states)} operating states")
    lengths = {len(window.samples) for window in windows}
    if len(lengths) != 1:
        raise DspError(f"window_batch: windows of {sorted(lengths)} samples; one length is needed")
    return WindowBatch(
        channel_ids=tuple(window.channel_id for window in windows),
        start_ns=tuple(window.start_ns for window in windows),
        sample_rate_hz=tuple(window.sample_rate_hz for window in windows),
        samples=np.stack([window.samples for window in windows]),
        qualities=tuple(window.quality for window in windows),
        operating_states=tuple(operating_states),
    )


def of_length(window: Window, n_samples: int) -> Window:
    """The window, or its first samples where a recording's rest is one sample too long (an odd number)."""
    return window if len(window.samples) == n_samples else replace(window, samples=window.samples[:n_samples])


def trend_window_samples(sample_rate_hz: float) -> int:
    """Length of a trend window: the smallest power of two that lasts 1 s or longer (at least 64 samples).

    One second is what velocity from 10 Hz needs (ISO 20816-1); a power of two is what a transform likes.
    """
    if not sample_rate_hz > 0.0 or not np.isfinite(sample_rate_hz):
        raise DspError(f"sample_rate_hz is {sample_rate_hz}; a finite rate above 0 is needed")
    samples = 64
    while samples < sample_rate_hz:
        samples *= 2
    return samples


@dataclass(slots=True)
class _Segment:
    """A block in the buffer: where its first sample lies there (negative once cut off), samples taken."""

    offset: int
    length: int
    block: SampleBlock


class Framer:
    """Cuts one channel's blocks into windows of `window_samples`, a new one each `hop_samples`.

    A time jump (either way) of more than half a sample interval plus the blocks' jitter allowance, a rate
    that changes by more than 1 %, or a call of `interrupt` drops the partial window: no window ever spans a
    gap.
    `jitter_allowance_ns` overrides JITTER_ALLOWANCE_NS. A hop longer than the window leaves samples out.
    """

    def __init__(
        self,
        channel_id: str,
        window_samples: int,
        hop_samples: int,
        jitter_allowance_ns: int | None = None,
    ) -> None:
        if window_samples < 1 or hop_samples < 1:
            raise DspError(
                f"Framer of {channel_id!r}: window_samples {window_samples} and hop_samples {hop_samples} "
                "must both be 1 or more"
            )
        self.channel_id = channel_id
        self.window_samples = window_samples
        self.hop_samples = hop_samples
        self._jitter_allowance_ns = jitter_allowance_ns
        self._buffer: Float32Array = np.empty(window_samples, np.float32)
        self._segments: deque[_Segment] = deque()
        self._previous: SampleBlock | None = None
        self._fill = 0
        self._skip = 0  # samples to leave out before the next window begins (hop longer than window)
        self._fresh = 0  # samples in the buffer that no window has shown yet

    @property
    def pending_samples(self) -> int:
        """Samples that wait for a window to be filled."""
        return self._fill

    def push(self, block: SampleBlock) -> list[Window]:
        """Windows completed by this block, oldest first.

        Raises DspError for a block of another channel, without a rate, or whose samples are not one row.
        """
        if block.channel_id != self.channel_id:
            raise DspError(f"Framer of {self.channel_id!r} was given a block of {block.channel_id!r}")
        if not block.sample_rate_hz > 0.0:
            raise DspError(
                f"Framer of {self.channel_id!r}: a block at rate {block.sample_rate_hz}; tags are not framed"
            )
        if block.samples.ndim != 1:
            raise DspError(
                f"Framer of {self.channel_id!r}: samples of shape {block.samples.shape}, not (n_samples,)"
            )
        if self._previous is not None and not self._continues(self._previous, block):
            self.interrupt()
        self._previous = block
        return self._cut(block)

    def interrupt(self) -> None:
        """Forget the partial window: samples are missing here."""
        self._segments.clear()
        self._previous = None
        self._fill = 0
        self._skip = 0
        self._fresh = 0

    def flush(self, min_samples: int) -> list[Window]:
        """At the end of a recording: what is left as one shorter window, if it has `min_samples`.

        Nothing is returned where every sample left was already part of a window. The framer is empty after.
        """
        left = self._fill > 0 and self._fresh > 0 and self._fill >= min_samples
        windows = [self._window(self._fill)] if left else []
        self.interrupt()
        return windows

    def _continues(self, previous: SampleBlock, block: SampleBlock) -> bool:
        """Whether `block` starts where `previous` ended, as well as their clocks can tell."""
        rate_hz = previous.sample_rate_hz
        if abs(block.sample_rate_hz - rate_hz) > RATE_CHANGE_LIMIT * rate_hz:
            return False
        allowance_ns = self._jitter_allowance_ns
        if allowance_ns is None:
            allowance_ns = max(
                JITTER_ALLOWANCE_NS[previous.time_quality], JITTER_ALLOWANCE_NS[block.time_quality]
            )
        return abs(block.start_ns - previous.end_ns) <= 0.5e9 / rate_hz + allowance_ns

    def _cut(self, block: SampleBlock) -> list[Window]:
        """Copy the block in, piece by piece, taking a window each time the buffer is full."""
        windows: list[Window] = []
        samples = block.samples
        current: _Segment | None = None
        used = min(self._skip, len(samples))
        self._skip -= used
        while used < len(samples):
            taken = min(self.window_samples - self._fill, len(samples) - used)
            self._buffer[self._fill : self._fill + taken] = samples[used : used + taken]
            if current is not None and self._segments and self._segments[-1] is current:
                current.length += taken
            else:
                current = _Segment(self._fill - used, used + taken, block)
                self._segments.append(current)
            self._fill += taken
            self._fresh += taken
            used += taken
            if self._fill == self.window_samples:
                windows.append(self._window(self._fill))
                self._advance()
                if self._skip:
                    jump = min(self._skip, len(samples) - used)
                    self._skip -= jump
                    used += jump
        return windows

    def _advance(self) -> None:
        """Move the buffer on by one hop."""
        hop = min(self.hop_samples, self.window_samples)
        keep = self.window_samples - hop
        self._buffer[:keep] = self._buffer[hop:].copy()
        self._fill = keep
        self._fresh = 0
        self._skip = self.hop_samples - hop
        for segment in self._segments:
            segment.offset -= hop
        while self._segments and self._segments[0].offset + self._segments[0].length <= 0:
            self._segments.popleft()

    def _window(self, length: int) -> Window:
        """The first `length` samples of the buffer, timed by the block that holds the first of them."""
        first = self._segments[0]
        rate_hz = first.block.sample_rate_hz
        blocks = [segment.block for segment in self._segments]
        if any(block.sample_rate_hz != rate_hz for block in blocks):
            rate_hz = self._mean_rate_hz(length)
        return Window(
            channel_id=self.channel_id,
            start_ns=first.block.start_ns + round(-first.offset * 1e9 / first.block.sample_rate_hz),
            sample_rate_hz=rate_hz,
            samples=self._buffer[:length].copy(),
            quality=max((block.quality for block in blocks), key=_QUALITY_ORDER.index),
            time_quality=max((block.time_quality for block in blocks), key=_TIME_QUALITY_ORDER.index),
        )

    def _mean_rate_hz(self, length: int) -> float:
        """Samples over the time they span, each block at its own rate."""
        span_s = 0.0
        for segment in self._segments:
            inside = min(segment.offset + segment.length, length) - max(segment.offset, 0)
            span_s += inside / segment.block.sample_rate_hz
        return length / span_s
