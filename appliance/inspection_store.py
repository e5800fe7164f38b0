"""What was learned of each camera, as a file beside the journal: read at the start, replaced whole.

Duty: one `cameras/ID.npz` per camera. To teach a camera anew, remove its file while the service is stopped.
"""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np

from appliance.inspection_knowledge import CameraKnowledge

logger = logging.getLogger(__name__)

FOLDER = "cameras"
MOST_BYTES = 64 << 20


def knowledge_path(state_dir: Path, camera_id: str) -> Path:
    """Where a camera's file lies."""
    return state_dir / FOLDER / f"{camera_id}.npz"


def restore_knowledge(knowledge: CameraKnowledge, path: Path) -> str:
    """Take up what a file holds; why not, where it cannot be used: nothing is taken over then. Blocking."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return f"{path} is too large for what was learned of a camera"
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            state: dict[str, Any] = {name: arrays[name] for name in arrays.files}
        knowledge.restore(state)
    except FileNotFoundError:
        return ""
    except (
        Exception
    ) as error:  # damage raises what it likes: zlib.error, NotImplementedError, MemoryError ...
        return f"{path} cannot be used ({error or type(error).__name__}): good parts are learned anew"
    return ""


def set_aside(path: Path) -> None:
    """Keep a file that cannot be used beside the one that is learned anew. Blocking; raises nothing."""
    try:
        path.replace(path.with_name(f"{path.name}.damaged"))
    except OSError as error:
        logger.error("what was learned of a camera cannot be set aside path=%s error=%s", path, error)


def keep_knowledge(state: dict[str, Any], path: Path) -> None:
    """Write what was learned, flushed, mode 0600. Blocking; raises OSError."""
    content = io.BytesIO()
    np.savez_compressed(content, **state)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content.getvalue())
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
