"""When a clock that is not trusted is an alarm. Pure: time is an argument.

A clock that cannot be right is one at once. One that is plausible, but that no time server keeps, gets a
grace: after a power cut the time service needs minutes, and nobody has to run for that.
"""

from __future__ import annotations

GRACE_S = 900.0
BACK_S = 60.0  # trusted for this long without a break, and it is over
UNSET = "last known time"  # the clock's own name for a wall clock that cannot be right


class ClockRule:
    """`grace_s` is how long an untrusted clock may stay so; 0: for ever (somebody else keeps it)."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self._grace_s = grace_s
        self._since_ns: int | None = None  # since when it is as it is
        self._trusted: bool | None = None
        self._was_unset = False

    def look(self, trusted: bool, source: str, now_ns: int) -> str | None:
        """The reason of the alarm, "" where there is none, None where what was said last still holds."""
        if trusted is not self._trusted:
            self._trusted, self._since_ns = trusted, now_ns
        elapsed_s = 0.0 if self._since_ns is None else (now_ns - self._since_ns) / 1e9
        if source == UNSET:
            self._was_unset = True
            return "its time cannot be right"
        was_unset, self._was_unset = self._was_unset, False
        if not trusted and 0.0 < self._grace_s <= elapsed_s:
            return f"no time server has kept it for {self._grace_s / 60:.0f} minutes"
        if was_unset or (trusted and elapsed_s >= BACK_S) or (not trusted and self._grace_s <= 0.0):
            return ""
        return None
