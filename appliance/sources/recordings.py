"""Recordings on disk: one file to samples in SI units, whatever its layout.

Duty: read `.npz` (2-D recordings, 3-D sets of recordings or snapshots, bursts with `lengths`), MFPT `.mat`,
`.wav`, `.csv` (also `.csv.gz`) and `.parquet`; refuse what cannot be a recording with an error that names the
file, what is wrong and what would be right. Does not judge signals (NaN, clipping, constants pass through:
the sensor check speaks of them) and knows nothing of machines (see recording_notes).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.errors import Rejected
from appliance.sources.recording_tables import read_table
from dsp.samples import Float32Array

MAX_FILE_BYTES = 2 * 1024**3
STANDARD_GRAVITY_MPS2 = 9.80665  # CGPM 1901
RATE_TOLERANCE = 1e-3  # file and notes may differ by this much before it is worth a word
SUFFIXES = (".npz", ".mat", ".wav", ".csv", ".csv.gz", ".parquet")


class RecordingError(Rejected):
    """A file that cannot be replayed: which, why, and what would be right."""

    def __init__(self, path: Path, reason: str, remedy: str) -> None:
        super().__init__(f"{path}: {reason}; {remedy}")
        self.path = path
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of all channels without a gap. `start_s` counts from the recording's first sample."""

    start_s: float
    samples: Float32Array  # (n_samples, n_channels)


@dataclass(frozen=True, slots=True)
class Recording:
    """One file's samples: m/s2 where the unit is known, else unit "1" (levels mean nothing then)."""

    path: Path
    channel_names: tuple[str, ...]
    unit: str
    sample_rate_hz: float
    segments: tuple[Segment, ...]
    remarks: tuple[str, ...]

    @property
    def duration_s(self) -> float:
        """Seconds of samples, gaps between segments not counted."""
        return sum(len(segment.samples) for segment in self.segments) / self.sample_rate_hz

    @property
    def n_samples(self) -> int:
        """Samples per channel over all segments."""
        return sum(len(segment.samples) for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Columns:
    """What a reader found in a file before units and rate are settled."""

    names: tuple[str, ...]
    segments: tuple[tuple[float | None, npt.NDArray[Any]], ...]  # (start in s or None, (n, n_channels))
    sample_rate_hz: float | None
    unit: str | None = None


def read_recording(path: Path, sample_rate_hz: float | None = None, unit: str | None = None) -> Recording:
    """Samples of one file, in SI units.

    `sample_rate_hz` and `unit` are what notes or options say: the file's own rate wins where it has one, and
    a difference of more than 0.1 % becomes a remark. Raises RecordingError.
    """
    if not path.is_file():
        raise RecordingError(path, "no such file", f"give a file that ends in one of {', '.join(SUFFIXES)}")
    size = path.stat().st_size
    if size == 0:
        raise RecordingError(path, "the file is empty", "copy it again from where it was recorded")
    if size > MAX_FILE_BYTES:
        raise RecordingError(
            path, f"{size} bytes are too many", f"split it into files below {MAX_FILE_BYTES} bytes"
        )
    columns = _read_columns(path)
    remarks: list[str] = []
    rate = _settle_rate(path, columns.sample_rate_hz, sample_rate_hz, remarks)
    factor, si_unit = unit_to_si(columns.unit or unit)
    segments = _to_segments(path, columns, rate, factor)
    return Recording(path, columns.names, si_unit, rate, segments, tuple(remarks))


def unit_to_si(unit: str | None) -> tuple[float, str]:
    """Factor to m/s2 and the unit after it; (1.0, "1") where the unit is not one of acceleration."""
    words = (unit or "").strip().lower().replace("²", "2").replace("^", "")
    first = words.split()[0].strip(",;:()") if words else ""
    if first in ("g", "gn"):
        return STANDARD_GRAVITY_MPS2, "m/s2"
    if first in ("m/s2", "m/s/s", "mps2"):
        return 1.0, "m/s2"
    if first in ("mm/s2",):
        return 1e-3, "m/s2"
    return 1.0, "1"


def _settle_rate(path: Path, in_file: float | None, stated: float | None, remarks: list[str]) -> float:
    for rate in (in_file, stated):
        if rate is not None and not (math.isfinite(rate) and rate > 0):
            raise RecordingError(
                path, f"a sampling rate of {rate} Hz is impossible", "state it with --rate HZ"
            )
    if in_file is not None:
        if stated is not None and abs(stated / in_file - 1) > RATE_TOLERANCE:
            remarks.append(f"the file says {in_file:g} Hz, the notes {stated:g} Hz: the file is believed")
        return in_file
    if stated is None:
        raise RecordingError(path, "it does not state its sampling rate", "add --rate HZ or a sidecar TOML")
    return stated


def _to_segments(path: Path, columns: Columns, rate_hz: float, factor: float) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    end_s = 0.0
    for start_s, values in columns.segments:
        if values.ndim != 2 or values.shape[1] != len(columns.names):
            raise RecordingError(
                path, f"samples of shape {values.shape}", f"they should be (n, {len(columns.names)})"
            )
        if len(values) == 0:
            continue
        begin = end_s if start_s is None else start_s
        segments.append(Segment(begin, np.asarray(values * factor, dtype=np.float32)))
        # Recordings without a time stand one window apart, so that nobody takes them for one stretch.
        end_s = begin + len(values) / rate_hz + 2.0
    if not segments:
        raise RecordingError(path, "it holds no samples", "record again; an empty file says nothing")
    return tuple(segments)


def _read_columns(path: Path) -> Columns:
    name = path.name.lower()
    try:
        if name.endswith(".npz"):
            return _read_npz(path)
        if name.endswith(".mat"):
            return _read_mfpt_mat(path)
        if name.endswith(".wav"):
            return _read_wav(path)
        if name.endswith((".csv", ".csv.gz", ".parquet")):
            table = read_table(path)
            return Columns(table.names, ((table.start_s, table.values),), table.sample_rate_hz)
    except RecordingError:
        raise
    except Exception as error:  # a damaged file makes foreign readers raise anything
        raise RecordingError(
            path, f"it cannot be read ({error})", "it is cut off, damaged or of another kind: copy it again"
        ) from error
    raise RecordingError(path, "its ending is not one that is known", f"use one of {', '.join(SUFFIXES)}")


def _read_npz(path: Path) -> Columns:
    """`x` as (n, ch), (n,), (recordings, n, ch) or bursts with `lengths`; physical = x*scale + offset."""
    with np.load(path, allow_pickle=False) as archive:
        arrays = {key: archive[key] for key in archive.files}
    if "x" not in arrays:
        found = ", ".join(sorted(arrays)) or "nothing"
        raise RecordingError(path, f"it holds {found} but no array 'x'", "samples belong into 'x'")
    x = arrays["x"]
    if x.dtype.kind not in "fiu":
        raise RecordingError(path, f"'x' has type {x.dtype}", "it should be integers or floats")
    if x.ndim == 1:
        x = x[:, None]
    if x.ndim not in (2, 3):
        raise RecordingError(
            path, f"'x' has {x.ndim} dimensions", "it should be (sample, channel) or a set of them"
        )
    n_channels = x.shape[-1]
    scale = _per_channel(path, arrays, "scale", n_channels, 1.0)
    offset = _per_channel(path, arrays, "offset", n_channels, 0.0)
    names = tuple(str(name) for name in arrays.get("channels", np.array([])).ravel())
    if len(names) != n_channels:
        names = tuple(f"ch{i + 1}" for i in range(n_channels))
    fs = float(arrays["fs"]) if "fs" in arrays else None
    starts: Sequence[float | None]
    if x.ndim == 3:
        pieces = list(x)
        days = arrays.get("t_day_s")
        starts = [None] * len(pieces) if days is None else [float(t - days[0]) for t in days]
    elif "lengths" in arrays:
        lengths = arrays["lengths"].astype(np.int64)
        if lengths.sum() != len(x) or (lengths < 0).any():
            raise RecordingError(
                path, f"'lengths' adds up to {lengths.sum()}, 'x' has {len(x)} rows", "they must agree"
            )
        pieces = np.split(x, np.cumsum(lengths)[:-1])
        starts = [None] * len(pieces)
    else:
        pieces, starts = [x], [0.0]
    physical = tuple(
        (start, piece.astype(np.float64) * scale + offset)
        for start, piece in zip(starts, pieces, strict=True)
    )
    return Columns(names, physical, fs)


def _per_channel(
    path: Path, arrays: dict[str, npt.NDArray[Any]], key: str, n_channels: int, default: float
) -> npt.NDArray[np.float64]:
    values = np.asarray(arrays.get(key, default), dtype=np.float64).ravel()
    if values.size not in (1, n_channels) or not np.isfinite(values).all():
        raise RecordingError(
            path,
            f"'{key}' is {values!r}",
            f"it should be one finite number for each of {n_channels} channels",
        )
    return np.broadcast_to(values, (n_channels,))


def _read_mfpt_mat(path: Path) -> Columns:
    """MATLAB struct `bearing` with `sr` (Hz) and `gs` (samples in g)."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False)
    except MatReadError as error:
        raise RecordingError(path, f"not a MATLAB file ({error})", "save it with -v7 or older") from error
    bearing = content.get("bearing")
    if bearing is None or not hasattr(bearing, "gs") or not hasattr(bearing, "sr"):
        raise RecordingError(
            path, "it has no struct 'bearing' with 'sr' and 'gs'", "convert it to .npz or .wav"
        )
    samples = np.asarray(bearing.gs, dtype=np.float64).reshape(-1, 1)
    return Columns(("gs",), ((0.0, samples),), float(bearing.sr), "g")


def _read_wav(path: Path) -> Columns:
    """PCM scaled to +-1 of full scale, floats as they are; the unit must come from notes."""
    from scipy.io import wavfile

    rate, data = wavfile.read(path)
    if data.ndim == 1:
        data = data[:, None]
    values = data.astype(np.float64)
    if data.dtype == np.uint8:
        values = (values - 128.0) / 128.0
    elif data.dtype.kind == "i":
        values = values / float(2 ** (8 * data.dtype.itemsize - 1))
    return Columns(tuple(f"ch{i + 1}" for i in range(data.shape[1])), ((0.0, values),), float(rate))
