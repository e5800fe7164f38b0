"""TDMS of National Instruments, read by npTDMS.

Duty: every numeric channel with the waveform properties that its writer gave: `wf_increment` (s) and
`unit_string`. Scaling that the file states is applied. The index file beside it is never read: it may belong
to another recording.

Format: NI white paper "TDMS File Format Internal Structure".
"""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from appliance.sources.recording_columns import (
    FLOAT_ROUNDING,
    MAX_CHANNELS,
    MAX_VALUES,
    Columns,
    FoundChannel,
    RecordingError,
    join_channels,
    missing_library,
    whole_rate,
)

UNIT_PROPERTIES = ("unit_string", "NI_UnitDescription", "NI_ChannelUnit", "unit")
UNITS_OF_TIME = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}


def read_tdms(path: Path) -> Columns:
    """Channels of a TDMS file. Raises RecordingError, or what npTDMS raises on damaged files."""
    try:
        from nptdms import TdmsFile
    except ImportError as error:
        raise missing_library(path, "npTDMS") from error
    logging.getLogger("nptdms").setLevel(logging.ERROR)  # it warns of what is refused or remarked on here
    size = path.stat().st_size
    with path.open("rb") as stream:
        if stream.read(4) != b"TDSm":
            raise RecordingError(path, "it does not begin with 'TDSm'", "give a .tdms file, not its index")
        stream.seek(0)
        with TdmsFile.open(stream) as file:
            channels = [channel for group in file.groups() for channel in group.channels()]
            numeric = [channel for channel in channels if _is_numeric(channel)]
            _check_counts(path, size, numeric)
            found = [_channel(path, channel, len(file.groups())) for channel in numeric]
            columns = join_channels(path, found)
            if not file.file_status.incomplete_final_segment:
                return columns
            remark = "its last segment is cut off: what is there of it is read"
            return replace(columns, remarks=(remark, *columns.remarks))


def _is_numeric(channel: Any) -> bool:
    return len(channel) > 0 and channel.dtype.kind in "fiu"


def _check_counts(path: Path, size: int, channels: list[Any]) -> None:
    """Before anything is read: a damaged head promises any number of values."""
    if len(channels) > MAX_CHANNELS:
        raise RecordingError(
            path, f"{len(channels)} channels are too many", f"at most {MAX_CHANNELS} are read"
        )
    total = sum(len(channel) for channel in channels)
    if total > MAX_VALUES or total > size:  # a value takes at least a byte
        raise RecordingError(
            path,
            f"its heads promise {total} values in {size} bytes",
            "it is cut off or damaged: copy it again",
        )


def _channel(path: Path, channel: Any, n_groups: int) -> FoundChannel:
    properties = channel.properties
    increment = properties.get("wf_increment")
    rate_hz: float | None = None
    if increment is not None:
        factor = UNITS_OF_TIME.get(str(properties.get("wf_xunit_string", "")).strip().lower())
        step_s = float(increment) * factor if factor is not None else math.nan
        if not (math.isfinite(step_s) and step_s > 0):
            raise RecordingError(
                path,
                f"channel {channel.name!r} has a wf_increment of {increment} "
                f"{properties.get('wf_xunit_string', 's')}",
                "it should be a time above 0 in seconds",
            )
        rate_hz = whole_rate(1.0 / step_s, FLOAT_ROUNDING)
    unit = next((str(properties[key]) for key in UNIT_PROPERTIES if properties.get(key)), None)
    name = f"{channel.group_name} {channel.name}" if n_groups > 1 else channel.name
    samples = np.asarray(channel[:])
    if samples.dtype.kind not in "fiu" or samples.ndim != 1:
        raise RecordingError(path, f"channel {channel.name!r} holds no numbers", "export numbers, not text")
    return FoundChannel(name, unit, rate_hz, ((0.0, samples),))
