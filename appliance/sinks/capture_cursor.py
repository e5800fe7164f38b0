"""How far captures have gone to the object store, on the disk: place, the day's bytes, what waits or was
refused.

Duty: one small file, replaced whole and flushed. Decides nothing about what goes when.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "object-store.json"
MOST_REFUSED = 1_000
MOST_HELD = 10_000  # the courier goes no further beyond it


@dataclass(frozen=True, slots=True)
class RefusedObject:
    """A captured part that the store refused for good. `refused_ns` is UTC."""

    sequence: int
    key: str
    subject: str
    refused_ns: int
    reason: str


@dataclass(slots=True)
class CursorState:
    """What is kept. `after`: all captures up to this journal sequence are dealt with, but for `held` (their
    time is not known yet) and `again` (refused ones that a person sends again)."""

    after: int = 0
    held: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    refused: list[RefusedObject] = field(default_factory=list)
    refused_dropped: int = 0
    day: str = ""
    spent_bytes: int = 0  # on that day
    delivered: int = 0
    delivered_bytes: int = 0


class CaptureCursor:
    """The file. A damaged one begins anew: what is sent twice overwrites itself."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError where the folder cannot be made."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self.state = self._load()

    def save(self) -> None:
        """Write it down, flushed. Raises OSError."""
        with self._lock:
            while len(self.state.refused) > MOST_REFUSED:
                self.state.refused.pop(0)
                self.state.refused_dropped += 1
            content = json.dumps(asdict(self.state)).encode()
            fresh = self._path.with_suffix(".new")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, self._path)  # noqa: PTH105 - atomic, and says so

    def redrive(self, sequences: Sequence[int] | None) -> int:
        """Let refused parts (None: all) be sent again; how many there were. Raises OSError."""
        with self._lock:
            chosen = [one for one in self.state.refused if sequences is None or one.sequence in sequences]
            self.state.refused = [one for one in self.state.refused if one not in chosen]
            self.state.again += [one.sequence for one in chosen]
        if chosen:
            self.save()
        return len(chosen)

    def _load(self) -> CursorState:
        try:
            document = json.loads(self._path.read_bytes())
            document["refused"] = [RefusedObject(**one) for one in document["refused"]]
            return CursorState(**document)
        except FileNotFoundError:
            return CursorState()
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.error("the object store's cursor cannot be read, all is sent again error=%s", error)
            return CursorState()
