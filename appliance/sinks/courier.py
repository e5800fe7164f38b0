"""The courier: brings the journal's records to the centre, at least once, and remembers how far it came.

Duty: what goes next (live records before the backlog, alarms before telemetry, in order within each), how
fast a backlog drains, when to try again, what the operator is told. The journal is the outbox: it holds what
is not delivered; the courier holds two batches, however long an outage is. The sink moves the bytes.

A cursor moves only after the sink's receipt. A courier killed between the two delivers the batch again, with
the same keys: at the centre nothing changes.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from appliance.errors import Fatal
from appliance.journal.features import NameList
from appliance.journal.record import CENTRAL, Record, RecordClass, RecordKind, SinkClaim
from appliance.sinks.courier_ahead import CourierAhead
from appliance.sinks.courier_encoding import BatchEncoder, Encoder, ManyEncoder
from appliance.sinks.courier_needs import CourierWatch, JournalFeed, Pace
from appliance.sinks.courier_patience import wait_until_answers
from appliance.sinks.courier_report import CourierReport, CourierState
from appliance.sinks.outbox import Lane, Outbox, Stretch
from appliance.sinks.outbox_dead import MOST_DEAD_LETTERS, DeadLetter
from appliance.sinks.sink import OutboxBatch, Receipt, Sink, SinkStopped, SinkUnavailable
from appliance.sinks.uplink import Uplink

logger = logging.getLogger(__name__)

KINDS: dict[RecordClass, frozenset[RecordKind]] = {
    RecordClass.ALARM: frozenset({RecordKind.ALARM_TRANSITION, RecordKind.ADVISORY, RecordKind.AUDIT}),
    RecordClass.LIMIT: frozenset({RecordKind.LEARNED_LIMIT, RecordKind.LIMIT_VERSION}),
    RecordClass.COUNTER: frozenset({RecordKind.COUNTER_VALUE}),
    RecordClass.TELEMETRY: frozenset(
        {RecordKind.FEATURES, RecordKind.SCORE, RecordKind.TAG, RecordKind.GAP, RecordKind.HEALTH}
    ),
}  # fmt: skip
"""What may leave the box, by class, in the order in which it leaves. Captures stay."""

OLDEST_LOOK_S = 5.0
DEAD_LOOK_S = 1.0  # how often refused records that a person sends again are looked for
REDRIVEN_AT_ONCE = 200  # they are taken from the journal one by one, and must not hold up what is new
HELD_BACK = "made while the clock was not trusted; such records are held back by [central] provisional_times"


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
        encode_many: ManyEncoder | None = None,
        name_list: Callable[[bytes], Awaitable[NameList | None]],
        watch: CourierWatch,
        where: str,
        pace: Pace | None = None,
        send_provisional: bool = False,
        chance: Callable[[], float] = random.random,
        wall_ns: Callable[[], int] = time.time_ns,
        answers: Callable[[], Awaitable[bool]] | None = None,
        uplink: Uplink | None = None,
    ) -> None:
        """`send_provisional`: records of untrusted time are sent, marked, instead of held back. `answers`:
        whether a peer that was away is there again; without it a back-off is waited for to its end.
        `encode_many` gives the same lines as `encode`, of many records at once.

        `wall_ns` is UTC, for refusals and for the age of what waits. `uplink` says what may still go today;
        the sink keeps its account.
        """
        self._journal, self._sink, self._outbox = journal, sink, outbox
        self._encoder = BatchEncoder(
            encode, name_list, wall_ns, send_provisional=send_provisional, encode_many=encode_many
        )
        self._ahead = CourierAhead(journal, self._encoder)
        self._watch = watch
        self._where = where
        self._pace = pace or Pace()
        self._chance = chance
        self._uplink = uplink or Uplink()
        self._answers = answers
        self._wall_ns = wall_ns
        self._lanes = outbox.lanes(journal.incarnation, journal.last_sequence)
        self._failures = 0
        self._backlog_due_s = 0.0
        self._bulk_last = False  # the latest turn was live telemetry's
        self._unsaved: list[DeadLetter] = []
        self._unclosed: list[int] = []
        self._dead = outbox.dead_counts()
        self._dead_look_s = 0.0
        self._oldest: dict[RecordClass, tuple[int, int]] = {}  # what waits first: (sequence, UTC ns)
        self._oldest_look_s = 0.0
        self._resolutions = -1  # of the journal, as of the latest look at what is held back
        self._state, self._error, self._wait_s = CourierState.STARTING, "", 0.0
        self._kinds = {cls: kinds & sink.wants for cls, kinds in KINDS.items() if kinds & sink.wants}
        self._confirm()

    @property
    def claim(self) -> SinkClaim:
        """What the centre takes: all of these classes."""
        return SinkClaim(frozenset(self._kinds), keeps=True)

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
        waits = [
            time_ns for cls, (sequence, time_ns) in self._oldest.items() if sequence > self._lanes[cls].sent
        ]
        return CourierReport(
            where=self._where,
            state=self._state,
            delivered=sum(lane.delivered for lane in lanes),
            waiting=max(0, waiting),
            oldest_s=max(0.0, (self._wall_ns() - min(waits)) / 1e9) if waits else None,
            held=sum(lane.held for lane in lanes),
            refused=self._dead.refused,
            refused_dropped=self._dead.dropped,
            sent_again=self._dead.again,
            last_error=self._error,
            wait_s=self._wait_s,
        )

    async def run(self) -> None:
        """Deliver for ever. Raises Retryable when the journal cannot be read."""
        try:
            while True:
                await self._look()
                work = await self._next_live()
                # Fresh telemetry never ends on a slow line: every second turn is for what waits behind it.
                turn = work is None or (self._bulk_last and work.lane.record_class is RecordClass.TELEMETRY)
                self._bulk_last = (
                    not turn and work is not None and work.lane.record_class is RecordClass.TELEMETRY
                )
                if turn and self._dead.again and await self._redrive():
                    continue
                work = (await self._next_of_backlog() if turn else None) or work
                if work is None:
                    await asyncio.sleep(self._pace.look_s)
                else:
                    await self._deal_with(work)
        finally:
            self._ahead.forget()

    # ---- what goes next ----

    async def _look(self) -> None:
        """Now and then: what a person did to the dead letters, and how old the oldest waiting record is."""
        now_s = time.monotonic()
        if now_s >= self._dead_look_s:
            self._dead_look_s = now_s + DEAD_LOOK_S
            self._dead = await asyncio.to_thread(self._outbox.dead_counts)
        if now_s >= self._oldest_look_s:
            await self._find_oldest()
        if (resolutions := self._journal.resolutions) != self._resolutions:
            await self._release()
            self._resolutions = resolutions

    async def _release(self) -> None:
        """Let records out that were held back for their time and have it by now."""
        for record_class, kinds in self._kinds.items():
            lane, released = self._lanes[record_class], False
            for held in list(lane.held_ranges):
                ends = [
                    record
                    for sequence in {held.first, held.last}
                    for record in await self._journal.read(sequence - 1, kinds, 1)
                    if held.first <= record.sequence <= held.last
                ]
                if not ends or any(self._encoder.may_go(record) for record in ends):
                    lane.release(held, anything_left=bool(ends))
                    released = True
            if released:
                await self._save(lane, [])

    async def _find_oldest(self) -> None:
        self._oldest_look_s = time.monotonic() + OLDEST_LOOK_S
        for record_class, kinds in self._kinds.items():
            for record in await self._journal.read(self._lanes[record_class].sent, kinds, 1):
                self._oldest[record_class] = record.sequence, record.time_ns

    async def _next_live(self) -> _Work | None:
        head = self._journal.last_sequence
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            if head - lane.live > self._pace.live_lag:
                lane.split(head)
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            if head > lane.live and self._uplink.may_send(record_class):
                work = await self._live(lane, head)
                if work is not None:
                    return work
        return None

    async def _next_of_backlog(self) -> _Work | None:
        if time.monotonic() < self._backlog_due_s:
            return None
        for record_class in self._kinds:
            lane = self._lanes[record_class]
            while lane.stretches and self._uplink.may_send(record_class):
                work = await self._of_stretch(lane, lane.stretches[0])
                if work is not None:
                    return work
        return None

    async def _live(self, lane: Lane, head: int) -> _Work | None:
        limit = self._pace.batch_records
        records = await self._ahead.read(lane.record_class, self._kinds[lane.record_class], lane.live, limit)
        if not records:
            lane.advance(None, head)
            self._mark(lane)
            return None
        # No further than was read: a page that is not full may lack damaged rows, and more lies behind it.
        return _Work(lane, None, records, records[-1].sequence)

    async def _of_stretch(self, lane: Lane, stretch: Stretch) -> _Work | None:
        limit = self._pace.batch_records
        kinds = self._kinds[lane.record_class]
        read = records = await self._ahead.read(lane.record_class, kinds, stretch.after, limit)
        if read and read[-1].sequence > stretch.upto:
            records = [record for record in read if record.sequence <= stretch.upto]
        if not records:
            lane.advance(stretch, stretch.upto)
            return None
        beyond = len(records) < len(read)
        return _Work(lane, stretch, records, stretch.upto if beyond else records[-1].sequence)

    # ---- delivery ----

    async def _deal_with(self, work: _Work) -> None:
        lane = work.lane
        packed = await self._ahead.packed(lane.record_class, work.records, work.upto)
        encoded, batch = packed.encoded, packed.batch
        dead, upto = encoded.dead, encoded.upto
        receipt = Receipt(0)
        if batch is not None:
            if len(work.records) >= self._pace.batch_records:  # there is more where these come from
                self._ahead.begin(
                    lane.record_class, self._kinds[lane.record_class], upto, self._pace.batch_records
                )
            answered = await self._deliver(batch)
            if answered is None:
                return
            receipt = answered
        by_sequence = {record.sequence: record for record in work.records}
        dead += [self._encoder.dead_letter(by_sequence[no.sequence], no.reason) for no in receipt.rejected]
        self._tell_refused(dead)
        self._dead = replace(self._dead, refused=self._dead.refused + len(dead))
        if receipt.kept:
            upto = min(receipt.kept) - 1
        lane.hold(encoded.held, upto)
        lane.advance(work.stretch, upto)
        lane.delivered += receipt.accepted
        if work.stretch is not None and batch is not None:
            self._pace_backlog(batch)
        await self._save(lane, dead)

    async def _redrive(self) -> bool:
        """Deliver some refused records that a person sends again; False: there are none, or not now."""
        letters = await asyncio.to_thread(self._outbox.dead_letters, REDRIVEN_AT_ONCE, again=True)
        letters = [letter for letter in letters if letter.record_class is letters[0].record_class]
        if not letters:
            return False
        records, gone = [], []
        for letter in letters:
            read = await self._journal.read(letter.sequence - 1, None, 1)
            if read and (read[0].sequence, read[0].key) == (letter.sequence, letter.key):
                records.append(read[0])
            else:  # its class's budget has made room since, or the journal is another one
                gone.append(letter)
        lane = self._lanes[letters[0].record_class]
        encoded = await self._encoder.encoded(records, letters[-1].sequence)
        dead = encoded.dead
        receipt = Receipt(0)
        if encoded.lines:
            batch = await asyncio.to_thread(OutboxBatch.of_lines, lane.record_class, encoded.lines)
            answered = await self._deliver(batch)
            if answered is None:
                return False
            receipt = answered
        by_sequence = {record.sequence: record for record in records}
        dead += [self._encoder.dead_letter(by_sequence[no.sequence], no.reason) for no in receipt.rejected]
        dead += [self._encoder.dead_letter(by_sequence[sequence], HELD_BACK) for sequence in encoded.held]
        upto = min([encoded.upto, *(sequence - 1 for sequence in receipt.kept)])
        if gone:
            logger.warning("refused records no longer kept, closed number=%d one=%s", len(gone), gone[0].key)
        self._tell_refused(dead)
        logger.info("refused records sent again delivered=%d refused=%d", receipt.accepted, len(dead))
        lane.delivered += receipt.accepted
        closed = [letter.sequence for letter in letters if letter.sequence <= upto]
        await self._save(lane, dead, closed)
        self._dead = await asyncio.to_thread(self._outbox.dead_counts)
        if not self._dead.refused:
            self._error = ""
        return True

    async def _deliver(self, batch: OutboxBatch) -> Receipt | None:
        """The receipt; None after a failure and the wait that it asks for (what goes next is chosen anew)."""
        try:
            receipt = await self._sink.deliver(batch)
        except SinkUnavailable as error:
            wait_s = self._pace.backoff.delay_s(self._failures, self._chance())
            if error.retry_after_s is not None:  # never sooner than asked, and not all boxes at once
                asked_s = error.retry_after_s + self._chance() * max(1.0, error.retry_after_s / 10)
                wait_s = max(wait_s, asked_s)
            await self._wait(CourierState.UNREACHABLE, str(error), wait_s, away=error.away)
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

    async def _wait(self, state: CourierState, error: str, wait_s: float, *, away: bool = False) -> None:
        if state is not self._state or error != self._error:
            logger.warning("centre not served where=%s state=%s reason=%s", self._where, state, error)
        self._state, self._error, self._wait_s = state, error, wait_s
        self._failures += 1
        await self._find_oldest()
        if away and self._answers is not None:
            await wait_until_answers(self._answers, wait_s, self._chance)
        else:
            await asyncio.sleep(wait_s)

    def _pace_backlog(self, batch: OutboxBatch) -> None:
        cost_s = max(
            batch.count / self._pace.backlog_points_per_s, len(batch.body) / self._pace.backlog_bytes_per_s
        )
        self._backlog_due_s = max(self._backlog_due_s, time.monotonic()) + cost_s

    async def _save(self, lane: Lane, dead: Sequence[DeadLetter], closed: Sequence[int] = ()) -> None:
        """Write down where a class stands. A disk that refuses holds nothing up: it is written with the next
        one, and the journal keeps the records until then."""
        self._unsaved += dead
        self._unclosed += closed
        try:
            account = self._uplink.account()
            await asyncio.to_thread(self._outbox.save, lane, self._unsaved, self._unclosed, account)
        except sqlite3.Error as error:
            logger.error("courier's file cannot be written error=%s", error)
            self._error = f"the courier's file cannot be written: {error}"
            del self._unsaved[:-MOST_DEAD_LETTERS]
            return
        self._unsaved.clear()
        self._unclosed.clear()
        self._mark(lane)

    def _mark(self, lane: Lane) -> None:
        """Tell the journal how far the centre has a class: what lies behind may leave, or is lost if it does.

        Telemetry held back for its time counts as dealt with: its class's budget never waits for it.
        """
        bulk = lane.record_class is RecordClass.TELEMETRY
        upto = lane.sent if bulk else lane.confirmed
        self._journal.mark_delivered(CENTRAL, lane.record_class, upto)

    def _confirm(self) -> None:
        for record_class in self._kinds:
            self._mark(self._lanes[record_class])

    def _tell_refused(self, dead: Sequence[DeadLetter]) -> None:
        if dead:  # one line: a refused series would flood the log with a line for each record
            one, last = dead[0], dead[-1]
            logger.warning("records refused number=%d one=%s reason=%s", len(dead), one.key, one.reason)
            self._error = f"{last.key}: {last.reason}"
