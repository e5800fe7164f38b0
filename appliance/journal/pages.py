"""Rows read straight from the pages of a SQLite file, without SQLite.

Duty: find the table rows that whole pages of a damaged file and its write-ahead log still hold, in any
order and any version. Trusts nothing: a row is only a candidate, its CRC decides elsewhere. Does not need
the header, the schema or the tree above the leaves to be sound.

Format: https://www.sqlite.org/fileformat2.html (sections 1.6 B-tree pages, 2.1 record format, 4.1 WAL).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from pathlib import Path

from appliance.journal.schema import PAGE_BYTES

Value = int | float | str | bytes | None
Page = bytes

_LEAF = 0x0D
_WAL_HEADER_BYTES = 32
_FRAME_HEADER_BYTES = 24
_MAX_LOCAL = PAGE_BYTES - 35
_MIN_LOCAL = (PAGE_BYTES - 12) * 32 // 255 - 23
_MAX_OVERFLOW_PAGES = 4_096
_INT_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


class PageFile:
    """A database file and its log as a heap of pages; either may be missing, torn or garbled."""

    def __init__(self, path: Path, worked: Callable[[], None] | None = None) -> None:
        """`worked` is called with every page that is read."""
        self._worked = worked or _unwatched
        self._file = _contents(path)
        self._log = _contents(path.with_name(path.name + "-wal"))
        self._in_log: dict[int, int] = {}  # page number -> offset of its newest image in the log
        for offset in self._frames():
            number = int.from_bytes(
                self._log[offset - _FRAME_HEADER_BYTES : offset - _FRAME_HEADER_BYTES + 4]
            )
            self._in_log[number] = offset

    def rows(self) -> Iterator[tuple[int, list[Value]]]:
        """(rowid, columns) of every table row found: the log's pages first, then the file's from its end,
        where the newest rows are."""
        for offset in sorted(self._frames(), reverse=True):
            yield from self._leaf_rows(self._log[offset : offset + PAGE_BYTES], 0)
        for number in range(len(self._file) // PAGE_BYTES, 0, -1):
            page = self._file[(number - 1) * PAGE_BYTES : number * PAGE_BYTES]
            yield from self._leaf_rows(page, 100 if number == 1 else 0)

    def close(self) -> None:
        for content in (self._file, self._log):
            if isinstance(content, mmap.mmap):
                content.close()

    def _frames(self) -> range:
        first = _WAL_HEADER_BYTES + _FRAME_HEADER_BYTES
        return range(first, len(self._log) - PAGE_BYTES + 1, PAGE_BYTES + _FRAME_HEADER_BYTES)

    def _page(self, number: int) -> Page | None:
        offset = self._in_log.get(number)
        if offset is not None:
            return self._log[offset : offset + PAGE_BYTES]
        end = number * PAGE_BYTES
        return self._file[end - PAGE_BYTES : end] if number > 0 and end <= len(self._file) else None

    def _leaf_rows(self, page: Page, header_at: int) -> Iterator[tuple[int, list[Value]]]:
        self._worked()
        if page[header_at] != _LEAF:
            return
        count = int.from_bytes(page[header_at + 3 : header_at + 5])
        pointers_at = header_at + 8
        if pointers_at + 2 * count > PAGE_BYTES:
            return
        for cell in range(count):
            at = pointers_at + 2 * cell
            row = self._cell(page, int.from_bytes(page[at : at + 2]))
            if row is not None:
                yield row

    def _cell(self, page: Page, at: int) -> tuple[int, list[Value]] | None:
        try:
            size, at = _varint(page, at)
            rowid, at = _varint(page, at)
            if size <= _MAX_LOCAL:
                content = page[at : at + size]
            else:
                local = _MIN_LOCAL + (size - _MIN_LOCAL) % (PAGE_BYTES - 4)
                local = local if local <= _MAX_LOCAL else _MIN_LOCAL
                first = int.from_bytes(page[at + local : at + local + 4])
                content = page[at : at + local] + self._overflow(first, size - local)
            if len(content) != size:
                return None
            return rowid, _columns(content)
        except (IndexError, ValueError):
            return None

    def _overflow(self, number: int, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and number and len(parts) < _MAX_OVERFLOW_PAGES:
            page = self._page(number)
            if page is None:
                break
            part = page[4 : 4 + min(size, PAGE_BYTES - 4)]
            parts.append(part)
            size -= len(part)
            number = int.from_bytes(page[:4])
        return b"".join(parts)


def _unwatched() -> None:
    """Nobody waits for it."""


def _contents(path: Path) -> bytes | mmap.mmap:
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                return b""
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError:
        return b""


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _columns(content: bytes) -> list[Value]:
    """The values of one record. Raises IndexError or ValueError where it makes no sense."""
    header_bytes, at = _varint(content, 0)
    body = header_bytes
    values: list[Value] = []
    while at < header_bytes:
        serial, at = _varint(content, at)
        if serial == 0:
            values.append(None)
        elif serial in _INT_BYTES:
            size = _INT_BYTES[serial]
            values.append(int.from_bytes(content[body : body + size], signed=True))
            body += size
        elif serial == 7:
            values.append(float("nan"))  # no real number stands in any table that is salvaged
            body += 8
        elif serial in {8, 9}:
            values.append(serial - 8)
        elif serial >= 12:
            size = (serial - 12) // 2
            part = content[body : body + size]
            values.append(part.decode() if serial % 2 else part)
            body += size
        else:
            raise ValueError(f"serial type {serial} is reserved")
    if at != header_bytes or body != len(content):
        raise ValueError("record header and body do not agree")
    return values
