"""Makes a batch of records ready for the centre: their lines, and what becomes of those that have none.

Duty: encoding off the event loop, and sorting out what cannot be written and what must wait for its time.
Sends nothing and remembers nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import Rejected
from appliance.journal.features import NAMES_ID, NameList
from appliance.journal.record import Record, RecordKind
from appliance.sinks.outbox_dead import DeadLetter
from appliance.sinks.sink import EncodedRecord

logger = logging.getLogger(__name__)

MOST_BODY_BYTES = 8 * 1024 * 1024  # unpacked; InfluxDB 1.x takes 25 MB packed
Encoder = Callable[[Record, NameList | None], bytes | None]
# Lines by the record's place among these; a place that is missing is for the Encoder.
ManyEncoder = Callable[[Sequence[Record], Mapping[bytes, NameList | None]], Mapping[int, bytes | None]]


@dataclass(frozen=True, slots=True)
class EncodedBatch:
    """What became of some records. Those after `upto` did not fit into one body."""

    lines: list[EncodedRecord]
    dead: list[DeadLetter]  # cannot be written
    held: list[int]  # sequences of records of untrusted time
    upto: int


class BatchEncoder:
    """Encodes records of one class."""

    def __init__(
        self,
        encode: Encoder,
        name_list: Callable[[bytes], Awaitable[NameList | None]],
        wall_ns: Callable[[], int],
        *,
        send_provisional: bool,
        encode_many: ManyEncoder | None = None,
    ) -> None:
        """`wall_ns` is UTC; `send_provisional`: records of untrusted time are sent instead of held back.
        `encode_many` gives the same lines as `encode`, sooner."""
        self._encode = encode
        self._encode_many = encode_many
        self._name_list = name_list
        self._wall_ns = wall_ns
        self._send_provisional = send_provisional

    def may_go(self, record: Record) -> bool:
        """Whether the record need not wait for its time."""
        return record.time_known or self._send_provisional

    async def encoded(self, records: Sequence[Record], upto: int) -> EncodedBatch:
        """Encode; `upto` is the sequence up to which the records go. Raises Retryable."""
        ids = {record.payload[NAMES_ID] for record in records if record.kind is RecordKind.FEATURES}
        names = {names_id: await self._name_list(names_id) for names_id in ids}
        return await asyncio.to_thread(self._encoded, records, upto, names)

    def dead_letter(self, record: Record, reason: str) -> DeadLetter:
        """The letter of a record that is refused now."""
        return DeadLetter.of(record, reason, self._wall_ns())

    def _encoded(
        self, records: Sequence[Record], upto: int, names: dict[bytes, NameList | None]
    ) -> EncodedBatch:
        batch = EncodedBatch([], [], [], upto)
        n_bytes, odd = 0, False
        ready = self._many(records, names)
        for place, record in enumerate(records):
            if not record.time_trusted and not self.may_go(record):
                batch.held.append(record.sequence)
                continue
            try:
                body = (
                    ready[place]
                    if place in ready
                    else self._encode(record, names.get(record.payload[NAMES_ID]))
                )
            except Rejected as error:
                batch.dead.append(self.dead_letter(record, str(error)))
                continue
            except (
                Exception
            ) as error:  # whatever one record holds, the others must not wait behind it for ever
                if not odd:  # the courier counts the others; a whole series would flood the log
                    logger.exception("record cannot be encoded key=%s", record.key)
                odd = True
                batch.dead.append(
                    self.dead_letter(record, f"it cannot be encoded: {type(error).__name__} {error}")
                )
                continue
            if body is None:
                continue
            batch.lines.append(EncodedRecord(record.sequence, record.time_ns, body))
            n_bytes += len(body)
            if n_bytes > MOST_BODY_BYTES:
                return EncodedBatch(batch.lines, batch.dead, batch.held, record.sequence)
        return batch

    def _many(
        self, records: Sequence[Record], names: dict[bytes, NameList | None]
    ) -> Mapping[int, bytes | None]:
        if self._encode_many is None:
            return {}
        try:
            return self._encode_many(records, names)
        except Exception:  # one by one it is found which of them cannot be encoded
            logger.exception("batch cannot be encoded at once records=%d", len(records))
            return {}
