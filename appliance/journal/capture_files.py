"""The folder of captured waveforms: whole files under their names, and nothing else.

Duty: write a file so that its name never stands for less than all of it, read one back, set a damaged one
aside, find what nobody refers to. Blocking: call it from a thread. Knows nothing of records and budgets.

A file appears under its name only after its content is on stable storage, and the name is flushed before
the call returns: a record that is committed afterwards never names a file that a power cut has taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from appliance.capture_segment import SUFFIX, Segment, SegmentError, decode_segment
from appliance.journal.schema import FILE_MODE, FOLDER_MODE

FOLDER_NAME = "captures"
SET_ASIDE = "damaged"
MOST_SEGMENT_BYTES = 1024**3
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,200}\.stcap")


def capture_folder(journal_folder: Path) -> Path:
    """Where the captures of a journal lie."""
    return journal_folder / FOLDER_NAME


class CaptureFiles:
    """The files of one folder, which is made with the first of them."""

    def __init__(self, journal_folder: Path) -> None:
        self.folder = capture_folder(journal_folder)

    def path(self, name: str) -> Path:
        """Where a file of this name lies. Raises ValueError for what is no name of ours."""
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a captured file")
        return self.folder / name

    def write(self, name: str, content: bytes) -> None:
        """Put a whole file in place, flushed, mode 0600; one that is there is replaced. Raises OSError."""
        path = self.path(name)
        if not self.folder.is_dir():
            self.folder.mkdir(mode=FOLDER_MODE)
            _flush_folder(self.folder.parent)
        part = path.with_name(f".{name}.part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)  # noqa: PTH105 - atomic, and says so
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _flush_folder(self.folder)

    def read(self, name: str) -> bytes:
        """All bytes of a file. Raises OSError."""
        path = self.path(name)
        if path.stat().st_size > MOST_SEGMENT_BYTES:
            raise OSError(27, "it is too large for a captured waveform", str(path))
        return path.read_bytes()

    def segment(self, name: str) -> Segment:
        """What of a file is whole. Raises OSError, SegmentError."""
        try:
            return decode_segment(self.read(name))
        except SegmentError as error:
            raise SegmentError(f"{self.path(name)}: {error}") from error

    def remove(self, name: str) -> None:
        """Remove a file; one that is gone already is no error. Raises OSError."""
        self.path(name).unlink(missing_ok=True)

    def set_aside(self, name: str, stamp: str) -> Path:
        """Keep a damaged file under a second name, for inspection; the first stays until it is replaced or
        removed. Raises OSError."""
        path = self.path(name)
        aside = path.with_name(f"{name}.{SET_ASIDE}-{stamp}")
        aside.unlink(missing_ok=True)
        os.link(path, aside)
        _flush_folder(self.folder)
        return aside

    def names(self) -> list[str]:
        """All whole files, in order."""
        return sorted(path.name for path in self._entries() if _NAME.fullmatch(path.name))

    def remove_unfinished(self) -> int:
        """Remove what a kill or a power cut left half written; how many there were. Raises OSError."""
        unfinished = [path for path in self._entries() if path.name.endswith(f"{SUFFIX}.part")]
        for path in unfinished:
            path.unlink(missing_ok=True)
        return len(unfinished)

    def _entries(self) -> Iterator[Path]:
        if self.folder.is_dir():
            yield from self.folder.iterdir()


def _flush_folder(folder: Path) -> None:
    """A new name is on the disk only once its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
