"""A network camera: Motion JPEG over HTTP, as cheap ones speak it, each frame's number in its pixels."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import numpy as np
import numpy.typing as npt

BOUNDARY = "frame"
SIZE_PX = (48, 64)


def numbered(number: int) -> npt.NDArray[np.uint8]:
    """A frame whose left half is as bright as its number; the right half counts the times it went round."""
    picture = np.full(SIZE_PX, number // 200, np.uint8)
    picture[:, : SIZE_PX[1] // 2] = number % 200
    return picture


class MjpegCamera:
    """Serves frames each `period_s` to whoever connects, all from the same belt."""

    def __init__(self, period_s: float = 0.04) -> None:
        self.period_s = period_s
        self.number = 0
        self.silent = False
        self.connections = 0
        self.requests: list[str] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """The cable is pulled."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import cv2

        self._writers.add(writer)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode())
            self.connections += 1
            writer.write(
                b"HTTP/1.0 200 OK\r\n"
                + f"Content-Type: multipart/x-mixed-replace; boundary={BOUNDARY}\r\n\r\n".encode()
            )
            while True:
                if not self.silent:
                    self.number += 1
                    encoded = bytes(cv2.imencode(".jpg", numbered(self.number))[1])
                    part = (
                        f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(encoded)}\r\n\r\n"
                    )
                    writer.write(part.encode() + encoded + b"\r\n")
                    await writer.drain()
                await asyncio.sleep(self.period_s)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            writer.close()


@contextlib.asynccontextmanager
async def mjpeg_camera(period_s: float = 0.04) -> AsyncIterator[MjpegCamera]:
    camera = MjpegCamera(period_s)
    await camera.start()
    try:
        yield camera
    finally:
        await camera.stop()
