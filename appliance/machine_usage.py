"""Running hours and starts of one machine, from its speed, or from its vibration where no speed is known.

Duty: the arithmetic between two observations. Pure: time is an argument, what to count is returned.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.operating_state import NO_TAGS, STOPPED, UNKNOWN_STATES

LONGEST_STEP_NS = 5_000_000_000  # a longer pause between observations is not known to be running
VIBRATION_PRESENT_MPS2 = 0.15  # RMS; a machine at rest among running neighbours shows some hundredths


@dataclass(frozen=True, slots=True)
class Usage:
    """What to add to a machine's counters."""

    running_h: float = 0.0
    starts: int = 0


class MachineUsage:
    """Follows whether one machine runs."""

    def __init__(self) -> None:
        self.running: bool | None = None  # None: not known yet; the first observation is no start
        self._seen_ns: int | None = None

    def observe(self, time_ns: int, operating_state: str, vibration_mps2: float | None) -> Usage:
        """Take the state at a time; `vibration_mps2` is the greatest RMS of its channels, None if unknown."""
        running = _runs(operating_state, vibration_mps2)
        before, since_ns = self.running, self._seen_ns
        if running is None or (since_ns is not None and time_ns <= since_ns):
            return Usage()
        self.running, self._seen_ns = running, time_ns
        step_ns = 0 if since_ns is None else time_ns - since_ns
        counted = step_ns if running and before and step_ns <= LONGEST_STEP_NS else 0
        return Usage(counted / 3.6e12, 1 if running and before is False else 0)


def _runs(operating_state: str, vibration_mps2: float | None) -> bool | None:
    if operating_state == STOPPED:
        return False
    if operating_state and operating_state != NO_TAGS and operating_state not in UNKNOWN_STATES:
        return True
    return None if vibration_mps2 is None else vibration_mps2 >= VIBRATION_PRESENT_MPS2
