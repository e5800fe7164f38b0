"""A folder into which a camera's program puts pictures, as a Camera.

Duty: find new files, wait for those that are still being written, name damaged ones, in the order in which
they were written. A file that is whole by its format's own marks is taken at once; another one is waited for
until it has not changed for `settle_s`, and is then damaged. Looks at names and bytes in a thread, decodes in
a process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_files import MOST_FILE_BYTES, SUFFIXES, file_trouble
from appliance.sources.camera_process import PictureReader, ReaderError
from appliance.sources.source import LinkReport, LinkState, SourceLost

logger = logging.getLogger(__name__)

LOOK_S = 0.02
WHOLE_LOOK_S = 1.0  # a folder whose time did not change is still read so often
RESTLESS_NS = 100_000_000  # after a change: the folder's time is no finer than a tick of the kernel
READ_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was last looked at."""

    size: int
    mtime_ns: int
    since_ns: int  # monotonic: it has not changed since


class FolderCamera:
    """Implements `camera.Camera`. With `delete_after` each file leaves once it was taken; without, what lies
    there when the camera is first opened is left alone."""

    def __init__(
        self,
        camera_id: str,
        folder: Path,
        *,
        colour: bool = False,
        delete_after: bool = False,
        settle_s: float = 2.0,
        reader: PictureReader | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self.camera_id = camera_id
        self._folder, self._colour, self._delete_after = folder, colour, delete_after
        self._settle_ns = round(settle_s * 1e9)
        self._reader = reader or PictureReader()
        self._monotonic_ns = monotonic_ns
        self._done: dict[str, int] = {}  # name -> its time: a file that is written anew is another part
        self._growing: dict[str, _Seen] = {}
        self._first = True
        self._folder_ns = (0, 0)  # its time, and when it was last read
        self._counts = dict.fromkeys(("pictures", "damaged", "left from before"), 0)
        self._state, self._reason, self._remedy = LinkState.CONNECTING, "", ""

    def report(self) -> LinkReport:
        """State of the folder, for an operator."""
        return LinkReport(
            self.camera_id, "camera folder", str(self._folder), self._state, self._reason, self._remedy,
            dict(self._counts),
        )  # fmt: skip

    async def frames(self) -> AsyncIterator[Frame | FrameMissed]:
        """Pictures as they come. Raises SourceLost where the folder or the reader is gone."""
        try:
            while True:
                for path, trouble in await asyncio.to_thread(self._look):
                    item = self._damaged(path, trouble) if trouble else await self._taken(path)
                    await asyncio.to_thread(self._finish, path)
                    yield item
                await asyncio.sleep(LOOK_S)
        finally:
            await self._reader.close()

    def _look(self) -> list[tuple[Path, str]]:
        """New files in the order of their times, each with what is wrong with it. In a thread."""
        now_ns = self._monotonic_ns()
        try:
            changed_ns = self._folder.stat().st_mtime_ns
            told_ns, read_ns = self._folder_ns
            restless = time.time_ns() - changed_ns < RESTLESS_NS or now_ns - read_ns > WHOLE_LOOK_S * 1e9
            if changed_ns == told_ns and not self._growing and not restless:
                return []
            found = {entry.name: info for entry in os.scandir(self._folder) if (info := _regular(entry))}
        except OSError as error:
            raise self._lost(
                LinkState.NOT_FOUND,
                f"the folder {self._folder} cannot be read: {error.strerror}",
                "Create it, or correct the path; the user that runs stethos must be able to read it.",
            ) from error
        self._folder_ns = (changed_ns, now_ns)
        self._state, self._reason, self._remedy = LinkState.CONNECTED, "", ""
        if self._first and not self._delete_after:
            self._counts["left from before"] = len(found)
            self._done = {name: info.st_mtime_ns for name, info in found.items()}
        self._first = False
        self._done = {name: at_ns for name, at_ns in self._done.items() if name in found}
        self._growing = {name: seen for name, seen in self._growing.items() if name in found}
        new = [name for name, info in found.items() if self._done.get(name) != info.st_mtime_ns]
        taken = []
        for name in sorted(new, key=lambda one: (found[one].st_mtime_ns, one)):
            trouble = self._trouble(name, found[name], now_ns)
            if trouble is not None:
                taken.append((self._folder / name, trouble))
                self._done[name] = found[name].st_mtime_ns
        return taken

    def _trouble(self, name: str, info: os.stat_result, now_ns: int) -> str | None:
        """What is wrong with a file, empty: nothing; None: it may still be written."""
        try:
            if info.st_size > MOST_FILE_BYTES:
                trouble = f"it is larger than {MOST_FILE_BYTES >> 20} MiB"
            else:
                trouble = file_trouble((self._folder / name).read_bytes())
        except OSError:
            return None  # it has left again
        seen = self._growing.get(name)
        if not trouble:
            self._growing.pop(name, None)
            return ""
        if seen is None or (seen.size, seen.mtime_ns) != (info.st_size, info.st_mtime_ns):
            self._growing[name] = _Seen(info.st_size, info.st_mtime_ns, now_ns)
            return None
        if now_ns - seen.since_ns < self._settle_ns:
            return None
        del self._growing[name]
        return trouble

    async def _taken(self, path: Path) -> Frame | FrameMissed:
        taken_ns = self._monotonic_ns()
        try:
            read = await self._reader.read_file(str(path), self._colour, READ_LIMIT_S)
        except ReaderError as error:
            if error.remedy:  # not this file's fault
                raise self._lost(LinkState.REFUSED, str(error), error.remedy) from error
            return self._damaged(path, str(error), taken_ns)
        self._counts["pictures"] += 1
        return Frame(taken_ns, path.name, read.picture)

    def _damaged(self, path: Path, reason: str, taken_ns: int | None = None) -> FrameMissed:
        self._counts["damaged"] += 1
        logger.warning(
            "picture cannot be used camera=%s file=%s reason=%s", self.camera_id, path.name, reason
        )
        at_ns = self._monotonic_ns() if taken_ns is None else taken_ns
        return FrameMissed(at_ns, path.name, f"the picture is damaged: {reason}")

    def _finish(self, path: Path) -> None:
        """Remove a file that was taken, unless it is another one by now: some programs use a name again."""
        if not self._delete_after:
            return
        try:
            if path.stat().st_mtime_ns == self._done.get(path.name):
                path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            logger.error("picture cannot be removed file=%s error=%s", path, error.strerror)

    def _lost(self, state: LinkState, reason: str, remedy: str) -> SourceLost:
        self._state, self._reason, self._remedy = state, reason, remedy
        return SourceLost(self.camera_id, state, reason, remedy)


def _regular(entry: os.DirEntry[str]) -> os.stat_result | None:
    """What a picture's file is; None for all else: hidden names are of those who still write."""
    if entry.name.startswith(".") or not entry.name.lower().endswith(SUFFIXES):
        return None
    try:
        info = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return info if stat.S_ISREG(info.st_mode) else None
