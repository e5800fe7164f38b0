"""The wall clock of a host whose clock the drill sets: one small file, written here, read by the service.

Duty: `{"ahead_s": 0.0, "disciplined": true}`: how far the clock is ahead of the real one, and whether the
kernel calls it disciplined. Sets no real clock.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from appliance.clock import Discipline


@dataclass(frozen=True, slots=True)
class HostClock:
    """One host's clock."""

    path: Path

    def write(self, ahead_s: float, *, disciplined: bool) -> None:
        """Set the clock: at once and whole for whoever reads."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"ahead_s": ahead_s, "disciplined": disciplined}), encoding="ascii")
        fresh.replace(self.path)

    def wall_ns(self) -> int:
        """UTC ns as the host has it."""
        return time.time_ns() + round(self._read()[0] * 1e9)

    def discipline(self) -> Discipline:
        """What the kernel says of it."""
        return Discipline(self._read()[1])

    def _read(self) -> tuple[float, bool]:
        said = json.loads(self.path.read_text(encoding="ascii"))
        return float(said["ahead_s"]), bool(said["disciplined"])
