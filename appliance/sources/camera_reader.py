"""The process that opens cameras and decodes pictures: a decoder that crashes or hangs costs a picture.

Duty: answer one request after the other on its standard input with a header line and the pixels. Needs OpenCV
(extra `vision`). Started by `camera_process`; decides nothing about parts.

Requests are JSON lines: {"read": path} decodes a file; {"open": {...}} opens a stream; {"next": {"fresh":
bool}} gives its next frame (fresh: one that came after the request). An answer is {"shape": [...], "bytes":
n, ...} and n bytes, or {"error": ..., "remedy": ..., "lost": bool}.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any, BinaryIO

from appliance.installation import vision_remedy
from appliance.sources.camera_files import MOST_FILE_BYTES, MOST_PIXELS, file_trouble

MOST_MEMORY_BYTES = 4 << 30
LOOK_CAMERA = "Check the camera's power, cable and address, and user and password of a network camera."


class _Refused(Exception):  # noqa: N818
    def __init__(self, reason: str, remedy: str = "", lost: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.lost = reason, remedy, lost


class _Stream:
    """A camera that is read all the time, so that its newest frame is never an old one."""

    def __init__(self, cv2: Any, wish: dict[str, Any]) -> None:
        timeout_ms = round(wish["timeout_s"] * 1000)
        if wish["kind"] == "v4l2":
            if not Path(wish["address"]).exists():
                raise _Refused(f"there is no device {wish['address']}", LOOK_CAMERA, lost=True)
            sizes = [
                (cv2.CAP_PROP_FRAME_WIDTH, wish["width_px"]),
                (cv2.CAP_PROP_FRAME_HEIGHT, wish["height_px"]),
            ]
            options = [value for pair in sizes if pair[1] for value in pair]
            self._capture = cv2.VideoCapture(wish["address"], cv2.CAP_V4L2, options)
        else:
            options = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
            self._capture = cv2.VideoCapture(wish["address"], cv2.CAP_FFMPEG, options)
        if not self._capture.isOpened():
            raise _Refused("it cannot be opened", LOOK_CAMERA, lost=True)
        self._timeout_s = float(wish["timeout_s"])
        self._changed = threading.Condition()
        self._newest: tuple[int, int, Any] | None = None  # number, monotonic ns, pixels
        self._given, self._ended = 0, False
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, fresh: bool) -> tuple[Any, int, int]:
        """(pixels, monotonic ns at which they came, frames that nobody asked for in between)."""
        asked_ns = time.monotonic_ns()

        def there() -> bool:
            newest = self._newest
            new = newest is not None and newest[0] > self._given and (not fresh or newest[1] >= asked_ns)
            return new or self._ended

        until_s = time.monotonic() + self._timeout_s
        with self._changed:
            while not there() and (left_s := until_s - time.monotonic()) > 0.0:
                self._changed.wait(left_s)
            if not there():
                raise _Refused(f"no frame for {self._timeout_s:g} s", LOOK_CAMERA, lost=True)
            newest = self._newest
            if newest is None or newest[0] <= self._given or (fresh and newest[1] < asked_ns):
                raise _Refused("it delivers no more", LOOK_CAMERA, lost=True)
            skipped, self._given = newest[0] - self._given - 1, newest[0]
            return newest[2], newest[1], skipped

    def _read(self) -> None:
        number = 0
        while True:
            whole, pixels = self._capture.read()
            with self._changed:
                if not whole:
                    self._ended = True
                    self._changed.notify_all()
                    return
                number += 1
                self._newest = (number, time.monotonic_ns(), pixels)
                self._changed.notify_all()


def main() -> int:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not fall among the answers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ["OPENCV_IO_MAX_IMAGE_PIXELS"] = str(MOST_PIXELS)
    os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    try:
        import cv2
    except ImportError as error:
        missing = f"OpenCV cannot be loaded ({error})"
        _answer(answers, {"error": missing, "remedy": vision_remedy(), "lost": True})
        return 1
    cv2.setNumThreads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    stream: _Stream | None = None
    colour = False
    for line in sys.stdin.buffer:
        try:
            asked = json.loads(line)
            if "open" in asked:
                colour = bool(asked["open"]["colour"])
                stream = _Stream(cv2, asked["open"])
                _answer(answers, {"bytes": 0})
            elif "read" in asked:
                _send(answers, _file(cv2, Path(asked["read"]), bool(asked["colour"])))
            elif stream is None:
                raise _Refused("no camera is open", lost=True)
            else:
                pixels, came_ns, skipped = stream.next(bool(asked["next"]["fresh"]))
                picture = _converted(cv2, pixels, colour)
                _send(answers, picture, age_ns=time.monotonic_ns() - came_ns, skipped=skipped)
        except _Refused as refused:
            _answer(answers, {"error": refused.reason, "remedy": refused.remedy, "lost": refused.lost})
        except (MemoryError, cv2.error) as error:
            text = str(error).strip() or type(error).__name__
            _answer(answers, {"error": f"it cannot be decoded ({text[:200]})", "remedy": "", "lost": False})
    return 0


def _file(cv2: Any, path: Path, colour: bool) -> Any:
    """The pixels of a file."""
    import numpy as np

    try:
        if path.stat().st_size > MOST_FILE_BYTES:
            raise _Refused(f"it is larger than {MOST_FILE_BYTES >> 20} MiB")
        content = path.read_bytes()
    except OSError as error:
        raise _Refused(f"it cannot be read: {error.strerror}") from error
    if trouble := file_trouble(content):
        raise _Refused(trouble)
    flag = cv2.IMREAD_COLOR if colour else cv2.IMREAD_GRAYSCALE
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flag)
    if pixels is None:
        raise _Refused("it cannot be decoded")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB) if colour else pixels


def _converted(cv2: Any, pixels: Any, colour: bool) -> Any:
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB) if colour else pixels
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB if colour else cv2.COLOR_BGR2GRAY)


def _send(answers: BinaryIO, picture: Any, **more: int) -> None:
    if picture.size > 3 * MOST_PIXELS:
        raise _Refused(f"it has {picture.size} values, {3 * MOST_PIXELS} are most")
    _answer(answers, {"shape": picture.shape, "bytes": picture.size, **more}, picture.tobytes())


def _answer(answers: BinaryIO, head: dict[str, Any], content: bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n" + content)
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
