"""A serial port as the event loop sees it: chunks with the time at which they were read, and a way to write.

Duty: starts the reader process (`port_reader.py`), carries its records to an async iterator and names what
can be wrong with a port. The path may be a symbolic link (`/dev/serial/by-id/...`): whoever lost a port opens
the same path again. Knows nothing of frames, and does not retry.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge import port_reader
from firmware_bridge.errors import (
    PortBusyError,
    PortError,
    PortGoneError,
    PortNotFoundError,
    PortPermissionError,
    PortReaderError,
    PortUnusableError,
)

DEFAULT_BUFFER_BYTES = 64 << 20  # seven minutes of a 3-axis 25.6 kHz sensor
OPEN_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 2.0
QUEUE_HIGH_BYTES = 4 << 20  # in this process; the rest waits in the reader
QUEUE_LOW_BYTES = 1 << 20
FAIRNESS_RECORDS = 32

_ERRORS: dict[int, type[PortError]] = {
    port_reader.NOT_FOUND: PortNotFoundError,
    port_reader.BUSY: PortBusyError,
    port_reader.PERMISSION: PortPermissionError,
    port_reader.UNUSABLE: PortUnusableError,
    port_reader.GONE: PortGoneError,
}


@dataclass(frozen=True, slots=True)
class BufferOverflow:
    """What the reader had to throw away because its buffer was full."""

    bytes_lost: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that were read at once, and when: monotonic ns just after the read."""

    received_ns: int
    data: bytes
    lost_before: BufferOverflow | None = None


@dataclass(slots=True)
class PortCounts:
    """What went through a port since it was opened."""

    chunks: int = 0
    bytes_received: int = 0
    bytes_written: int = 0
    overflows: int = 0
    bytes_lost: int = 0


class Port:
    """An open port. Made by `open_port`."""

    def __init__(self, path: str, link: _ReaderLink, process: asyncio.subprocess.Process) -> None:
        self.path = path
        self.scheduling = ""  # "real-time", "raised" or "normal": what the system granted the reader
        self.reader_pid = process.pid
        self.counts = PortCounts()
        self._link = link
        self._process = process
        self._lost: BufferOverflow | None = None

    async def chunks(self) -> AsyncIterator[Chunk]:
        """All chunks, in order. Raises `PortGoneError` or `PortReaderError` after the last one."""
        while True:
            chunk = await self.read_chunk()
            if chunk is not None:
                yield chunk

    async def read_chunk(self, deadline_ns: int | None = None) -> Chunk | None:
        """The next chunk, or None if there is none by then (monotonic ns). Cancelling loses nothing.

        A chunk that had arrived before the deadline is returned even if the loop was stalled beyond it.
        """
        while True:
            record = await self._link.next_record(deadline_ns)
            if record is None:
                return None
            chunk = self._chunk_of(*record)
            if chunk is not None:
                return chunk

    async def write(self, data: bytes) -> None:
        """Send bytes to the device; waits while the port takes no more. Raises `PortError` if it is gone.

        While not all is read that came before its end, nothing is sent or raised: who reads on hears why.
        """
        if await self._link.write(data):
            self.counts.bytes_written += len(data)

    def _chunk_of(self, kind: int, payload: bytes, at_ns: int) -> Chunk | None:
        if kind == port_reader.FAILED:
            raise _error_of(self.path, payload)
        if kind == port_reader.LOST:
            n_lost, last_ns = port_reader.OVERFLOW.unpack(payload)
            self.counts.overflows += 1
            self.counts.bytes_lost += n_lost
            first_ns = at_ns
            if self._lost is not None:
                n_lost, first_ns = n_lost + self._lost.bytes_lost, self._lost.first_ns
            self._lost = BufferOverflow(n_lost, first_ns, last_ns)
            return None
        self.counts.chunks += 1
        self.counts.bytes_received += len(payload)
        lost, self._lost = self._lost, None
        return Chunk(at_ns, payload, lost)

    async def _wait_opened(self) -> None:
        deadline_ns = round((asyncio.get_running_loop().time() + OPEN_TIMEOUT_S) * 1e9)
        record = await self._link.next_record(deadline_ns)
        if record is None:
            raise PortReaderError(self.path, f"the reader process said nothing for {OPEN_TIMEOUT_S:g} s")
        kind, payload, _ = record
        if kind != port_reader.OPENED:
            raise _error_of(self.path, payload)
        self.scheduling = payload.decode()

    async def _close(self) -> None:
        self._link.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def open_port(
    path: str, baud: int = 3_000_000, buffer_bytes: int = DEFAULT_BUFFER_BYTES
) -> AsyncIterator[Port]:
    """Open a serial port in a process of its own; leaving the block closes it and ends the process.

    Raises the `PortError` that fits: not found, busy, permission, unusable, reader.
    """
    ours, theirs = socket.socketpair()
    link = _ReaderLink(path)
    try:
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", str(Path(port_reader.__file__))),
                *(str(theirs.fileno()), path, str(baud), str(buffer_bytes)),
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
    except OSError as error:
        ours.close()
        raise PortReaderError(path, f"the reader process does not start: {error}") from error
    except BaseException:
        ours.close()
        raise
    port = Port(path, link, process)
    try:
        ours.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=ours)
        await port._wait_opened()
        yield port
    finally:
        await port._close()
        ours.close()


def _error_of(path: str, payload: bytes) -> PortError:
    return _ERRORS.get(payload[0], PortReaderError)(path, payload[1:].decode(errors="replace"))


class _ReaderLink(asyncio.Protocol):
    """Records of the reader process, queued with back-pressure."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._transport: asyncio.Transport | None = None
        self._partial = bytearray()
        self._records: deque[tuple[int, bytes, int]] = deque()
        self._queued_bytes = 0
        self._paused = False
        self._ended = False
        self._taken_without_waiting = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._partial += data
        at = 0
        header = port_reader.HEADER
        while len(self._partial) - at >= header.size:
            kind, n_payload, at_ns = header.unpack_from(self._partial, at)
            end = at + header.size + n_payload
            if len(self._partial) < end:
                break
            self._records.append((kind, bytes(self._partial[at + header.size : end]), at_ns))
            self._queued_bytes += n_payload
            at = end
        del self._partial[:at]
        self._arrived.set()
        if self._queued_bytes > QUEUE_HIGH_BYTES and self._transport is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self._ended = True
        self._arrived.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    async def next_record(self, deadline_ns: int | None) -> tuple[int, bytes, int] | None:
        """The next record, None at the deadline; `PortReaderError` when the reader is gone."""
        if not self._records and not self._ended:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(None if deadline_ns is None else deadline_ns * 1e-9):
                    await self._arrived.wait()
        elif self._records:
            self._taken_without_waiting += 1
            if self._taken_without_waiting % FAIRNESS_RECORDS == 0:
                await asyncio.sleep(0)  # a long backlog must not starve the rest of the loop
        if not self._records:
            if self._ended:
                raise PortReaderError(self._path, "the reader process ended")
            return None
        record = self._records.popleft()
        self._queued_bytes -= len(record[1])
        if self._paused and self._queued_bytes < QUEUE_LOW_BYTES and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return record

    async def write(self, data: bytes) -> bool:
        """Whether anybody took them; `PortReaderError` where nothing is left to read either."""
        await self._writable.wait()
        if self._ended and self._records:
            return False
        if self._ended or self._transport is None:
            raise PortReaderError(self._path, "the reader process ended")
        self._transport.write(data)
        return True

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
