"""From a session's events to sample blocks in m/s2, and gaps with their cause.

Duty: the pure half of the serial bridge: merges frames to about a tenth of a second, one block per configured
axis, scales counts, and keeps account of what is missing, also between two connections. Knows no port.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dsp.samples import Channel, Gap, GapCause, Quality, SampleBlock, SourceItem, TimeQuality
from firmware_bridge.events import (
    DeviceIdentified,
    DeviceRestarted,
    Event,
    SamplesReceived,
    SequenceGap,
    TickJump,
)

MERGE_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class AxisChannel:
    """One axis of a sensor (0 = the first in a frame) and the channel it becomes."""

    axis: int
    channel: Channel


class BlockAssembler:
    """Merges frames into blocks. Lives as long as its source, so that a gap between connections is seen."""

    def __init__(self, axes: tuple[AxisChannel, ...], merge_ns: int = MERGE_NS) -> None:
        self._axes = axes
        self._merge_ns = merge_ns
        self._mps2_per_count = 0.0
        self._frames: list[SamplesReceived] = []
        self._sequence = 0
        self._end_ns: int | None = None  # end of the newest sample that was ever taken
        self._pending_gap: tuple[GapCause, int | None] | None = None  # closed by the next frame
        self.blocks = 0
        self.gaps = 0
        self.samples_missing = 0

    def take(self, event: Event) -> list[SourceItem]:
        """Blocks and gaps that this event completes, in order of time."""
        if isinstance(event, SamplesReceived):
            return self._take_samples(event)
        if isinstance(event, DeviceIdentified):
            items = self._flush()
            self._mps2_per_count = event.hello.mps2_per_count
            return items
        if isinstance(event, SequenceGap):
            cause = GapCause.SERIAL_LOSS if event.frames_missing is None else GapCause.SEQUENCE_GAP
            return self._open_gap(cause, event.samples_missing)
        if isinstance(event, TickJump):
            # A clock that went back is no loss of samples, but times before and after do not belong together.
            return self._open_gap(GapCause.SEQUENCE_GAP, max(event.samples_missing, 0))
        if isinstance(event, DeviceRestarted):
            return self._flush()
        return []

    def connection_lost(self) -> list[SourceItem]:
        """What was merged so far; whatever comes next follows a gap."""
        items = self._flush()
        if self._end_ns is not None:
            self._pending_gap = (GapCause.SERIAL_LOSS, None)
        return items

    def _open_gap(self, cause: GapCause, samples_missing: int | None) -> list[SourceItem]:
        items = self._flush()
        if self._end_ns is None:
            return items  # nothing came before: nothing is known to be missing
        if self._pending_gap is None:
            self._pending_gap = (cause, samples_missing)
        else:  # told twice before a frame came: the wider cause stands, and the count only if both are known
            known, missing = self._pending_gap
            both = None if missing is None or samples_missing is None else missing + samples_missing
            self._pending_gap = (
                GapCause.SERIAL_LOSS if GapCause.SERIAL_LOSS in (known, cause) else cause,
                both,
            )
        return items

    def _take_samples(self, frame: SamplesReceived) -> list[SourceItem]:
        items: list[SourceItem] = []
        if self._pending_gap is not None and self._end_ns is not None:
            items.extend(self._close_gap(self._end_ns, frame.start_ns))
        if self._frames and _time_quality(self._frames[0]) is not _time_quality(frame):
            items.extend(self._flush())
        self._frames.append(frame)
        self._end_ns = frame.end_ns
        if frame.end_ns - self._frames[0].start_ns >= self._merge_ns:
            items.extend(self._flush())
        return items

    def _close_gap(self, start_ns: int, end_ns: int) -> list[SourceItem]:
        assert self._pending_gap is not None
        cause, missing = self._pending_gap
        self._pending_gap = None
        self.gaps += 1
        self.samples_missing += missing or 0
        end_ns = max(start_ns, end_ns)
        return [Gap(axis.channel.channel_id, start_ns, end_ns, cause, missing) for axis in self._axes]

    def _flush(self) -> list[SourceItem]:
        if not self._frames:
            return []
        frames, self._frames = self._frames, []
        self._sequence += 1
        self.blocks += 1
        counts = np.concatenate([frame.samples for frame in frames])
        scale = np.float32(self._mps2_per_count)
        return [
            SampleBlock(
                channel_id=axis.channel.channel_id,
                sequence=self._sequence,
                start_ns=frames[0].start_ns,
                time_quality=_time_quality(frames[0]),
                sample_rate_hz=frames[-1].sample_rate_hz,
                samples=np.ascontiguousarray(counts[:, axis.axis], np.float32) * scale,
                quality=Quality.GOOD,
            )
            for axis in self._axes
        ]


def _time_quality(frame: SamplesReceived) -> TimeQuality:
    converged = frame.clock is not None and frame.clock.converged
    return TimeQuality.FITTED if converged else TimeQuality.PROVISIONAL
