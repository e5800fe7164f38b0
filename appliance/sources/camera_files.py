"""Files of pictures: whether one is whole, by its own marks. Pure; decodes nothing.

Duty: tell a file that is still being written (or was cut) from a whole one, without knowing who writes it. A
JPEG has no checksum: damage in its middle is not seen here.
"""

from __future__ import annotations

import struct
import zlib

SUFFIXES = (".jpg", ".jpeg", ".png")
JPEG_BEGIN, JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_SCAN, _FILL = b"\xff\xda", b"\xff\xff"
PNG_BEGIN = b"\x89PNG\r\n\x1a\n"
MOST_FILE_BYTES = 64 << 20
MOST_PIXELS = 1 << 25


def file_trouble(content: bytes) -> str:
    """Why these bytes are no whole picture; empty where they are, as far as their marks say."""
    if content.startswith(JPEG_BEGIN):
        return _jpeg_trouble(content)
    if content.startswith(PNG_BEGIN):
        return _png_trouble(content)
    if not content or JPEG_BEGIN.startswith(content) or PNG_BEGIN.startswith(content):
        return "its end is missing"
    return "it is neither a JPEG nor a PNG"


def _jpeg_trouble(content: bytes) -> str:
    """By its segments (ITU-T T.81, B.1.1). The end mark counts behind the first scan alone, since a small
    picture within the head has one of its own; what stands behind it does not matter."""
    offset = 2
    while offset + 4 <= len(content):
        marker, (size,) = content[offset : offset + 2], struct.unpack_from(">H", content, offset + 2)
        if marker[0] != 0xFF:
            return "its head is damaged"
        if marker == _FILL:
            offset += 1
            continue
        offset += 2 + size
        if marker == _SCAN:
            return "" if content.find(JPEG_END, offset) >= 0 else "its end is missing"
    return "its end is missing"


def _png_trouble(content: bytes) -> str:
    """By its chunks, each with a checksum (ISO/IEC 15948, 5.3)."""
    offset = len(PNG_BEGIN)
    while offset + 12 <= len(content):
        (size,) = struct.unpack_from(">I", content, offset)
        kind, end = content[offset + 4 : offset + 8], offset + 8 + size
        if end + 4 > len(content):
            return "its end is missing"
        if zlib.crc32(content[offset + 4 : end]) != struct.unpack_from(">I", content, end)[0]:
            return "a checksum in it does not fit"
        if kind == b"IHDR":
            width, height = struct.unpack_from(">II", content, offset + 8) if size >= 8 else (0, 0)
            if not 0 < width * height <= MOST_PIXELS:
                return f"it claims {width} x {height} pixels, {MOST_PIXELS} in all are most"
        if kind == b"IEND":
            return ""
        offset = end + 4
    return "its end is missing"
