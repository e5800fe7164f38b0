"""A folder of whole files as a power cut may leave it: names as well as contents. Pure.

Duty: which names a folder has after a cut, and what lies under each. A name that was given or taken is
certain once the folder was flushed; before that it may be there or not, in any order. Contents are those of
`power_disk`. A name may stand for a file whose content never arrived: then it is empty.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import PurePath

from appliance.drill.power_disk import CutFile, Loss
from appliance.drill.power_trace import Call, Flush, Gone, Truncate, Write


@dataclass(frozen=True, slots=True)
class _Renaming:
    """A name that is gone, and perhaps another that stands for the same file now."""

    name: str
    to: str
    file: CutFile


@dataclass(slots=True)
class Folder:
    """One folder of a service. `take` the calls, then ask what a cut `leaves`."""

    path: str
    _now: dict[str, CutFile] = field(default_factory=dict)
    _certain: dict[str, CutFile] = field(default_factory=dict)
    _pending: list[_Renaming] = field(default_factory=list)

    def take(self, call: Call) -> None:
        """One more call that has returned."""
        if isinstance(call, Flush) and call.path == self.path:
            self._certain = dict(self._now)
            self._pending.clear()
        elif isinstance(call, Write | Truncate) and self._is_inside(call.path):
            name = PurePath(call.path).name
            if name not in self._now:
                self._now[name] = CutFile()
                self._pending.append(_Renaming("", name, self._now[name]))
            self._now[name].pending.append(call)
        elif isinstance(call, Flush) and self._is_inside(call.path):
            self._now[PurePath(call.path).name].flush()
        elif isinstance(call, Gone) and self._is_inside(call.path):
            name, to = PurePath(call.path).name, PurePath(call.to).name
            file = self._now.pop(name, None)
            if file is not None:
                self._pending.append(_Renaming(name, to, file))
                if to:
                    self._now[to] = file

    def leaves(self, loss: Loss, chance: random.Random) -> dict[str, bytes]:
        """The files that the next start finds, were the power cut now."""
        names = dict(self._certain)
        for change in self._pending:
            if loss is Loss.DROPPED or (loss is Loss.REORDERED and chance.random() < 0.5):
                continue
            names.pop(change.name, None)
            if change.to:
                names[change.to] = change.file
        return {name: file.after_cut(loss, chance) or b"" for name, file in names.items()}

    def _is_inside(self, path: str) -> bool:
        return str(PurePath(path).parent) == self.path
