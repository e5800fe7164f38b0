"""When it is an alarm that a network does not answer as it was chosen to, and what the alarm says.

Duty: one slot's standing to a sentence, or to none. Pure; times are given, as text.

A runtime that is late once, or starts for the first time, is no alarm; one that died, hung, lied or was
refused is, until it has passed its parity check again. The sentence names the first reason: what a crash loop
says later is in the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.fallback_chain import TierState

STATISTICAL_WORDS = "the statistical detector"
_PASSING = frozenset({"not started yet", "is starting", "was late"})


@dataclass(frozen=True, slots=True)
class RuntimeStanding:
    """How one runtime of a chain stands; `reason` is empty while it serves."""

    backend: str
    state: TierState
    reason: str


@dataclass(frozen=True, slots=True)
class _Lost:
    since: str
    reason: str


class NetworkRule:
    """The alarm of one slot."""

    def __init__(self) -> None:
        self._lost: dict[str, _Lost] = {}
        self._trouble: _Lost | None = None

    def reason(self, trouble: str, runtimes: Sequence[RuntimeStanding], now: str) -> str:
        """Why the alarm stands, as a part of a sentence; "" where it does not, or it is not known yet.

        `trouble`: why the bundle that is wanted is not in service; `runtimes` of the one that is, in order of
        preference, none where there is none.
        """
        if not trouble:
            self._trouble = None
        elif self._trouble is None or self._trouble.reason != trouble:
            self._trouble = _Lost(now, trouble)
        self._note(runtimes, now)
        said = [] if self._trouble is None else [f"{trouble}, since {self._trouble.since}"]
        for backend, lost in self._lost.items():
            first = " (first choice)" if backend == runtimes[0].backend else ""
            said.append(f"{backend}{first} {lost.reason}, since {lost.since}")
        return "; ".join([*said, f"{answering(runtimes)} answers"]) if said else ""

    def _note(self, runtimes: Sequence[RuntimeStanding], now: str) -> None:
        present = {one.backend for one in runtimes}
        self._lost = {backend: lost for backend, lost in self._lost.items() if backend in present}
        for one in runtimes:
            if one.state is TierState.SERVING:
                self._lost.pop(one.backend, None)
            elif one.reason not in _PASSING and one.backend not in self._lost:
                self._lost[one.backend] = _Lost(now, one.reason)


def answering(runtimes: Sequence[RuntimeStanding]) -> str:
    """Who answers now."""
    return next((one.backend for one in runtimes if one.state is TierState.SERVING), STATISTICAL_WORDS)
