"""Real disks for the journal's tests: one too small, one that stops answering."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

_FIFREEZE = 0xC0045877  # linux/fs.h
_FITHAW = 0xC0045878


@contextlib.contextmanager
def small_disk(folder: Path, size_mib: int) -> Iterator[Path]:
    """A memory disk of this size. Needs the right to mount."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "stethos-test", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        pytest.skip(f"NOT TESTED: a real full disk needs the right to mount ({made.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class FreezableDisk:
    """An ext4 file system of its own, whose writes can be made to hang as on a dying disk."""

    def __init__(self, mount_point: Path) -> None:
        self.mount_point = mount_point
        self._frozen = False

    def freeze(self) -> None:
        self._ioctl(_FIFREEZE)
        self._frozen = True

    def thaw(self) -> None:
        if self._frozen:
            self._ioctl(_FITHAW)
            self._frozen = False

    def _ioctl(self, request: int) -> None:
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, request, 0)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def freezable_disk(folder: Path) -> Iterator[FreezableDisk]:
    """Needs root, a loop device and mkfs.ext4."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("NOT TESTED: a disk that hangs for real needs root and mkfs.ext4")
    folder.mkdir()
    image = folder.with_suffix(".img")
    with image.open("wb") as file:
        file.truncate(32 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    made = subprocess.run(
        ["mount", "-o", "loop", str(image), str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"NOT TESTED: a disk that hangs for real needs a loop device ({made.stderr.strip()})")
    disk = FreezableDisk(folder)
    try:
        yield disk
    finally:
        disk.thaw()
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write until the disk has no room left."""
    with path.open("wb", buffering=0) as file:
        for size_bytes in (1024 * 1024, 4_096, 512):
            with contextlib.suppress(OSError):
                while True:
                    if file.write(bytes(size_bytes)) < size_bytes:
                        break


def remount(folder: Path, how: str) -> None:
    """`ro` or `rw`, as a kernel does that meets an error, or a person that has mended it."""
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)
