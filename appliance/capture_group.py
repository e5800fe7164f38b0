"""What the desk of captures works with: a sensor of a machine, a capture that grows, a part on its way.

Duty: the types, the bounds, and the pure steps from channels to sensors, from an alarm to the words of a
trigger, from a part to its record. Keeps and decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from appliance.alarms.lifecycle import AlarmTransition
from appliance.capture_ring import CaptureRing
from appliance.capture_segment import SegmentHead, Stretch
from appliance.journal.capture_record import CUT_BY_DISK, CUT_BY_OVERLOAD, CapturePart
from dsp.samples import Channel, GapCause


@dataclass(frozen=True, slots=True)
class CaptureTiming:
    """How much is kept around a trigger, and the bounds of it."""

    before_s: float = 15.0
    after_s: float = 5.0
    memory_bytes: int = 64 * 1024 * 1024  # of all rings together; as much again may wait for the disk
    most_per_hour: int = 20  # of one sensor and machine, people's own wishes not counted


@dataclass(frozen=True, slots=True)
class Pressure:
    """Why captures are left out now: the gap's cause, the word of the capture's end, the sentence."""

    cause: GapCause
    ended: str
    reason: str


OVERLOADED = Pressure(GapCause.OVERLOAD, CUT_BY_OVERLOAD, "samples come faster than they are analysed")
TOO_SLOW = Pressure(GapCause.BACKPRESSURE, CUT_BY_DISK, "the disk is too slow for them")
DISK = Pressure(GapCause.DISK_FULL, CUT_BY_DISK, "the disk takes no more")


@dataclass(slots=True)
class GrowingCapture:
    """A capture whose trigger was, and whose end has not come."""

    head: SegmentHead
    end_ns: int  # monotonic
    told_ns: int  # up to here it is cut already
    told_frame_ns: int | None  # when the last block began that is cut already
    expires_ns: int
    parts: int


@dataclass(slots=True)
class CaptureGroup:
    """One sensor of one machine."""

    asset_id: str
    sensor_id: str
    ring: CaptureRing
    open: GrowingCapture | None
    begun_ns: deque[int]  # of the captures of the last hour
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class PartJob:
    """A part on its way to the disk; without stretches only its record is written."""

    head: SegmentHead
    stretches: tuple[Stretch, ...]
    ended: str
    picture: bytes = b""

    @property
    def size_bytes(self) -> int:
        return sum(stretch.samples.nbytes for stretch in self.stretches) + len(self.picture)


def capture_groups(channels: Iterable[Channel], timing: CaptureTiming) -> list[CaptureGroup]:
    """Axes of one sensor belong together; a channel of which nothing says so stands alone."""
    found: dict[tuple[str, str, float], list[Channel]] = {}
    for channel in channels:
        if channel.sample_rate_hz > 0.0:
            key = (channel.asset_id, channel.sensor_id or channel.channel_id, channel.sample_rate_hz)
            found.setdefault(key, []).append(channel)
    keep_s = max(timing.before_s, timing.after_s)
    return [
        CaptureGroup(
            asset, sensor, CaptureRing(own, keep_s, timing.memory_bytes // len(found)), None, deque()
        )
        for (asset, sensor, _), own in found.items()
    ]


def alarm_trigger(transition: AlarmTransition) -> dict[str, Any]:
    alarm = transition.alarm
    return {
        "alarm_id": alarm.alarm_id,
        "activation": alarm.activation,
        "what": transition.what,
        "rule": alarm.rule,
        "severity": alarm.severity.value,
        "text": alarm.reason,
    }


def part_of(job: PartJob, name: str, size_bytes: int, ended: str) -> CapturePart:
    head = job.head
    stored = job.stretches if name else ()
    return CapturePart(
        capture_id=head.capture_id,
        part=head.part,
        last=head.last,
        ended=ended,
        file=name,
        size_bytes=size_bytes,
        booked_bytes=size_bytes,
        asset_id=head.asset_id,
        sensor_id=head.sensor_id,
        channels=head.channels,
        unit=head.unit,
        nominal_rate_hz=head.nominal_rate_hz,
        before_s=head.before_s,
        after_s=head.after_s,
        stretches=tuple((s.start_ns, s.sample_rate_hz, len(s.samples)) for s in stored),
        triggers=head.triggers,
        trigger_monotonic_ns=head.trigger_monotonic_ns,
    )
