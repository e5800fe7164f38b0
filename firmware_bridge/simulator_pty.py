"""The simulated sensor's end of a cable: a pty pair, a link to it, and how much the host has not read.

Duty: system calls around one pty. The kernel would hold some 20 KB for a host that does not read, a UART
does not; so that 4 KiB stay 4 KiB, `unread_bytes` asks the host's side (FIONREAD) and the FIFO counts it as
its own. FIONREAD lags a write by the moment that a kernel thread needs to pass bytes on: until then, what
was just written counts in full. We hold the host's side open, so that a host can come and go; therefore it
never sees a "last close", and `let_others_in` takes away the exclusive mark that a killed host leaves
behind.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import termios
import tty
from pathlib import Path

SETTLE_NS = 2_000_000
READ_BYTES = 4096


class PtyLine:
    """One plugged cable; `close` pulls the plug."""

    def __init__(self, link: Path) -> None:
        """Make the pair and the link. Raises `FileExistsError` if something else than a link has its name."""
        if link.exists() and not link.is_symlink():
            raise FileExistsError(f"{link} exists and is no symbolic link; name another path")
        self._link = link
        self.fd, self._host_fd = os.openpty()
        self.name = os.ttyname(self._host_fd)
        tty.setraw(self._host_fd)
        os.set_blocking(self.fd, False)
        self._written_bytes = 0
        self._written_ns = 0
        fresh = link.with_name(f".{link.name}.{os.getpid()}")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self.name)
        fresh.replace(link)  # at once: a host sees the old name or the new one

    def read(self) -> bytes:
        """What the host has written; b"" if nothing."""
        try:
            return os.read(self.fd, READ_BYTES)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes, now_ns: int) -> int:
        """Pass bytes on; returns how many the kernel took."""
        try:
            n_written = os.write(self.fd, data)
        except BlockingIOError:
            return 0
        if now_ns - self._written_ns > SETTLE_NS:
            self._written_bytes = 0
        self._written_bytes += n_written
        self._written_ns = now_ns
        return n_written

    def unread_bytes(self, now_ns: int) -> int:
        """Bytes that the host has not read, at least; what was written just now counts as unread."""
        answer = array.array("i", [0])
        fcntl.ioctl(self._host_fd, termios.FIONREAD, answer)
        recent = self._written_bytes if now_ns - self._written_ns <= SETTLE_NS else 0
        return max(answer[0], recent)

    def let_others_in(self) -> None:
        """Take back the exclusive mark (TIOCEXCL); a real port loses it with the last close. flock stays."""
        fcntl.ioctl(self._host_fd, termios.TIOCNXCL)

    def close(self) -> None:
        """Pull the plug: the host sees a hang-up, and the link is gone if it is still ours."""
        with contextlib.suppress(OSError):
            if self._link.is_symlink() and str(self._link.readlink()) == self.name:
                self._link.unlink()
        os.close(self.fd)
        os.close(self._host_fd)
