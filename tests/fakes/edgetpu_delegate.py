"""The stand-in for the Edge TPU's delegate, compiled for this machine. Stands for no hardware's speed."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.firmware_bridge.c_compiler import ZIG, compiled, gcc

SOURCE = Path(__file__).with_name("edgetpu_delegate.c")


@cache
def delegate_library() -> str:
    """Path of the shared library; gone with the process."""
    folder = tempfile.mkdtemp(prefix="delegate-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(compiled(Path(folder), gcc() or ZIG, "-shared", "-fPIC", SOURCE))
