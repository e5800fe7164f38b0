"""The counters of this box and of the centre brought together, after a reconnect and from time to time.

Duty: asks the centre what it has, has the rules of `counters` decide, makes durable what is learned, and
tells again what the centre lacks; once a day all totals, so that no retention there cuts them away. Writes
nothing to the centre by itself: what is to be told goes into the journal, and from there with everything
else.
"""

from __future__ import annotations

import logging
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from appliance.clock import Clock
from appliance.counter_desk import CounterDesk
from appliance.counter_records import LifeKey
from appliance.reconcile.central import SeriesAnswer
from appliance.reconcile.counter_questions import (
    roll_question,
    start_question,
    starts_begun,
    starts_to_ask,
    told_starts,
    told_totals,
    totals_question,
)
from appliance.reconcile.counters import (
    CounterKnowledge,
    CounterOutcome,
    CounterRepair,
    fork_reason,
    merged_knowledge,
    repairs_at_centre,
    repairs_here,
)
from appliance.reconcile.errors import AnswerTooLarge

logger = logging.getLogger(__name__)

PART = "counters"
DAY_NS = 86_400_000_000_000
# How far back is looked at the start and daily: all of it, or as far as the server lets us ask at once.
FAR_NS: tuple[int | None, ...] = (None, 14 * DAY_NS)
RECENT_NS = 2 * DAY_NS  # in between: what still counts was told within a day, by a clock that may be wrong
MOST_TRIES = 2  # to tell the centre what it lacks


class Asks(Protocol):
    """Who answers questions: `central.CentralReader`."""

    async def ask(self, question: str) -> list[SeriesAnswer]: ...


class Hears(Protocol):
    """Who writes the reconciliation report: `report.ReportDraft`."""

    def count(self, figure: str, number: int = 1) -> None: ...

    def tell(self, part: str, subject: str, text: str, old: str = "", new: str = "") -> None: ...


class CounterReconciler:
    """Reconciles the counters of one device. One call at a time."""

    def __init__(
        self,
        desk: CounterDesk,
        reader: Asks,
        clock: Clock,
        *,
        device_id: str,
        acknowledged: Callable[[], int],
    ) -> None:
        """`acknowledged`: the journal sequence up to which the centre has accepted every record of
        counters."""
        self._desk, self._reader, self._clock = desk, reader, clock
        self._device_id = device_id
        self._acknowledged = acknowledged
        self._begun: dict[tuple[str, str], int] = {}  # when each start, by life, was first heard of (UTC)
        self._told_ns: int | None = None
        self._far_ns = 0  # UTC of the latest round that looked as far back as the centre lets us
        self._tries: Tally[LifeKey] = Tally()  # how often the centre was told again what it lacks, in a row

    async def reconcile(self, draft: Hears | None = None) -> CounterOutcome | None:
        """Ask, merge, mend both sides, and tell all totals where a day has passed. None where the disk does
        not take what was learned, or no question can be answered in one piece.

        Raises CentralUnavailable, CentralRefused, Fatal.
        """
        try:
            outcome = await self._reconciled()
        except AnswerTooLarge as error:
            logger.warning("counters cannot be compared reason=%s", error)
            if draft is not None:
                draft.tell(PART, "all counters", f"not compared: {error}")
            outcome = None
        if outcome is not None and draft is not None:
            tell(outcome, draft)
        if outcome is not None and self._looks_far():
            self._far_ns = self._now_ns()
        await self.tell_daily()
        return outcome

    async def _reconciled(self) -> CounterOutcome | None:
        counters = self._desk.counters
        # Nothing on its way: whatever the centre lacks then, it has lost.
        settled = self._acknowledged() >= self._desk.newest_sequence
        first = CounterKnowledge(counters.committed_starts(), counters.committed_floors())
        centre = await self._ask_centre()
        # The centre may have heard of this start meanwhile: what is here now is judged, not what was.
        last = CounterKnowledge(counters.committed_starts(), counters.committed_floors())
        fork = None
        reason = fork_reason(counters.state(), centre.starts, counters.incarnation)
        if reason is not None:
            fork = await self._desk.begin_life(reason)
            if fork is None:
                return None
        if not await self._desk.learn(centre.starts, centre.told):
            return None
        repairs = repairs_here(last.lives(), merged_knowledge(last, centre).lives())
        known = merged_knowledge(first, centre).lives()
        stubborn: list[CounterRepair] = []
        if settled:
            lacking = repairs_at_centre(centre.told, known, first.lives())
            again = [one for one in lacking if self._tries[one.life] < MOST_TRIES]
            stubborn = [one for one in lacking if self._tries[one.life] >= MOST_TRIES]
            self._tries = Tally({one.life: self._tries[one.life] + 1 for one in lacking})
            if again and not await self._desk.tell_again({one.life for one in again}):
                return None
            repairs += again
        for one in repairs:
            logger.info(
                "counter repaired where=%s counter=%s subject=%s incarnation=%s old=%r new=%r why=%s",
                one.side, one.counter, one.subject, one.incarnation, one.old, one.new, one.why,
            )  # fmt: skip
        return CounterOutcome(len(known), tuple(repairs), fork, settled, tuple(stubborn))

    async def tell_daily(self) -> bool:
        """Tell all totals again, if a day has passed since that was done; True if it was."""
        now_ns = self._now_ns()
        if self._told_ns is None:
            self._told_ns = self._desk.told_again_ns()
        if 0 <= now_ns - self._told_ns < DAY_NS:
            return False
        if not await self._desk.tell_again():
            return False
        self._told_ns = now_ns
        return True

    async def _ask_centre(self) -> CounterKnowledge:
        """What the centre has of this device, as far as it bears on what is here."""
        counters = self._desk.counters
        told = told_totals(await self._ask(lambda since: totals_question(self._device_id, since)))
        begun = starts_begun(await self._ask(lambda since: roll_question(self._device_id, since)))
        for name, time_ns in begun.items():
            self._begun[name] = min(self._begun.get(name, time_ns), time_ns)
        known = {(key.incarnation, key.boot_id) for key in counters.state()}
        found = [CounterKnowledge({}, told)]
        for one in starts_to_ask(self._begun, known, counters.incarnation, far=self._looks_far()):
            recent_ns = max(one.since_ns, self._now_ns() - RECENT_NS)
            seen = one.name in known and not self._looks_far()  # then only what was told since can be more
            start = replace(one, since_ns=recent_ns) if seen else one
            answer = await self._reader.ask(start_question(self._device_id, start))
            found.append(CounterKnowledge(told_starts(answer, one.boot_id)))
        return merged_knowledge(*found)

    async def _ask(self, question: Callable[[int | None], str]) -> list[SeriesAnswer]:
        """The answer for the time that is to be looked at, or the longest that the server allows."""
        for window_ns in FAR_NS if self._looks_far() else ():
            try:
                return await self._reader.ask(question(self._since(window_ns)))
            except AnswerTooLarge as error:
                logger.info("asking for a shorter time reason=%s", error)
        return await self._reader.ask(question(self._since(RECENT_NS)))

    def _looks_far(self) -> bool:
        """Whether all that the centre ever had is asked for: in the first round of a start, and daily."""
        return not 0 <= self._now_ns() - self._far_ns < DAY_NS

    def _since(self, window_ns: int | None) -> int | None:
        return None if window_ns is None else self._now_ns() - window_ns

    def _now_ns(self) -> int:
        return self._clock.wall(self._clock.monotonic_ns()).time_ns


def tell(outcome: CounterOutcome, draft: Hears) -> None:
    """What was found, as the reconciliation report has it."""
    draft.count("counters_repaired", len(outcome.repairs))
    draft.count("conflicts", len(outcome.stubborn))
    for one in outcome.stubborn:
        text = f"the centre does not keep it, although told {MOST_TRIES} times; it is told daily from now on"
        draft.tell(PART, _named(one), text, repr(one.old), repr(one.new))
    if outcome.fork is not None:
        draft.tell(PART, "all counters", outcome.fork.reason, outcome.fork.before, outcome.fork.incarnation)
    for one in outcome.repairs:
        draft.tell(PART, _named(one), f"{one.side}: {one.why}", repr(one.old), repr(one.new))


def _named(one: CounterRepair) -> str:
    return f"{one.counter} of {one.subject}, life {one.incarnation}"
