"""The host's clocks in the hands of a test: a wall clock that is set, a monotonic clock that is not.

`SetClock` runs in real time beside real peers; `StandingClock` moves only when told, so that a step back
meets earlier times to the nanosecond.
"""

from __future__ import annotations

import time

from appliance.clock import Discipline, SystemClock

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS


class SetClock:
    """The host's clocks, moved by a test."""

    def __init__(self, *, disciplined: bool = False) -> None:
        self.monotonic_ahead_ns = 0
        self.wall_ahead_ns = 0
        self.disciplined = disciplined
        self.clock = SystemClock(
            lambda: time.monotonic_ns() + self.monotonic_ahead_ns,
            lambda: time.time_ns() + self.wall_ahead_ns,
            lambda: Discipline(self.disciplined),
        )

    def set_wall(self, ahead_ns: int) -> None:
        """Set the wall clock; the appliance's clock looks at it once a second."""
        self.wall_ahead_ns = ahead_ns
        self.monotonic_ahead_ns += 2 * SECOND_NS

    def lose_battery(self) -> None:
        """The wall clock stands at 1970, and no time server keeps it."""
        self.disciplined = False
        self.set_wall(-time.time_ns())


class StandingClock:
    """Clocks that stand still between steps. `start_ns` is the UTC of monotonic 0."""

    def __init__(self, start_ns: int) -> None:
        self.now_ns = 0
        self.offset_ns = start_ns
        self.disciplined = True
        self.clock = self.started_anew()

    def started_anew(self) -> SystemClock:
        """The clock of another start of the service on this host."""
        return SystemClock(
            lambda: self.now_ns, lambda: self.now_ns + self.offset_ns, lambda: Discipline(self.disciplined)
        )
