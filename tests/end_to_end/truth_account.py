"""What the simulated sensor says of itself, life by life: which frames it sent, which it did not, and why.

Duty: reads a truth file into sequence numbers, so that counts of the appliance can be held against them
exactly. Believes nothing that the appliance says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.end_to_end.told_process import until

SAMPLES_PER_FRAME = 128
# 4 KiB of FIFO and line hold five frames of three axes; a sixth may be half read at the end.
MOST_IN_FLIGHT = 6


@dataclass
class Life:
    """One life of the simulated firmware: sequence numbers start at 0 with it."""

    lost: set[int] = field(default_factory=set)  # on purpose
    overrun: set[int] = field(default_factory=set)  # the host did not read in time
    corrupted: set[int] = field(default_factory=set)  # on purpose; they arrive damaged
    stalled: set[int] = field(default_factory=set)  # the simulator was kept from running
    next_sequence: int = 0
    closed: bool = False  # totals were written after the plug was pulled: `next_sequence` is final

    @property
    def not_sent(self) -> set[int]:
        """Frames that no host can have received whole."""
        return self.lost | self.overrun | self.corrupted | self.stalled

    @property
    def sent(self) -> list[int]:
        """Sequence numbers of the frames that went onto the line whole, in order."""
        return sorted(set(range(self.next_sequence)) - self.not_sent)

    def missing_before(self, n_received: int) -> int:
        """How many frames a host must miss that received the first `n_received` frames that were sent."""
        last = self.sent[n_received - 1]
        first = self.sent[0]
        return sum(first < sequence < last for sequence in self.not_sent)


def read_lives(path: Path) -> list[Life]:
    """Every life of the firmware that the file tells of."""
    lives = [Life()]
    unplugged = False
    for text in path.read_text(encoding="utf-8").splitlines():
        entry: dict[str, Any] = json.loads(text)
        life = lives[-1]
        if "restarted" in entry:
            lives.append(Life())
            unplugged = False
        elif "unplugged" in entry:
            unplugged = True
        elif "totals" in entry:
            life.next_sequence = entry["next_sequence"]
            life.closed = life.closed or unplugged
        elif "stalled" in entry:
            life.stalled.update(range(entry["stalled"], entry["stalled"] + entry["frames"]))
        else:
            for kind in ("lost", "overrun", "corrupted"):
                if kind in entry:
                    getattr(life, kind).add(entry[kind])
    return lives


def closed_life(path: Path) -> Life:
    """The newest life, once it is over (the plug was pulled) and its last totals are written."""
    life: Life = until(lambda: (newest := read_lives(path)[-1]).closed and newest, "the truth is complete")
    return life
