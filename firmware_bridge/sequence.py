"""Where a numbered frame stands: next, after a gap, stale, or senseless; and whether frames come too fast.

Duty: arithmetic on sequence numbers and device ticks, both modulo 2**32. Keeps no samples, emits no events.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MODULO = 1 << 32
STALE_FRAMES = 1024  # how far back a frame can come late: more than any buffer on the way holds
STALE_RUN = 64  # so many stale frames in a row are not late frames but a device that began anew
GAP_SLACK_FRAMES = 64
GAP_RATE_MARGIN = 2.0
LATE_S = 10.0  # frames may have waited this long on the way before they were read
RATE_TOLERANCE = 0.06  # a sensor's oscillator against its announced rate, in the worst case
RATE_MARGIN = 1.5  # sustained arrival above this multiple of the announced rate is refused
RATE_BURST_S = 2.0  # what may come at once after a hiccup of the port


class Order(StrEnum):
    """Where a frame stands against the one expected."""

    FIRST = "first"
    NEXT = "next"
    AFTER_GAP = "after gap"
    STALE = "stale"
    SENSELESS = "senseless"


@dataclass(frozen=True, slots=True)
class Placement:
    """Verdict on one frame."""

    order: Order
    frames_missing: int  # between the last frame and this one; 0 unless AFTER_GAP
    expected_sequence: int


def difference(later: int, earlier: int) -> int:
    """later - earlier modulo 2**32, as a signed number nearest to zero."""
    return (later - earlier + MODULO // 2) % MODULO - MODULO // 2


class SequenceTracker:
    """Places each SAMPLES frame of one life of a device."""

    def __init__(self, frame_rate_hz: float, ticks_per_frame: float) -> None:
        self._frame_rate_hz = frame_rate_hz
        self._ticks_per_frame = ticks_per_frame
        self._expected: int | None = None
        self._last_tick = 0
        self._last_ns = 0
        self._stale_run = 0

    def place(self, sequence: int, tick: int, received_ns: int) -> Placement:
        """Judge a frame, and expect the one after it unless it is stale or senseless."""
        if self._expected is None:
            self._accept(sequence, tick, received_ns)
            return Placement(Order.FIRST, 0, sequence)
        expected = self._expected
        ahead = difference(sequence, expected)
        if ahead < 0 and self._is_late(ahead, tick):
            self._stale_run += 1
            if self._stale_run < STALE_RUN:
                return Placement(Order.STALE, 0, expected)
        if ahead < 0 or ahead > self._plausible_gap(ahead, tick, received_ns):
            return Placement(Order.SENSELESS, 0, expected)
        self._accept(sequence, tick, received_ns)
        return Placement(Order.AFTER_GAP if ahead else Order.NEXT, ahead, expected)

    def _accept(self, sequence: int, tick: int, received_ns: int) -> None:
        self._expected = (sequence + 1) % MODULO
        self._last_tick, self._last_ns = tick, received_ns
        self._stale_run = 0

    def _is_late(self, ahead: int, tick: int) -> bool:
        """A late copy carries the tick of its own time; a device that began anew does not."""
        if ahead < -STALE_FRAMES:
            return False
        return self._agrees_with_tick(ahead, tick)

    def _agrees_with_tick(self, ahead: int, tick: int) -> bool:
        """Whether the device clock went as many frames on (or back) as the numbering did."""
        frames_by_tick = difference(tick, self._last_tick) / self._ticks_per_frame
        return abs(frames_by_tick - (ahead + 1)) < 0.5 + RATE_TOLERANCE * abs(ahead)

    def _plausible_gap(self, ahead: int, tick: int, received_ns: int) -> float:
        """Frames that the device can have numbered since the last one arrived, generously.

        Where its clock confirms the gap, the last frame may have waited long before it was read: the host was
        too slow, and what came after was lost.
        """
        elapsed_s = max(0, received_ns - self._last_ns) * 1e-9
        if self._agrees_with_tick(ahead, tick):
            elapsed_s += LATE_S
        return elapsed_s * self._frame_rate_hz * GAP_RATE_MARGIN + GAP_SLACK_FRAMES


class RateGuard:
    """A bucket of tokens that notices a stream faster than announced, but forgives a burst."""

    def __init__(self, announced_hz: float, n_first: int) -> None:
        self._refill_per_ns = announced_hz * RATE_MARGIN * 1e-9
        self._capacity = announced_hz * RATE_BURST_S + n_first
        self._tokens = self._capacity
        self._last_ns: int | None = None

    def exceeded(self, n_samples: int, received_ns: int) -> bool:
        """Whether these samples come too fast; call once per frame, also for frames that are dropped."""
        if self._last_ns is not None:
            refill = max(0, received_ns - self._last_ns) * self._refill_per_ns
            self._tokens = min(self._capacity, self._tokens + refill)
        self._last_ns = received_ns
        self._tokens -= n_samples
        return self._tokens < 0.0
