"""One part of a capture as bytes: raw samples around an alarm, every stretch of them under a checksum.

Duty: the format of a `.stcap` file (docs/captures.md), both ways; a picture of a part may stand in the
samples' place. A chunk of samples carries its own CRC32C, and what the samples are (the head) stands at both
ends, so that a torn or damaged file gives back all that is still whole. Pure: reads no files, knows no
journal.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import google_crc32c
import numpy as np
import orjson

from appliance.errors import StethosError
from dsp.samples import Float32Array

SUFFIX = ".stcap"
PICTURE_UNIT = "picture"  # of a capture that holds the picture of a part, and no samples
VERSION = 1
CHUNK_SAMPLES = 4096  # rows under one checksum: 48 KiB of three axes are the least that damage costs
MOST_HEAD_BYTES = 1024 * 1024
_MAGIC = b"\x89STCAP\r\n"
_END = b"STCAPEND"
_BEGIN = struct.Struct("<8sHII")  # magic, version, bytes of the head, CRC32C of the head
_TAIL = struct.Struct("<II8s")  # bytes of the head, CRC32C of the head, end mark
_CRC = struct.Struct("<I")


class SegmentError(StethosError):
    """Bytes that are no segment, or so damaged that nothing of them can be used."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples without a gap. `start_ns` counts from the trigger (before it: negative)."""

    start_ns: int
    sample_rate_hz: float  # true (fitted) rate
    samples: Float32Array  # (n_samples, n_channels), in the unit of the head

    @property
    def end_ns(self) -> int:
        """Just after the last sample."""
        return self.start_ns + round(len(self.samples) * 1e9 / self.sample_rate_hz)


@dataclass(frozen=True, slots=True)
class SegmentHead:
    """What the samples of a segment are. Times of stretches count from `trigger_time_ns` (UTC)."""

    capture_id: str
    part: int
    asset_id: str
    sensor_id: str
    channels: tuple[str, ...]
    unit: str
    nominal_rate_hz: float
    trigger_time_ns: int
    time_trusted: bool  # False: the clock was not set when this was written
    trigger_monotonic_ns: int
    boot_id: str
    before_s: float  # as wanted
    after_s: float
    triggers: tuple[dict[str, Any], ...]  # JSON-ready: why it was captured
    last: bool  # no part follows
    joins: bool  # its first sample comes right after the last one of the part before


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment as it was read. `damaged` says in words what of it is gone; empty: it is whole."""

    head: SegmentHead
    stretches: tuple[Stretch, ...]
    damaged: tuple[str, ...]
    picture: bytes = b""  # a whole file in a format of its own (PNG); empty: there is none, or it is damaged


def encode_segment(head: SegmentHead, stretches: Sequence[Stretch], picture: bytes = b"") -> bytes:
    """The file of one part. All stretches have the head's channels."""
    document = {
        **{name: getattr(head, name) for name in SegmentHead.__slots__},
        "chunk_samples": CHUNK_SAMPLES,
        "stretches": [[s.start_ns, s.sample_rate_hz, len(s.samples)] for s in stretches],
        **({"picture": [len(picture), _crc(picture)]} if picture else {}),
    }
    encoded = orjson.dumps(document)
    crc = _crc(encoded)
    pieces = [_BEGIN.pack(_MAGIC, VERSION, len(encoded), crc), encoded]
    number = 0
    for stretch in stretches:
        rows = np.ascontiguousarray(stretch.samples, dtype="<f4")
        if rows.ndim != 2 or rows.shape[1] != len(head.channels):
            raise ValueError(f"samples of shape {rows.shape}: they should be (n, {len(head.channels)})")
        for first in range(0, len(rows), CHUNK_SAMPLES):
            chunk = rows[first : first + CHUNK_SAMPLES].tobytes()
            pieces += [chunk, _CRC.pack(_chunk_crc(number, chunk))]
            number += 1
    pieces += [picture, encoded, _TAIL.pack(len(encoded), crc, _END)]
    return b"".join(pieces)


def decode_segment(content: bytes) -> Segment:
    """What of a file is whole. Raises SegmentError where not even its head is."""
    damaged: list[str] = []
    found = _first_head(content)
    if found is None:
        found = _last_head(content)
        damaged.append("its first head")
        if found is None:
            raise SegmentError("neither of its two heads can be read")
    elif _last_head(content) != found:
        damaged.append("its last head")
    try:
        document = orjson.loads(found)
        stretches = list(_stretches(content, _BEGIN.size + len(found), document, damaged))
        picture = _picture(content, _BEGIN.size + len(found), document, damaged)
        return Segment(_head_of(document), tuple(stretches), tuple(damaged), picture)
    except (KeyError, TypeError, ValueError) as error:
        raise SegmentError(f"its head is not one of a capture: {type(error).__name__} {error}") from error


def crc32c(content: bytes) -> int:
    """CRC32C (Castagnoli) of some bytes."""
    return _crc(content)


def _stretches(
    content: bytes, offset: int, document: dict[str, Any], damaged: list[str]
) -> Iterator[Stretch]:
    """The samples whose checksum fits; a chunk that is gone parts its stretch."""
    row_bytes = 4 * len(document["channels"])
    chunk_samples, number = int(document["chunk_samples"]), 0
    if row_bytes == 0 or chunk_samples <= 0:
        raise ValueError("no channels, or chunks without samples")
    for start_ns, rate_hz, n_samples in document["stretches"]:
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise ValueError(f"a rate of {rate_hz} Hz")
        whole: list[Float32Array] = []
        begins = 0  # of what is collected, in samples of the stretch
        for first in range(0, n_samples, chunk_samples):
            count = min(chunk_samples, n_samples - first)
            chunk = content[offset : offset + count * row_bytes]
            mark = content[offset + count * row_bytes : offset + count * row_bytes + _CRC.size]
            sound = len(chunk) == count * row_bytes and mark == _CRC.pack(_chunk_crc(number, chunk))
            if sound:
                begins = begins if whole else first
                whole.append(np.frombuffer(chunk, "<f4").reshape(count, -1))
            else:
                damaged.append(f"{count / rate_hz:.3g} s of samples")
                yield from _joined(start_ns, rate_hz, begins, whole)
                whole = []
            offset += count * row_bytes + _CRC.size
            number += 1
        yield from _joined(start_ns, rate_hz, begins, whole)


def _picture(content: bytes, offset: int, document: dict[str, Any], damaged: list[str]) -> bytes:
    """The picture, which stands behind all samples, where its checksum fits."""
    size, crc = document.get("picture", (0, 0))
    row_bytes, chunk_samples = 4 * len(document["channels"]), int(document["chunk_samples"])
    for _, _, n_samples in document["stretches"]:
        offset += n_samples * row_bytes + math.ceil(n_samples / chunk_samples) * _CRC.size
    picture = content[offset : offset + size]
    if size and (len(picture) != size or _crc(picture) != crc):
        damaged.append("the picture")
        return b""
    return picture


def _joined(start_ns: int, rate_hz: float, begins: int, whole: list[Float32Array]) -> Iterator[Stretch]:
    if whole:
        samples = np.concatenate(whole).astype(np.float32, copy=False)
        yield Stretch(start_ns + round(begins * 1e9 / rate_hz), rate_hz, samples)


def _first_head(content: bytes) -> bytes | None:
    if len(content) < _BEGIN.size:
        return None
    magic, version, size, crc = _BEGIN.unpack_from(content)
    if magic != _MAGIC or not 0 < size <= MOST_HEAD_BYTES:
        return None
    if version != VERSION:
        raise SegmentError(f"it has version {version}, this release reads {VERSION}: use a newer release")
    head = content[_BEGIN.size : _BEGIN.size + size]
    return head if len(head) == size and _crc(head) == crc else None


def _last_head(content: bytes) -> bytes | None:
    if len(content) < _TAIL.size:
        return None
    size, crc, end = _TAIL.unpack_from(content, len(content) - _TAIL.size)
    begin = len(content) - _TAIL.size - size
    if end != _END or not 0 < size <= MOST_HEAD_BYTES or begin < _BEGIN.size:
        return None
    head = content[begin : begin + size]
    return head if _crc(head) == crc else None


def _head_of(document: dict[str, Any]) -> SegmentHead:
    fields = {name: document[name] for name in SegmentHead.__slots__}
    for name in ("channels", "triggers"):
        fields[name] = tuple(fields[name])
    return SegmentHead(**fields)


def _chunk_crc(number: int, chunk: bytes) -> int:
    """With its number, so that chunks in the wrong place are noticed."""
    return int(google_crc32c.extend(_crc(_CRC.pack(number)), chunk))


def _crc(content: bytes) -> int:
    return int(google_crc32c.value(content))
