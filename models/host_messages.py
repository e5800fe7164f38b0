"""What the model host and its children say to one another: messages of 16 bytes, memory that both see.

Duty: the layout, once for both sides. A message is one packet; the batch and the scores lie in a memory file
whose size nobody can change any more, so that neither side can be made to touch what is not there.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import socket
import struct
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from dsp.samples import Float32Array

_HEADER = struct.Struct("<IIII")
_MAX_TEXT_BYTES = 1000
_LENGTH = struct.Struct("<Q")
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class Kind(IntEnum):
    """What a message says."""

    INFER = 1  # to the child: n_items lie in the input area
    LOADED = 2  # from the child: the model ran once
    REFUSED = 3  # the model could not be loaded; text says why
    SCORES = 4  # n_items scores lie in the output area
    FAILED = 5  # the call failed; text says why


_INFER, _SCORES = int(Kind.INFER), int(Kind.SCORES)
_KINDS = {int(kind): kind for kind in Kind}  # looked up at every call: an enumeration's own way is slow


class Message(NamedTuple):
    """One message; `text` only where something failed. A tuple: each call makes four of them."""

    kind: Kind
    n_items: int = 0
    sequence: int = 0
    text: str = ""

    def packed(self) -> bytes:
        """The message as one packet."""
        if not self.text:
            return _HEADER.pack(self.kind, self.n_items, self.sequence, 0)
        text = self.text.encode(errors="replace")[:_MAX_TEXT_BYTES]
        return _HEADER.pack(self.kind, self.n_items, self.sequence, len(text)) + text


def request(n_items: int, sequence: int) -> bytes:
    """`Message(Kind.INFER, n_items, sequence)` as one packet, without the message."""
    return _HEADER.pack(_INFER, n_items, sequence, 0)


def answer(n_items: int, sequence: int) -> bytes:
    """`Message(Kind.SCORES, n_items, sequence)` as one packet, without the message."""
    return _HEADER.pack(_SCORES, n_items, sequence, 0)


def receive(from_socket: socket.socket, flags: int = 0) -> Message | None:
    """The next message; None where the other side is gone, or speaks what is no message.

    Raises BlockingIOError where none came within the socket's time, or is there already, by `flags`.
    """
    try:
        packet = from_socket.recv(_HEADER.size + _MAX_TEXT_BYTES, flags)
    except BlockingIOError:
        raise
    except OSError:
        return None
    if len(packet) < _HEADER.size:
        return None
    number, n_items, sequence, length = _HEADER.unpack_from(packet)
    kind = _KINDS.get(number)
    if kind is None:
        return None
    text = packet[_HEADER.size :][:length].decode(errors="replace") if length else ""
    return Message(kind, n_items, sequence, text)


def limit_receiving(on_socket: socket.socket, seconds: float) -> None:
    """Let the kernel itself end a wait for a message: with a poll before, there would be two calls to it."""
    whole = int(seconds)
    limit = struct.pack("@ll", whole, round((seconds - whole) * 1e6))
    on_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)


class SharedArea:
    """A memory file with room for a batch and its outputs."""

    def __init__(self, fd: int, max_items: int, item_values: int, output_values: int = 1) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, _area_bytes(max_items, item_values, output_values))
        values = np.frombuffer(self._map, dtype=np.float32)
        n = max_items * item_values
        self.inputs: Float32Array = values[:n].reshape(max_items, item_values)
        self.outputs: Float32Array = values[n:].reshape(max_items, output_values)

    @classmethod
    def made(cls, max_items: int, item_values: int, output_values: int = 1) -> SharedArea:
        """A new one. Raises OSError."""
        fd = os.memfd_create("stethos-batch", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(fd, _area_bytes(max_items, item_values, output_values))
            fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS)
            return cls(fd, max_items, item_values, output_values)
        except BaseException:
            os.close(fd)
            raise

    def close(self) -> None:
        """Give the memory back, once no view of it is left."""
        del self.inputs, self.outputs
        with contextlib.suppress(BufferError):  # somebody still holds a view: it goes with that
            self._map.close()
        os.close(self.fd)


def _area_bytes(max_items: int, item_values: int, output_values: int) -> int:
    return 4 * max_items * (item_values + output_values)


def sealed(head: bytes, body: bytes) -> int:
    """File descriptor of a memory file that holds both and that nobody can change. Raises OSError."""
    fd = os.memfd_create("stethos-model", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        with open(fd, "wb", closefd=False) as file:
            for part in (_LENGTH.pack(len(head)), head, body):
                file.write(part)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SIZE_SEALS | fcntl.F_SEAL_WRITE)
    except BaseException:
        os.close(fd)
        raise
    return fd


def unsealed(fd: int) -> tuple[bytes, bytes]:
    """The two parts of a memory file of `sealed`; closes it."""
    os.lseek(fd, 0, os.SEEK_SET)
    with open(fd, "rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        return file.read(length), file.read()
