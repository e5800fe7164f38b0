"""How long to wait before trying again.

Duty: the arithmetic of exponential back-off with full jitter. Pure: chance is an argument, it never sleeps.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential back-off with full jitter, bounded.

    The wait before attempt n is drawn evenly from [`floor_s`, min(`cap_s`, `base_s` * 2^n)]: many appliances
    that lost one server do not come back in step, and none hammers
    (M. Brooker, "Exponential Backoff And Jitter", AWS, 2015).
    """

    base_s: float = 0.5
    cap_s: float = 30.0
    floor_s: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.floor_s <= self.base_s <= self.cap_s:
            raise ValueError(
                "back-off needs 0 <= floor_s <= base_s <= cap_s, "
                f"got {self.floor_s}, {self.base_s}, {self.cap_s}"
            )

    def ceiling_s(self, failures: int) -> float:
        """Longest wait after so many failures in a row (0 = the first), s."""
        # 2**63 s is beyond any cap; bounding the exponent keeps a year of failures from overflowing.
        return min(self.cap_s, self.base_s * 2.0 ** min(max(failures, 0), 63))

    def delay_s(self, failures: int, chance: float) -> float:
        """Wait before the next attempt, s; `chance` is a draw from [0, 1)."""
        return self.floor_s + chance * (self.ceiling_s(failures) - self.floor_s)
