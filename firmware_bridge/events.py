"""What a session tells its owner: values, in the order in which things happened.

Duty: the vocabulary between `session.py` and whoever makes sample blocks of it. All times are host
monotonic nanoseconds as the port's reader stamped them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from firmware_bridge.clock_sync import ClockEstimate
from firmware_bridge.codec import Discards
from firmware_bridge.frames import Hello, Stats


@dataclass(frozen=True, slots=True)
class DeviceIdentified:
    """The device said hello and was accepted; START is on its way."""

    hello: Hello


@dataclass(frozen=True, slots=True)
class StreamStarted:
    """The device obeyed START, or its samples arrive."""

    at_ns: int


@dataclass(frozen=True, slots=True)
class SamplesReceived:
    """One SAMPLES frame that follows the last one, or follows a gap that was reported just before."""

    sequence: int
    device_tick: int  # of the first sample, unwrapped, since the device's start or the session's
    start_ns: int  # of the first sample: by the fitted clock, or by arrival while not converged
    received_ns: int
    sample_rate_hz: float  # true (fitted) rate; the announced one while not converged
    samples: npt.NDArray[np.int16]  # (n_samples, axes), counts; times hello.mps2_per_count is m/s2
    clock: ClockEstimate | None  # None until two frames were seen

    @property
    def end_ns(self) -> int:
        """Time just after the last sample."""
        return self.start_ns + round(len(self.samples) * 1e9 / self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class SequenceGap:
    """Frames that the device numbered and that never arrived, or a break whose length nobody knows."""

    first_missing_sequence: int
    frames_missing: int | None  # None after a restart of the device
    samples_missing: int | None  # per axis
    start_ns: int  # end of the last sample before
    end_ns: int  # first sample after; never before start_ns


@dataclass(frozen=True, slots=True)
class TickJump:
    """Sequence numbers are contiguous but the device clock is not: it lost samples before numbering them."""

    sequence: int
    expected_tick: int
    found_tick: int
    samples_missing: int  # per axis, estimated; negative if the clock went back


@dataclass(frozen=True, slots=True)
class StaleFrame:
    """A frame that came twice or too late; dropped."""

    sequence: int
    expected_sequence: int


@dataclass(frozen=True, slots=True)
class InputDiscarded:
    """What one chunk held that is no frame: garbage, damage, or frames that mean nothing here."""

    discards: Discards
    malformed: int  # frames with a right CRC and a wrong meaning
    reason: str  # of the last malformed one, "" if none


class RestartSign(StrEnum):
    """How a restart of the device was noticed."""

    NOTICE = "restart notice"
    BOOT_ID = "new boot id in hello"
    SEQUENCE = "sequence does not follow"
    HELLO_CHANGED = "hello changed"


@dataclass(frozen=True, slots=True)
class DeviceRestarted:
    """The device began anew (or its numbering makes no sense): it is identified again, and its clock."""

    sign: RestartSign
    detail: str


@dataclass(frozen=True, slots=True)
class DeviceSilent:
    """Nothing arrived for a while though the device should stream; it is being asked."""

    since_ns: int


@dataclass(frozen=True, slots=True)
class StatsReceived:
    """The device's own counts."""

    stats: Stats
    received_ns: int


class EndCause(StrEnum):
    """Why a session ended."""

    HELLO_REFUSED = "hello refused"
    COMMAND_REFUSED = "command refused"
    RATE_EXCEEDED = "rate exceeded"
    NO_ANSWER = "no answer"
    NOT_A_SENSOR = "not a sensor"  # bytes arrive, but no frames: wrong device or wrong speed
    CONNECTION_LOST = "connection lost"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over; open the port again and begin a new one, after a while."""

    cause: EndCause
    reason: str
    remedy: str


Event = (
    DeviceIdentified
    | StreamStarted
    | SamplesReceived
    | SequenceGap
    | TickJump
    | StaleFrame
    | InputDiscarded
    | DeviceRestarted
    | DeviceSilent
    | StatsReceived
    | SessionEnded
)
