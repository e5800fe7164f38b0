"""A folder into which a camera's program puts pictures, as a Camera.

Duty: find new files, wait for those that are still being written, name damaged ones, in the order in which
they were written, each once. A file that is whole by its format's own marks is taken at once; another one is
waited for until it has not changed for `settle_s`, and is then damaged. A part is as old as its file is
whole, however many wait before it. Looks at names and bytes in a thread, decodes in a process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import time
import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_files import MOST_FILE_BYTES, SUFFIXES, file_trouble
from appliance.sources.camera_process import PictureReader, ReaderError
from appliance.sources.source import LinkReport, LinkState, SourceLost

logger = logging.getLogger(__name__)

LOOK_S = 0.02
WHOLE_LOOK_S = 1.0  # a folder whose time did not change is still read so often, and sooner where that is
READ_SHARE = 0.02  # cheap: so much of the time may go into it. It finds files that are written anew in place
RESTLESS_NS = 100_000_000  # after a change: the folder's time is no finer than a tick of the kernel
READ_LIMIT_S = 10.0
BACKLOG_LOOKS = 10  # times as long as a look takes, a backlog is worked on before the next one


@dataclass(frozen=True, slots=True)
class _Seen:
    """A file as it was last looked at."""

    size: int
    mtime_ns: int
    since_ns: int  # monotonic: it has not changed since
    read_ns: int  # monotonic: when its bytes were last read


@dataclass(frozen=True, slots=True)
class _Done:
    """A file that was taken, or left alone: what it is known by. `checksum` None: it was not read."""

    mtime_ns: int
    device: object
    inode: int
    size: int
    checksum: int | None = None


@dataclass(frozen=True, slots=True)
class _Found:
    """A file whose turn comes. `whole_ns`: monotonic, since when it is whole; None: of before the start."""

    path: Path
    trouble: str
    whole_ns: int | None


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
        self._done: dict[str, _Done] = {}  # by name: a file that is written anew is another part
        self._growing: dict[str, _Seen] = {}
        self._found: deque[_Found] = deque()  # outlives a reader that is lost
        self._backlog: deque[_Found] = deque()  # of before the start: behind those that come now
        self._devices: set[object] = set()  # on which the folder was seen: shares come and go
        self._folder_ns = (0, 0)  # its time, and when it was last read
        self._read_cost_ns = 0
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
                for found in await asyncio.to_thread(self._look):
                    (self._backlog if found.whole_ns is None else self._found).append(found)
                again_ns = self._monotonic_ns() + max(LOOK_S * 1e9, round(BACKLOG_LOOKS * self._read_cost_ns))
                while self._found or (self._backlog and self._monotonic_ns() < again_ns):
                    waiting = self._found or self._backlog
                    found = waiting[0]
                    item = (
                        self._damaged(found.path, found.trouble)
                        if found.trouble
                        else await self._taken(found)
                    )
                    await asyncio.to_thread(self._finish, found.path)
                    waiting.popleft()
                    yield item
                if not self._backlog:
                    await asyncio.sleep(LOOK_S)
        finally:
            await self._reader.close()

    def _look(self) -> list[_Found]:
        """New files in the order of their times, each with what is wrong with it. In a thread."""
        now_ns = self._monotonic_ns()
        try:
            folder = self._folder.stat()
            changed_ns, device = folder.st_mtime_ns, device_of(folder)
            told_ns, read_ns = self._folder_ns
            rest_ns = min(WHOLE_LOOK_S * 1e9, self._read_cost_ns / READ_SHARE)
            restless = time.time_ns() - changed_ns < RESTLESS_NS or now_ns - read_ns > rest_ns
            if changed_ns == told_ns and not self._growing and not restless:
                return []
            began_ns = self._monotonic_ns()
            found = {entry.name: info for entry in os.scandir(self._folder) if (info := _regular(entry))}
            self._read_cost_ns = self._monotonic_ns() - began_ns
        except OSError as error:
            raise self._lost(
                LinkState.NOT_FOUND,
                f"the folder {self._folder} cannot be read: {error.strerror}",
                "Create it, or correct the path; the user that runs stethos must be able to read it.",
            ) from error
        self._folder_ns = (changed_ns, now_ns)
        self._state, self._reason, self._remedy = LinkState.CONNECTED, "", ""
        # What is not there is forgotten, but of a share that is not mounted now.
        self._done = {
            name: done for name, done in self._done.items() if name in found or done.device != device
        }
        first = device not in self._devices
        self._devices.add(device)
        if first and not self._delete_after:
            left = {name: info for name, info in found.items() if not self._is_done(name, info)}
            self._counts["left from before"] += len(left)
            self._done |= {name: _done(info, device) for name, info in left.items()}
        self._growing = {name: seen for name, seen in self._growing.items() if name in found}
        new = [name for name, info in found.items() if not self._is_done(name, info)]
        taken = []
        for name in sorted(new, key=lambda one: (found[one].st_mtime_ns, one)):
            info = found[name]
            trouble, checksum = self._trouble(name, info, now_ns)
            if trouble is None:
                continue
            before, self._done[name] = self._done.get(name), _done(info, device, checksum)
            if before is not None and _same_picture(before, info, checksum):
                self._finish(self._folder / name)
                continue
            whole_ns = None if first else self._whole_ns(info, read_ns, now_ns)
            taken.append(_Found(self._folder / name, trouble, whole_ns))
        return taken

    def _is_done(self, name: str, info: os.stat_result) -> bool:
        done = self._done.get(name)
        return done is not None and done.mtime_ns == info.st_mtime_ns

    @staticmethod
    def _whole_ns(info: os.stat_result, read_ns: int, now_ns: int) -> int:
        """Since when a file is whole: by its own time, within the two looks between which it became so."""
        age_ns = max(0, time.time_ns() - info.st_ctime_ns)
        return max(read_ns, now_ns - age_ns)

    def _trouble(self, name: str, info: os.stat_result, now_ns: int) -> tuple[str | None, int | None]:
        """What is wrong with a file, empty: nothing; None: it may still be written. And its checksum."""
        seen = self._growing.get(name)
        if seen is not None and (seen.size, seen.mtime_ns) != (info.st_size, info.st_mtime_ns):
            seen = None
        settled = seen is not None and now_ns - seen.since_ns >= self._settle_ns
        if seen is not None and not settled and now_ns - seen.read_ns < (seen.read_ns - seen.since_ns) // 2:
            return None, None  # half written files are not read at each look for as long as they stand so
        checksum = None
        try:
            if info.st_size > MOST_FILE_BYTES:
                trouble = f"it is larger than {MOST_FILE_BYTES >> 20} MiB"
            else:
                content = (self._folder / name).read_bytes()
                trouble, checksum = file_trouble(content), zlib.crc32(content)
                after = (self._folder / name).stat()
                if (after.st_size, after.st_mtime_ns) != (info.st_size, info.st_mtime_ns):
                    # Written meanwhile: known by what it was before, it would be another part next time.
                    self._growing[name] = _Seen(after.st_size, after.st_mtime_ns, now_ns, now_ns)
                    return None, None
        except FileNotFoundError:
            return None, None  # it has left again
        except OSError as error:
            trouble = f"it cannot be read: {error.strerror}"
        if not trouble or settled:
            self._growing.pop(name, None)
            return trouble, checksum
        since_ns = now_ns if seen is None else seen.since_ns
        self._growing[name] = _Seen(info.st_size, info.st_mtime_ns, since_ns, now_ns)
        return None, None

    async def _taken(self, found: _Found) -> Frame | FrameMissed:
        path = found.path
        taken_ns = self._monotonic_ns() if found.whole_ns is None else found.whole_ns
        try:
            read = await self._reader.read_file(str(path), self._colour, READ_LIMIT_S)
        except ReaderError as error:
            if error.remedy:  # not this file's fault
                raise self._lost(LinkState.REFUSED, str(error), error.remedy) from error
            return self._damaged(path, str(error), taken_ns)
        self._counts["pictures"] += 1
        return Frame(taken_ns, path.name, read.picture, patient=found.whole_ns is None)

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
            if self._is_done(path.name, path.stat()):
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


def device_of(info: os.stat_result) -> object:
    """On what a folder lies: another one where a share is mounted there, or is not any more."""
    return info.st_dev


def _done(info: os.stat_result, device: object, checksum: int | None = None) -> _Done:
    return _Done(info.st_mtime_ns, device, info.st_ino, info.st_size, checksum)


def _same_picture(before: _Done, info: os.stat_result, checksum: int | None) -> bool:
    """Whether a file of another time is the one that was taken: copying programs and file servers set the
    time once all is written. A time that comes from writing is the one at which the file changed."""
    was, now = (before.inode, before.size, before.checksum), (info.st_ino, info.st_size, checksum)
    return checksum is not None and was == now and info.st_mtime_ns != info.st_ctime_ns
