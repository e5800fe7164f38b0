"""What an OPC UA value means: checked, in SI, with its time on the host's monotonic clock.

Duty: the pure half of the OPC UA client. Refuses what cannot be true and says why; knows no network.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from numbers import Real

from dsp.samples import Channel, Measurand, Quality

PLAUSIBLE: dict[Measurand, tuple[float, float]] = {
    # A sensor that says more than this is broken or speaks another unit than configured.
    Measurand.SHAFT_SPEED: (-2000.0, 2000.0),  # Hz; sign is direction
    Measurand.LOAD: (-0.5, 5.0),  # fraction of rated load; a zero point may drift a little below 0
    Measurand.TEMPERATURE: (-100.0, 1000.0),  # degC
    Measurand.PROCESS_VALUE: (-1e30, 1e30),  # of any kind; beyond, a float32 cannot hold it
}

_GOOD, _UNCERTAIN = 0, 1  # the two top bits of a status code, OPC 10000-4 7.39


class ValueRefusedError(ValueError):
    """A value that is not taken; the message says which and why."""


@dataclass(frozen=True, slots=True)
class OpcUaTag:
    """One variable of a server and the channel it becomes: SI value = `factor` x the server's value."""

    node: str
    channel: Channel
    factor: float


def quality_of(status_code: int) -> Quality:
    """Quality that a 32-bit OPC UA status code states."""
    severity = (status_code >> 30) & 0b11
    if severity == _GOOD:
        return Quality.GOOD
    return Quality.UNCERTAIN if severity == _UNCERTAIN else Quality.BAD


def checked_value(tag: OpcUaTag, value: object) -> float:
    """The value in the channel's unit. Raises ValueRefusedError for what no such quantity can be.

    A Boolean is 0 or 1 of a process value; no speed, load or temperature is one."""
    truth = isinstance(value, bool) and tag.channel.measurand is not Measurand.PROCESS_VALUE
    if truth or not isinstance(value, Real):
        raise ValueRefusedError(f"{tag.node} gives {type(value).__name__}, a number is needed")
    si = float(value) * tag.factor
    if not math.isfinite(si):
        raise ValueRefusedError(f"{tag.node} gives {float(value)}, a finite number is needed")
    low, high = PLAUSIBLE.get(tag.channel.measurand, (-math.inf, math.inf))
    if not low <= si <= high:
        raise ValueRefusedError(
            f"{tag.node} gives {float(value):g}, which is {si:g} {tag.channel.unit}: "
            f"{tag.channel.measurand} must be within {low:g} to {high:g} {tag.channel.unit}; check its unit"
        )
    # Vibration does not care which way a shaft turns; a negative load is a zero point's drift.
    return abs(si) if tag.channel.measurand is Measurand.SHAFT_SPEED else si


class ServerClock:
    """Maps a server's source timestamps to the host's monotonic clock, without trusting either wall clock.

    The delay of a notification is never negative, so the smallest (arrival - source time) of the last
    `capacity` values is the offset of the fastest one; a value that stood unchanged for an hour does not
    spoil it. The mapping is late by that fastest value's delay, at most one publishing interval.
    """

    def __init__(self, capacity: int = 256) -> None:
        self._offsets_ns: deque[int] = deque(maxlen=capacity)

    @property
    def offset_ns(self) -> int | None:
        """Monotonic less source time of the fastest value; None as long as there is none."""
        return min(self._offsets_ns, default=None)

    def host_ns(self, source_utc_ns: int | None, arrival_ns: int) -> int:
        """Monotonic time of a value; its arrival where the server gives no source time."""
        if source_utc_ns is None:
            return arrival_ns
        self._offsets_ns.append(arrival_ns - source_utc_ns)
        return min(arrival_ns, source_utc_ns + min(self._offsets_ns))
