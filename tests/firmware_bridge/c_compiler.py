"""A C compiler for the tests: the machine's gcc, or the one in a wheel where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import firmware_bridge

HEADER_FOLDER = Path(firmware_bridge.__path__[0]) / "firmware"
CACHE_FOLDER = Path(__file__).resolve().parents[2] / ".cache" / "zig"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic")
ZIG = (sys.executable, "-m", "ziglang", "cc")


def gcc() -> tuple[str, ...] | None:
    """The machine's gcc, if it has one."""
    path = shutil.which("gcc")
    return (path,) if path else None


def compiled(folder: Path, compiler: tuple[str, ...], *arguments: str | Path) -> Path:
    """Compile strictly into `folder/program`; a warning fails with the compiler's words."""
    program = folder / "program"
    command = [*compiler, *STRICT, "-O2", f"-I{HEADER_FOLDER}", *map(str, arguments), "-o", str(program)]
    environment = {
        **os.environ,
        "ZIG_LOCAL_CACHE_DIR": str(folder / "zig"),
        "ZIG_GLOBAL_CACHE_DIR": str(CACHE_FOLDER),
    }
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=100)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
    return program
