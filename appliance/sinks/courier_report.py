"""How the courier stands, in words for the operator.

Duty: the figures and the one sentence of the appliance page's line "central". Counts nothing itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class CourierState(StrEnum):
    STARTING = "starting"
    CONNECTED = "connected"
    UNREACHABLE = "not reachable"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class CourierReport:
    """Figures of the way to the centre.

    `waiting` counts journal sequences: an upper bound; `oldest_s` is the age of the oldest of these records.
    """

    where: str
    state: CourierState
    delivered: int
    waiting: int
    oldest_s: float | None
    held: int
    refused: int
    refused_dropped: int  # older refused records that had to leave the list
    sent_again: int  # refused records that a person has sent again and that wait for it
    last_error: str
    wait_s: float

    @property
    def text(self) -> str:
        """One line: state, what was delivered, what waits and why."""
        parts = [f"{self.where}: {self.state}", f"{self.delivered:,} records delivered"]
        if self.waiting:
            age = "" if self.oldest_s is None else f", the oldest for {_span(self.oldest_s)}"
            parts.append(f"at most {self.waiting:,} wait{age}, kept here")
        if self.sent_again:
            parts.append(f"{self.sent_again:,} refused ones are sent again")
        if self.held:
            parts.append(f"{self.held:,} held back until the clock is trusted")
        if self.refused:
            parts.append(f"{self.refused:,} refused by the centre")
        if self.last_error:
            parts.append(f"last error: {self.last_error}")
        if self.state in (CourierState.UNREACHABLE, CourierState.STOPPED):
            parts.append(f"tries again every {self.wait_s:.0f} s" if self.wait_s >= 1 else "tries again")
        return "; ".join(parts)


def _span(seconds: float) -> str:
    """A span in the unit that matters: "40 s", "12 min", "5.5 h", "3.2 d"."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 5970.0:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800.0 else f"{seconds / 86_400:.1f} d"
