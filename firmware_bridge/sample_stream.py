"""SAMPLES frames of one life of one device, made into samples with times, gaps and counts.

Duty: joins the sequence, the clock fit and the rate guard for one accepted hello. Decides nothing about the
conversation (`session.py`): what cannot be part of the stream is raised.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from firmware_bridge.clock_sync import ClockSync
from firmware_bridge.errors import FrameError, RateExceededError, StreamLostError
from firmware_bridge.events import Event, SamplesReceived, SequenceGap, StaleFrame, TickJump
from firmware_bridge.frames import Hello, Samples
from firmware_bridge.hello_check import samples_frame_bytes
from firmware_bridge.sequence import RATE_TOLERANCE, Order, RateGuard, SequenceTracker

TICK_SLACK_SAMPLES = 2.0


@dataclass(frozen=True, slots=True)
class StreamCounts:
    """What arrived and what did not; samples are per axis."""

    frames_received: int = 0
    samples_received: int = 0
    gaps: int = 0
    frames_missing: int = 0
    samples_missing: int = 0
    frames_stale: int = 0
    tick_jumps: int = 0

    def __add__(self, other: StreamCounts) -> StreamCounts:
        mine, theirs = self, other
        return StreamCounts(*(getattr(mine, name) + getattr(theirs, name) for name in StreamCounts.__slots__))


class SampleStream:
    """The stream that follows one hello. `after` is the stream that a restart of the device ended."""

    def __init__(self, hello: Hello, port_bytes_per_s: float, after: SampleStream | None = None) -> None:
        self.hello = hello
        frame_line_ns = round(samples_frame_bytes(hello) / port_bytes_per_s * 1e9)
        self.clock = ClockSync(hello.tick_rate_hz, hello.sample_rate_hz, frame_line_ns)
        self._ticks_per_sample = hello.tick_rate_hz / hello.sample_rate_hz
        self._ticks_per_frame = self._ticks_per_sample * hello.samples_per_frame
        self._frame_rate_hz = hello.sample_rate_hz / hello.samples_per_frame
        self._tracker = SequenceTracker(self._frame_rate_hz, self._ticks_per_frame)
        self._guard = RateGuard(hello.sample_rate_hz, hello.samples_per_frame)
        self._sample_bytes = hello.samples_per_frame * hello.axes * 2
        self._ns_per_sample = 1e9 / hello.sample_rate_hz
        self._next_index = 0  # samples since the stream began, missing ones included
        self._next_tick: float | None = None
        self._anchor_ns: int | None = None  # provisional time of sample 0: the earliest that arrivals allow
        self._last_end_ns: int | None = after._last_end_ns if after else None
        self._frames_received = 0
        self._gaps = 0
        self._frames_missing = 0
        self._samples_missing = 0
        self._frames_stale = 0
        self._tick_jumps = 0

    @property
    def counts(self) -> StreamCounts:
        """Counts of this stream."""
        return StreamCounts(
            frames_received=self._frames_received,
            samples_received=self._frames_received * self.hello.samples_per_frame,
            gaps=self._gaps,
            frames_missing=self._frames_missing,
            samples_missing=self._samples_missing,
            frames_stale=self._frames_stale,
            tick_jumps=self._tick_jumps,
        )

    def receive(self, frame: Samples, now_ns: int) -> list[Event]:
        """Events of one frame.

        Raises `FrameError` if its size is not the announced one, `RateExceededError` if frames come much too
        fast, `StreamLostError` if its number cannot follow the last one.
        """
        if len(frame.interleaved) != self._sample_bytes:
            raise FrameError(
                f"SAMPLES with {len(frame.interleaved)} bytes of samples; {self._sample_bytes} were announced"
            )
        if self._guard.exceeded(self.hello.samples_per_frame, now_ns):
            raise RateExceededError(
                f"{self.hello.serial_number} announced {self.hello.sample_rate_hz:g} Hz and sends much faster"
            )
        placement = self._tracker.place(frame.sequence, frame.first_tick, now_ns)
        if placement.order is Order.SENSELESS:
            raise StreamLostError(
                f"sequence {frame.sequence} cannot follow; {placement.expected_sequence} was expected"
            )
        if placement.order is Order.STALE:
            self._frames_stale += 1
            return [StaleFrame(frame.sequence, placement.expected_sequence)]
        return self._accept(
            frame, placement.order, placement.frames_missing, placement.expected_sequence, now_ns
        )

    def _accept(
        self, frame: Samples, order: Order, n_missing: int, expected: int, now_ns: int
    ) -> list[Event]:
        events: list[Event] = []
        n_samples = self.hello.samples_per_frame
        self._next_index += n_missing * n_samples
        jump = self._tick_jump(frame, n_missing, now_ns)
        if jump is not None:
            events.append(jump)
            self._tick_jumps += 1
            self._next_index += max(0, jump.samples_missing)
        tick = self.clock.observe(frame.first_tick, self._next_index, n_samples, now_ns)
        self._next_tick = tick + self._ticks_per_frame
        start_ns = self._start_ns(tick, now_ns)
        if order is Order.AFTER_GAP:
            self._gaps += 1
            self._frames_missing += n_missing
            self._samples_missing += n_missing * n_samples
            events.insert(0, self._gap(expected, n_missing, n_missing * n_samples, start_ns))
        elif order is Order.FIRST and self._last_end_ns is not None:
            events.insert(0, self._gap(frame.sequence, None, None, start_ns))
        samples = np.frombuffer(frame.interleaved, dtype="<i2").reshape(n_samples, self.hello.axes)
        estimate = self.clock.estimate
        rate_hz = estimate.sample_rate_hz if estimate and estimate.converged else self.hello.sample_rate_hz
        received = SamplesReceived(frame.sequence, tick, start_ns, now_ns, rate_hz, samples, estimate)
        events.append(received)
        self._frames_received += 1
        self._next_index += n_samples
        self._last_end_ns = received.end_ns
        return events

    def _gap(self, first: int, frames: int | None, samples: int | None, until_ns: int) -> SequenceGap:
        begin_ns = self._last_end_ns if self._last_end_ns is not None else until_ns
        return SequenceGap(first, frames, samples, begin_ns, max(begin_ns, until_ns))

    def _tick_jump(self, frame: Samples, n_missing: int, now_ns: int) -> TickJump | None:
        """Whether the device clock says something else than the sequence does."""
        if self._next_tick is None:
            return None
        expected = self._next_tick + n_missing * self._ticks_per_frame
        found = self.clock.unwrap(frame.first_tick, now_ns)
        off_samples = (found - expected) / self._ticks_per_sample
        elapsed_samples = (n_missing + 1) * self.hello.samples_per_frame
        if abs(off_samples) <= TICK_SLACK_SAMPLES + RATE_TOLERANCE * elapsed_samples:
            return None
        return TickJump(frame.sequence, round(expected), found, round(off_samples))

    def _start_ns(self, tick: int, now_ns: int) -> int:
        """Time of the frame's first sample: by the fit, or by the earliest arrival at the announced rate."""
        estimate = self.clock.estimate
        if estimate is not None and estimate.converged:
            self._anchor_ns = None
            return estimate.host_ns(tick)
        end_index = self._next_index + self.hello.samples_per_frame
        anchor_ns = now_ns - round(end_index * self._ns_per_sample)
        self._anchor_ns = anchor_ns if self._anchor_ns is None else min(self._anchor_ns, anchor_ns)
        return self._anchor_ns + round(self._next_index * self._ns_per_sample)
