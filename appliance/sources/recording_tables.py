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

from appliance.sources.recording_columns import TIMES_ROUNDING, whole_rate

TIME_NAMES = ("time", "t", "time_s", "t_s", "timestamp", "datetime", "date")
GAP_NAME = "gap"
LABEL_NAMES = ("anomaly", "changepoint", "label")  # what people wrote beside a signal is not a signal


@dataclass(frozen=True, slots=True)
class Table:
    """Numeric columns of one file."""

    names: tuple[str, ...]
    segments: tuple[tuple[float | None, npt.NDArray[np.float64]], ...]  # (start in s, (n_rows, n_columns))
    sample_rate_hz: float | None  # from the time column's median step
    unit: str | None  # of all columns, where their names state one


def read_table(path: Path) -> Table:
    """Columns of a CSV or Parquet file. Raises ValueError that names what is wrong."""
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
        if word in TIME_NAMES:
            times = _seconds(column.to_numpy(zero_copy_only=False), name)
        elif word == GAP_NAME:
            missing = _gap_rows(column.to_numpy(zero_copy_only=False))
        elif word not in LABEL_NAMES:
            values = column.to_numpy(zero_copy_only=False)
            if values.dtype.kind not in "fiub":
                raise ValueError(f"column {name!r} holds {values.dtype}, not numbers")
            names.append(str(name))
            columns.append(values.astype(np.float64))
    if not columns:
        raise ValueError("no column of numbers beside time and labels")
    bare, unit = _units_of(names)
    return Table(bare, _segments(np.stack(columns, axis=1), times, missing), _rate_of(times, missing), unit)


def _gap_rows(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if values.dtype.kind not in "fiub":
        raise ValueError(f"column {GAP_NAME!r} holds {values.dtype}, not 0 or 1")
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
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_csv(path: Path) -> Any:
    from pyarrow import csv

    head = _first_line(path)
    delimiter = max(",;\t", key=head.count)
    has_header = any(_is_word(cell) for cell in head.strip().split(delimiter))
    columns = None if has_header else [f"ch{i + 1}" for i in range(len(head.strip().split(delimiter)))]
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=columns),
        parse_options=csv.ParseOptions(delimiter=delimiter),
    )


def _first_line(path: Path) -> str:
    import gzip

    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as stream:
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
        seconds = times.astype("datetime64[ns]").astype(np.int64) / 1e9
    elif times.dtype.kind in "fiu":
        seconds = times.astype(np.float64)
    else:
        try:
            seconds = np.array(times, dtype="datetime64[ns]").astype(np.int64) / 1e9
        except ValueError as error:
            raise ValueError(f"column {name!r} is not a time ({error})") from error
    if len(seconds) > 1:
        step_s = float(np.median(np.diff(seconds)))
        if not np.isfinite(step_s) or step_s <= 0:
            raise ValueError(f"column {name!r} does not run forward")
    return seconds


def _rate_of(times: npt.NDArray[np.float64] | None, missing: npt.NDArray[np.bool_]) -> float | None:
    """Rate from the median step between rows that follow one another without a gap."""
    if times is None:
        return None
    steps = np.diff(times)[~(missing[1:] | missing[:-1])]
    if len(steps) == 0:
        return None
    step_s = float(np.median(steps))
    if not np.isfinite(step_s) or step_s <= 0:
        raise ValueError("its times do not run forward")
    return whole_rate(1.0 / step_s, TIMES_ROUNDING)
