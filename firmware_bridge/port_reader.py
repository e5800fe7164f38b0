"""The process that reads one serial port and nothing else, so that nothing else can delay it.

Duty: opens the port exclusively and raw, reads it, stamps each chunk with CLOCK_MONOTONIC, holds chunks in
a bounded buffer and passes them to its parent over a socket; writes what the parent sends to the port. A
stalled event loop or a held GIL in the parent only lets the buffer grow. Run by `port.py` as a script with
`python -I -S`: imports the standard library alone, and little of it. Ends with its parent: at end of file on
the socket, or when it finds itself adopted. Understands nothing of what it carries.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import resource
import select
import signal
import struct
import sys
import termios
import time
from collections import deque

# What goes to the parent: a header, then so many bytes.
HEADER = struct.Struct("<BxxxIq")  # kind, payload bytes, monotonic ns
OVERFLOW = struct.Struct("<Qq")  # bytes lost, monotonic ns of the last of them
OPENED, CHUNK, LOST, FAILED = 1, 2, 3, 4
# First byte of a FAILED payload; the rest is the reason as text.
NOT_FOUND, BUSY, PERMISSION, UNUSABLE, GONE = 1, 2, 3, 4, 5

MAX_BAUD = 100_000_000
READ_BYTES = 65536
TO_PORT_BYTES = 65536  # more than this is left in the socket, where it holds the writer up
CHUNK_COST_BYTES = 160  # what one chunk costs beside its data: header, objects
PARENT_CHECK_MS = 1000
MAX_RUN_US = 2_000_000

_TCGETS2, _TCSETS2 = 0x802C542A, 0x402C542B  # asm-generic: x86-64 and aarch64 alike
_TERMIOS2 = struct.Struct("<4I20B2I")
_BOTHER, _CBAUD = 0o010000, 0o010017


class ReaderFailure(Exception):  # noqa: N818 - this file stands alone
    """Why the port cannot be used, as the parent is told."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def open_raw(path: str, baud: int) -> int:
    """A file descriptor of the port: locked for us alone, raw, 8N1, non-blocking, input flushed."""
    if not 0 < baud <= MAX_BAUD:
        raise ReaderFailure(UNUSABLE, f"{baud} baud is no speed of a serial port")
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise _failure_of(error) from error
    try:
        if not os.isatty(fd):
            raise ReaderFailure(UNUSABLE, "not a serial port")
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # against those who ask, as pyserial and we do
        fcntl.ioctl(fd, termios.TIOCEXCL)  # against those who do not
        _set_raw(fd, baud)
        termios.tcflush(fd, termios.TCIOFLUSH)
    except ReaderFailure:
        os.close(fd)
        raise
    except (OSError, termios.error) as error:
        os.close(fd)
        raise _failure_of(error) from error
    return fd


def _failure_of(error: OSError | termios.error) -> ReaderFailure:
    number = error.args[0] if error.args else 0
    text = os.strerror(number) if isinstance(number, int) else str(error)
    if number in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EIO):
        return ReaderFailure(NOT_FOUND, text)
    if number in (errno.EBUSY, errno.EWOULDBLOCK):
        return ReaderFailure(BUSY, "another process holds it")
    if number in (errno.EACCES, errno.EPERM):
        return ReaderFailure(PERMISSION, text)
    return ReaderFailure(UNUSABLE, text)


def _set_raw(fd: int, baud: int) -> None:
    control = termios.CS8 | termios.CREAD | termios.CLOCAL  # no HUPCL: closing must not reset the sensor
    speed = getattr(termios, f"B{baud}", None)
    characters = list(termios.tcgetattr(fd)[6])
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    standard = speed if speed is not None else termios.B38400
    termios.tcsetattr(fd, termios.TCSANOW, [0, 0, control, 0, standard, standard, characters])
    if speed is None:  # a rate without a name, such as 3,200,000
        current = list(_TERMIOS2.unpack(fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2.size))))
        current[2] = (current[2] & ~_CBAUD) | _BOTHER
        current[-2] = current[-1] = baud
        fcntl.ioctl(fd, _TCSETS2, _TERMIOS2.pack(*current))


def speed_of(fd: int) -> int:
    """The speed that a port really has."""
    return int(_TERMIOS2.unpack(fcntl.ioctl(fd, _TCGETS2, bytes(_TERMIOS2.size)))[-1])


def raise_priority() -> str:
    """Ask to be scheduled before others; says what was granted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    except OSError:
        pass
    else:
        # A mistake of ours must not take a core for ever: no real-time run without a pause beyond this.
        resource.setrlimit(resource.RLIMIT_RTTIME, (MAX_RUN_US, MAX_RUN_US))
        return "real-time"
    try:
        os.setpriority(os.PRIO_PROCESS, 0, -10)
    except OSError:
        return "normal"
    return "raised"


class Outbox:
    """Records on their way to the parent, in order, in bounded memory; what does not fit is counted."""

    def __init__(self, socket_fd: int, limit_bytes: int) -> None:
        self._socket_fd = socket_fd
        self._limit_bytes = limit_bytes
        self._records: deque[bytes] = deque()
        self._sent_of_first = 0
        self._held_bytes = 0
        self._lost_bytes = 0
        self._lost_first_ns = 0
        self._lost_last_ns = 0

    def __bool__(self) -> bool:
        return bool(self._records) or self._lost_bytes > 0

    def put_chunk(self, data: bytes, now_ns: int) -> None:
        """Hold a chunk for the parent, or count it as lost if the buffer is full."""
        # Once full, take nothing until an eighth is free: one long hole instead of a thousand short ones.
        limit_bytes = self._limit_bytes * 7 // 8 if self._lost_bytes else self._limit_bytes
        if self._held_bytes + len(data) + CHUNK_COST_BYTES > limit_bytes:
            if not self._lost_bytes:
                self._lost_first_ns = now_ns
            self._lost_bytes += len(data)
            self._lost_last_ns = now_ns
            return
        self._note_loss()
        self._put(CHUNK, data, now_ns)

    def put(self, kind: int, payload: bytes, now_ns: int) -> None:
        """Hold a record that is never lost (there are few of them)."""
        self._note_loss()
        self._put(kind, payload, now_ns)

    def _note_loss(self) -> None:
        if self._lost_bytes:
            payload = OVERFLOW.pack(self._lost_bytes, self._lost_last_ns)
            self._lost_bytes = 0
            self._put(LOST, payload, self._lost_first_ns)

    def _put(self, kind: int, payload: bytes, now_ns: int) -> None:
        self._records.append(HEADER.pack(kind, len(payload), now_ns) + payload)
        self._held_bytes += len(payload) + CHUNK_COST_BYTES

    def flush(self) -> None:
        """Give the socket what it takes now. Raises `OSError` if the parent is gone."""
        while self:
            if not self._records:
                self._note_loss()  # all that was held is gone out: nothing follows the loss yet
            first = self._records[0]
            try:
                n_sent = os.write(self._socket_fd, memoryview(first)[self._sent_of_first :])
            except BlockingIOError:
                return
            self._sent_of_first += n_sent
            if self._sent_of_first == len(first):
                self._records.popleft()
                self._held_bytes -= len(first) - HEADER.size + CHUNK_COST_BYTES
                self._sent_of_first = 0


def carry(port_fd: int, socket_fd: int, outbox: Outbox) -> None:
    """Move bytes both ways until the port or the parent is gone."""
    parent = os.getppid()
    to_port = bytearray()
    poll = select.poll()
    while True:
        poll.register(port_fd, select.POLLIN | (select.POLLOUT if to_port else 0))
        wants_more = select.POLLIN if len(to_port) < TO_PORT_BYTES else 0
        poll.register(socket_fd, wants_more | (select.POLLOUT if outbox else 0))
        ready = dict(poll.poll(PARENT_CHECK_MS))
        now_ns = time.monotonic_ns()
        if not ready and os.getppid() != parent:
            return
        at_port = ready.get(port_fd, 0)
        if at_port & (select.POLLIN | select.POLLHUP | select.POLLERR | select.POLLNVAL):
            data = _read_port(port_fd)
            now_ns = time.monotonic_ns()
            if data:
                outbox.put_chunk(data, now_ns)
        if at_port & select.POLLOUT and to_port:
            _write_port(port_fd, to_port)
        at_socket = ready.get(socket_fd, 0)
        if at_socket & (select.POLLIN | select.POLLHUP | select.POLLERR):
            command = _read_parent(socket_fd)
            if command is not None:
                if not command:
                    return
                to_port += command
                _write_port(port_fd, to_port)
        outbox.flush()


def _read_port(port_fd: int) -> bytes:
    try:
        data = os.read(port_fd, READ_BYTES)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise ReaderFailure(GONE, os.strerror(error.errno or 0)) from error
    if not data:
        raise ReaderFailure(GONE, "hung up")
    return data


def _write_port(port_fd: int, to_port: bytearray) -> None:
    try:
        n_written = os.write(port_fd, to_port)
    except BlockingIOError:
        return
    except OSError as error:
        raise ReaderFailure(GONE, os.strerror(error.errno or 0)) from error
    del to_port[:n_written]


def _read_parent(socket_fd: int) -> bytes | None:
    """Bytes for the port; b"" when the parent is gone; None when there is nothing to read after all."""
    try:
        return os.read(socket_fd, READ_BYTES)
    except BlockingIOError:
        return None
    except ConnectionError:
        return b""


def main(arguments: list[str]) -> int:
    """`port_reader.py SOCKET_FD PATH BAUD BUFFER_BYTES`; not for use by hand."""
    socket_fd, path, baud, limit_bytes = int(arguments[0]), arguments[1], int(arguments[2]), int(arguments[3])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    gc.disable()  # no cycles are made here
    os.set_blocking(socket_fd, False)
    outbox = Outbox(socket_fd, limit_bytes)
    try:
        try:
            port_fd = open_raw(path, baud)
            outbox.put(OPENED, raise_priority().encode(), time.monotonic_ns())
            outbox.flush()
            carry(port_fd, socket_fd, outbox)
        except ReaderFailure as failure:
            outbox.put(FAILED, bytes([failure.code]) + str(failure).encode(), time.monotonic_ns())
            os.set_blocking(socket_fd, True)  # what was read before the end still goes to the parent
            outbox.flush()
    except (BrokenPipeError, ConnectionError):
        pass  # the parent is gone
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
