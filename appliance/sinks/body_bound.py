"""How large a body the peer takes: learned from its refusals (413), and tried anew after enough that it took.

Duty: one number. A refusal may be a proxy's that is gone tomorrow: the bound doubles after a run of bodies
that filled it, and each try that fails makes the next one come later, so that a lasting bound costs little.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

FIRST_RUN = 32  # bodies in a row that filled the bound, until twice as much is tried
LONGEST_RUN = 4_096


@dataclass(slots=True)
class BodyBound:
    """`most_bytes` of a packed body now, `documented_bytes` at best."""

    documented_bytes: int
    most_bytes: int = 0  # 0: as documented
    _run: int = FIRST_RUN
    _taken: int = 0
    _trying: bool = False

    def __post_init__(self) -> None:
        self.most_bytes = self.most_bytes or self.documented_bytes

    def too_large(self, n_bytes: int) -> None:
        """A body of so many bytes was refused for its size."""
        if self._trying:
            self._run = min(2 * self._run, LONGEST_RUN)
        self.most_bytes, self._taken, self._trying = n_bytes - 1, 0, False

    def taken(self, n_bytes: int) -> None:
        """A body of so many bytes was taken."""
        if self.most_bytes >= self.documented_bytes or 2 * n_bytes <= self.most_bytes:
            return  # there is nothing to try, or it says nothing of the bound
        if self._trying:
            self._run, self._trying = FIRST_RUN, False
        self._taken += 1
        if self._taken >= self._run:
            self.most_bytes = min(2 * self.most_bytes, self.documented_bytes)
            self._taken, self._trying = 0, True
