"""A folder of pictures: each part once, as old as it is, whatever happens to its file or its folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from appliance.sources import camera_folder
from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_folder import FolderCamera
from appliance.sources.camera_process import PictureReader, ReaderError, ReadPicture
from appliance.sources.source import SourceLost
from tests.fakes.drawn_parts import DrawnParts, lay

PATIENCE_S = 60.0


class Reader(PictureReader):
    """Decodes nothing: what is asked of it, and how long it took, is the test's."""

    def __init__(self, before: Callable[[str], None] = lambda _path: None) -> None:
        super().__init__()
        self.before = before
        self.read: list[str] = []

    async def read_file(self, path: str, colour: bool, limit_s: float) -> ReadPicture:
        self.before(path)
        self.read.append(Path(path).name)
        return ReadPicture(np.zeros((8, 8), np.uint8))


async def items(camera: FolderCamera, most: int, until: Callable[[], bool]) -> list[Frame | FrameMissed]:
    """What it delivers until it delivered so many and a condition holds."""
    found: list[Frame | FrameMissed] = []
    async with asyncio.timeout(PATIENCE_S), aclosing(camera.frames()) as frames:
        waiting = asyncio.ensure_future(anext(frames))
        while len(found) < most or not until():
            await asyncio.wait([waiting], timeout=0.02)
            if waiting.done():
                found.append(waiting.result())
                waiting = asyncio.ensure_future(anext(frames))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    return found


async def test_a_part_that_waits_for_those_before_it_is_as_old_as_it_is(tmp_path: Path) -> None:
    """Many at once: the last one's budget began when it stood in its folder, not when its turn came."""
    parts, now_ns = DrawnParts(1), 10**12

    def slow(_path: str) -> None:
        nonlocal now_ns
        now_ns += 80_000_000

    reader = Reader(slow)
    camera = FolderCamera("press", tmp_path, delete_after=True, reader=reader, monotonic_ns=lambda: now_ns)
    camera._look()  # it was empty when the camera was opened
    for number in range(5):
        lay(tmp_path, f"part-{number}", parts.good())
    found = await items(camera, 5, lambda: True)
    assert now_ns == 10**12 + 5 * 80_000_000
    assert [one.taken_ns for one in found] == [10**12] * 5


async def test_what_came_while_the_service_was_down_is_no_older_than_its_turn(tmp_path: Path) -> None:
    parts, now_ns = DrawnParts(2), 10**12

    def slow(_path: str) -> None:
        nonlocal now_ns
        now_ns += 80_000_000

    for number in range(3):
        lay(tmp_path, f"part-{number}", parts.good())
    camera = FolderCamera(
        "press", tmp_path, delete_after=True, reader=Reader(slow), monotonic_ns=lambda: now_ns
    )
    found = await items(camera, 3, lambda: True)
    assert [one.taken_ns - 10**12 for one in found] == [0, 80_000_000, 160_000_000]


async def test_a_part_that_comes_now_does_not_wait_for_a_backlog(tmp_path: Path) -> None:
    parts = DrawnParts(9)
    content = lay(tmp_path, "of-before-000", parts.good()).read_bytes()
    for number in range(1, 400):
        (tmp_path / f"of-before-{number:03d}.png").write_bytes(content)

    now_ns = 10**12

    def comes(_path: str) -> None:
        nonlocal now_ns
        now_ns += 1_000_000
        if not reader.read:
            lay(tmp_path, "now", parts.good())

    reader = Reader(comes)
    camera = FolderCamera("press", tmp_path, delete_after=True, reader=reader, monotonic_ns=lambda: now_ns)
    found = await items(camera, 401, lambda: True)
    assert len({one.name for one in found}) == 401
    assert 0 < [one.name for one in found].index("now.png") < 300
    assert [one.name for one in found if isinstance(one, Frame) and not one.patient] == ["now.png"]


async def test_a_program_that_sets_the_time_of_its_file_afterwards_makes_one_part(tmp_path: Path) -> None:
    """As copying programs and file servers do; another picture of that name is another part."""
    parts, reader = DrawnParts(3), Reader()
    camera = FolderCamera("press", tmp_path, reader=reader)
    camera._look()
    path = lay(tmp_path, "latest", parts.good())
    async with asyncio.timeout(PATIENCE_S), aclosing(camera.frames()) as frames:
        assert (await anext(frames)).name == "latest.png"
        os.utime(path, ns=(0, path.stat().st_mtime_ns - 3 * 10**9))
        lay(tmp_path, "next", parts.good())
        assert (await anext(frames)).name == "next.png"
        path.write_bytes(lay(tmp_path, ".other", parts.stained()).read_bytes())  # in place
        assert (await anext(frames)).name == "latest.png"
    assert reader.read == ["latest.png", "next.png", "latest.png"]


async def test_parts_that_were_found_survive_a_reader_that_is_lost(tmp_path: Path) -> None:
    parts = DrawnParts(4)

    def broken(path: str) -> None:
        if reader.read == ["part-0.png"] and not refused:
            refused.append(path)
            raise ReaderError("OpenCV cannot be loaded", "Install it.", lost=True)

    refused: list[str] = []
    reader = Reader(broken)
    camera = FolderCamera("press", tmp_path, reader=reader)
    camera._look()
    for number in range(4):
        lay(tmp_path, f"part-{number}", parts.good())
    with pytest.raises(SourceLost, match="OpenCV"):
        await items(camera, 4, lambda: True)
    found = await items(camera, 3, lambda: True)
    assert [one.name for one in found] == ["part-1.png", "part-2.png", "part-3.png"]


async def test_a_file_that_nobody_may_read_is_a_part_without_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts, read_bytes = DrawnParts(5), Path.read_bytes

    def refused(path: Path) -> bytes:
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied", str(path))
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", refused)  # root may read everything
    camera = FolderCamera("press", tmp_path, settle_s=0.1, reader=Reader())
    camera._look()
    lay(tmp_path, "locked", parts.good())
    (missed,) = await items(camera, 1, lambda: True)
    assert isinstance(missed, FrameMissed)
    assert "Permission denied" in missed.reason


async def test_a_share_that_was_gone_for_a_while_brings_no_part_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is not mounted its folder is there, on another device, and empty."""
    parts, reader = DrawnParts(6), Reader()
    share, empty, folder = tmp_path / "share", tmp_path / "empty", tmp_path / "folder"
    share.mkdir()
    empty.mkdir()
    folder.symlink_to(share)
    monkeypatch.setattr(camera_folder, "device_of", lambda _info: folder.readlink().name)
    lay(share, "of-yesterday", parts.good())
    camera = FolderCamera("press", folder, reader=reader)
    assert camera._look() == []
    for number in range(3):
        lay(share, f"part-{number}", parts.good())
    assert len(await items(camera, 3, lambda: True)) == 3

    def mounted(which: Path) -> None:
        folder.unlink()
        folder.symlink_to(which)

    mounted(empty)
    assert camera._look() == []
    mounted(share)
    assert camera._look() == []
    lay(share, "after", parts.good())
    assert [one.name for one in await items(camera, 1, lambda: True)] == ["after.png"]


async def test_a_share_that_is_mounted_after_the_start_holds_what_was_left_from_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = DrawnParts(7)
    share, empty, folder = tmp_path / "share", tmp_path / "empty", tmp_path / "folder"
    share.mkdir()
    empty.mkdir()
    folder.symlink_to(empty)
    monkeypatch.setattr(camera_folder, "device_of", lambda _info: folder.readlink().name)
    for number in range(3):
        lay(share, f"of-yesterday-{number}", parts.good())
    camera = FolderCamera("press", folder, reader=Reader())
    assert camera._look() == []
    folder.unlink()
    folder.symlink_to(share)
    assert camera._look() == []
    assert (camera.report().counts or {})["left from before"] == 3


async def test_a_file_that_is_written_anew_in_place_is_seen_soon(tmp_path: Path) -> None:
    """The time of a folder says nothing of a file that is written over."""
    parts = DrawnParts(8)
    path = lay(tmp_path, "latest", parts.good())
    os.utime(path, ns=(0, 10**18))  # a file's clock is no finer than a tick of the kernel
    now_ns = 10**12
    camera = FolderCamera("press", tmp_path, reader=Reader(), monotonic_ns=lambda: now_ns)
    camera._look()
    os.utime(tmp_path, ns=(0, 10**18))
    camera._look()
    path.write_bytes(lay(tmp_path / "..", "other", parts.good()).read_bytes())
    now_ns += 100_000_000  # far less than the second after which a folder is read whatever it says
    assert [found.path.name for found in camera._look()] == ["latest.png"]


async def test_a_file_that_is_finished_while_it_is_looked_at_makes_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size and time are those of the half, its bytes are those of the whole."""
    content = lay(tmp_path, "of-before", DrawnParts(10).good()).read_bytes()
    camera, path, read_bytes = (
        FolderCamera("press", tmp_path, reader=Reader()),
        tmp_path / "new.png",
        Path.read_bytes,
    )
    assert camera._look() == []

    def finished(asked: Path) -> bytes:
        if path.stat().st_size < len(content):
            path.write_bytes(content)
        return read_bytes(asked)

    path.write_bytes(content[:200])
    monkeypatch.setattr(Path, "read_bytes", finished)
    assert [found.path.name for _ in range(4) for found in camera._look()] == ["new.png"]
