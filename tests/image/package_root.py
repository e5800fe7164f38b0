"""A clean Debian root with the package installed, read-only while it runs.

Duty: copy the root that `tools/debian_root.sh` makes, install, run commands in it, tell what changed. The
package is `build/stethos_*.deb` (`make deb`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENTER = ROOT / "tools" / "enter_root.sh"
CLEAN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent", "LANG": "C.UTF-8"}


def package(name: str = "stethos") -> Path:
    """The package of this name that was built; skips aloud without one."""
    found = sorted((ROOT / "build").glob(f"{name}_*.deb"))
    if len(found) != 1:
        pytest.skip("NOT TESTED: no package in build/; `make deb-check` builds and tests it")
    return found[0]


def debian_root() -> Path:
    """A clean root that nobody writes into; skips aloud where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can make and enter a Debian root")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("NOT TESTED: this root may not make mounts of its own")
    made = subprocess.run(
        [str(ROOT / "tools" / "debian_root.sh")], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        pytest.skip(f"NOT TESTED: no Debian root: {made.stderr.strip()}")
    return Path(made.stdout.strip())


class PackageRoot:
    """One copy of the root; `install` writes into it, `command` only reads from it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.state = folder / "state"
        folder.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", "--reflink=auto", str(debian_root()), str(self.root)], check=True)

    def chroot(self, *command: str) -> str:
        """Run something that may change the root, as dpkg does; returns what it printed."""
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c",
             'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', str(self.root), *command],
            env={**CLEAN, "DEBIAN_FRONTEND": "noninteractive"}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, deb: Path) -> str:
        """`dpkg -i`, as a person would; and folders for what the service writes."""
        shutil.copy(deb, self.root / deb.name)
        said = self.chroot("dpkg", "-i", f"/{deb.name}")
        (self.root / deb.name).unlink()
        owner = (self.root / "var/lib/stethos").stat()
        for name in ("lib", "cache"):
            (self.state / name).mkdir(parents=True, exist_ok=True, mode=0o700)
            os.chown(self.state / name, owner.st_uid, owner.st_gid)
        return said

    def command(self, *command: str, user: str = "stethos:stethos") -> list[str]:
        """The command line, for this machine, that runs something in the read-only root."""
        return [str(ENTER), str(self.root), str(self.state), user, *command]

    def run(
        self, *command: str, user: str = "stethos:stethos", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*command, user=user),
            env={**CLEAN, **environment}, capture_output=True, text=True, check=False, timeout=110,
        )  # fmt: skip

    def listing(self) -> dict[str, tuple[int, int, int]]:
        """Mode, size and time of change of every file of the root."""
        found = {}
        for path in self.root.rglob("*"):
            stat = path.lstat()
            size = 0 if path.is_dir() else stat.st_size
            found[str(path.relative_to(self.root))] = (stat.st_mode, size, stat.st_ctime_ns)
        return found


def outside(program: Path, script: Path) -> Path:
    """A script that, called inside the root, runs a program of this machine outside of it."""
    home = f"/proc/{os.getpid()}"
    line = f'exec nsenter --mount={home}/ns/mnt --root={home}/root --wd={ROOT} {program} "$@"'
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)
    return script
