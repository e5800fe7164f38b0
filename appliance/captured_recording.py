"""A capture as a recording: its parts joined, for whoever exports, draws or sends it.

Duty: samples of one capture in order, from files that are checked as they are read. Blocking; changes
nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from appliance.capture_ring import MOST_SHIFT_NS
from appliance.capture_segment import SegmentError, Stretch
from appliance.errors import Rejected
from appliance.journal.capture_files import CaptureFiles
from appliance.journal.capture_record import Capture
from appliance.sources.recordings import Recording, Segment

MEET_NS = 5_000_000  # parts that meet this closely are one stretch


def captured_stretches(files: CaptureFiles, capture: Capture) -> tuple[list[Stretch], list[str]]:
    """The stretches of a capture, and in words what of it is gone. Raises Rejected where nothing is left."""
    stretches: list[Stretch] = []
    remarks: list[str] = []
    for part in capture.parts:
        if not part.file:
            continue
        try:
            segment = files.segment(part.file)
        except (OSError, SegmentError) as error:
            remarks.append(f"{part.file} cannot be read: {error}")
            continue
        remarks += [f"{part.file}: {what} damaged" for what in segment.damaged]
        for number, stretch in enumerate(segment.stretches):
            apart_ns = MEET_NS if number or segment.damaged or not segment.head.joins else MOST_SHIFT_NS
            if stretches and abs(stretch.start_ns - stretches[-1].end_ns) <= apart_ns:
                joined = np.concatenate([stretches[-1].samples, stretch.samples])
                stretches[-1] = Stretch(stretches[-1].start_ns, stretch.sample_rate_hz, joined)
            else:
                stretches.append(stretch)
    if not stretches:
        why = "; ".join(remarks) or capture.ended or "nothing of it was stored"
        raise Rejected(f"capture {capture.capture_id} holds no samples: {why}")
    if capture.ended:
        remarks.append(f"it ended before its time: {capture.ended}")
    return stretches, remarks


def captured_recording(files: CaptureFiles, capture: Capture, nominal: bool = False) -> Recording:
    """All of a capture that is whole. `nominal`: at the sensor's stated rate, for formats that know whole
    rates only (the remarks tell the true one). Raises Rejected."""
    stretches, remarks = captured_stretches(files, capture)
    origin_ns = stretches[0].start_ns
    rates_hz = [stretch.sample_rate_hz for stretch in stretches]
    rate_hz = float(np.average(rates_hz, weights=[len(stretch.samples) for stretch in stretches]))
    if nominal and rate_hz != capture.nominal_rate_hz:
        remarks.append(f"its true rate is {rate_hz!r} Hz; {capture.nominal_rate_hz:g} Hz is written")
        rate_hz = capture.nominal_rate_hz
    return Recording(
        Path(capture.capture_id),
        capture.channels,
        capture.unit,
        rate_hz,
        tuple(Segment((one.start_ns - origin_ns) / 1e9, one.samples) for one in stretches),
        tuple(remarks),
    )
