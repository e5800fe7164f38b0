"""How much a packed file becomes, found out before it fills the memory.

Duty: bounds for the formats that are unpacked in this process: members of an `.npz`, compressed variables of
a `.mat`, text (gzip'd or not) read as a table. A few MB of zeros, packed well, take the memory of many boxes.
"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_columns import MAX_VALUES, RecordingError

MAX_UNPACKED_BYTES = MAX_VALUES * 8  # as float64, which all samples pass through
_CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
_MAT_HEAD_BYTES, _MAT_COMPRESSED = 128, 15  # MAT-File Format, version 5: header; miCOMPRESSED
_REMEDY = f"split it into files of {MAX_VALUES} values at most"


def npz_arrays(path: Path, wanted: Collection[str]) -> dict[str, npt.NDArray[Any]]:
    """Those arrays of an `.npz` that it holds. Raises RecordingError, and what numpy raises."""
    with zipfile.ZipFile(path) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    total_bytes = sum(size for name, size in sizes.items() if name.removesuffix(".npy") in wanted)
    _check(path, total_bytes)  # zipfile gives no more of a member than is stated here
    arrays: dict[str, npt.NDArray[Any]] = {}
    with np.load(path, allow_pickle=False) as archive:
        for key in archive.files:
            if key in wanted:
                arrays[key] = array = archive[key]
                _check(path, 8 * array.size)
    return arrays


def npz_names(path: Path) -> list[str]:
    """What an `.npz` holds."""
    with zipfile.ZipFile(path) as archive:
        return sorted(info.filename.removesuffix(".npy") for info in archive.infolist())


def check_mat(path: Path) -> None:
    """See that the variables of a MATLAB file (version 5) do not become too much. Raises RecordingError."""
    total_bytes = 0
    with path.open("rb") as stream:
        head = stream.read(_MAT_HEAD_BYTES)
        if head[126:128] not in (b"IM", b"MI"):  # version 4 packs nothing
            return
        little = head[126:128] == b"IM"
        while len(tag := stream.read(8)) == 8:
            kind, n_bytes = struct.unpack("<II" if little else ">II", tag)
            if kind != _MAT_COMPRESSED:
                stream.seek(n_bytes, io.SEEK_CUR)
                continue
            unpacking, left = zlib.decompressobj(), n_bytes
            packed = b""
            while packed or left:
                if not packed:
                    packed = stream.read(min(left, _CHUNK_BYTES))
                    left -= len(packed)
                    if not packed:
                        return  # cut off: the reader says so
                total_bytes += len(unpacking.decompress(packed, _CHUNK_BYTES))
                packed = unpacking.unconsumed_tail
                _check(path, total_bytes)
                if unpacking.eof:
                    stream.seek(left, io.SEEK_CUR)
                    break


def is_gzipped(path: Path) -> bool:
    """Whether a file's content, not its name, is gzip'd."""
    with path.open("rb") as stream:
        return stream.read(2) == _GZIP


def check_text(path: Path, delimiter: bytes) -> None:
    """See that a table as text does not become too much: read through once, kept nowhere.

    Raises RecordingError.
    """
    n_bytes = n_cells = 0
    with gzip.open(path) if is_gzipped(path) else path.open("rb") as stream:
        while data := stream.read(_CHUNK_BYTES):
            n_bytes += len(data)
            n_cells += data.count(delimiter) + data.count(b"\n")
            _check(path, max(n_bytes, 8 * n_cells))


def _check(path: Path, n_bytes: int) -> None:
    if n_bytes > MAX_UNPACKED_BYTES:
        raise RecordingError(path, f"unpacked it holds more than {MAX_UNPACKED_BYTES} bytes", _REMEDY)
