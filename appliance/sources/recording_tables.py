"""Tables as recordings: CSV (comma, semicolon or tab; gzip'd or not) and Parquet.

Duty: numeric columns as channels, a time column as the sampling rate, a column `gap` as the place of what is
missing (rows where it is not 0 part the recording and hold no samples), a unit in square brackets behind the
columns' names where all have the same. Does not settle units.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from appliance.sources.recording_bounds import check_text
from appliance.sources.recording_columns import MAX_VALUES, TIMES_ROUNDING, RecordingError, whole_rate

TIME_NAMES = ("time", "t", "time_s", "t_s", "timestamp", "datetime", "date")
GAP_NAME = "gap"
LONGEST_TIME = 64  # characters of one, as text
LABEL_NAMES = ("anomaly", "changepoint", "label")  # what people wrote beside a signal is not a signal


@dataclass(frozen=True, slots=True)
class Table:
    """Numeric columns of one file."""

    names: tuple[str, ...]
    segments: tuple[tuple[float | None, npt.NDArray[np.float64]], ...]  # (start in s, (n_rows, n_columns))
    sample_rate_hz: float | None  # from the time column's median step
    unit: str | None  # of all columns, where their names state one


def read_table(path: Path) -> Table:
    """Columns of a CSV or Parquet file. Raises ValueError that names what is wrong, or RecordingError."""
    try:
        import pyarrow as pa  # an extra of the package: the service runs without it
    except ImportError as error:
        raise ValueError("reading tables needs pyarrow: install the extra 'files'") from error
    try:
        table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except pa.ArrowInvalid as error:
        raise ValueError(str(error)) from error
    times: npt.NDArray[np.float64] | None = None
    missing = np.zeros(table.num_rows, dtype=bool)
    names: list[str] = []
    columns: list[npt.NDArray[np.float64]] = []
    for name in table.column_names:
        column = table.column(name)
        word = name.strip().lower()
        if word not in (*TIME_NAMES, *LABEL_NAMES) and not _is_number(column.type):
            raise ValueError(f"column {name!r} holds {column.type}, not numbers")
        if word in TIME_NAMES:
            times = _seconds(column.to_numpy(zero_copy_only=False), name)
        elif word == GAP_NAME:
            missing = _gap_rows(column.to_numpy(zero_copy_only=False))
        elif word not in LABEL_NAMES:
            values = column.to_numpy(zero_copy_only=False)
            names.append(str(name))
            columns.append(values.astype(np.float64))
    if not columns:
        raise ValueError("no column of numbers beside time and labels")
    bare, unit = _units_of(names)
    return Table(bare, _segments(np.stack(columns, axis=1), times, missing), _rate_of(times, missing), unit)


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    # A column without one value has no kind: all its samples are missing.
    numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(numeric or pa.types.is_null(kind))


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _gap_rows(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(values != 0)


def _units_of(names: list[str]) -> tuple[tuple[str, ...], str | None]:
    """Names without their unit, and the unit; the names as they are where not all state the same."""
    parts = [re.fullmatch(r"(.*\S)\s*\[([^\[\]]+)\]", name.strip()) for name in names]
    units = {part[2] for part in parts if part is not None}
    if len(units) == 1 and all(parts):
        unit = units.pop()
        return tuple(part[1] for part in parts if part is not None), None if unit == "1" else unit
    return tuple(names), None


def _segments(
    values: npt.NDArray[np.float64], times: npt.NDArray[np.float64] | None, missing: npt.NDArray[np.bool_]
) -> tuple[tuple[float | None, npt.NDArray[np.float64]], ...]:
    """Stretches between rows that mark a gap, their starts from the first row on."""
    kept = np.flatnonzero(~missing)
    if len(kept) == 0:
        return ((0.0, values[:0]),)
    stretches = np.split(kept, np.flatnonzero(np.diff(kept) > 1) + 1)
    zero_s = None if times is None else float(times[kept[0]])
    return tuple(
        (
            (0.0 if len(stretches) == 1 else None)
            if times is None or zero_s is None or len(stretches) == 1
            else float(times[rows[0]]) - zero_s,
            values[rows[0] : rows[-1] + 1],
        )
        for rows in stretches
    )


def _read_parquet(path: Path) -> Any:
    """What is a signal or a time; nothing is unpacked that the file's own head says is too much."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        kept = [field for field in file.schema_arrow if field.name.strip().lower() not in LABEL_NAMES]
        texts = [field.name for field in kept if _is_text(field.type)]
        for field in kept:
            timely = field.name.strip().lower() in TIME_NAMES
            if not (
                _is_number(field.type)
                or (timely and (field.name in texts or pa.types.is_temporal(field.type)))
            ):
                raise ValueError(f"column {field.name!r} holds {field.type}, not numbers")
        n_values = file.metadata.num_rows * len(kept)
    if n_values > MAX_VALUES:
        raise RecordingError(
            path, f"it promises {n_values} values", f"split it into files of {MAX_VALUES} values at most"
        )
    # Text stays in its dictionary until its length is known: a long word that repeats is packed into nothing.
    table = pq.read_table(path, columns=[field.name for field in kept], read_dictionary=texts)
    for name in texts:
        longest = max(
            (
                len(word)
                for chunk in table.column(name).chunks
                for word in chunk.dictionary.to_pylist()
                if word
            ),
            default=0,
        )
        if longest > LONGEST_TIME:
            raise ValueError(f"column {name!r} holds texts of {longest} characters, not times")
        place = table.column_names.index(name)
        table = table.set_column(place, name, table.column(name).cast(pa.string()))
    return table


def _read_csv(path: Path) -> Any:
    from pyarrow import csv

    head = _first_line(path)
    delimiter = max(",;\t", key=head.count)
    has_header = any(_is_word(cell) for cell in head.strip().split(delimiter))
    columns = None if has_header else [f"ch{i + 1}" for i in range(len(head.strip().split(delimiter)))]
    check_text(path, delimiter.encode())
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=columns),
        parse_options=csv.ParseOptions(delimiter=delimiter),
    )


def _first_line(path: Path) -> str:
    import gzip

    with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as stream:
        head = stream.readline(65536).decode("utf-8", errors="replace")
    if not head.strip():
        raise ValueError("its first line is empty")
    return head


def _is_word(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return bool(cell.strip())
    return False


def _seconds(times: npt.NDArray[Any], name: str) -> npt.NDArray[np.float64]:
    """A time column in seconds: strings are read as ISO 8601, numbers as seconds."""
    if times.dtype.kind == "M":
        seconds = _since_first(times)
    elif times.dtype.kind in "fiu":
        seconds = times.astype(np.float64)
    else:
        try:
            seconds = _since_first(np.array(times, dtype="datetime64[ns]"))
        except ValueError as error:
            raise ValueError(f"column {name!r} is not a time ({error})") from error
    if len(seconds) > 1:
        step_s = float(np.median(np.diff(seconds)))
        if not np.isfinite(step_s) or step_s <= 0:
            raise ValueError(f"column {name!r} does not run forward")
    return seconds


def _since_first(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.float64]:
    """Seconds since the first time: as float64 since 1970 they would be a quarter of a microsecond coarse."""
    times_ns = times.astype("datetime64[ns]").astype(np.int64)
    return (times_ns - times_ns[:1]) / 1e9


def _rate_of(times: npt.NDArray[np.float64] | None, missing: npt.NDArray[np.bool_]) -> float | None:
    """Rate from steps between rows that follow one another without a gap: the mean of those near the median.

    The median alone is as coarse as the times are written.
    """
    if times is None:
        return None
    steps = np.diff(times)[~(missing[1:] | missing[:-1])]
    if len(steps) == 0:
        return None
    step_s = float(np.median(steps))
    if not np.isfinite(step_s) or step_s <= 0:
        raise ValueError("its times do not run forward")
    near = steps[np.abs(steps - step_s) <= step_s / 2]
    return whole_rate(1.0 / float(near.mean()), TIMES_ROUNDING)
