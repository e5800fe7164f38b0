"""The simulated sensor's own account of what it sent and what it did not: the truth for others.

Duty: JSON lines, each handed to the kernel at once so that it survives `kill -9`, and their sum. Every line
has `t_ns` (monotonic) and one key that says what happened: `started`, `lost`, `corrupted`, `overrun`,
`stalled` (sequence numbers), `totals`, `restarted`, `unplugged`, `fault`, `ended`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Totals:
    """Counts of SAMPLES frames since the simulator began."""

    sent: int = 0  # went into the FIFO whole and undamaged
    lost: int = 0  # on purpose: numbered, never sent
    corrupted: int = 0  # on purpose: one bit flipped on the line
    overrun: int = 0  # found no room in the FIFO: the host did not read in time
    stalled: int = 0  # the simulator itself was kept from running for too long
    replies_dropped: int = 0  # answers to commands that found no room


@dataclass
class Truth:
    """What a truth file says."""

    totals: Totals
    last_totals: Totals | None  # as the simulator last wrote them itself
    lost: list[int] = field(default_factory=list)
    corrupted: list[int] = field(default_factory=list)
    overrun: list[int] = field(default_factory=list)
    stalled: list[int] = field(default_factory=list)
    lives: int = 1  # starts of the simulated firmware


class TruthLog:
    """Appends to a truth file, or to nothing."""

    def __init__(self, path: Path | None) -> None:
        self.totals = Totals()
        self._fd: int | None = None
        if path is not None:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    def write(self, now_ns: int, **what: object) -> None:
        """One line, at once in the kernel's hands."""
        if self._fd is not None:
            os.write(self._fd, json.dumps({"t_ns": now_ns, **what}).encode() + b"\n")

    def write_totals(self, now_ns: int, next_sequence: int) -> None:
        """All counts so far."""
        self.write(now_ns, totals=asdict(self.totals), next_sequence=next_sequence)


def read_truth(path: Path) -> Truth:
    """Sum up a truth file; a last line that a kill cut short is left out.

    `lost`, `corrupted`, `overrun`, `stalled` are sequence numbers of the newest life of the device; totals
    are of all.
    """
    truth = Truth(Totals(), None)
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if "restarted" in entry:
            truth.lost, truth.corrupted, truth.overrun, truth.stalled = [], [], [], []
            truth.lives += 1
        for kind in ("lost", "corrupted", "overrun"):
            if kind in entry:
                getattr(truth, kind).append(entry[kind])
                setattr(truth.totals, kind, getattr(truth.totals, kind) + 1)
        if "stalled" in entry:
            truth.stalled += range(entry["stalled"], entry["stalled"] + entry["frames"])
        if "totals" in entry:
            truth.last_totals = Totals(**entry["totals"])
            truth.totals.sent = truth.last_totals.sent
            truth.totals.stalled = truth.last_totals.stalled
            truth.totals.replies_dropped = truth.last_totals.replies_dropped
    return truth
