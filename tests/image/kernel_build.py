"""The package's machine code, built from the checkout as `make deb` builds it from its tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from appliance.installation import kernel_settings
from appliance.processor_level import ProcessorLevel

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "deb" / "kernels.py"
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "STETHOS_"))}


def python(*arguments: str, **environment: str) -> str:
    """Standard output of this Python with the checkout's code."""
    done = subprocess.run(
        [sys.executable, "-B", *arguments],
        cwd=ROOT,
        env={**CLEAN, "PYTHONHASHSEED": "0", **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_plan(folder: Path) -> Path:
    """Which kernels an exercise calls, and with what."""
    planned = folder / "plan"
    python(str(SCRIPT), str(ROOT), "plan", str(planned))
    return planned


def compile_kernels(planned: Path, level: ProcessorLevel, folder: Path) -> Path:
    """Machine code of a level in `folder`."""
    python(str(SCRIPT), str(ROOT), "compile", str(planned), level.name, str(folder))
    return folder


def environment_for(folder: Path, level: ProcessorLevel) -> dict[str, str]:
    """What the launcher would set."""
    return kernel_settings(folder, level)


def contents(folder: Path) -> dict[str, Any]:
    """Every file's bytes and time, by name."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }
