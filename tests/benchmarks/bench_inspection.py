"""Parts a minute from the file to the counter, and what a look at one picture costs; all on one core.

Peer of the whole way: a bare loop of OpenCV that reads each file, takes the difference from a mean
picture and counts, with no process of its own, no queue, no verdict to a line and no record; 40 files lie
there at once. From a whole file to its verdict: parts that come one by one. Peers of the
steps: what OpenCV's users write for them (variance of the Laplacian; difference, box filter, maximum). In
turns.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from appliance.counters import Counter
from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import LineSettings
from appliance.sources.camera_folder import FolderCamera
from models.vision.picture_quality import picture_figures
from models.vision.reference_difference import ReferenceLearner
from tests.appliance.inspection_rig import CAMERA, LEARN, inspection_rig
from tests.benchmarks.turns import microseconds, one_core
from tests.fakes.drawn_parts import DrawnParts, Picture

SIZE_PX = (480, 640)
TURNS = 5
PARTS = 40  # a turn
APART_S = 0.05  # between parts that come one by one


def run() -> list[dict[str, Any]]:
    """Rows for `make bench`."""
    parts = DrawnParts(1, SIZE_PX)
    good = [parts.good() for _ in range(LEARN)]
    belt = [parts.scratched() if number % 20 == 19 else parts.good() for number in range(PARTS)]
    with one_core(), tempfile.TemporaryDirectory() as folder:
        ours, peer, latencies_ms = asyncio.run(_belts(Path(folder), good, belt))
        steps = _steps(good)
    rate, peer_rate = statistics.median(ours), statistics.median(peer)
    latencies_ms.sort()
    p50, p99 = latencies_ms[len(latencies_ms) // 2], latencies_ms[len(latencies_ms) * 99 // 100]
    rows = [
        _row("parts a minute, JPEG 640x480 to counter", "1/min", rate, peer_rate, "bare OpenCV loop"),
        _row("whole file to verdict, p50", "ms", p50, 100.0, "budget"),
        _row("whole file to verdict, p99", "ms", p99, 100.0, "budget"),
    ]
    for figure, name, peer_name in (
        ("picture quality, 640x480", "quality", "cv2 Laplacian variance"),
        ("difference inspector, 640x480", "inspect", "cv2 absdiff, box filter, maximum"),
    ):
        own, other = (statistics.median(steps[key]) / 1e3 for key in (name, f"{name} peer"))
        rows.append(_row(figure, "ms", own, other, peer_name))
    return rows


async def _belts(
    folder: Path, good: list[Picture], belt: list[Picture]
) -> tuple[list[float], list[float], list[float]]:
    """(ours and the peer's parts a minute by turn, latencies of ours in ms)."""
    encoded = [bytes(cv2.imencode(".jpg", picture)[1]) for picture in belt]
    pictures = folder / "pictures"
    pictures.mkdir()
    ours: list[float] = []
    peer: list[float] = []
    latencies_ms: list[float] = []
    async with inspection_rig(folder, LineSettings(10.0, 64), lambda: CameraKnowledge(LEARN)) as rig:
        await rig.show(*good)
        camera = FolderCamera(CAMERA, pictures, delete_after=True)
        async with aclosing(camera.frames()) as frames:
            for turn in range(TURNS + 1):
                _lay(pictures, encoded)
                before = sum(rig.counted(Counter.PARTS_INSPECTED, Counter.PARTS_NO_VERDICT))
                begin_s = time.perf_counter()
                for _ in encoded:
                    rig.line.put(await anext(frames))
                    await rig.line.work_off()
                taken_s = time.perf_counter() - begin_s
                counted = sum(rig.counted(Counter.PARTS_INSPECTED, Counter.PARTS_NO_VERDICT)) - before
                assert counted == len(encoded)
                for content in encoded:  # one by one: nobody waits behind another
                    coming = asyncio.ensure_future(anext(frames))
                    await asyncio.sleep(APART_S)
                    _lay(pictures, [content])
                    item = await coming
                    rig.line.put(item)
                    await rig.line.work_off()
                    if turn:
                        latencies_ms.append((time.monotonic_ns() - item.taken_ns) / 1e6)
                await rig.house.stored()
                peer_s = _bare(folder, encoded, good)
                if turn:  # the first one warms up
                    ours.append(60.0 * len(encoded) / taken_s)
                    peer.append(60.0 * len(encoded) / peer_s)
    return ours, peer, latencies_ms


def _bare(folder: Path, encoded: list[bytes], good: list[Picture]) -> float:
    mean = np.mean(good, axis=0).astype(np.uint8)
    bare = folder / "bare"
    bare.mkdir(exist_ok=True)
    _lay(bare, encoded)
    defects, begin_s = 0, time.perf_counter()
    for path in sorted(bare.iterdir()):
        picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        difference = cv2.boxFilter(cv2.absdiff(picture, mean), -1, (12, 12))
        defects += cv2.minMaxLoc(difference)[1] > 30
        path.unlink()
    return time.perf_counter() - begin_s


def _lay(folder: Path, encoded: list[bytes]) -> None:
    for number, content in enumerate(encoded):
        part = folder / f".{number}.part"
        part.write_bytes(content)
        part.rename(folder / f"{number:04d}.jpg")


def _steps(good: list[Picture]) -> dict[str, list[float]]:
    cv2.setNumThreads(1)
    learner = ReferenceLearner(SIZE_PX)
    for picture in good:
        learner.observe(picture)
    inspector, picture = learner.finish(), good[0]
    mean = np.mean(good, axis=0).astype(np.uint8)
    return microseconds(
        {
            "quality": (lambda: picture_figures(picture), 1),
            "quality peer": (lambda: (cv2.Laplacian(picture, cv2.CV_32F).var(), picture.mean()), 1),
            "inspect": (lambda: inspector.inspect(picture), 1),
            "inspect peer": (
                lambda: cv2.minMaxLoc(cv2.boxFilter(cv2.absdiff(picture, mean), -1, (12, 12))),
                1,
            ),
        }
    )


def _row(
    figure: str, unit: str, ours: float, peer: float | None = None, peer_name: str | None = None
) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    return {
        "bench": "inspection", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": peer_name, "ratio": ratio,
    }  # fmt: skip
