"""A state folder in the system's memory, for a start on a disk that takes no write.

Duty: copy what the parts keep beside the journal (accounts, keys, how far each way out is), so that every one
of them opens its files as ever and goes on from there; bring back what a person changed once the disk is
well. Copies nothing of the journal, which is read where it lies and holds what comes in its own memory.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path

from appliance.errors import Fatal

logger = logging.getLogger(__name__)

NAME = "state"
ACCOUNTS = "accounts.json"
JOURNAL = "journal"
_BESIDE_THE_JOURNAL = "webhooks.sqlite*"  # the only files of others that lie in its folder
_PREFIX = "stethos-state-"
_SHARE = 2  # of what is free in memory, one part in so many


def stand_in(state_dir: Path, memory: Path | None) -> Path:
    """A folder with a copy of the state, mode 0700. Raises Fatal where there is no room or nothing to copy.

    `memory` is kept while the service is started anew (systemd's runtime folder): what stands there is newer
    than the disk, and is used as it is. None: a temporary folder of this start alone.
    """
    if not state_dir.is_dir():
        raise Fatal(f"the state folder {state_dir} cannot be used: the disk takes no write")
    try:
        if memory is None:
            place = Path(tempfile.mkdtemp(prefix=_PREFIX)) / NAME
        else:
            place = memory / NAME
            if place.is_dir():
                logger.warning("state in memory goes on folder=%s", place)
                return place
        _copy(state_dir, place)
    except OSError as error:
        raise Fatal(f"the state folder {state_dir} takes no write, nor does {memory}: {error}") from error
    logger.warning("the disk takes no write: state in memory folder=%s", place)
    return place


def _copy(state_dir: Path, place: Path) -> None:
    """Whole or not at all."""
    fresh = place.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    room_bytes = shutil.disk_usage(fresh).free // _SHARE
    for path in sorted(_files(state_dir), key=lambda one: one.stat().st_size):
        size_bytes, copy = path.stat().st_size, fresh / path.relative_to(state_dir)
        if size_bytes > room_bytes:
            logger.error("no room in memory for a copy path=%s bytes=%d", path, size_bytes)
            continue
        room_bytes -= size_bytes
        copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    (fresh / JOURNAL).mkdir(mode=0o700, exist_ok=True)
    fresh.rename(place)


def _files(state_dir: Path) -> list[Path]:
    journal = state_dir / JOURNAL
    own = [path for path in state_dir.rglob("*") if journal not in path.parents]
    found = [*own, *journal.glob(_BESIDE_THE_JOURNAL)]
    # A log's index is of the process that has the file open; a damaged file is nobody's any more.
    return [p for p in found if p.is_file() and not p.name.endswith("-shm") and ".damaged-" not in p.name]


def give_up(state_dir: Path, memory: Path) -> None:
    """The disk takes writes: what an earlier start left in memory ends, if there is something."""
    place = memory / NAME
    if place.is_dir():
        bring_back(place, state_dir)
        shutil.rmtree(place, ignore_errors=True)


def remove_temporary(place: Path) -> None:
    """At the end of a service that has no folder in memory which outlives it."""
    if place.parent.name.startswith(_PREFIX):
        shutil.rmtree(place.parent, ignore_errors=True)


def bring_back(place: Path, state_dir: Path) -> None:
    """Accounts as people changed them meanwhile, back to the disk. All else is behind the disk by what was
    sent meanwhile, and is sent once more, with the same keys."""
    changed, kept = place / ACCOUNTS, state_dir / ACCOUNTS
    try:
        content = changed.read_bytes()
        if kept.is_file() and kept.stat().st_mtime_ns >= changed.stat().st_mtime_ns:
            return
        fresh = kept.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(kept)
    except OSError as error:
        logger.error("accounts changed while the disk took no write are lost reason=%s", error)
