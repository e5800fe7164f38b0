"""Which runtime is asked next, when a lost one is taken back: the model host's decisions, without its hands.

Duty: the state of every tier (a backend in its own process), the share of a deadline each is given, back-off,
and the report of every climb down and up. Starts nothing, measures no time, computes no score: `ModelHost`
does what `orders` says and tells what came of it. A tier:

    down --due--> starting --loaded--> checking --passed--> serving
                                           ^                   | late
                                           +--- answered late -+ (late)
    any --failed--> down, until the back-off is over

Nothing serves that did not pass the parity check since it was last loaded, or last late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

_SECOND_NS = 1_000_000_000


class TierState(StrEnum):
    """Where a tier is on its way to serving."""

    DOWN = "down"  # has no process; started again when the back-off is over
    STARTING = "starting"  # its process loads the model
    CHECKING = "checking"  # loaded; the golden vectors are to be run
    SERVING = "serving"
    LATE = "late"  # a call is past its time; its answer may still come


class Action(StrEnum):
    """What the host is to do with a tier's process."""

    START = "start"
    CHECK = "check"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ChainRules:
    """Times of a chain, ns."""

    deadline_ns: int = 160_000_000  # of one call, over all tiers: one hop
    share: float = 0.5  # of what is left of the deadline, for each tier: the rest is for those behind it
    start_limit_ns: int = 60 * _SECOND_NS  # from process to loaded model: engines may be compiled on the way
    check_limit_ns: int = 5 * _SECOND_NS  # of a parity check
    lates: int = 3  # so many late calls without a stable time between them are a failure
    hang_ns: int = 2 * _SECOND_NS  # late for so long is hanging
    backoff_ns: int = _SECOND_NS  # after the first failure; doubled with each in a row
    backoff_cap_ns: int = 300 * _SECOND_NS
    stable_ns: int = 60 * _SECOND_NS  # serving for so long, the failures before are forgotten

    def __post_init__(self) -> None:
        if not 0.0 < self.share <= 0.5:
            raise ValueError(
                f"share is {self.share}; a tier gets above 0 and at most half (0.5) of what is left"
            )


class Attempt(NamedTuple):
    """One tier to be asked, and for how long. A tuple: each call makes one."""

    tier: int
    budget_ns: int


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to be done with a tier's process."""

    action: Action
    tier: int


@dataclass(frozen=True, slots=True)
class Move:
    """The chain's answers come from elsewhere than before."""

    at_ns: int
    from_name: str
    to_name: str
    down: bool  # away from the first choice: worth an alarm
    reason: str


@dataclass(slots=True)
class _Tier:
    name: str
    state: TierState = TierState.DOWN
    since_ns: int = 0
    due_ns: int = 0
    failures: int = 0
    lates: int = 0
    reason: str = "not started yet"


class FallbackChain:
    """The tiers in the order of preference; behind them, what needs no process (`floor`)."""

    def __init__(self, names: Sequence[str], floor: str, rules: ChainRules | None = None) -> None:
        self.rules = rules or ChainRules()
        self.floor = floor
        self._tiers = [_Tier(name) for name in names]
        self._in_use = len(self._tiers)  # the floor serves until a tier has passed its check
        self._moves: list[Move] = []

    def state(self, tier: int) -> TierState:
        """The state of one tier."""
        return self._tiers[tier].state

    def reason(self, tier: int) -> str:
        """Why a tier does not serve, or "" where it does."""
        return "" if self._tiers[tier].state is TierState.SERVING else self._tiers[tier].reason

    @property
    def in_use(self) -> int:
        """Position of the tier that is asked first; the number of tiers where the floor is."""
        return self._in_use

    def name(self, tier: int) -> str:
        """A tier's name; the floor's for the position behind the last."""
        return self._tiers[tier].name if tier < len(self._tiers) else self.floor

    def moves(self) -> list[Move]:
        """What changed since this was asked last, oldest first."""
        moves, self._moves = self._moves, []
        return moves

    def attempt(self, after: int, left_ns: int) -> Attempt | None:
        """Who is asked next behind the tier `after` (-1: who is first), with its share of `left_ns`."""
        for i in range(after + 1, len(self._tiers)):
            if self._tiers[i].state is TierState.SERVING:
                return Attempt(i, int(left_ns * self.rules.share))
        return None

    def attempts(self, left_ns: int) -> list[Attempt]:
        """Who is asked in turn where each uses up its share of what is left by then."""
        found: list[Attempt] = []
        while (one := self.attempt(found[-1].tier if found else -1, left_ns)) is not None:
            found.append(one)
            left_ns -= one.budget_ns
        return found

    def orders(self, now_ns: int) -> list[Order]:
        """What is to be done now. A tier that took too long to start, or hangs, is failed on the way."""
        orders = []
        for i, tier in enumerate(self._tiers):
            waited_ns = now_ns - tier.since_ns
            if tier.state is TierState.STARTING and waited_ns > self.rules.start_limit_ns:
                self.failed(i, f"was not ready after {waited_ns / _SECOND_NS:.0f} s", now_ns)
                orders.append(Order(Action.STOP, i))
            elif tier.state is TierState.LATE and waited_ns > self.rules.hang_ns:
                self.failed(i, f"gave no answer for {waited_ns / _SECOND_NS:.1f} s: it hangs", now_ns)
                orders.append(Order(Action.STOP, i))
            elif tier.state is TierState.DOWN and now_ns >= tier.due_ns:
                orders.append(Order(Action.START, i))
            elif tier.state is TierState.CHECKING:
                orders.append(Order(Action.CHECK, i))
        return orders

    def started(self, tier: int, now_ns: int) -> None:
        """Its process was started."""
        self._enter(tier, TierState.STARTING, now_ns)
        if not self._tiers[tier].failures:
            self._tiers[tier].reason = "is starting"

    def loaded(self, tier: int, now_ns: int) -> None:
        """Its process holds the model."""
        self._enter(tier, TierState.CHECKING, now_ns)

    def passed(self, tier: int, now_ns: int) -> None:
        """It gave what the golden vectors say, and serves from now on."""
        if self._tiers[tier].state is not TierState.CHECKING:
            raise ValueError(f"tier {self.name(tier)!r} is {self._tiers[tier].state}, not being checked")
        self._enter(tier, TierState.SERVING, now_ns)
        self._choose("passed its parity check", now_ns)

    def late(self, tier: int, now_ns: int) -> None:
        """A call was not answered in its time. The tier is not asked before its answer came and was checked.

        Late again and again is a failure: the tier is down then, and its process is to be stopped.
        """
        one = self._tiers[tier]
        self._forget_after_a_stable_time(one, now_ns)
        one.lates += 1
        one.reason = "was late"
        if one.lates >= self.rules.lates:
            self.failed(tier, f"was late {one.lates} times", now_ns)
            return
        self._enter(tier, TierState.LATE, now_ns)
        self._choose(f"{self.name(tier)} was late", now_ns)

    def answered_late(self, tier: int, now_ns: int) -> None:
        """The answer of a late call came after all."""
        if self._tiers[tier].state is TierState.LATE:
            self._enter(tier, TierState.CHECKING, now_ns)

    def failed(self, tier: int, reason: str, now_ns: int) -> None:
        """It died, was refused, failed or gave a wrong answer: down, for longer after each failure."""
        one = self._tiers[tier]
        if one.state is TierState.DOWN:
            return
        self._forget_after_a_stable_time(one, now_ns)
        wait_ns = min(self.rules.backoff_cap_ns, self.rules.backoff_ns << min(one.failures, 40))
        one.failures += 1
        one.lates = 0
        one.reason = reason
        one.due_ns = now_ns + wait_ns
        self._enter(tier, TierState.DOWN, now_ns)
        self._choose(f"{one.name} {reason}", now_ns)

    def _forget_after_a_stable_time(self, one: _Tier, now_ns: int) -> None:
        if one.state is TierState.SERVING and now_ns - one.since_ns >= self.rules.stable_ns:
            one.failures = one.lates = 0

    def _enter(self, tier: int, state: TierState, now_ns: int) -> None:
        self._tiers[tier].state = state
        self._tiers[tier].since_ns = now_ns

    def _choose(self, reason: str, now_ns: int) -> None:
        serving = [i for i, tier in enumerate(self._tiers) if tier.state is TierState.SERVING]
        best = serving[0] if serving else len(self._tiers)
        if best == self._in_use:
            return
        down = best > self._in_use
        self._moves.append(Move(now_ns, self.name(self._in_use), self.name(best), down, reason))
        self._in_use = best
