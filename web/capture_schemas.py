"""What the HTTP interface says of captured waveforms: which there are, a picture of one, a wish for one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from web.schemas import Schema

Comment = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]


class CaptureTriggerView(Schema):
    """Why a waveform was captured: an alarm that became active, or a person."""

    alarm_id: str | None
    activation: int | None
    text: str  # the alarm's sentence, or the person's comment
    actor: str  # who asked by hand; "" for an alarm
    offset_s: float  # from the first trigger


class CaptureView(Schema):
    """One captured waveform of one sensor of a machine."""

    capture_id: str
    asset_id: str
    sensor_id: str
    channels: list[str]
    unit: str
    sample_rate_hz: float  # nominal
    trigger_ms: float
    time_trusted: bool
    start_ms: float
    duration_s: float
    size_bytes: int
    complete: bool  # False: what comes after the trigger is still to come
    ended: str  # why it ended before its time; "" where it did not
    triggers: list[CaptureTriggerView]


class WaveformView(Schema):
    """A capture thinned for a picture: of each span of time the least and the greatest sample, per channel.

    A null stands where samples are missing. Times count from the trigger.
    """

    capture_id: str
    unit: str
    times_s: list[float]
    channels: list[str]
    low: list[list[float | None]]  # by channel, then time
    high: list[list[float | None]]


class CaptureRequest(Schema):
    """A person wants a capture of a machine, around now."""

    asset_id: str = Field(min_length=1, max_length=200)
    comment: Comment = ""


class CapturesBegun(Schema):
    """What is captured now, one id per sensor of the machine."""

    capture_ids: list[str]
