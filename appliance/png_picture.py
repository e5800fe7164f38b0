"""A picture as a PNG file: what is kept of a part, and what a browser is shown. Pure; reads none."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

MEDIA_TYPE = "image/png"
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOUR_TYPE = {2: 0, 3: 2}  # by number of axes: grey, or red, green, blue (ISO/IEC 15948, 11.2.2)
_UP = 2  # filter: each row as its difference to the row above


def encode_png(picture: npt.NDArray[np.uint8], level: int = 1) -> bytes:
    """The file of 8-bit values `(h, w)` or `(h, w, 3)` (red, green, blue), without loss."""
    if picture.dtype != np.uint8 or picture.ndim not in _COLOUR_TYPE or picture.shape[2:] not in ((), (3,)):
        raise ValueError(f"a picture of {picture.dtype} {picture.shape}: 8-bit (h, w) or (h, w, 3) is needed")
    height, width = picture.shape[:2]
    rows = picture.reshape(height, -1)
    filtered = np.empty((height, rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[picture.ndim], 0, 0, 0)
    body = zlib.compress(filtered.data, level)
    return _SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
