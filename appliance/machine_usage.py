"""Running hours and starts of one machine, from its speed, or from its vibration where no speed is known.

Duty: the arithmetic of one observation after another. Pure: time is an argument, what to count is returned.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.operating_state import NO_TAGS, STOPPED, UNKNOWN_STATES

VIBRATION_PRESENT_MPS2 = 0.15  # RMS; a machine at rest among running neighbours shows some hundredths


@dataclass(frozen=True, slots=True)
class Usage:
    """What to add to a machine's counters."""

    running_h: float = 0.0
    starts: int = 0


class MachineUsage:
    """Follows whether one machine runs; counts only time that data covers."""

    def __init__(self) -> None:
        self.running: bool | None = None  # None: not known yet; the first observation is no start
        self._counted_ns: int | None = None  # up to here

    def observe(
        self, start_ns: int, end_ns: int, operating_state: str, vibration_mps2: float | None
    ) -> Usage:
        """Take the state that data from `start_ns` to `end_ns` shows.

        `vibration_mps2` is the greatest RMS of the machine's channels, None if no window was whole.
        """
        running = _runs(operating_state, vibration_mps2)
        if running is None and vibration_mps2 is None:
            running = self.running  # nothing new is known: it goes on as it was
        if running is None:
            return Usage()
        before, self.running = self.running, running
        begin_ns = start_ns if self._counted_ns is None else max(start_ns, self._counted_ns)
        self._counted_ns = max(end_ns, begin_ns)
        counted_ns = max(0, end_ns - begin_ns) if running else 0
        return Usage(counted_ns / 3.6e12, 1 if running and before is False else 0)


def _runs(operating_state: str, vibration_mps2: float | None) -> bool | None:
    if operating_state == STOPPED:
        return False
    if operating_state and operating_state != NO_TAGS and operating_state not in UNKNOWN_STATES:
        return True
    return None if vibration_mps2 is None else vibration_mps2 >= VIBRATION_PRESENT_MPS2
