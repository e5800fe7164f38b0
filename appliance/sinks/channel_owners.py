"""Which machine a channel belonged to, from which record on: a record keeps the tag it was first sent with.

Duty: that history, and its file beside the courier's: a few lines, replaced whole and flushed whenever a
channel moves. The courier's file has a copy, and each mends the other: with both gone an old record would go
again under another machine, as another series. Decides nothing of what is sent. Blocking.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)

FILE_NAME = "channel-owners.json"
FORMAT = "channel-owners-1"

History = dict[str, dict[int, str]]
"""Channel -> the sequence from which on it holds -> machine."""


class Owners:
    """Machines by channel and sequence."""

    def __init__(self, history: History) -> None:
        self._known = {channel: sorted(entries.items()) for channel, entries in history.items()}

    def asset_of(self, channel_id: str, sequence: int) -> str:
        """The machine that the channel belonged to when the record was made; "" for an unknown channel."""
        found = ""
        for from_sequence, asset in self._known.get(channel_id, ()):
            if from_sequence <= sequence:
                found = asset
        return found


def with_present(history: History, present: Mapping[str, str], next_sequence: int) -> History:
    """The history with what is configured now, which holds from `next_sequence` on where it is new."""
    grown = {channel: dict(entries) for channel, entries in history.items()}
    for channel, asset in present.items():
        entries = grown.setdefault(channel, {})
        if not entries:
            entries[0] = asset
        elif entries[max(entries)] != asset:
            entries[next_sequence] = asset
    return grown


def united(one: History, other: History) -> History:
    """All that either knows; where both know and differ, `one`."""
    return {channel: other.get(channel, {}) | one.get(channel, {}) for channel in one.keys() | other.keys()}


def read_owners(path: Path) -> History:
    """What the file says; nothing where there is none, or none that can be read, which is told."""
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, expected {FORMAT!r}")
        return {
            str(channel): {int(from_sequence): str(asset) for from_sequence, asset in entries}
            for channel, entries in document["channels"].items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        logger.error("history of the channels' machines cannot be read path=%s reason=%s", path, error)
        return {}


def write_owners(path: Path, history: History) -> None:
    """Replace the file (mode 0600), flushed with its name. Raises OSError."""
    channels = {channel: sorted(entries.items()) for channel, entries in sorted(history.items())}
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "channels": channels}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)  # noqa: PTH105 - atomic, and says so
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
