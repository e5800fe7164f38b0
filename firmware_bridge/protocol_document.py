"""The parts of PROTOCOL.md that the code knows best: frame layouts, limits, codes, states and their diagram.

Duty: makes those parts from the code's own tables and puts them between the marks of the document's text, so
that a test can see that the document is current. To renew it:
`python -m firmware_bridge.protocol_document < firmware_bridge/PROTOCOL.md > new.md && mv new.md
firmware_bridge/PROTOCOL.md`. Opens no files itself.
"""

from __future__ import annotations

import re
import struct
import sys

from firmware_bridge.codec import MAX_WIRE_BYTES
from firmware_bridge.frames import (
    COMMANDS,
    LAYOUTS,
    MAX_PAYLOAD_BYTES,
    SAMPLES_HEADER_BYTES,
    FrameType,
    NakCode,
    RestartCause,
)
from firmware_bridge.hello_check import (
    MAX_AXES,
    MAX_FULL_SCALE_MPS2,
    MAX_SAMPLE_RATE_HZ,
    MAX_TICK_RATE_HZ,
    MIN_SAMPLE_RATE_HZ,
    MIN_TICK_RATE_HZ,
)
from firmware_bridge.sequence import RATE_BURST_S, RATE_MARGIN, STALE_FRAMES
from firmware_bridge.session import Timeouts
from firmware_bridge.transitions import state_diagram, state_table

_KINDS = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "f": "float32", "16s": "char[16]"}
_MARKS = re.compile(r"<!-- begin (\w+) -->\n.*?<!-- end \1 -->", re.DOTALL)


def frame_tables() -> str:
    """Every frame's body, byte by byte, as Markdown."""
    return "\n\n".join(_frame_table(frame_type) for frame_type in FrameType)


def _frame_table(frame_type: FrameType) -> str:
    sender = "host to device" if frame_type in COMMANDS else "device to host"
    rows = [f"| 0 | 1 | u8 | type | 0x{frame_type:02X} |"]
    at = 1
    for field in LAYOUTS[frame_type]:
        size = struct.calcsize("<" + field.code)
        rows.append(f"| {at} | {size} | {_KINDS[field.code]} | {field.name} | {field.meaning} |")
        at += size
    if frame_type is FrameType.SAMPLES:
        rows.append(
            f"| {at} | 2 x axes x samples_per_frame | int16[] | samples | "
            "axis 0, 1, ... of the first sample, then of the second, ... |"
        )
    title = f"### {frame_type.name} (0x{frame_type:02X}, {sender})"
    return "\n".join(
        [title, "", "| Offset | Bytes | Type | Field | Meaning |", "|---|---|---|---|---|", *rows]
    )


def code_tables() -> str:
    """Reasons of a NAK and causes of a restart."""
    naks = [f"| {code.value} | {code.name} |" for code in NakCode]
    causes = [f"| {cause.value} | {cause.name} |" for cause in RestartCause]
    return "\n".join(
        ["| NAK code | Why |", "|---|---|", *naks, "", "| Restart cause | Why |", "|---|---|", *causes]
    )


def limits_table() -> str:
    """What the host accepts at most, and how long it waits."""
    timeouts = Timeouts()
    rows = (
        ("payload (type and body)", f"{MAX_PAYLOAD_BYTES} bytes"),
        ("encoded frame, without delimiter", f"{MAX_WIRE_BYTES} bytes; what is longer is skipped"),
        ("axes", f"1 to {MAX_AXES}"),
        ("sample rate", f"{MIN_SAMPLE_RATE_HZ:g} Hz to {MAX_SAMPLE_RATE_HZ:,.0f} Hz"),
        ("tick rate", f"{MIN_TICK_RATE_HZ:,} Hz to {MAX_TICK_RATE_HZ:,} Hz, not below the sample rate"),
        ("full scale", f"above 0, at most {MAX_FULL_SCALE_MPS2:,.0f} m/s2, finite"),
        ("samples per frame", f"1 to ({MAX_PAYLOAD_BYTES} - {SAMPLES_HEADER_BYTES}) / (2 x axes)"),
        (
            "sustained sample rate",
            f"{RATE_MARGIN:g} x announced, after a burst of {RATE_BURST_S:g} s; more ends the session",
        ),
        ("late or repeated frame", f"up to {STALE_FRAMES} numbers back: dropped and counted"),
        (
            "answer to a command",
            f"{timeouts.answer_ns / 1e9:g} s, then asked again, {timeouts.attempts} times in all",
        ),
        ("silence while streaming", f"{timeouts.silence_ns / 1e9:g} s, or 3 frames if longer, then IDENTIFY"),
        ("STATS_REQUEST", f"every {timeouts.stats_ns / 1e9:g} s"),
    )
    return "\n".join(["| What | Limit |", "|---|---|", *(f"| {what} | {limit} |" for what, limit in rows)])


_PARTS = {
    "frames": frame_tables,
    "codes": code_tables,
    "limits": limits_table,
    "states": state_table,
    "diagram": state_diagram,
}


def with_current_parts(text: str) -> str:
    """The document with every marked part made anew. `KeyError` for a mark that nothing here makes."""
    return _MARKS.sub(lambda m: f"<!-- begin {m[1]} -->\n{_PARTS[m[1]]()}\n<!-- end {m[1]} -->", text)


def marked_parts(text: str) -> set[str]:
    """Names of the marked parts of a document."""
    return {match[1] for match in _MARKS.finditer(text)}


if __name__ == "__main__":
    sys.stdout.write(with_current_parts(sys.stdin.read()))
