"""Disks as a power cut may leave them, rebuilt from what a service wrote and flushed. Pure.

Duty: which bytes each file has after a cut. A flush that returned covers what was written to its file
before; all that came later may be there, or missing, or torn at a sector, in any order. Knows no database.

A file that was never flushed is not there (its folder's entry need not be, either). What this cannot show
is a disk that lies about its flushes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import PurePath

from appliance.drill.power_trace import Call, Flush, Gone, Truncate, Write

SECTOR_BYTES = 512


class Loss(StrEnum):
    """What becomes of writes that no flush has covered."""

    DROPPED = "dropped"  # none of them arrived
    TORN = "torn"  # all did, the last one up to a sector
    REORDERED = "reordered"  # some did, in no order, some of them torn


@dataclass(slots=True)
class CutFile:
    """One file: what is certain, and what was written since."""

    flushed: bool = False  # ever: else it may be missing altogether
    certain: bytearray = field(default_factory=bytearray)
    pending: list[Write | Truncate] = field(default_factory=list)

    def flush(self) -> None:
        """Everything so far is on the disk."""
        for change in self.pending:
            apply(self.certain, change)
        self.pending.clear()
        self.flushed = True

    def after_cut(self, loss: Loss, chance: random.Random) -> bytes | None:
        """The content that the next start finds; None: no such file."""
        if not self.flushed and loss is not Loss.TORN:
            return None
        content = bytearray(self.certain)
        for number, change in enumerate(self.pending):
            last = number == len(self.pending) - 1
            if loss is Loss.DROPPED:
                break
            if loss is Loss.TORN:
                apply(content, _torn(change, chance) if last else change)
            elif chance.random() < 0.5:
                apply(content, _torn(change, chance) if chance.random() < 0.3 else change)
        return bytes(content)


class Disk:
    """All files of one folder, by name. `take` the calls, then ask what a cut `leaves`."""

    def __init__(self, names: Iterable[str]) -> None:
        """Only files of these names are followed."""
        self._names = frozenset(names)
        self.files: dict[str, CutFile] = {}

    def take(self, call: Call) -> None:
        """One more call that has returned."""
        if isinstance(call, Write | Truncate):
            if (file := self._file(call.path)) is not None:
                file.pending.append(call)
        elif isinstance(call, Flush):
            if (file := self._file(call.path)) is not None:
                file.flush()
        elif isinstance(call, Gone):
            gone = self.files.pop(PurePath(call.path).name, None)
            if gone is not None and (to := PurePath(call.to).name) in self._names:
                self.files[to] = gone

    def leaves(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """The files that the next start finds, were the power cut now."""
        left = {name: file.after_cut(loss, chance) for name, file in self.files.items()}
        return {name: content for name, content in left.items() if content is not None}

    def _file(self, path: str) -> CutFile | None:
        name = PurePath(path).name
        return self.files.setdefault(name, CutFile()) if name in self._names else None


def apply(content: bytearray, change: Write | Truncate) -> None:
    """Do to a content what a call did to its file."""
    if isinstance(change, Truncate):
        del content[change.size_bytes :]
        content.extend(bytes(change.size_bytes - len(content)))
        return
    end = change.offset + len(change.content)
    content.extend(bytes(max(0, end - len(content))))
    content[change.offset : end] = change.content


def _torn(change: Write | Truncate, chance: random.Random) -> Write | Truncate:
    """The first sectors of a write; one sector is written whole or not at all."""
    if isinstance(change, Truncate):
        return change
    sectors = -(-len(change.content) // SECTOR_BYTES)
    return Write(change.path, change.offset, change.content[: chance.randrange(sectors) * SECTOR_BYTES])
