"""Room on the disk that is kept for alarms: a pre-allocated file, given up in pieces when the disk is full.

Duty: allocate, shrink, grow again. Decides nothing about when.
"""

from __future__ import annotations

import os
from pathlib import Path

FILE_NAME = "reserve"
_STEPS = 16
_MIN_STEP_BYTES = 1024 * 1024


class Reserve:
    """The reserve file of one journal folder. Its blocks are allocated, not merely promised."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self.path = folder / FILE_NAME
        self.size_bytes = size_bytes
        # Given up piece by piece: what is freed at once would be free for everybody who fills the disk.
        self._step_bytes = max(_MIN_STEP_BYTES, size_bytes // _STEPS)

    @property
    def held_bytes(self) -> int:
        """Bytes of the disk that are held back now."""
        try:
            return min(self.path.stat().st_blocks * 512, self.path.stat().st_size)
        except OSError:
            return 0

    @property
    def whole(self) -> bool:
        return self.held_bytes >= self.size_bytes

    def free_bytes(self) -> int:
        """What the file system has left for us, the reserve not counted."""
        status = os.statvfs(self.path.parent)
        return status.f_bavail * status.f_frsize

    def release(self) -> bool:
        """Give one piece back to the disk. False when nothing is left to give. Raises OSError."""
        held_bytes = self.held_bytes
        if held_bytes <= 0:
            return False
        os.truncate(self.path, max(0, held_bytes - self._step_bytes))
        return True

    def fill(self, spare_bytes: int = 0) -> bool:
        """Bring the reserve to its full size if that leaves `spare_bytes` free. True when it is whole.

        Raises OSError when the disk refuses for another reason than room.
        """
        if self.whole:
            return True
        if self.free_bytes() < self.size_bytes - self.held_bytes + spare_bytes:
            return False
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self.size_bytes > 0:
                os.posix_fallocate(descriptor, 0, self.size_bytes)
        except OSError as error:
            if error.errno not in {27, 28, 122}:  # EFBIG, ENOSPC, EDQUOT
                raise
            return False
        finally:
            os.close(descriptor)
        return self.whole
