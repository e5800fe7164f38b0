"""The courier: brings the journal's records to the centre, at least once, and remembers how far it came.

Duty: what goes next (live records before the backlog, alarms before telemetry, in order within each), how
fast a backlog drains, when to try again, what the operator is told. The journal is the outbox: it holds what
is not delivered; the courier holds one batch in memory, however long an outage is. The sink moves the bytes.

A cursor moves only after the sink's receipt. A courier killed between the two delivers the batch again, with
the same keys: at the centre nothing changes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from appliance.backoff import Backoff
from appliance.errors import Fatal, Rejected
from appliance.journal.features import NAMES_ID, NameList
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.sinks.courier_report import CourierReport, CourierState
from appliance.sinks.outbox import DeadLetter, Lane, Outbox, Stretch
from appliance.sinks.sink import EncodedRecord, OutboxBatch, Receipt, Sink, SinkStopped, SinkUnavailable

logger = logging.getLogger(__name__)

KINDS: dict[RecordClass, frozenset[RecordKind]] = {
    RecordClass.ALARM: frozenset({RecordKind.ALARM_TRANSITION, RecordKind.AUDIT}),
    RecordClass.LIMIT: frozenset({RecordKind.LEARNED_LIMIT}),
    RecordClass.COUNTER: frozenset({RecordKind.COUNTER_VALUE}),
    RecordClass.TELEMETRY: frozenset(
        {RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG, RecordKind.GAP}
    ),
}  # fmt: skip
"""What may leave the box, by class, in the order in which it leaves. Captures stay."""

BACKOFF = Backoff(base_s=1.0, cap_s=60.0, floor_s=0.2)
MOST_BODY_BYTES = 8 * 1024 * 1024  # unpacked; InfluxDB 1.x takes 25 MB packed
Encoder = Callable[[Record, NameList | None], bytes | None]


class JournalFeed(Protocol):
    """What the courier needs of the journal."""

    @property
    def last_sequence(self) -> int: ...

    @property
    def incarnation(self) -> str: ...

    async def read(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None, limit: int = 1_000
    ) -> list[Record]: ...

    def mark_delivered(self, record_class: RecordClass, sequence: int) -> None: ...


class CourierWatch(Protocol):
    """Who raises and clears the alarm that the centre refuses."""

    async def central_refuses(self, reason: str, remedy: str) -> None: ...

    async def central_accepts(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How much at once, how fast a backlog drains, how often to look and to try again."""

    batch_records: int = 2_000
    backlog_points_per_s: float = 5_000.0
    backlog_bytes_per_s: float = 512 * 1024.0  # as sent, packed
    look_s: float = 0.2
    live_lag: int = 10_000  # a class further behind than so many sequences has a backlog
    stopped_retry_s: float = 60.0
    backoff: Backoff = BACKOFF


@dataclass(frozen=True, slots=True)
class _Work:
    """What to deliver next: records of one class, live (`stretch` None) or of a backlog."""

    lane: Lane
    stretch: Stretch | None
    records: list[Record]
    upto: int  # dealt with once the records are


class Courier:
    """Delivers one journal to one sink. `run` it under the supervisor; `report` says how it stands."""

    def __init__(
        self,
        journal: JournalFeed,
        sink: Sink,
        outbox: Outbox,
        *,
        encode: Encoder,
        name_list: Callable[[bytes], Awaitable[NameList | None]],
        watch: CourierWatch,
        where: str,
        pace: Pace | None = None,
        send_provisional: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`send_provisional`: records of untrusted time are sent, marked, instead of held back."""
        self._journal, self._sink, self._outbox = journal, sink, outbox
        self._encode, self._name_list, self._watch = encode, name_list, watch
        self._where = where
        self._pace = pace or Pace()
        self._send_provisional = send_provisional
        self._chance = chance
        self._lanes = outbox.lanes(journal.incarnation, journal.last_sequence)
        self._failures = 0
        self._backlog_due_s = 0.0
        self._dead = outbox.dead_count()
        self._state, self._error, self._wait_s = CourierState.STARTING, "", 0.0
        self._kinds = {cls: kinds & sink.wants for cls, kinds in KINDS.items() if kinds & sink.wants}
        self._confirm()

    @property
    def lanes(self) -> dict[RecordClass, Lane]:
        """Where each class stands."""
        return self._lanes

    def report(self) -> CourierReport:
        """How it stands, for the appliance page."""
        head = self._journal.last_sequence
        lanes = [self._lanes[record_class] for record_class in self._kinds]
        waiting = max(
            (head - lane.live + sum(s.upto - s.after for s in lane.stretches) for lane in lanes), default=0
        )
        return CourierReport(
            where=self._where,
            state=self._state,
            delivered=sum(lane.delivered for lane in lanes),
            waiting=max(0, waiting),
            held=sum(lane.held for lane in lanes),
            refused=self._dead,
            last_error=self._error,
            wait_s=self._wait_s,
        )

    async def run(self) -> None:
        """Deliver for ever. Raises Retryable when the journal cannot be read."""
        while True:
            work = await self._next()
            if work is None:
                await asyncio.sleep(self._pace.look_s)
            else:
                await self._deal_with(work)

    # ---- what goes next ----

    async def _next(self) -> _Work | None:
        head = self._journal.last_sequence
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            if head - lane.live > self._pace.live_lag:
                lane.split(head)
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            if head > lane.live:
                work = await self._live(lane, head)
                if work is not None:
                    return work
        if time.monotonic() < self._backlog_due_s:
            return None
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            while lane.stretches:
                work = await self._of_stretch(lane, lane.stretches[0])
                if work is not None:
                    return work
        return None

    async def _live(self, lane: Lane, head: int) -> _Work | None:
        limit = self._pace.batch_records
        records = await self._journal.read(lane.live, self._kinds[lane.record_class], limit)
        if not records:
            lane.advance(None, head)
            self._journal.mark_delivered(lane.record_class, lane.confirmed)
            return None
        last = records[-1].sequence
        return _Work(lane, None, records, last if len(records) == limit else max(head, last))

    async def _of_stretch(self, lane: Lane, stretch: Stretch) -> _Work | None:
        limit = self._pace.batch_records
        read = await self._journal.read(stretch.after, self._kinds[lane.record_class], limit)
        records = [record for record in read if record.sequence <= stretch.upto]
        if not records:
            lane.advance(stretch, stretch.upto)
            return None
        whole = len(read) < limit or len(records) < len(read)
        return _Work(lane, stretch, records, stretch.upto if whole else records[-1].sequence)

    # ---- delivery ----

    async def _deal_with(self, work: _Work) -> None:
        lane = work.lane
        names = await self._names_of(work.records)
        lines, dead, held, upto = await asyncio.to_thread(self._encoded, work, names)
        receipt = Receipt(0)
        batch: OutboxBatch | None = None
        if lines:
            batch = await asyncio.to_thread(OutboxBatch.of_lines, lane.record_class, lines)
            answered = await self._deliver(batch)
            if answered is None:
                return
            receipt = answered
        by_sequence = {record.sequence: record for record in work.records}
        dead += [_dead_letter(by_sequence[no.sequence], no.reason) for no in receipt.rejected]
        for letter in dead:
            logger.warning("record refused key=%s reason=%s", letter.key, letter.reason)
            self._error = f"{letter.key}: {letter.reason}"
        if receipt.kept:
            upto = min(receipt.kept) - 1
        for sequence in held:
            if sequence <= upto:
                lane.hold(sequence)
        lane.advance(work.stretch, upto)
        lane.delivered += receipt.accepted
        if work.stretch is not None and batch is not None:
            self._pace_backlog(batch)
        await asyncio.to_thread(self._outbox.save, lane, dead)
        self._dead += len(dead)
        self._journal.mark_delivered(lane.record_class, lane.confirmed)

    async def _deliver(self, batch: OutboxBatch) -> Receipt | None:
        """The receipt; None after a failure and the wait that it asks for (what goes next is chosen anew)."""
        try:
            receipt = await self._sink.deliver(batch)
        except SinkUnavailable as error:
            wait_s = self._pace.backoff.delay_s(self._failures, self._chance())
            if error.retry_after_s is not None:  # never sooner than asked, and not all boxes at once
                wait_s = error.retry_after_s + self._chance() * max(1.0, error.retry_after_s / 10)
            await self._wait(CourierState.UNREACHABLE, str(error), wait_s)
            return None
        except Fatal as error:
            remedy = error.remedy if isinstance(error, SinkStopped) else ""
            reason = error.reason if isinstance(error, SinkStopped) else str(error)
            await self._watch.central_refuses(reason, remedy)
            await self._wait(CourierState.STOPPED, str(error), self._pace.stopped_retry_s)
            return None
        if self._state is not CourierState.CONNECTED:
            logger.info("centre accepts where=%s", self._where)
            self._state, self._error = CourierState.CONNECTED, ""
            await self._watch.central_accepts()
        self._failures, self._wait_s = 0, 0.0
        return receipt

    async def _wait(self, state: CourierState, error: str, wait_s: float) -> None:
        if state is not self._state or error != self._error:
            logger.warning("centre not served where=%s state=%s reason=%s", self._where, state, error)
        self._state, self._error, self._wait_s = state, error, wait_s
        self._failures += 1
        await asyncio.sleep(wait_s)

    def _pace_backlog(self, batch: OutboxBatch) -> None:
        cost_s = max(
            batch.count / self._pace.backlog_points_per_s, len(batch.body) / self._pace.backlog_bytes_per_s
        )
        self._backlog_due_s = max(self._backlog_due_s, time.monotonic()) + cost_s

    def _encoded(
        self, work: _Work, names: dict[bytes, NameList | None]
    ) -> tuple[list[EncodedRecord], list[DeadLetter], list[int], int]:
        """In a thread: lines, records that cannot be written, records held back, and how far this reaches."""
        lines: list[EncodedRecord] = []
        dead: list[DeadLetter] = []
        held: list[int] = []
        n_bytes = 0
        for record in work.records:
            if not record.time_trusted and not self._send_provisional:
                held.append(record.sequence)
                continue
            try:
                body = self._encode(record, names.get(record.payload[NAMES_ID]))
            except Rejected as error:
                dead.append(_dead_letter(record, str(error)))
                continue
            if body is None:
                continue
            lines.append(EncodedRecord(record.sequence, record.time_ns, body))
            n_bytes += len(body)
            if n_bytes > MOST_BODY_BYTES:
                return lines, dead, held, record.sequence
        return lines, dead, held, work.upto

    async def _names_of(self, records: Sequence[Record]) -> dict[bytes, NameList | None]:
        ids = {record.payload[NAMES_ID] for record in records if record.kind is RecordKind.FEATURES}
        return {names_id: await self._name_list(names_id) for names_id in ids}

    def _confirm(self) -> None:
        for record_class in self._kinds:
            self._journal.mark_delivered(record_class, self._lanes[record_class].confirmed)


def _dead_letter(record: Record, reason: str) -> DeadLetter:
    return DeadLetter(record.sequence, record.record_class, record.key, reason, record.time_ns)
