"""A hybrid logical clock: orders what happens on the box and at the centre although their clocks differ.

Duty: stamps that never go back and come after every stamp that was seen, yet stay close to wall time
(S. Kulkarni et al., "Logical Physical Clocks", OPODIS 2014). Pure: wall time is an argument.
"""

from __future__ import annotations

from appliance.alarms.acts import EventMark, HybridStamp

# A stranger's stamp that lies further ahead is not taken up: one wrong clock must not carry all others away.
MOST_AHEAD_NS = 3_600 * 1_000_000_000


class HybridClock:
    """The clock of one origin; its marks count up from 1."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self._latest = HybridStamp()
        self._sequence = 0

    @property
    def latest(self) -> HybridStamp:
        """The greatest stamp given or seen so far."""
        return self._latest

    def tick(self, wall_ns: int) -> HybridStamp:
        """The stamp of what happens now: after all that were given or seen, whatever the wall clock says."""
        if wall_ns > self._latest.wall_ns:
            self._latest = HybridStamp(wall_ns, 0)
        else:
            self._latest = HybridStamp(self._latest.wall_ns, self._latest.logical + 1)
        return self._latest

    def mark(self, wall_ns: int) -> EventMark:
        """A new event of this origin."""
        self._sequence += 1
        return EventMark(self.tick(wall_ns), self.origin, self._sequence)

    def recall(self, stamp: HybridStamp) -> None:
        """A stamp that this box gave before its restart: what comes now comes after it."""
        self._latest = max(self._latest, stamp)

    def observe(self, stamp: HybridStamp, wall_ns: int) -> bool:
        """A stamp of another origin was seen. False: it lies too far ahead to be taken up."""
        if stamp.wall_ns > max(wall_ns, self._latest.wall_ns) + MOST_AHEAD_NS:
            return False
        self.recall(stamp)
        return True
