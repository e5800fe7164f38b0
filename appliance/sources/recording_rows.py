"""Tables of process tags with what people wrote beside them: CSV with a time column, gzip'd or not.

Duty: a file to times, numbers and label columns, each apart. Rows may be uneven in time and cells empty; what
cannot be a table is refused by name. Knows nothing of machines; what a label means is not its question.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_bounds import check_text, is_gzipped
from appliance.sources.recording_columns import RecordingError
from appliance.sources.recording_tables import LABEL_NAMES, TIME_NAMES


@dataclass(frozen=True, slots=True)
class TagRows:
    """One table: `values[row, tag]`, NaN where a cell is empty or no number."""

    time_s: npt.NDArray[np.float64]  # (n_rows,), from the first row
    start_utc_ns: int  # of the first row; 0 where times are bare numbers
    tag_names: tuple[str, ...]
    values: npt.NDArray[np.float64]  # (n_rows, n_tags)
    labels: dict[str, npt.NDArray[np.float64]]  # by lower-case name, each (n_rows,)
    remarks: tuple[str, ...]


def read_tag_rows(path: Path, delimiter: str) -> TagRows:
    """Times, tags and label columns of one table. Raises RecordingError."""
    header, cells = _cells(path, delimiter)
    columns = list(zip(*cells, strict=True))
    time_column = next((i for i, name in enumerate(header) if name.lower() in TIME_NAMES), None)
    if time_column is None:
        raise RecordingError(
            path, f"no time column among {', '.join(header)}", f"name one {' or '.join(TIME_NAMES)}"
        )
    time_ns, stamped = _times_ns(path, header[time_column], columns[time_column])
    labels, names, values, remarks = {}, [], [], []
    for position, (name, column) in enumerate(zip(header, columns, strict=True)):
        if position == time_column:
            continue
        numbers = np.array([_number(cell) for cell in column])
        if name.lower() in LABEL_NAMES:
            labels[name.lower()] = numbers
        elif np.isnan(numbers).all():
            remarks.append(f"column {name!r} holds no numbers and is left out")
        else:
            names.append(name)
            values.append(numbers)
    if not values:
        raise RecordingError(path, "no column of numbers beside time and labels", "tags belong into columns")
    if (np.diff(time_ns) < 0).any():
        remarks.append("its times do not run forward: rows are taken in the order of the file")
    time_s = (time_ns - time_ns[0]) / 1e9
    start_utc_ns = int(time_ns[0]) if stamped else 0
    return TagRows(time_s, start_utc_ns, tuple(names), np.stack(values, axis=1), labels, tuple(remarks))


def _cells(path: Path, delimiter: str) -> tuple[list[str], list[list[str]]]:
    try:
        check_text(path, delimiter.encode())
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if is_gzipped(path) else raw
        lines = list(csv.reader(io.StringIO(raw.decode("utf-8-sig")), delimiter=delimiter))
    except RecordingError:
        raise
    except (OSError, EOFError, ValueError, csv.Error) as error:
        raise RecordingError(
            path, f"it cannot be read as a table ({error})", "it is cut off, damaged or of another kind"
        ) from error
    lines = [line for line in lines if line]
    if len(lines) < 2:
        raise RecordingError(path, "it holds no rows", "a header and rows of numbers are needed")
    header = [name.strip() for name in lines[0]]
    if len(header) < 2:
        raise RecordingError(
            path, f"its first line has no {delimiter!r}", f"its layout says columns parted by {delimiter!r}"
        )
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise RecordingError(
                path, f"row {number} has {len(line)} cells, the header {len(header)}", "mend the row"
            )
    return header, lines[1:]


def _times_ns(path: Path, name: str, column: Sequence[str]) -> tuple[npt.NDArray[np.int64], bool]:
    """Nanoseconds of each row and whether they are wall time (else seconds as bare numbers)."""
    numbers = [_number(cell) for cell in column]
    if np.isfinite(numbers).all():
        return np.rint(np.array(numbers) * 1e9).astype(np.int64), False
    stamps = []
    for cell in column:
        try:
            stamp = datetime.fromisoformat(cell.strip())
        except ValueError as error:
            raise RecordingError(path, f"{cell!r} in column {name!r} is no time", "use ISO 8601") from error
        stamp = stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)
        stamps.append(round(stamp.timestamp() * 1e6) * 1000)
    return np.array(stamps, dtype=np.int64), True


def _number(cell: str) -> float:
    """The number in a cell, also with a decimal comma; NaN for none."""
    try:
        return float(cell)
    except ValueError:
        try:
            return float(cell.replace(",", ".")) if cell.count(",") == 1 else float("nan")
        except ValueError:
            return float("nan")
