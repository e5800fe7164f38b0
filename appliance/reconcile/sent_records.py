"""What was sent, made anew from the journal: the lines of a slot's records, and the points in them.

Duty: reading the journal beside its writer and encoding off the event loop, by the courier's own encoder.
Records that the courier has not dealt with yet, that are held back for their untrusted time, or that the
centre refused for good were not sent, and are left out. Decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from appliance.errors import Rejected
from appliance.journal.census import Touched, span_records, subjects_of, touched_spans
from appliance.journal.features import NAMES_ID, NameList
from appliance.journal.queries import Queries
from appliance.journal.record import Record, RecordKind
from appliance.reconcile.audit import KIND_CLASS, READ_BACK, Slot
from appliance.reconcile.questions import PointKey
from appliance.reconcile.sent_line import SentPoint, sent_point
from appliance.reconcile.slot_sums import SLOT_NS
from appliance.sinks.courier_encoding import Encoder
from appliance.sinks.sink import EncodedRecord

logger = logging.getLogger(__name__)


class JournalPages(Protocol):
    """What is needed of the journal."""

    @property
    def queries(self) -> Queries: ...

    @property
    def resolutions(self) -> int: ...


@dataclass(frozen=True, slots=True)
class SentRecord:
    """One record as it was sent."""

    line: EncodedRecord
    point: SentPoint

    @property
    def key(self) -> PointKey:
        return self.point.series, self.point.time_ns


class SentRecords:
    """Reads and encodes."""

    def __init__(
        self,
        journal: JournalPages,
        encode: Encoder,
        name_list: Callable[[bytes], Awaitable[NameList | None]],
        *,
        send_provisional: bool,
    ) -> None:
        self._journal = journal
        self._encode = encode
        self._name_list = name_list
        self._send_provisional = send_provisional

    @property
    def resolutions(self) -> int:
        """How often the journal found the true times of records, since the start."""
        return self._journal.resolutions

    async def touched_after(self, sequence: int) -> tuple[list[Touched], int | None]:
        """The slots of the next records, and up to which sequence. Raises Retryable."""
        return await self._journal.queries.run(
            partial(touched_spans, kinds=tuple(KIND_CLASS), after_sequence=sequence, span_ns=SLOT_NS)
        )

    async def subjects(self, kind: RecordKind) -> list[str]:
        """What there are records of a kind about. Raises Retryable."""
        return await self._journal.queries.run(partial(subjects_of, kind=kind))

    async def of_slot(self, slot: Slot, upto: int, refused: Collection[int]) -> list[SentRecord]:
        """The records of a slot up to a sequence. Raises Retryable."""
        subject = None if slot.kind in READ_BACK else slot.subject
        return await self.between(slot.kind, subject, slot.start_ns, slot.end_ns, upto, refused)

    async def between(  # noqa: PLR0917 - an interval of a subject is four words
        self,
        kind: RecordKind,
        subject: str | None,
        start_ns: int,
        end_ns: int,
        upto: int,
        refused: Collection[int],
    ) -> list[SentRecord]:
        """The same of any interval of UTC time, end excluded, of one subject or (None) of all."""
        pages = self.pages(kind, subject, start_ns, end_ns, upto, refused)
        return [one async for page in pages for one in page]

    async def pages(  # noqa: PLR0917 - see `between`
        self,
        kind: RecordKind,
        subject: str | None,
        start_ns: int,
        end_ns: int,
        upto: int,
        refused: Collection[int],
    ) -> AsyncIterator[list[SentRecord]]:
        """The same a page at a time: no more of it is in memory, however long the interval."""
        after: tuple[int, int] | None = (-1, -1)
        while after is not None:
            read = partial(
                span_records, kind=kind, subject=subject, start_ns=start_ns, end_ns=end_ns, after=after
            )
            records, after = await self._journal.queries.run(read)
            wanted = [one for one in records if one.sequence <= upto and one.sequence not in refused]
            ids = {one.payload[NAMES_ID] for one in wanted if kind is RecordKind.FEATURES}
            names = {names_id: await self._name_list(names_id) for names_id in ids}
            yield await asyncio.to_thread(self._encoded, wanted, names)

    def _encoded(self, records: Sequence[Record], names: dict[bytes, NameList | None]) -> list[SentRecord]:
        sent, odd = [], 0
        for record in records:
            if not record.time_known and not self._send_provisional:
                continue
            try:
                body = self._encode(record, names.get(record.payload[NAMES_ID]))
                if body is not None:
                    line = EncodedRecord(record.sequence, record.time_ns, body)
                    sent.append(SentRecord(line, sent_point(body)))
            except Rejected:
                continue  # the courier made it a dead letter
            except Exception:
                odd += 1
                if odd == 1:
                    logger.exception("record cannot be audited key=%s", record.key)
        if odd > 1:
            logger.error("records cannot be audited number=%d", odd)
        return sent
