"""The transmit FIFO of a simulated sensor: frames that fit go in whole, others are dropped whole.

Duty: bytes that wait for the line, and the rule of a UART overrun. What the line has taken and nobody has
read still fills the FIFO (`unread_bytes`): between sensor and host there is no more room than this. No I/O.
"""

from __future__ import annotations

DEFAULT_CAPACITY_BYTES = 4096


class UartFifo:
    """Bounded bytes on their way out."""

    def __init__(self, capacity_bytes: int = DEFAULT_CAPACITY_BYTES) -> None:
        self.capacity_bytes = capacity_bytes
        self._held = bytearray()

    def __len__(self) -> int:
        return len(self._held)

    def offer(self, frame: bytes, unread_bytes: int) -> bool:
        """Take a whole frame if it fits beside what is held and what the host has not read; else drop it."""
        if len(self._held) + unread_bytes + len(frame) > self.capacity_bytes:
            return False
        self._held += frame
        return True

    def waiting(self) -> bytes:
        """What waits for the line."""
        return bytes(self._held)

    def taken(self, n_bytes: int) -> None:
        """The line has taken so many bytes from the front."""
        del self._held[:n_bytes]

    def clear(self) -> int:
        """Forget what is held (the plug was pulled); returns how many bytes."""
        n_bytes = len(self._held)
        self._held.clear()
        return n_bytes
