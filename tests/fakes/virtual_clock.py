"""A clock that stands still until a test moves it."""

from __future__ import annotations


class VirtualClock:
    """Monotonic nanoseconds under a test's control."""

    def __init__(self, now_ns: int = 1_000_000_000_000) -> None:
        self._now_ns = now_ns

    @property
    def now_ns(self) -> int:
        return self._now_ns

    def advance_ns(self, duration_ns: int) -> int:
        """Let time pass (never back); returns the new time."""
        if duration_ns < 0:
            raise ValueError(f"a monotonic clock does not go back by {-duration_ns} ns")
        self._now_ns += duration_ns
        return self._now_ns

    def advance_s(self, duration_s: float) -> int:
        return self.advance_ns(round(duration_s * 1e9))

    def advance_to_ns(self, now_ns: int) -> int:
        return self.advance_ns(now_ns - self._now_ns)
