"""Recordings written to disk: WAV, CSV, Parquet and UFF 58.

Duty: one `Recording` to one file that others can read, without loss: what a format cannot state (a gap or a
broken rate in WAV) is refused, never bent. A file appears under its name only when it is whole. A unit that
the format cannot state goes into a sidecar TOML.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from appliance.sources.recording_columns import RecordingError, distinct_names, missing_library
from appliance.sources.recordings import Recording, Segment

NO_UNIT = "1"
UFF_NAME_CHARACTERS = 80
UFF_LABEL_CHARACTERS = 20
MAX_WAV_BYTES = 4 * 1000**3  # RIFF counts in 32 bits
GAP_COLUMN = "gap"
_FORMULA_BEGINS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")  # the last four: their full-width forms


def write_recording(recording: Recording, path: Path, replace: bool = False) -> list[Path]:
    """Write by the ending of `path`; returns the files written, a sidecar too where one is needed.

    A sidecar that is there already is kept unless `replace`. Raises RecordingError, OSError.
    """
    name = path.name.lower()
    writer = next((writer for suffix, writer in WRITERS.items() if name.endswith(suffix)), None)
    if writer is None:
        raise RecordingError(
            path, "its ending is not one that is written", f"use one of {', '.join(WRITERS)}"
        )
    part = path.with_name(f".{path.name}.part")
    try:
        writer(recording, path, part)
        sidecar = Path(f"{path}.toml")
        unit_lost = name.endswith(".wav") and recording.unit != NO_UNIT
        if unit_lost and sidecar.exists() and not replace:
            raise RecordingError(
                sidecar, "it exists and may be of another recording", "remove it, or --force"
            )
        os.replace(part, path)  # noqa: PTH105 - atomic, and says so
    finally:
        part.unlink(missing_ok=True)
    if not unit_lost:
        return [path]
    names = "".join(c if c.isprintable() else " " for c in ", ".join(recording.channel_names))
    sidecar.write_text(f'# channels: {names}\n[recording]\nunit = "{recording.unit}"\n', encoding="utf-8")
    return [path, sidecar]


def no_formula(text: str) -> str:
    """A text for a cell of CSV; one that a spreadsheet would run begins with an apostrophe instead."""
    return f"'{text}" if text[:1] in _FORMULA_BEGINS else text


def _write_wav(recording: Recording, path: Path, part: Path) -> None:
    """32-bit floats; the unit in a sidecar, since WAV has none."""
    from scipy.io import wavfile

    rate_hz = round(recording.sample_rate_hz)
    if abs(rate_hz - recording.sample_rate_hz) > 1e-9 * recording.sample_rate_hz or not 0 < rate_hz < 2**32:
        raise RecordingError(
            path, f"WAV cannot state {recording.sample_rate_hz!r} Hz, only whole Hz", "write .parquet or .csv"
        )
    if len(recording.segments) > 1:
        raise RecordingError(
            path,
            f"WAV cannot state the gaps between {len(recording.segments)} stretches",
            "write .parquet, .csv or .uff",
        )
    samples = recording.segments[0].samples
    if samples.nbytes > MAX_WAV_BYTES:
        raise RecordingError(path, f"{samples.nbytes} bytes are too many for WAV", "write .parquet")
    with part.open("wb") as stream:
        wavfile.write(stream, rate_hz, samples)


def _write_csv(recording: Recording, path: Path, part: Path) -> None:
    try:
        from pyarrow import csv
    except ImportError as error:
        raise missing_library(path, "pyarrow") from error
    tables = _tables(recording)
    headings = [no_formula(name) for name in tables[0].column_names]
    with (
        part.open("wb") as stream,
        csv.CSVWriter(stream, tables[0].rename_columns(headings).schema) as writer,
    ):
        for table in tables:
            writer.write_table(table.rename_columns(headings))


def _write_parquet(recording: Recording, path: Path, part: Path) -> None:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise missing_library(path, "pyarrow") from error
    tables = _tables(recording)
    with part.open("wb") as stream, parquet.ParquetWriter(stream, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)


def _tables(recording: Recording) -> list[Any]:
    """Columns `time_s`, `gap` and one per channel with its unit; a row marks a gap between stretches."""
    import pyarrow as pa

    channels = (f"{name} [{recording.unit}]" for name in distinct_names(recording.channel_names))
    names = ["time_s", GAP_COLUMN, *channels]
    types = [pa.float64(), pa.int8(), *([pa.float32()] * len(recording.channel_names))]
    schema = pa.schema(
        list(zip(names, types, strict=True)),
        metadata={"sample_rate_hz": repr(recording.sample_rate_hz), "unit": recording.unit},
    )
    tables = []
    for position, segment in enumerate(recording.segments):
        n = len(segment.samples)
        times = segment.start_s + np.arange(n) / recording.sample_rate_hz
        if position > 0:
            before = recording.segments[position - 1]
            end_s = before.start_s + len(before.samples) / recording.sample_rate_hz
            nothing = [pa.nulls(1, pa.float32())] * len(recording.channel_names)
            row = [pa.array([end_s], pa.float64()), pa.array([1], pa.int8()), *nothing]
            tables.append(pa.Table.from_arrays(row, schema=schema))
        columns = [pa.array(np.ascontiguousarray(column)) for column in segment.samples.T]
        row = [pa.array(times), pa.array(np.zeros(n, np.int8)), *columns]
        tables.append(pa.Table.from_arrays(row, schema=schema))
    return tables


def _write_uff(recording: Recording, path: Path, part: Path) -> None:
    """A binary data set 58 for each channel of each stretch, samples as they are (float32, NaN included).

    The format states the time step and a stretch's start in six digits: a rate that is not whole is rounded.
    """
    if recording.n_samples >= 10**10:
        raise RecordingError(path, f"UFF cannot count {recording.n_samples} samples", "write .parquet")
    with part.open("wb") as stream:
        for segment in recording.segments:
            for channel, name in enumerate(recording.channel_names):
                _write_set_58(stream, recording, name, channel, segment)


def _write_set_58(stream: IO[bytes], recording: Recording, name: str, channel: int, segment: Segment) -> None:
    """Records 1 to 12 of data set 58b, https://www.ceas3.uc.edu/sdrluff/."""
    samples = np.ascontiguousarray(segment.samples[:, channel])
    step_s = 1.0 / recording.sample_rate_hz
    unit = "NONE" if recording.unit == NO_UNIT else recording.unit
    kind = 12 if unit != "NONE" else 0  # acceleration, or unknown
    little = sys.byteorder == "little"
    values = samples.astype("<f4" if little else ">f4").tobytes()
    plain = (
        "".join(c if c.isprintable() and c.isascii() else "?" for c in name)[:UFF_NAME_CHARACTERS] or "NONE"
    )
    lines = [
        f"{-1:6d}",
        f"{58:6d}b{1 if little else 2:6d}{2:6d}{11:12d}{len(values):12d}{0:6d}{0:6d}{0:12d}{0:12d}",
        f"{plain:<80}",
        *(f"{'NONE':<80}" for _ in range(4)),
        f"{1:5d}{channel + 1:10d}{0:5d}{0:10d} {'NONE':<10}{channel + 1:10d}{0:4d} {'NONE':<10}{0:10d}{0:4d}",
        f"{2:10d}{len(samples):10d}{1:10d}{segment.start_s:13.5e}{step_s:13.5e}{0.0:13.5e}",
        _axis(17, "Time", "s"),
        _axis(kind, "Acceleration" if kind else "NONE", unit),
        _axis(0, "NONE", "NONE"),
        _axis(0, "NONE", "NONE"),
    ]
    stream.write("".join(line + "\n" for line in lines).encode("ascii"))
    stream.write(values)
    stream.write(f"{-1:6d}\n".encode("ascii"))


def _axis(kind: int, label: str, unit: str) -> str:
    short = unit[:UFF_LABEL_CHARACTERS]
    return f"{kind:10d}{0:5d}{0:5d}{0:5d} {label:<20} {short:<20}"


WRITERS: dict[str, Callable[[Recording, Path, Path], None]] = {
    ".wav": _write_wav,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".uff": _write_uff,
    ".unv": _write_uff,
}
"""By the end of a file's name, in lower case."""
