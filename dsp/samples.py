"""Samples as they arrive: the channel they belong to, a block of them, and an interval that has none.

Duty: the vocabulary that every floor above shares for raw data. Does no arithmetic on samples.
Times are nanoseconds of the host's monotonic clock on a live appliance, and nanoseconds since the first
sample in a replay; only the journal turns them into wall time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]


class Measurand(StrEnum):
    """What a channel measures. SI inside the house; converted once at the border."""

    ACCELERATION = "acceleration"  # m/s2 (unit "1" where a recording does not state its unit)
    SHAFT_SPEED = "shaft_speed"  # Hz, revolutions per second
    LOAD = "load"  # 1, fraction of rated load
    TEMPERATURE = "temperature"  # degC
    PROCESS_VALUE = "process_value"  # any other: pressure, flow, current, in the unit that its server gives


class Quality(StrEnum):
    """How far samples can be trusted, as OPC UA orders it."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


class TimeQuality(StrEnum):
    """Where a block's time comes from."""

    FITTED = "fitted"  # device clock fitted against the host's, error bound known
    PROVISIONAL = "provisional"  # arrival time, the fit has not converged yet
    RECORDED = "recorded"  # from a recording, counted from its first sample


class GapCause(StrEnum):
    """Why an interval that should have data has none (the gap ledger's causes)."""

    SERIAL_LOSS = "serial loss"
    SEQUENCE_GAP = "sequence gap"
    OPCUA_DOWN = "OPC UA server down"
    CLOCK_UNSET = "clock unset"
    DISK_FULL = "disk full"
    POWER_OFF = "power off"
    OVERLOAD = "overload"
    BACKPRESSURE = "backpressure"
    DAMAGED_STORE = "damaged store"
    SENSOR_FAULT = "sensor fault"  # samples came, and could not be believed


@dataclass(frozen=True, slots=True)
class Channel:
    """One measurand at one point of one machine."""

    channel_id: str
    asset_id: str
    measurand: Measurand
    unit: str  # "m/s2", "Hz", "1", "degC"
    sample_rate_hz: float  # nominal; 0.0 for tags that arrive by event
    full_scale: float  # largest magnitude the sensor can state, in `unit`; inf if unknown
    sensor_id: str = ""  # equal for the axes of one sensor; empty where nothing says so


@dataclass(frozen=True, slots=True)
class SampleBlock:
    """Samples of one channel as they arrived together, in the channel's unit.

    `start_ns` is the time of `samples[0]`; `sample_rate_hz` is the true (fitted) rate, 0.0 for a tag whose
    block holds one value. `sequence` counts the source's frames and steps by one unless a gap was reported.
    """

    channel_id: str
    sequence: int
    start_ns: int
    time_quality: TimeQuality
    sample_rate_hz: float
    samples: Float32Array  # (n_samples,)
    quality: Quality

    @property
    def end_ns(self) -> int:
        """Time just after the last sample: where the next block starts if nothing is missing."""
        if self.sample_rate_hz <= 0.0:
            return self.start_ns
        return self.start_ns + round(len(self.samples) * 1e9 / self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class Gap:
    """An interval of one channel that should have data and has none. Never interpolated, always stored."""

    channel_id: str
    start_ns: int
    end_ns: int
    cause: GapCause
    samples_missing: int | None = None  # None where it cannot be known


SourceItem = SampleBlock | Gap
