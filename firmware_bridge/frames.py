"""Frames of the wire protocol: what each one says, and its bytes between CRC and COBS.

Duty: dataclasses, and their exact layout in `LAYOUTS`, from which encoding, decoding and the tables of
PROTOCOL.md are all made. Knows nothing of CRC, COBS (`codec.py`) or of what may follow what (`session.py`).
All integers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from firmware_bridge.errors import FrameError

PROTOCOL_VERSION = 1
MAX_PAYLOAD_BYTES = 2048  # type byte and body, without CRC
TEXT_BYTES = 16
FULL_SCALE_COUNTS = 32768  # an int16 of -32768 is minus full scale


class FrameType(IntEnum):
    """First byte of every payload; the high bit is set from host to device."""

    HELLO = 0x01
    SAMPLES = 0x02
    STATS = 0x03
    ACK = 0x04
    NAK = 0x05
    RESTARTED = 0x06
    IDENTIFY = 0x81
    START = 0x82
    STOP = 0x83
    RESET = 0x84
    STATS_REQUEST = 0x85


class NakCode(IntEnum):
    """Why a device refuses a command."""

    UNKNOWN_COMMAND = 1
    BAD_LENGTH = 2
    BAD_STATE = 3
    BUSY = 4
    SENSOR_FAULT = 5


class RestartCause(IntEnum):
    """Why a device started."""

    POWER_ON = 1
    WATCHDOG = 2
    BROWN_OUT = 3
    COMMAND = 4
    FAULT = 5


@dataclass(frozen=True, slots=True)
class Hello:
    """A device's answer to IDENTIFY: who it is and what its samples mean."""

    request_id: int
    protocol_version: int
    boot_id: int  # random per start of the firmware: tells a restart from a late answer
    model: str
    serial_number: str
    firmware_version: str
    full_scale_mps2: float  # acceleration of 32768 counts
    sample_rate_hz: float  # per axis, by the device's own clock; resolution 1 mHz
    axes: int
    samples_per_frame: int  # per axis, the same in every SAMPLES frame
    tick_rate_hz: int  # of the device clock that stamps frames

    @property
    def identity(self) -> tuple[object, ...]:
        """All of a hello but the request that it answers."""
        return tuple(getattr(self, name) for name in Hello.__slots__ if name != "request_id")

    @property
    def mps2_per_count(self) -> float:
        """Acceleration of one count, in m/s2."""
        return self.full_scale_mps2 / FULL_SCALE_COUNTS


@dataclass(frozen=True, slots=True)
class Samples:
    """One block of samples of all axes."""

    sequence: int  # counts SAMPLES frames modulo 2**32, also those that the device had to drop
    first_tick: int  # device clock at the first sample, modulo 2**32
    interleaved: bytes  # int16: axis 0, 1, 2 of sample 0, then of sample 1, ...


@dataclass(frozen=True, slots=True)
class Stats:
    """The device's own counts since it started."""

    request_id: int
    frames_sent: int  # SAMPLES frames handed to the UART
    frames_dropped: int  # SAMPLES frames that found no room and were never sent
    commands_rejected: int  # frames from the host that were damaged or refused


@dataclass(frozen=True, slots=True)
class Ack:
    """The command was obeyed."""

    request_id: int
    command: int


@dataclass(frozen=True, slots=True)
class Nak:
    """The command was refused."""

    request_id: int
    command: int
    code: int  # a NakCode, or one of a newer protocol


@dataclass(frozen=True, slots=True)
class Restarted:
    """The firmware has just started; it samples nothing until START."""

    boot_id: int
    cause: int  # a RestartCause, or one of a newer protocol


@dataclass(frozen=True, slots=True)
class Command:
    """What the host asks of the device; `request_id` comes back in the answer."""

    command: FrameType
    request_id: int


Frame = Hello | Samples | Stats | Ack | Nak | Restarted | Command


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a frame's body."""

    name: str
    code: str  # struct code without byte order
    meaning: str


_REQUEST = Field("request_id", "H", "copied from the command that is answered; 0 if unasked")
_COMMAND_BODY = (Field("request_id", "H", "chosen by the host, comes back in the answer"),)

LAYOUTS: dict[FrameType, tuple[Field, ...]] = {
    FrameType.HELLO: (
        _REQUEST,
        Field("protocol_version", "B", f"{PROTOCOL_VERSION}"),
        Field("boot_id", "I", "random at each start of the firmware"),
        Field("model", "16s", "printable ASCII, padded with 0x00"),
        Field("serial_number", "16s", "printable ASCII, padded with 0x00, never empty"),
        Field("firmware_version", "16s", "printable ASCII, padded with 0x00"),
        Field("full_scale_mps2", "f", "acceleration of 32768 counts, m/s2"),
        Field("sample_rate_millihz", "I", "samples per second and axis, in 1/1000 Hz"),
        Field("axes", "B", "number of axes"),
        Field("samples_per_frame", "H", "samples per axis in every SAMPLES frame"),
        Field("tick_rate_hz", "I", "ticks per second of the device clock"),
    ),
    FrameType.SAMPLES: (
        Field("sequence", "I", "steps by one per frame, also for a frame that is dropped, modulo 2^32"),
        Field("first_tick", "I", "device clock at the first sample, modulo 2^32"),
    ),
    FrameType.STATS: (
        _REQUEST,
        Field("frames_sent", "Q", "SAMPLES frames handed to the UART since the start of the firmware"),
        Field("frames_dropped", "Q", "SAMPLES frames that found no room in the transmit FIFO"),
        Field("commands_rejected", "I", "frames from the host that were damaged or refused"),
    ),
    FrameType.ACK: (_REQUEST, Field("command", "B", "type of the command that was obeyed")),
    FrameType.NAK: (
        _REQUEST,
        Field("command", "B", "type of the command that was refused"),
        Field("code", "B", "why, see the codes below"),
    ),
    FrameType.RESTARTED: (
        Field("boot_id", "I", "as the next HELLO will say"),
        Field("cause", "B", "why, see the causes below"),
    ),
    FrameType.IDENTIFY: _COMMAND_BODY,
    FrameType.START: _COMMAND_BODY,
    FrameType.STOP: _COMMAND_BODY,
    FrameType.RESET: _COMMAND_BODY,
    FrameType.STATS_REQUEST: _COMMAND_BODY,
}

COMMANDS = frozenset(frame_type for frame_type in FrameType if frame_type & 0x80)

_STRUCTS = {
    frame_type: struct.Struct("<B" + "".join(field.code for field in fields))
    for frame_type, fields in LAYOUTS.items()
}
SAMPLES_HEADER_BYTES = _STRUCTS[FrameType.SAMPLES].size


def payload_of(frame: Frame) -> bytes:
    """The frame's type byte and body. A value that does not fit its field raises `FrameError`."""
    try:
        return _payload_of(frame)
    except (struct.error, UnicodeEncodeError, OverflowError, ValueError) as error:
        raise FrameError(f"{type(frame).__name__} cannot be encoded: {error}") from error


def _payload_of(frame: Frame) -> bytes:  # noqa: PLR0911 - one per type
    if isinstance(frame, Samples):
        head = _pack(FrameType.SAMPLES, (frame.sequence, frame.first_tick))
        return head + frame.interleaved
    if isinstance(frame, Hello):
        return _pack(
            FrameType.HELLO,
            (
                frame.request_id,
                frame.protocol_version,
                frame.boot_id,
                _bytes_of(frame.model),
                _bytes_of(frame.serial_number),
                _bytes_of(frame.firmware_version),
                frame.full_scale_mps2,
                round(frame.sample_rate_hz * 1000.0),
                frame.axes,
                frame.samples_per_frame,
                frame.tick_rate_hz,
            ),
        )
    if isinstance(frame, Stats):
        values = (frame.request_id, frame.frames_sent, frame.frames_dropped, frame.commands_rejected)
        return _pack(FrameType.STATS, values)
    if isinstance(frame, Ack):
        return _pack(FrameType.ACK, (frame.request_id, frame.command))
    if isinstance(frame, Nak):
        return _pack(FrameType.NAK, (frame.request_id, frame.command, frame.code))
    if isinstance(frame, Restarted):
        return _pack(FrameType.RESTARTED, (frame.boot_id, frame.cause))
    return _pack(frame.command, (frame.request_id,))


def frame_of(payload: bytes) -> Frame:  # noqa: PLR0911 - one per type
    """The frame that a payload (type byte and body, CRC already checked) holds; `FrameError` if none."""
    if not payload:
        raise FrameError("empty payload: a frame begins with its type")
    try:
        frame_type = FrameType(payload[0])
    except ValueError:
        raise FrameError(f"unknown frame type 0x{payload[0]:02x}") from None
    layout = _STRUCTS[frame_type]
    if frame_type is FrameType.SAMPLES:
        if len(payload) <= layout.size or (len(payload) - layout.size) % 2:
            raise FrameError(f"SAMPLES of {len(payload)} bytes holds no whole number of int16")
        _, sequence, first_tick = layout.unpack_from(payload)
        return Samples(sequence, first_tick, payload[layout.size :])
    if len(payload) != layout.size:
        raise FrameError(f"{frame_type.name} has {len(payload)} bytes; {layout.size} would be right")
    values = layout.unpack(payload)[1:]
    if frame_type in COMMANDS:
        return Command(frame_type, values[0])
    if frame_type is FrameType.HELLO:
        return Hello(
            request_id=values[0],
            protocol_version=values[1],
            boot_id=values[2],
            model=_text_of(values[3], "model"),
            serial_number=_text_of(values[4], "serial_number"),
            firmware_version=_text_of(values[5], "firmware_version"),
            full_scale_mps2=values[6],
            sample_rate_hz=values[7] / 1000.0,
            axes=values[8],
            samples_per_frame=values[9],
            tick_rate_hz=values[10],
        )
    if frame_type is FrameType.STATS:
        return Stats(*values)
    if frame_type is FrameType.ACK:
        return Ack(*values)
    if frame_type is FrameType.NAK:
        return Nak(*values)
    return Restarted(*values)


def _pack(frame_type: FrameType, values: Sequence[object]) -> bytes:
    return _STRUCTS[frame_type].pack(frame_type, *values)


def _bytes_of(text: str) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) > TEXT_BYTES:
        raise ValueError(f"{text!r} is longer than {TEXT_BYTES} bytes")
    return encoded  # struct pads with 0x00


def _text_of(raw: bytes, name: str) -> str:
    text = raw.rstrip(b"\x00")
    if not all(0x20 <= byte < 0x7F for byte in text):
        raise FrameError(f"HELLO's {name} is not printable ASCII: {raw!r}")
    return text.decode("ascii")
