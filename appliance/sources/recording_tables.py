"""Tables as recordings: CSV (comma, semicolon or tab; gzip'd or not) and Parquet.

Duty: numeric columns as channels, a time column as the sampling rate. Does not settle units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

TIME_NAMES = ("time", "t", "time_s", "t_s", "timestamp", "datetime", "date")
LABEL_NAMES = ("anomaly", "changepoint", "label")  # what people wrote beside a signal is not a signal


@dataclass(frozen=True, slots=True)
class Table:
    """Numeric columns of one file."""

    names: tuple[str, ...]
    values: npt.NDArray[np.float64]  # (n_rows, n_columns)
    sample_rate_hz: float | None  # from the time column's median step
    start_s: float


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
    rate: float | None = None
    names: list[str] = []
    columns: list[npt.NDArray[np.float64]] = []
    for name in table.column_names:
        column = table.column(name)
        if name.strip().lower() in TIME_NAMES:
            rate = _rate_of(column.to_numpy(zero_copy_only=False), name)
        elif name.strip().lower() not in LABEL_NAMES:
            values = column.to_numpy(zero_copy_only=False)
            if values.dtype.kind not in "fiub":
                raise ValueError(f"column {name!r} holds {values.dtype}, not numbers")
            names.append(str(name))
            columns.append(values.astype(np.float64))
    if not columns:
        raise ValueError("no column of numbers beside time and labels")
    return Table(tuple(names), np.stack(columns, axis=1), rate, 0.0)


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


def _rate_of(times: npt.NDArray[Any], name: str) -> float | None:
    """Rate from the median step; strings are read as ISO 8601, numbers as seconds."""
    if times.dtype.kind == "M":
        seconds = times.astype("datetime64[ns]").astype(np.int64) / 1e9
    elif times.dtype.kind in "fiu":
        seconds = times.astype(np.float64)
    else:
        try:
            seconds = np.array(times, dtype="datetime64[ns]").astype(np.int64) / 1e9
        except ValueError as error:
            raise ValueError(f"column {name!r} is not a time ({error})") from error
    if len(seconds) < 2:
        return None
    step_s = float(np.median(np.diff(seconds)))
    if not np.isfinite(step_s) or step_s <= 0:
        raise ValueError(f"column {name!r} does not run forward")
    return 1.0 / step_s
