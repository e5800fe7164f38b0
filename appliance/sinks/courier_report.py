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
    """Figures of the way to the centre. `waiting` counts journal sequences: an upper bound."""

    where: str
    state: CourierState
    delivered: int
    waiting: int
    held: int
    refused: int
    last_error: str
    wait_s: float

    @property
    def text(self) -> str:
        """One line: state, what was delivered, what waits and why."""
        parts = [f"{self.where}: {self.state}", f"{self.delivered:,} records delivered"]
        if self.waiting:
            parts.append(f"at most {self.waiting:,} wait, kept here")
        if self.held:
            parts.append(f"{self.held:,} held back until the clock is trusted")
        if self.refused:
            parts.append(f"{self.refused:,} refused by the centre")
        if self.last_error:
            parts.append(f"last error: {self.last_error}")
        if self.state in (CourierState.UNREACHABLE, CourierState.STOPPED):
            parts.append(f"tries again every {self.wait_s:.0f} s" if self.wait_s >= 1 else "tries again")
        return "; ".join(parts)
