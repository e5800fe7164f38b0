"""Rows to CSV or Parquet, as they come: a year of trends needs no more memory than a page of it.

Duty: one file from columns and rows. It appears under its name only when it is whole. Knows nothing of what
the rows mean.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from appliance.commands.export_trends import Cell, CellType, Column, headings
from appliance.errors import Fatal, Rejected
from appliance.installation import files_remedy
from appliance.sources.recording_writers import no_formula

ROWS_AT_ONCE = 10_000


def write_table(path: Path, columns: Sequence[Column], rows: Iterable[Mapping[str, Cell]]) -> int:
    """Write by the ending of `path`; returns the number of rows. Raises Rejected, Fatal, OSError."""
    writers = {".csv": _write_csv, ".parquet": _write_parquet}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise Rejected(f"{path}: its ending should be one of {', '.join(writers)}")
    part = path.with_name(f".{path.name}.part")
    try:
        count = writer(part, columns, rows)
        os.replace(part, path)  # noqa: PTH105 - atomic, and says so
    finally:
        part.unlink(missing_ok=True)
    return count


def _write_csv(path: Path, columns: Sequence[Column], rows: Iterable[Mapping[str, Cell]]) -> int:
    """RFC 4180, UTF-8; an empty cell is a value that is not there, truth is 1 or 0."""
    keys = [column.key for column in columns]
    texts = [i for i, column in enumerate(columns) if column.type is CellType.TEXT]
    truths = [i for i, column in enumerate(columns) if column.type is CellType.TRUTH]
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([no_formula(heading) for heading in headings(columns)])
        for row in rows:
            cells: list[Cell] = [row.get(key) for key in keys]
            for i in texts:
                cell = cells[i]
                cells[i] = no_formula(cell) if isinstance(cell, str) else cell
            for i in truths:
                cells[i] = None if cells[i] is None else int(bool(cells[i]))
            writer.writerow(cells)
            count += 1
    return count


def _write_parquet(path: Path, columns: Sequence[Column], rows: Iterable[Mapping[str, Cell]]) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError as error:
        raise Fatal(
            f"writing Parquet needs pyarrow, which is not installed: {files_remedy()}; or write .csv"
        ) from error
    types: dict[CellType, Any] = {
        CellType.TEXT: pa.string(),
        CellType.INTEGER: pa.int64(),
        CellType.FLOAT32: pa.float32(),
        CellType.FLOAT64: pa.float64(),
        CellType.TRUTH: pa.bool_(),
    }
    schema = pa.schema([(column.heading, types[column.type]) for column in columns])
    count = 0
    with path.open("wb") as stream, parquet.ParquetWriter(stream, schema) as writer:
        for page in _pages(rows):
            arrays = [
                pa.array([row.get(column.key) for row in page], types[column.type]) for column in columns
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(page)
    return count


def _pages(rows: Iterable[Mapping[str, Cell]]) -> Iterator[list[Mapping[str, Cell]]]:
    iterator = iter(rows)
    while page := list(islice(iterator, ROWS_AT_ONCE)):
        yield page
