"""A disk of the drill's own for the appliance's state: small, so that it can be filled; breakable.

Duty: an ext4 file system in an image file: mount, fill, empty, turn read-only as the kernel does it after an
error, and repair as an operator would. Needs root, mkfs.ext4 and a loop device.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

from appliance.errors import Fatal

SIZE_MIB = 128
_FILLER = "filler"


class SmallDisk:
    """One mounted file system. Blocking throughout."""

    def __init__(self, folder: Path) -> None:
        """`folder` will be its mount point."""
        self.folder = folder
        self._image = folder.with_suffix(".img")
        self._device = ""

    @staticmethod
    def missing() -> str:
        """Why there can be none here; "" if nothing is missing."""
        if os.geteuid() != 0:
            return "it needs root, to mount a disk of its own"
        if shutil.which("mkfs.ext4") is None:
            return "it needs mkfs.ext4 (Debian's package e2fsprogs)"
        return ""

    def make(self) -> None:
        """Create and mount. Raises Fatal."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._image.open("wb") as file:
            file.truncate(SIZE_MIB << 20)
        _run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0", str(self._image))
        self._mount()

    def fill(self) -> None:
        """Write until there is no room left."""
        with (self.folder / _FILLER).open("wb", buffering=0) as file:
            for size_bytes in (1 << 20, 4096, 512):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size_bytes)) == size_bytes:
                        pass

    def empty(self) -> None:
        """Remove what filled it."""
        (self.folder / _FILLER).unlink(missing_ok=True)

    def break_down(self) -> str:
        """Let the kernel find an error: from now on the disk is read-only. Returns why not, or nothing."""
        trigger = Path("/sys/fs/ext4") / Path(self._device).name / "trigger_fs_error"
        try:
            trigger.write_text("drill\n")
        except OSError as error:
            return f"{trigger}: {error.strerror}"
        return ""

    def repair(self) -> None:
        """Unmount, check, mount: nobody may have files open on it. Raises Fatal."""
        _run("umount", str(self.folder))
        subprocess.run(["e2fsck", "-p", "-f", str(self._image)], capture_output=True, check=False)
        self._mount()

    def remove(self) -> None:
        """Unmount for good."""
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)
        self._image.unlink(missing_ok=True)

    def _mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self._image), str(self.folder))
        for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
            device, where, *_ = line.split()
            if where == str(self.folder):
                self._device = device


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise Fatal(f"{' '.join(command)}: {ran.stderr.strip()}")
