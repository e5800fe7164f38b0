"""Whether the limit of one channel keeps its promise: at most so many false alarms a year.

Duty: watch healthy scores after the baseline was learned, say for which rate the limit can vouch, and
settle it once when enough running stands behind it. Raises no alarm, and lowers no limit.

What is watched is the statistic that an alarm needs: the limit at which the sequential test would just stand
in alarm (`cumulative_sum.AlarmLevel`), or a fault's lines would be confirmed
(`fault_confirmation.ConfirmedLevel`). The limit is settled once, upward, at most by half, never while an
alarm or a drift stands or the peaks rise: a slow fault must not become the limit. From then on only a person
changes it. What was watched by another test vouches for nothing: the watch then begins anew.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from models.cumulative_sum import AlarmLevel, CumulativeSumRules
from models.errors import ModelStateError
from models.extreme_limit import RateEstimate, Tail, empirical_rate, fit_tail, least_rate_per_year, span_for
from models.fault_confirmation import ConfirmationRules
from models.peak_stream import PeakStream

MOST_RAISE = 1.5  # times the limit that was learned: 3.5 dB of a score made of levels
_RISING_P = 0.05
_QUIET = 0.5  # of the limit: levels that never leave this half are no tail that could reach it
_LOOK_EVERY_BLOCKS = 24


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """What a limit promises, and what it is watched by."""

    rate_per_year: float  # false alarms: this limit's share of its machine's budget
    block_s: float = 3600.0
    longest_step_s: float = 1200.0
    # of the alarm that is promised
    test: CumulativeSumRules | ConfirmationRules = field(default_factory=CumulativeSumRules)


@dataclass(frozen=True, slots=True)
class LimitStatement:
    """What can be said of a limit. `rate` is None while there are too few peaks."""

    wanted_per_year: float
    span_h: float
    needed_h: float
    peaks: int
    rate: RateEstimate | None
    factor: float  # by which it was settled above what the baseline gave
    provisional: bool

    @property
    def vouched_per_year(self) -> float:
        """The rate that it can vouch for, at 95 % confidence; infinite for none."""
        least = least_rate_per_year(self.span_h)
        return least if self.rate is None else self.rate.upper_per_year

    @property
    def text(self) -> str:
        """What it vouches for, in words; while it is provisional, with how much was watched."""
        if self.rate is None:
            said = "too little healthy running to state a rate of false alarms"
        else:
            said = f"vouches for at most {_rate_words(self.rate.upper_per_year)}"
        share = f"its share is {_rate_words(self.wanted_per_year)}"
        if not self.provisional:
            shown = f"and {self.peaks} peaks" if self.peaks else "never beyond half of it"
            return f"{said}, from {self.span_h:.0f} h {shown}; {share}"
        return f"{said}; watched {self.span_h:.0f} of {self.needed_h:.0f} h; {share}"


class LimitWatch:
    """The peaks of one channel's healthy scores since its baseline was learned."""

    def __init__(self, settings: LimitSettings) -> None:
        self._settings = settings
        self._stream = self._new_stream()
        self._level = AlarmLevel(settings.test) if isinstance(settings.test, CumulativeSumRules) else None
        self.factor = 1.0
        self.settled = False
        self.settled_h = 0.0  # of healthy running, from which it was settled
        self._looked_h = 0.0
        self._tail: Tail | None = None
        self._rate: RateEstimate | None = None  # of the limit in service, by that tail

    @property
    def needed_h(self) -> float:
        """Running time that the promised rate needs behind it."""
        return span_for(self._settings.rate_per_year)

    def observe(self, time_ns: int, score: float, healthy: bool, fresh: float = 1.0) -> bool:
        """Take one window's unsmoothed score, in units of the limit in service; whether it settled the limit.

        `healthy` False (an alarm or a drift stands): the time does not count, and nothing is learned.
        `fresh` is the share of the window's samples that no window before has shown.
        """
        assert self._level is not None
        if not healthy or not math.isfinite(score):
            self.interrupt()
            return False
        # At most 1: what reaches the limit is an alarm's to judge, not the limit's to learn.
        return self.observe_level(time_ns, self._level.observe(score, fresh))

    def interrupt(self) -> None:
        """What comes next does not follow: an alarm or a drift stands, and the time does not count."""
        if self._level is not None:
            self._level.clear()
        self._stream.interrupt()

    def observe_level(self, time_ns: int, level: float, may_settle: bool = True) -> bool:
        """Take the level at which the alarm would just stand, 1.0 = limit; whether it settled the limit.

        For a test whose levels are made elsewhere. Once the limit is settled, they begin anew in its units.
        `may_settle` False: a person holds it; it is watched, and stays where it is.
        """
        self._stream.observe(time_ns, level)
        span_h = self._stream.span_h
        if span_h - self._looked_h < _LOOK_EVERY_BLOCKS * self._settings.block_s / 3600.0:
            return False
        self._looked_h = span_h
        self._fit()
        return may_settle and self._settle()

    def statement(self) -> LimitStatement:
        """What can be said of the limit now."""
        span_h = self._stream.span_h
        rate = self._rate
        wanted = self._settings.rate_per_year
        kept = rate is not None and rate.upper_per_year <= wanted * 1.000_001
        return LimitStatement(
            wanted_per_year=wanted,
            span_h=span_h,
            needed_h=self.needed_h,
            peaks=0 if self._tail is None else self._tail.peaks,
            rate=rate,
            factor=self.factor,
            provisional=not (self.settled and kept),
        )

    def state(self) -> dict[str, Any]:
        """What a restart needs, JSON-ready."""
        return {
            "factor": self.factor,
            "settled": self.settled,
            "settled_h": self.settled_h,
            "test": asdict(self._settings.test),
            "stream": self._stream.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave. Raises ModelStateError for anything else."""
        try:
            factor, settled = float(state["factor"]), bool(state["settled"])
            if not 1.0 <= factor <= MOST_RAISE:
                raise ValueError(f"factor is {factor}; 1 to {MOST_RAISE} is right")
            settled_h = float(state.get("settled_h", 0.0))  # it was not stored always
            if not (math.isfinite(settled_h) and settled_h >= 0.0):
                raise ValueError(f"settled_h is {settled_h}; 0 or more is right")
            same = state.get("test") == asdict(self._settings.test)
            stream = self._new_stream()
            stream.restore(state["stream"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"the limit's watch cannot be read: {error}") from error
        self.settled_h = settled_h
        self._stream = stream if same else self._new_stream()
        self.factor, self.settled, self._looked_h = factor, settled and same, self._stream.span_h
        if self._level is not None:
            self._level.clear()
        self._fit()

    def _new_stream(self) -> PeakStream:
        return PeakStream(self._settings.block_s, self._settings.longest_step_s)

    def _fit(self) -> None:
        peaks = self._stream.peaks()
        self._tail = None if peaks is None else fit_tail(peaks)
        self._rate = self._rate_without_tail() if self._tail is None else self._tail.rate(1.0)

    @property
    def _quiet(self) -> bool:
        """Whether nothing that was watched came near the limit."""
        return self._stream.largest <= _QUIET

    def _rate_without_tail(self) -> RateEstimate | None:
        """What a whole span says that showed too few peaks for a tail; None before it is whole.

        Levels that stayed far below the limit vouch for the least rate that the span allows; a few that came
        near it vouch for no more than their number does.
        """
        span_h = self._stream.span_h
        if span_h < self.needed_h:
            return None
        if self._quiet:
            least = least_rate_per_year(span_h)
            return RateEstimate(least, least)
        return empirical_rate(self._stream.reaching(1.0), span_h)

    def _settle(self) -> bool:
        """Settle the limit, once, when its rate may be stated."""
        if self.settled or self._stream.span_h < self.needed_h:
            return False
        if self._tail is None:
            self.settled = self._quiet  # where it is: nothing came near it
            self.settled_h = self._stream.span_h if self.settled else self.settled_h
            return self.settled
        if self._rising():
            return False
        level = self._tail.level(self._settings.rate_per_year).upper
        raised = min(MOST_RAISE / self.factor, max(1.0, level))
        self.settled, self.settled_h = True, self._stream.span_h
        self.factor *= raised
        if raised > 1.0:
            self._stream.rescale(1.0 / raised)
            if self._level is not None:
                self._level.clear()
            self._fit()
        return True

    def _rising(self) -> bool:
        """Whether more of the largest maxima lie in the second half than chance would put there."""
        first, second = (len(half) for half in self._stream.halves())
        count = first + second
        return second > 0.5 * count and _binomial_tail(second, count) < _RISING_P


def _binomial_tail(successes: int, count: int) -> float:
    """Probability of so many heads or more in `count` fair throws."""
    return sum(math.comb(count, k) for k in range(successes, count + 1)) / 2.0**count


def _rate_words(per_year: float) -> str:
    if per_year <= 1.0:
        return f"1 false alarm in {1.0 / per_year:.2g} years"
    days = 365.25 / per_year
    return f"1 false alarm in {days:.0f} days" if days >= 2.0 else f"1 false alarm in {24.0 * days:.0f} h"
