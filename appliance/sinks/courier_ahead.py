"""The batch after the one that is on its way: read, encoded and packed while the centre still answers.

Duty: one batch ahead, never more, so that the courier holds two at most. It is used if the courier then asks
for exactly these records and no time was resolved in between; else it is forgotten. Moves no cursor, decides
nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.sinks.courier_encoding import BatchEncoder, EncodedBatch
from appliance.sinks.courier_needs import JournalFeed
from appliance.sinks.sink import OutboxBatch


@dataclass(frozen=True, slots=True)
class Packed:
    """Records of a class as they go out; `batch` None: none of them has a line."""

    encoded: EncodedBatch
    batch: OutboxBatch | None


@dataclass(frozen=True, slots=True)
class _Page:
    """What is asked of the journal, and how often times had been resolved then."""

    record_class: RecordClass
    after: int
    limit: int
    resolutions: int


class CourierAhead:
    """Reads and packs for one courier."""

    def __init__(self, journal: JournalFeed, encoder: BatchEncoder) -> None:
        self._journal = journal
        self._encoder = encoder
        self._page: _Page | None = None
        self._task: asyncio.Task[tuple[list[Record], Packed | None]] | None = None
        self._used: tuple[list[Record], Packed | None] | None = None
        self.hits = 0  # batches that were ready when they were asked for

    async def read(
        self, record_class: RecordClass, kinds: Collection[RecordKind], after: int, limit: int
    ) -> list[Record]:
        """As the journal's `read`. Raises Retryable."""
        task, self._used = self._task, None
        if task is None or self._page != self._of(record_class, after, limit):
            return await self._journal.read(after, kinds, limit)
        self._task = self._page = None
        used = await task
        if not used[0]:  # there may be something by now
            return await self._journal.read(after, kinds, limit)
        self._used = used
        return used[0]

    async def packed(self, record_class: RecordClass, records: Sequence[Record], upto: int) -> Packed:
        """Records as they go out; `upto` is the sequence up to which they go. Raises Retryable."""
        used, self._used = self._used, None
        if used is not None and used[1] is not None and used[0] is records and records[-1].sequence == upto:
            self.hits += 1
            return used[1]
        return await self._pack(record_class, records, upto)

    def begin(self, record_class: RecordClass, kinds: Collection[RecordKind], after: int, limit: int) -> None:
        """Get the page after this sequence ready, from now on."""
        self.forget()
        self._page = self._of(record_class, after, limit)
        self._task = asyncio.create_task(self._ready(record_class, kinds, after, limit))
        self._task.add_done_callback(_heard)

    def forget(self) -> None:
        """Give up what is ahead, for good or for another page."""
        if self._task is not None:
            self._task.cancel()
        self._task = self._page = None

    async def _ready(
        self, record_class: RecordClass, kinds: Collection[RecordKind], after: int, limit: int
    ) -> tuple[list[Record], Packed | None]:
        records = await self._journal.read(after, kinds, limit)
        if not records:
            return records, None
        return records, await self._pack(record_class, records, records[-1].sequence)

    async def _pack(self, record_class: RecordClass, records: Sequence[Record], upto: int) -> Packed:
        # The journal is read by kind; what may leave is a matter of class, too.
        of_class = [record for record in records if record.record_class is record_class]
        encoded = await self._encoder.encoded(of_class, upto)
        if not encoded.lines:
            return Packed(encoded, None)
        return Packed(encoded, await asyncio.to_thread(OutboxBatch.of_lines, record_class, encoded.lines))

    def _of(self, record_class: RecordClass, after: int, limit: int) -> _Page:
        return _Page(record_class, after, limit, self._journal.resolutions)


def _heard(task: asyncio.Task[tuple[list[Record], Packed | None]]) -> None:
    """What went wrong ahead is told where it is asked for, or not at all."""
    if not task.cancelled():
        task.exception()
