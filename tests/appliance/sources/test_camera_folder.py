"""A folder of pictures: whole files at once, half ones never, damaged ones by name; a decoder that dies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from appliance.png_picture import encode_png
from appliance.sources import camera_folder
from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_folder import FolderCamera
from appliance.sources.camera_process import PictureReader, ReaderError
from appliance.sources.source import LinkState, SourceLost
from tests.fakes.drawn_parts import DrawnParts, lay

cv2 = pytest.importorskip("cv2", reason="cameras need the extra `vision`")
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _patient_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """The decoder's process may stand still for a while; what if it hangs, one test says."""
    monkeypatch.setattr(camera_folder, "READ_LIMIT_S", PATIENCE_S)


class Watched:
    """The pictures of a folder as they come."""

    def __init__(self, camera: FolderCamera, frames: AsyncIterator[Frame | FrameMissed]) -> None:
        self.camera, self._frames = camera, frames

    async def next(self) -> Frame | FrameMissed:
        async with asyncio.timeout(PATIENCE_S):
            return await anext(self._frames)

    async def frame(self) -> Frame:
        item = await self.next()
        assert isinstance(item, Frame), item
        return item

    async def looked_at(self, name: str, size: int) -> None:
        """Until a file of this size was read and taken for one that is still written."""
        async with asyncio.timeout(PATIENCE_S):
            while (seen := self.camera._growing.get(name)) is None or seen.size != size:
                await asyncio.sleep(0.005)

    async def missed(self) -> FrameMissed:
        item = await self.next()
        assert isinstance(item, FrameMissed), item
        return item


@contextlib.asynccontextmanager
async def watched(
    folder: Path, *, delete_after: bool = True, settle_s: float = 0.2, reader: PictureReader | None = None
) -> AsyncIterator[Watched]:
    """With `delete_after` the first picture may come before the first look."""
    camera = FolderCamera("press", folder, delete_after=delete_after, settle_s=settle_s, reader=reader)
    async with aclosing(camera.frames()) as frames:
        yield Watched(camera, frames)


async def test_pictures_come_in_their_order_and_leave_where_that_is_wanted(tmp_path: Path) -> None:
    parts = DrawnParts(1)
    pictures = {f"part-{number}": parts.good() for number in range(4)}
    for number, (name, picture) in enumerate(pictures.items()):
        path = lay(tmp_path, name, picture)
        os.utime(path, ns=(0, 10**18 - number * 10**9))  # written in the opposite order
    async with watched(tmp_path) as camera:
        frames = [await camera.frame() for _ in pictures]
        assert [frame.name for frame in frames] == [f"part-{number}.png" for number in (3, 2, 1, 0)]
        for frame in frames:
            np.testing.assert_array_equal(frame.picture, pictures[frame.name.removesuffix(".png")])
        lay(tmp_path, "one-more", pictures["part-0"])
        assert (await camera.frame()).name == "one-more.png"
    assert list(tmp_path.iterdir()) == []
    report = camera.camera.report()
    assert report.state is LinkState.CONNECTED
    assert report.counts == {"pictures": 5, "damaged": 0, "left from before": 0}


async def test_what_lies_there_at_the_start_is_left_alone_unless_files_leave(tmp_path: Path) -> None:
    parts = DrawnParts(2)
    lay(tmp_path, "yesterday", parts.good())
    async with watched(tmp_path, delete_after=False) as camera:
        waiting = asyncio.create_task(camera.frame())
        async with asyncio.timeout(PATIENCE_S):
            while camera.camera.report().state is not LinkState.CONNECTED:
                await asyncio.sleep(0.01)
        lay(tmp_path, "today", parts.good())
        assert (await waiting).name == "today.png"
        overwritten = parts.stained()
        path = lay(tmp_path, "today", overwritten)  # a program that always uses one name
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
        np.testing.assert_array_equal((await camera.frame()).picture, overwritten)
        assert camera.camera.report().counts["left from before"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["today.png", "yesterday.png"]


async def test_a_small_picture_within_the_head_is_not_the_end(tmp_path: Path) -> None:
    """Cameras put a thumbnail, which ends as a whole JPEG does, before the picture itself."""
    parts = DrawnParts(9)
    content = bytes(cv2.imencode(".jpg", parts.good())[1])
    thumbnail = bytes(cv2.imencode(".jpg", parts.good()[::4, ::4])[1])
    head = b"\xff\xe1" + (len(thumbnail) + 8).to_bytes(2, "big") + b"Exif\x00\x00" + thumbnail
    whole = content[:2] + head + content[2:] + b"\x00" * 9000  # and a program that pads
    path = tmp_path / "slow.jpg"
    async with watched(tmp_path, settle_s=600.0) as camera:
        waiting = asyncio.create_task(camera.frame())
        for end in (2 + len(head), 2 + len(head) + 300, len(whole) - 9001):
            path.write_bytes(whole[:end])
            await camera.looked_at(path.name, end)
            assert not waiting.done(), f"{end} of {len(whole)} bytes were taken for a picture"
        path.write_bytes(whole)
        assert (await waiting).picture.shape == (120, 160)


async def test_a_name_that_is_used_again_costs_no_part(tmp_path: Path) -> None:
    parts = DrawnParts(8)
    async with watched(tmp_path) as camera:
        for _ in range(5):
            picture = parts.good()
            lay(tmp_path, "latest", picture)
            np.testing.assert_array_equal((await camera.frame()).picture, picture)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
async def test_a_file_that_is_still_written_is_waited_for(tmp_path: Path, suffix: str) -> None:
    picture = DrawnParts(3).good()
    content = bytes(cv2.imencode(suffix, picture)[1])
    path = tmp_path / f"slow{suffix}"
    async with watched(tmp_path, settle_s=600.0) as camera:
        waiting = asyncio.create_task(camera.frame())
        for end in (0, 1, len(content) // 2, len(content) - 1):
            path.write_bytes(content[:end])
            await camera.looked_at(path.name, end)
            assert not waiting.done(), f"{end} of {len(content)} bytes were taken for a picture"
        path.write_bytes(content)
        frame = await waiting
    assert np.abs(frame.picture.astype(int) - picture).mean() < 4.0  # a JPEG is not the same to the bit


@pytest.mark.parametrize(
    ("name", "damage", "reason"),
    [
        ("cut.png", lambda content: content[: len(content) // 2], "end is missing"),
        ("cut.jpg", lambda content: content[: len(content) // 2], "end is missing"),
        ("flipped.png", lambda content: content[:200] + b"\x00\x01" + content[202:], "checksum"),
        ("text.png", lambda content: b"IEND: this is no picture", "neither"),
        ("head.jpg", lambda content: content[:2] + b"\xff\xe0\x00\x02no mark" + content, "head is damaged"),
        ("empty.jpg", lambda content: b"", "end is missing"),
        ("huge.png", lambda content: content[:16] + b"\x00\x10\x00\x00" * 2 + content[24:], "checksum"),
        ("hollow.jpg", lambda content: b"\xff\xd8\xff\xda\x00\x02\xff\xd9", "decoded"),
    ],
)  # fmt: skip
async def test_a_damaged_file_is_named_and_counted_and_holds_nothing_up(
    tmp_path: Path, name: str, damage: object, reason: str
) -> None:
    parts = DrawnParts(4)
    content = bytes(cv2.imencode(Path(name).suffix, parts.good())[1])
    (tmp_path / name).write_bytes(damage(content))
    async with watched(tmp_path) as camera:
        missed = await camera.missed()
        assert missed.name == name
        assert reason in missed.reason
        lay(tmp_path, "behind", parts.good())
        assert (await camera.frame()).name == "behind.png"
        assert camera.camera.report().counts["damaged"] == 1


async def test_what_is_no_picture_is_left_alone(tmp_path: Path) -> None:
    parts = DrawnParts(5)
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / ".hidden.png").write_bytes(encode_png(parts.good()))
    (tmp_path / "link.png").symlink_to(tmp_path / ".hidden.png")
    lay(tmp_path, "part", parts.good())
    async with watched(tmp_path) as camera:
        assert (await camera.frame()).name == "part.png"
        assert camera.camera.report().counts == {"pictures": 1, "damaged": 0, "left from before": 0}


async def test_a_decoder_that_dies_or_hangs_costs_one_picture(tmp_path: Path) -> None:
    parts = DrawnParts(6)
    reader = PictureReader()
    async with watched(tmp_path, reader=reader) as camera:
        lay(tmp_path, "first", parts.good())
        await camera.frame()
        process = reader._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ReaderError, match="did not answer") as late:
            await reader.read_file(str(tmp_path / "first.png"), False, 0.3)
        assert late.value.lost
        lay(tmp_path, "second", parts.good())
        assert (await camera.frame()).name == "second.png"
        assert reader.starts == 2
        assert reader._process is not None
        os.kill(reader._process.pid, signal.SIGKILL)
        await reader._process.wait()
        lay(tmp_path, "third", parts.good())
        assert (await camera.frame()).name == "third.png"


async def test_a_folder_that_is_gone_and_opencv_that_is_missing_are_told_with_a_remedy(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path / "nowhere") as camera:
        with pytest.raises(SourceLost, match="cannot be read") as lost:
            await camera.next()
        assert lost.value.state is LinkState.NOT_FOUND
        assert camera.camera.report().remedy
    answer = '{"error": "OpenCV cannot be loaded", "remedy": "Install the extra", "lost": true}'
    without = PictureReader((sys.executable, "-c", f"input(); print('{answer}')"))
    lay(tmp_path, "part", DrawnParts(7).good())
    async with watched(tmp_path, reader=without) as camera:
        with pytest.raises(SourceLost, match="OpenCV") as refused:
            await camera.next()
        assert refused.value.state is LinkState.REFUSED
        assert "extra" in refused.value.remedy


async def test_an_answer_that_is_no_picture_is_not_believed() -> None:
    for answer in (
        '{"shape": [2, 2], "bytes": 3}\\nabc', '{"bytes": 1e12}\\n', "no json", "[]", "5", "{}",
        '{"shape": ["a", "b"], "bytes": 1}\\nx', '{"shape": [0, 5], "bytes": 0}\\n',
        '{"shape": [-1, -1], "bytes": 1}\\nx', '{"shape": 1, "bytes": 1}\\nx',
        '{"shape": [1, 1], "bytes": 1, "age_ns": null}\\nx',
        '{"shape": [1, 1], "bytes": 1, "age_ns": 1e400}\\nx',
        '{"shape": [1, 1], "bytes": 1, "age_ns": -5}\\nx',
    ):  # fmt: skip
        liar = PictureReader((sys.executable, "-c", f"input(); print('{answer}', flush=True)"))
        with pytest.raises(ReaderError) as error:
            await liar.read_file("x", False, PATIENCE_S)
        assert error.value.lost
        assert "did not answer" not in str(error.value)
        await liar.close()
