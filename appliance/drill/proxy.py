"""The line between the appliance and the centre, in the drill's hands: a small HTTP proxy on loopback.

Duty: passes requests on to the real InfluxDB, or does with them what a bad network, a busy server or a lying
proxy does. It is a witness, too: it notes when the real server confirmed which record. Knows no appliance.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import re
import socket
import struct
import time
import zlib
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

MOST_HEAD_BYTES = 64 * 1024
ANSWER_WAIT_S = 30.0
LONGEST_HOLD_S = 120.0
CHUNK_BYTES = 2048
_SEQUENCE = re.compile(rb"[ ,]sequence=(\d+)i")
_VALUE = re.compile(rb"[ ,]value=([0-9.eE+-]+)")
_CHANNEL = re.compile(rb",channel=([^, ]+)")


class Line(StrEnum):
    """What the line does with a request."""

    OPEN = "open"
    BLACK_HOLE = "black hole"  # taken, never answered
    RESET = "reset"  # cut as soon as it is there
    SLOW = "slow"  # a few kB/s
    LATE = "late"  # delivered, but the answer comes after the appliance's patience
    FORGET = "forget"  # answered 204 and thrown away
    BUSY = "busy"  # 429 with Retry-After
    UNAVAILABLE = "unavailable"  # 503 with Retry-After


@dataclass(slots=True)
class Traffic:
    """What went over the line."""

    requests: int = 0
    confirmed: int = 0  # by the real server
    forgotten: int = 0
    refused: int = 0
    cut: int = 0
    to_centre_bytes: int = 0


class Proxy:
    """A proxy in front of `upstream`; set `line` at any time."""

    def __init__(
        self, upstream: str, *, retry_after_s: float = 1.0, slow_bytes_per_s: float = 4000.0
    ) -> None:
        address = urlsplit(upstream)
        self._host, self._port = str(address.hostname), int(address.port or 80)
        self._retry_after_s, self._slow_bytes_per_s = retry_after_s, slow_bytes_per_s
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.late_s = 4.0
        self.line = Line.OPEN
        self.traffic = Traffic()
        self.confirmed_s: dict[
            tuple[str, str], float
        ] = {}  # (measurement, what) -> monotonic s, the last time
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def unconfirm_after(self, since_s: float) -> None:
        """The server has lost what it confirmed later than that: none of it counts as arrived."""
        self.confirmed_s = {what: at_s for what, at_s in self.confirmed_s.items() if at_s <= since_s}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ValueError):
            self.traffic.cut += 1
        finally:
            self._open.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may follow on this connection."""
        head = b"" if self._cuts() else await reader.readuntil(b"\r\n\r\n")
        if self._cuts():
            return self._reset(writer)
        length = int(_header(head, b"content-length") or 0)
        if self.line is Line.SLOW:
            await asyncio.sleep(length / self._slow_bytes_per_s)
        body = await reader.readexactly(length)
        self.traffic.requests += 1
        line = self.line
        if line is Line.BLACK_HOLE:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_HOLD_S):
                    await reader.read(1)  # until the other side gives up
            return False
        if line is Line.FORGET and b"/write" in head.split(b"\r\n", 1)[0]:
            self.traffic.forgotten += 1
            return await _say(writer, 204, b"No Content")
        if line in (Line.BUSY, Line.UNAVAILABLE):
            self.traffic.refused += 1
            status, words = (
                (429, b"Too Many Requests") if line is Line.BUSY else (503, b"Service Unavailable")
            )
            return await _say(writer, status, words, b"Retry-After: %d" % max(1, round(self._retry_after_s)))
        answer = await self._ask(head, body)
        if answer is None:
            return await _say(writer, 502, b"Bad Gateway")
        if answer.startswith(b"HTTP/1.1 204") and b"/write" in head.split(b"\r\n", 1)[0]:
            self._note(head, body)
        if line is Line.LATE:
            await asyncio.sleep(self.late_s)
        if line is Line.SLOW:
            for start in range(0, len(answer), CHUNK_BYTES):
                writer.write(answer[start : start + CHUNK_BYTES])
                await writer.drain()
                await asyncio.sleep(CHUNK_BYTES / self._slow_bytes_per_s)
        else:
            writer.write(answer)
            await writer.drain()
        return False  # the server was asked to close; so do we

    async def _ask(self, head: bytes, body: bytes) -> bytes | None:
        """The real server's whole answer; None if there is none."""
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
        wanted = b"\r\n".join([*lines[:-2], b"Connection: close", b"", b""])
        try:
            async with asyncio.timeout(ANSWER_WAIT_S):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                try:
                    writer.write(wanted + body)
                    await writer.drain()
                    self.traffic.to_centre_bytes += len(body)
                    return await reader.read() or None
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return None

    def _note(self, head: bytes, body: bytes) -> None:
        """The real server has confirmed these lines."""
        now_s = time.monotonic()
        self.traffic.confirmed += 1
        with contextlib.suppress(OSError, EOFError, zlib.error):
            text = gzip.decompress(body) if b"gzip" in (_header(head, b"content-encoding") or b"") else body
            for line in text.splitlines():
                if (what := identity(line)) is not None:
                    self.confirmed_s[what] = now_s

    def _cuts(self) -> bool:
        return self.line is Line.RESET

    def _reset(self, writer: asyncio.StreamWriter) -> bool:
        """Close so that the other side sees a reset (RST), not an end."""
        self.traffic.cut += 1
        found = writer.get_extra_info("socket")
        if found is not None:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False


def identity(line: bytes) -> tuple[str, str] | None:
    """(measurement, what): an event by its sequence, a process value by channel and value; else None."""
    measurement = line.split(b",", 1)[0].decode("utf-8", "replace")
    if measurement == "process_value":
        channel, value = _CHANNEL.search(line), _VALUE.search(line)
        return None if channel is None or value is None else (channel[1].decode(), repr(float(value[1])))
    found = _SEQUENCE.search(line)
    return None if found is None else (measurement, found[1].decode())


def _header(head: bytes, name: bytes) -> bytes | None:
    for line in head.split(b"\r\n")[1:]:
        key, _, value = line.partition(b":")
        if key.strip().lower() == name:
            return value.strip().lower()
    return None


async def _say(writer: asyncio.StreamWriter, status: int, words: bytes, *headers: bytes) -> bool:
    lines = [b"HTTP/1.1 %d %s" % (status, words), *headers]
    if status != 204:
        lines.append(b"Content-Length: 0")
    writer.write(b"\r\n".join([*lines, b"", b""]))
    await writer.drain()
    return True
