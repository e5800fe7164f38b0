"""When a statement that wavers becomes a condition that stands, and when it is gone."""

from __future__ import annotations

from collections import deque


class Debounce:
    """On after `needed` of the last `of` observations say so; off after `off_after` in a row deny it.

    An observation may do neither (between the limit and the lower limit of the hysteresis): it keeps what is.
    Counts observations, not time: while nothing can be observed (a gap, a machine at rest) nothing changes.
    """

    def __init__(self, needed: int, of: int, off_after: int) -> None:
        if not 1 <= needed <= of or off_after < 1:
            raise ValueError(
                f"debounce of {needed} of {of}, off after {off_after}: 1 <= needed <= of is right"
            )
        self.on = False
        self._needed = needed
        self._recent: deque[bool] = deque(maxlen=of)
        self._off_after = off_after
        self._denials = 0

    def observe(self, says: bool, denies: bool) -> bool:
        """Take one observation; returns whether the condition stands after it."""
        self._recent.append(says)
        self._denials = self._denials + 1 if denies else 0
        if self.on and self._denials >= self._off_after:
            self.on = False
            self._recent.clear()
        elif not self.on and sum(self._recent) >= self._needed:
            self.on = True
            self._denials = 0
        return self.on

    def assume_on(self) -> None:
        """The condition stood before a restart: it stands until it is denied."""
        self.on = True
        self._denials = 0
