"""Whether a hello can be true: within the protocol's limits, and within what the port can carry.

Duty: one function that says why not and what would be right. Asks nobody again (`session.py` does).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from firmware_bridge.codec import wire_length
from firmware_bridge.frames import MAX_PAYLOAD_BYTES, PROTOCOL_VERSION, SAMPLES_HEADER_BYTES, Hello

MAX_AXES = 16
MIN_SAMPLE_RATE_HZ = 1.0
MAX_SAMPLE_RATE_HZ = 1_000_000.0
MIN_TICK_RATE_HZ = 1_000
MAX_TICK_RATE_HZ = 1_000_000_000
MAX_FULL_SCALE_MPS2 = 1_000_000.0  # a shock sensor of 100,000 g
BITS_PER_BYTE = 10  # 8N1 on a UART
BYTES_PER_SAMPLE = 2


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a hello is refused, and what would be right."""

    reason: str
    remedy: str


def samples_frame_bytes(hello: Hello) -> int:
    """The most bytes that one SAMPLES frame of this device takes on the line."""
    body = hello.samples_per_frame * hello.axes * BYTES_PER_SAMPLE
    return wire_length(SAMPLES_HEADER_BYTES + body)


def line_bytes_per_s(hello: Hello) -> float:
    """What this device's samples need of the line, framing included."""
    return hello.sample_rate_hz / hello.samples_per_frame * samples_frame_bytes(hello)


def refusal_of(hello: Hello, port_bytes_per_s: float) -> Refusal | None:
    """Why this hello is refused on a port that carries so much, or None if it is sound."""
    nonsense = _nonsense_of(hello)
    if nonsense is not None:
        return Refusal(nonsense, "check that this is a sensor of the expected kind, and its firmware")
    needed = line_bytes_per_s(hello)
    if needed > port_bytes_per_s:
        return Refusal(
            f"{hello.serial_number}: {hello.sample_rate_hz:g} Hz x {hello.axes} axes x 2 bytes needs "
            f"{needed:.0f} bytes/s with framing, the port carries {port_bytes_per_s:.0f}",
            f"set the port to {math.ceil(needed * BITS_PER_BYTE)} baud or more, or lower the rate",
        )
    return None


def _nonsense_of(hello: Hello) -> str | None:
    rate_hz, ticks_hz, scale = hello.sample_rate_hz, hello.tick_rate_hz, hello.full_scale_mps2
    body = SAMPLES_HEADER_BYTES + hello.samples_per_frame * hello.axes * BYTES_PER_SAMPLE
    rules = (
        (
            hello.protocol_version == PROTOCOL_VERSION,
            f"protocol version {hello.protocol_version}; {PROTOCOL_VERSION} is spoken here",
        ),
        (bool(hello.serial_number.strip()), "serial number is empty"),
        (1 <= hello.axes <= MAX_AXES, f"{hello.axes} axes; 1 to {MAX_AXES} are possible"),
        (
            MIN_SAMPLE_RATE_HZ <= rate_hz <= MAX_SAMPLE_RATE_HZ,
            f"sample rate {rate_hz:g} Hz; {MIN_SAMPLE_RATE_HZ:g} to {MAX_SAMPLE_RATE_HZ:g} is possible",
        ),
        (
            MIN_TICK_RATE_HZ <= ticks_hz <= MAX_TICK_RATE_HZ,
            f"tick rate {ticks_hz} Hz; {MIN_TICK_RATE_HZ} to {MAX_TICK_RATE_HZ} is possible",
        ),
        (ticks_hz >= rate_hz, f"tick rate {ticks_hz} Hz is below the sample rate {rate_hz:g} Hz"),
        (
            math.isfinite(scale) and 0.0 < scale <= MAX_FULL_SCALE_MPS2,
            f"full scale {scale:g} m/s2; above 0 and at most {MAX_FULL_SCALE_MPS2:g} is possible",
        ),
        (
            hello.samples_per_frame >= 1 and body <= MAX_PAYLOAD_BYTES,
            f"{hello.samples_per_frame} samples per frame of {hello.axes} axes make {body} bytes; "
            f"1 sample to {MAX_PAYLOAD_BYTES} bytes are possible",
        ),
    )
    return next((nonsense for sound, nonsense in rules if not sound), None)
