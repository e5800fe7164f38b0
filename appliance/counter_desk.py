"""Hop 9 for counters: what was counted, learned or begun anew becomes durable, one step at a time.

Duty: bring counters to the journal in an order in which the newest record of a thing is also its greatest,
and let them be shown once they are there. What is learned of the centre is decided by `reconcile.counters`.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Collection, Mapping, Sequence

from appliance.clock import Clock
from appliance.counter_records import CounterFork, CounterKey, LifeKey, fork_record, is_total
from appliance.counters import Counters
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, RecordKind

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 1_000  # records in one commit


class CounterDesk:
    """The one way of counters into the journal."""

    def __init__(self, journal: Journal, clock: Clock, counters: Counters) -> None:
        self._journal, self._clock, self.counters = journal, clock, counters
        # A value that is told once more must not be stored after a greater one of the same start.
        self._one = asyncio.Lock()

    def restore(self) -> None:
        """Take up what the journal holds, before the first count."""
        audit = self._journal.latest(RecordKind.AUDIT)
        self.counters.restore([*self._journal.latest(RecordKind.COUNTER_VALUE), *audit])

    @property
    def newest_sequence(self) -> int:
        """Of the newest record of a counter in the journal; 0 without one."""
        return max((r.sequence for r in self._journal.latest(RecordKind.COUNTER_VALUE)), default=0)

    def told_again_ns(self) -> int:
        """UTC at which totals were last told again; 0 if never."""
        told = (r.time_ns for r in self._journal.latest(RecordKind.COUNTER_VALUE) if is_total(r))
        return max(told, default=0)

    async def commit(self) -> bool:
        """Commit every counter that grew; only then is it shown. All of them after the store was replaced.
        False where the disk did not take them in time."""
        async with self._one:
            if self._journal.incarnation != self.counters.store:
                self.counters.begin_incarnation(self._journal.incarnation)
            return await self._commit(self.counters.changed_records(self._clock.monotonic_ns()))

    async def tell_again(self, lives: Collection[LifeKey] | None = None) -> bool:
        """Commit what is durable once more (of `lives`, or all), so that it goes to the centre again."""
        async with self._one:
            return await self._commit(self.counters.asserted_records(self._clock.monotonic_ns(), lives))

    async def begin_life(self, reason: str) -> CounterFork | None:
        """Count under a new life from now on, once that is durable; None where the disk does not take it."""
        async with self._one:
            fork = self.counters.fork(str(uuid.uuid4()), reason)
            result = await self._journal.commit([fork_record(fork, self._clock.monotonic_ns())])
            if not result.durable:
                return None
            self.counters.take_fork(fork)
        logger.warning(
            "counters begin a new life before=%s now=%s reason=%s", fork.before, fork.incarnation, reason
        )
        return fork

    async def learn(self, starts: Mapping[CounterKey, float], told: Mapping[LifeKey, float]) -> bool:
        """Take over what the centre knows more, and make it durable. Raises CounterError."""
        self.counters.merge(starts)
        self.counters.learn_floors(told)
        return await self.commit()

    async def _commit(self, records: Sequence[NewRecord]) -> bool:
        durable = True
        for first in range(0, len(records), MOST_AT_ONCE):
            part = records[first : first + MOST_AT_ONCE]
            result = await self._journal.commit(part)
            if result.durable:
                self.counters.confirm(part)
            durable = durable and result.durable
        return durable
