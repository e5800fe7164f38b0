"""A camera that delivers frames by itself (V4L2, RTSP, MJPEG over HTTP), as a Camera.

Duty: open it in a process of its own, take a frame at each trigger, say when it is lost. Knows no parts and
no verdicts; the reading of the device is OpenCV's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from appliance.sources.camera import Frame, FrameMissed
from appliance.sources.camera_process import PictureReader, ReaderError
from appliance.sources.camera_trigger import Trigger
from appliance.sources.source import LinkReport, LinkState, SourceLost

START_S = 20.0  # a process with OpenCV on a busy box
SLACK_S = 2.0
AT_ONCE = 100  # triggers that are told as missed before anything else has its turn
OVERTAKEN = "the trigger came while the picture before it was taken"


@dataclass(frozen=True, slots=True)
class StreamAddress:
    """Where a camera is: `kind` "v4l2" with a device, or "network". The password is never shown."""

    kind: str
    address: str
    user: str = ""
    width_px: int = 0  # v4l2: wanted; 0: what the camera gives
    height_px: int = 0

    def with_password(self, password: str) -> str:
        """The address as the reader gets it."""
        if self.kind == "v4l2" or not self.user:
            return self.address
        parts = urlsplit(self.address)
        access = f"{quote(self.user, safe='')}:{quote(password, safe='')}@"
        return parts._replace(netloc=access + parts.netloc).geturl()


class StreamCamera:
    """Implements `camera.Camera`. One call of `frames` is one connection."""

    def __init__(
        self,
        camera_id: str,
        where: StreamAddress,
        trigger: Trigger,
        *,
        colour: bool = False,
        silence_s: float = 5.0,
        password: Callable[[], str] = str,
        reader: PictureReader | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`silence_s`: no frame for so long means that the camera is lost. `password` is read each time."""
        self.camera_id = camera_id
        self._where, self._trigger, self._colour = where, trigger, colour
        self._silence_s, self._password = silence_s, password
        self._reader = reader or PictureReader()
        self._monotonic_ns = monotonic_ns
        self._shots = 0
        self._counts = dict.fromkeys(("connections", "pictures", "frames not wanted", "triggers missed"), 0)
        self._state, self._reason, self._remedy = LinkState.CONNECTING, "", ""

    def report(self) -> LinkReport:
        """State of the link, for an operator."""
        return LinkReport(
            self.camera_id, f"camera {self._where.kind}", self._where.address, self._state, self._reason,
            self._remedy, dict(self._counts),
        )  # fmt: skip

    async def frames(self) -> AsyncIterator[Frame | FrameMissed]:
        """Pictures of one connection. Raises SourceLost."""
        self._state, self._reason, self._remedy = LinkState.CONNECTING, "", ""
        wish = {
            "kind": self._where.kind, "address": self._where.with_password(self._password()),
            "colour": self._colour, "width_px": self._where.width_px, "height_px": self._where.height_px,
            "timeout_s": self._silence_s,
        }  # fmt: skip
        limit_s = self._silence_s + SLACK_S
        try:
            await self._reader.open_stream(wish, limit_s + START_S)
            self._state = LinkState.CONNECTED
            self._counts["connections"] += 1
            self._trigger.begin()
            while True:
                triggered_ns = await self._trigger.wait()
                missed = self._trigger.missed()
                self._counts["triggers missed"] += missed
                for n in range(missed):
                    yield FrameMissed(triggered_ns, self._next_shot(), OVERTAKEN)
                    if n % AT_ONCE == AT_ONCE - 1:  # others have work to do, too
                        await asyncio.sleep(0.0)
                try:
                    read = await self._reader.next_frame(self._trigger.fresh, limit_s)
                except ReaderError as error:
                    if self._trigger.fresh:  # the part was there, and its picture will never be
                        yield FrameMissed(triggered_ns, self._next_shot(), f"the camera is lost: {error}")
                    raise
                self._counts["pictures"] += 1
                self._counts["frames not wanted"] += read.skipped
                came_ns = self._monotonic_ns() - read.age_ns
                yield Frame(triggered_ns if self._trigger.fresh else came_ns, self._next_shot(), read.picture)
        except ReaderError as error:
            self._state = LinkState.LOST if self._state is LinkState.CONNECTED else LinkState.NOT_FOUND
            self._reason, self._remedy = str(error), error.remedy
            raise SourceLost(self.camera_id, self._state, self._reason, self._remedy) from error
        finally:
            await self._reader.close()

    def _next_shot(self) -> str:
        self._shots += 1
        return f"shot {self._shots}"
