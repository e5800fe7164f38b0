"""Waveforms that an appliance captured, as its files say them (`.stcap`, docs/captures.md).

Duty: one part of a capture to columns. What is damaged is left out and remarked.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.capture_segment import SegmentError, decode_segment
from appliance.sources.recording_columns import Columns, RecordingError


def read_capture(path: Path) -> Columns:
    """The samples of a part that are whole. Raises RecordingError."""
    try:
        segment = decode_segment(path.read_bytes())
    except SegmentError as error:
        raise RecordingError(path, str(error), "copy it again from the appliance") from error
    if not segment.stretches:
        raise RecordingError(path, "no sample of it is whole", "copy it again from the appliance")
    origin_ns = segment.stretches[0].start_ns
    return Columns(
        segment.head.channels,
        tuple(((one.start_ns - origin_ns) / 1e9, one.samples) for one in segment.stretches),
        float(
            np.average(
                [one.sample_rate_hz for one in segment.stretches],
                weights=[len(one.samples) for one in segment.stretches],
            )
        ),
        segment.head.unit,
        tuple(f"{what} damaged, left out" for what in segment.damaged),
    )
