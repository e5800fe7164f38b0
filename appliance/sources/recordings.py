"""Recordings on disk: one file to samples in SI units, whatever its layout.

Duty: read `.npz` (2-D recordings, 3-D sets of recordings or snapshots, bursts with `lengths`), MFPT `.mat`
and `.wav`, by files of their own tables (`.csv`, `.csv.gz`, `.parquet`), UFF 58, TDMS and HDF5; refuse what
cannot be a recording with an error that names the file, what is wrong and what would be right. Does not
judge signals (NaN, clipping, constants pass through: the sensor check speaks of them) and knows nothing of
machines (see recording_notes).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_bounds import check_mat, npz_arrays, npz_names
from appliance.sources.recording_capture import read_capture
from appliance.sources.recording_columns import Columns, RecordingError, unit_to_si
from appliance.sources.recording_hdf5 import read_hdf5
from appliance.sources.recording_tables import read_table
from appliance.sources.recording_tdms import read_tdms
from appliance.sources.recording_uff import read_uff
from dsp.samples import Float32Array

__all__ = ["Recording", "RecordingError", "Segment", "read_recording", "unit_to_si"]

MAX_FILE_BYTES = 2 * 1024**3
LEAST_RATE_HZ, MOST_RATE_HZ = 1e-6, 1e8
RATE_TOLERANCE = 1e-3  # file and notes may differ by this much before it is worth a word


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
    factor: float = 1.0  # what the file's figures were multiplied by, all channels alike

    @property
    def duration_s(self) -> float:
        """Seconds of samples, gaps between segments not counted."""
        return sum(len(segment.samples) for segment in self.segments) / self.sample_rate_hz

    @property
    def n_samples(self) -> int:
        """Samples per channel over all segments."""
        return sum(len(segment.samples) for segment in self.segments)


def read_recording(path: Path, sample_rate_hz: float | None = None, unit: str | None = None) -> Recording:
    """Samples of one file, in SI units.

    `sample_rate_hz` and `unit` are what notes or options say: the file's own rate wins where it has one, and
    a difference of more than 0.1 % becomes a remark. Raises RecordingError.
    """
    if not path.is_file():
        raise RecordingError(path, "no such file", f"give a file that ends in one of {', '.join(READERS)}")
    size = path.stat().st_size
    if size == 0:
        raise RecordingError(path, "the file is empty", "copy it again from where it was recorded")
    if size > MAX_FILE_BYTES:
        raise RecordingError(
            path, f"{size} bytes are too many", f"split it into files below {MAX_FILE_BYTES} bytes"
        )
    columns = _read_columns(path)
    remarks = list(columns.remarks)
    rate = _settle_rate(path, columns.sample_rate_hz, sample_rate_hz, remarks)
    factor, si_unit = unit_to_si(columns.unit or unit)
    if columns.unit and unit and unit_to_si(unit) != (factor, si_unit):
        remarks.append(f"the file says its unit is {columns.unit}, the notes {unit}: the file is believed")
    segments = _to_segments(path, columns, rate, factor)
    return Recording(path, columns.names, si_unit, rate, segments, tuple(remarks), factor)


def _settle_rate(path: Path, in_file: float | None, stated: float | None, remarks: list[str]) -> float:
    for rate in (in_file, stated):
        if rate is not None and not LEAST_RATE_HZ <= rate <= MOST_RATE_HZ:
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
        with np.errstate(over="ignore"):  # beyond float32 is infinite: the sensor check speaks of it
            segments.append(Segment(begin, np.asarray(values * factor, dtype=np.float32)))
        # Recordings without a time stand one window apart, so that nobody takes them for one stretch.
        end_s = begin + len(values) / rate_hz + 2.0
    if not segments:
        raise RecordingError(path, "it holds no samples", "record again; an empty file says nothing")
    return tuple(segments)


def _read_columns(path: Path) -> Columns:
    name = path.name.lower()
    reader = next((reader for suffix, reader in READERS.items() if name.endswith(suffix)), None)
    if reader is None:
        raise RecordingError(path, "its ending is not one that is known", f"use one of {', '.join(READERS)}")
    try:
        with np.errstate(all="ignore"):  # odd numbers are the sensor check's to speak of
            return reader(path)
    except RecordingError:
        raise
    except Exception as error:  # a damaged file makes foreign readers raise anything
        raise RecordingError(
            path,
            f"it cannot be read ({error or type(error).__name__})",
            "it is cut off, damaged or of another kind: copy it again",
        ) from error


def _read_columns_of_table(path: Path) -> Columns:
    table = read_table(path)
    return Columns(table.names, table.segments, table.sample_rate_hz, table.unit)


_NPZ_KEYS = frozenset({"x", "scale", "offset", "channels", "fs", "t_day_s", "lengths"})


def _read_npz(path: Path) -> Columns:
    """`x` as (n, ch), (n,), (recordings, n, ch) or bursts with `lengths`; physical = x*scale + offset."""
    arrays = npz_arrays(path, _NPZ_KEYS)
    if "x" not in arrays:
        found = ", ".join(npz_names(path)) or "nothing"
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

    check_mat(path)
    try:
        content = loadmat(path, squeeze_me=True, struct_as_record=False, variable_names=("bearing",))
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


READERS: dict[str, Callable[[Path], Columns]] = {
    ".npz": _read_npz,
    ".mat": _read_mfpt_mat,
    ".wav": _read_wav,
    ".csv": _read_columns_of_table,
    ".csv.gz": _read_columns_of_table,
    ".parquet": _read_columns_of_table,
    ".uff": read_uff,
    ".unv": read_uff,
    ".tdms": read_tdms,
    ".h5": read_hdf5,
    ".hdf5": read_hdf5,
    ".stcap": read_capture,
}
"""By the end of a file's name, in lower case."""
