"""Frames on the wire: CRC-32 behind the payload, COBS around both, 0x00 between frames.

Duty: bytes to payloads and back, one chunk at a time, in bounded memory; after garbage it is in step again
at the next 0x00. Counts what it throws away and why. COBS: Cheshire and Baker, "Consistent overhead byte
stuffing", IEEE/ACM Trans. Networking 7(2), 1999. Does not know what a payload means (`frames.py`).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Protocol

from cobs import cobs

from firmware_bridge.frames import MAX_PAYLOAD_BYTES, Frame, payload_of

DELIMITER = b"\x00"
CRC_BYTES = 4
MAX_WIRE_BYTES = (
    MAX_PAYLOAD_BYTES + CRC_BYTES + (MAX_PAYLOAD_BYTES + CRC_BYTES) // 254 + 1
)  # without delimiter


@dataclass(frozen=True, slots=True)
class Discards:
    """What a deframer threw away: bytes in all (without delimiters), and frames by reason."""

    n_bytes: int = 0
    bad_crc: int = 0
    bad_cobs: int = 0
    too_long: int = 0
    too_short: int = 0

    def __sub__(self, earlier: Discards) -> Discards:
        return Discards(
            self.n_bytes - earlier.n_bytes,
            self.bad_crc - earlier.bad_crc,
            self.bad_cobs - earlier.bad_cobs,
            self.too_long - earlier.too_long,
            self.too_short - earlier.too_short,
        )


def wire_bytes_of(frame: Frame) -> bytes:
    """The frame as it goes over the line, with the delimiter that ends it."""
    return wire_bytes_of_payload(payload_of(frame))


def wire_bytes_of_payload(payload: bytes) -> bytes:
    """A payload with its CRC-32, COBS and delimiter."""
    checked = payload + zlib.crc32(payload).to_bytes(CRC_BYTES, "little")
    encoded: bytes = cobs.encode(checked)
    return encoded + DELIMITER


def wire_length(payload_bytes: int) -> int:
    """The most bytes that a payload of this size takes on the line, delimiter included."""
    checked = payload_bytes + CRC_BYTES
    return checked + checked // 254 + 1 + len(DELIMITER)


class PayloadFinder(Protocol):
    """What a session asks of a deframer: this plain one, or the compiled one of `burst_deframer.py`."""

    @property
    def discards(self) -> Discards:
        """All that was thrown away so far."""
        ...

    def payloads(self, data: bytes) -> list[bytes]:
        """The payloads that end in this chunk, in order, their CRC checked."""
        ...


class Deframer:
    """Finds payloads in a byte stream: the specification of deframing, plainly.

    Holds at most one frame's bytes, whatever arrives.
    """

    def __init__(self) -> None:
        self._partial = bytearray()
        self._overlong_bytes = 0  # of the frame that is being skipped; 0 when none is
        self._n_bytes = 0
        self._bad_crc = 0
        self._bad_cobs = 0
        self._too_long = 0
        self._too_short = 0

    @property
    def discards(self) -> Discards:
        """All that was thrown away so far."""
        return Discards(self._n_bytes, self._bad_crc, self._bad_cobs, self._too_long, self._too_short)

    def reset(self) -> None:
        """Forget a partial frame (counted as discarded): the line was interrupted."""
        self._n_bytes += len(self._partial)
        self._partial.clear()
        self._overlong_bytes = 0

    def payloads(self, data: bytes) -> list[bytes]:
        """The payloads that end in this chunk, in order, their CRC checked."""
        found: list[bytes] = []
        pieces = data.split(DELIMITER)
        for piece in pieces[:-1]:
            self._extend(piece)
            payload = self._finish()
            if payload is not None:
                found.append(payload)
        self._extend(pieces[-1])
        return found

    def _extend(self, piece: bytes) -> None:
        if self._overlong_bytes:
            self._overlong_bytes += len(piece)
            self._n_bytes += len(piece)
        elif len(self._partial) + len(piece) > MAX_WIRE_BYTES:
            # Too long to be a frame: skip to the next delimiter, in no memory.
            self._overlong_bytes = len(self._partial) + len(piece)
            self._n_bytes += self._overlong_bytes
            self._partial.clear()
        else:
            self._partial += piece

    def _finish(self) -> bytes | None:
        if self._overlong_bytes:
            self._overlong_bytes = 0
            self._too_long += 1
            return None
        if not self._partial:
            return None  # two delimiters in a row are idle line
        encoded = bytes(self._partial)
        self._partial.clear()
        try:
            checked: bytes = cobs.decode(encoded)
        except cobs.DecodeError:
            self._bad_cobs += 1
            self._n_bytes += len(encoded)
            return None
        if len(checked) <= CRC_BYTES:
            self._too_short += 1
            self._n_bytes += len(encoded)
            return None
        payload = checked[:-CRC_BYTES]
        if zlib.crc32(payload) != int.from_bytes(checked[-CRC_BYTES:], "little"):
            self._bad_crc += 1
            self._n_bytes += len(encoded)
            return None
        return payload
