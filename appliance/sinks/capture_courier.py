"""Brings captured waveforms to an object store: at least once, in order, within a day's bytes.

Duty: what goes next, when to try again, what the operator is told. The journal holds the captures; this
holds one part in memory. A place moves only after the store has confirmed an object; a kill between the two
sends it again, under the same name.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from appliance.backoff import Backoff
from appliance.errors import Fatal
from appliance.journal.record import Record, RecordClass, RecordKind, SinkClaim
from appliance.sinks.capture_cursor import MOST_HELD, CaptureCursor, RefusedObject
from appliance.sinks.courier_needs import BACKOFF, JournalFeed
from appliance.sinks.courier_report import CourierState
from appliance.sinks.sink import SinkStopped, SinkUnavailable

logger = logging.getLogger(__name__)

OBJECT_STORE = "object store"
AT_ONCE = 50  # records looked at in one read
LOOK_S = 1.0
LOOKS_AT_HELD = 600
STOPPED_RETRY_S = 60.0


@dataclass(frozen=True, slots=True)
class CapturedObject:
    """One part of a capture as it goes out. `name` is the same each time it is sent."""

    name: str
    content: bytes
    metadata: dict[str, str]  # plain words, for the object's headers


class ObjectRefused(Exception):  # noqa: N818
    """The store will never take this object, for the reason given; others it may."""


class Store(Protocol):
    """Where objects go."""

    async def put(self, item: CapturedObject) -> None:
        """Returns once the store has confirmed the whole object. Raises ObjectRefused, SinkUnavailable,
        SinkStopped."""
        ...


class ObjectStoreWatch(Protocol):
    """Who raises and clears the alarm that the store refuses everything."""

    async def __call__(self, refuses: bool, reason: str, remedy: str) -> None: ...


@dataclass(frozen=True, slots=True)
class CaptureReport:
    """How the way to the object store stands."""

    where: str
    state: CourierState
    delivered: int
    delivered_bytes: int
    spent_bytes: int  # today
    daily_budget_bytes: int
    held: int
    refused: int
    refused_dropped: int
    last_error: str
    waits_for_tomorrow: bool

    @property
    def text(self) -> str:
        """One line for the operator."""
        parts = [f"{self.where}: {self.state}", f"{self.delivered:,} captured parts delivered"]
        parts.append(
            f"{self.spent_bytes / 1e6:,.1f} of {self.daily_budget_bytes / 1e6:,.0f} MB of today used"
        )
        if self.waits_for_tomorrow:
            parts.append("the rest waits for tomorrow, kept here")
        if self.held:
            more = ", and those behind them" if self.held >= MOST_HELD else ""
            parts.append(f"{self.held:,} held back until the clock is trusted{more}")
        if self.refused:
            parts.append(f"{self.refused:,} refused by the store")
        if self.last_error:
            parts.append(f"last error: {self.last_error}")
        return "; ".join(parts)


class CaptureCourier:
    """Delivers captures of one journal to one store. `run` it under the supervisor."""

    def __init__(
        self,
        journal: JournalFeed,
        store: Store,
        cursor: CaptureCursor,
        *,
        load: Callable[[Record], Awaitable[CapturedObject | None]],
        watch: ObjectStoreWatch,
        where: str,
        daily_budget_bytes: int,
        send_provisional: bool,
        wall_ns: Callable[[], int],
        backoff: Backoff = BACKOFF,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`load` gives what a record's file holds; None: nothing (any more). `wall_ns` is UTC."""
        self._journal, self._store, self._cursor, self._load = journal, store, cursor, load
        self._watch, self._where = watch, where
        self._budget_bytes = daily_budget_bytes
        self._send_provisional = send_provisional
        self._wall_ns = wall_ns
        self._backoff, self._chance, self._sleep = backoff, chance, sleep
        self._failures = 0
        self._state, self._error, self._waits = CourierState.STARTING, "", False
        self._looks = 0
        self._resolutions = -1  # of the journal, as of the latest look at what is held back
        self._to_check: deque[int] = deque()  # of what is held back: whether it may go, or has left
        if cursor.state.after > journal.last_sequence:  # another journal: all of it is news
            cursor.state.after = 0
            cursor.state.held.clear()
        self._mark()

    claim = SinkClaim(frozenset({RecordClass.CAPTURE}), keeps=True)

    def report(self) -> CaptureReport:
        """How it stands, for the appliance page."""
        state = self._cursor.state
        today = state.spent_bytes if state.day == self._today() else 0
        return CaptureReport(
            self._where,
            self._state,
            state.delivered,
            state.delivered_bytes,
            today,
            self._budget_bytes,
            len(state.held),
            len(state.refused),
            state.refused_dropped,
            self._error,
            self._waits,
        )

    async def run(self) -> None:
        """Deliver for ever. Raises Retryable when the journal cannot be read."""
        while True:
            if not await self.step():
                await self._sleep(LOOK_S)

    async def step(self) -> bool:
        """Deal with what comes next; False: there is nothing, or not now."""
        record = await self._next()
        if record is None:
            return False
        item = await self._load(record)
        if item is None:  # it has left, or never had a file
            await self._done(record)
            return True
        if not self._affordable(len(item.content)):
            self._waits = True
            return False
        self._waits = False
        return await self._deliver(record, item)

    # ---- inside ----

    async def _next(self) -> Record | None:
        state = self._cursor.state
        for sequence in list(state.again):
            if (record := await self._one(sequence)) is not None:
                return record
            self._forget(sequence)
        if (record := await self._released()) is not None:
            return record
        while records := await self._journal.read(state.after, {RecordKind.CAPTURE}, AT_ONCE):
            for record in records:
                if record.time_known or self._send_provisional:
                    return record
                if len(state.held) >= MOST_HELD:
                    return None  # what comes behind waits in the journal: none is passed over for ever
                state.held.append(record.sequence)
                state.after = record.sequence
        return None

    async def _released(self) -> Record | None:
        """The first that was held back and may go by now. They are read when times were resolved, and now and
        then, because some may have left: not at each look, there may be thousands."""
        held = self._cursor.state.held
        self._looks += 1
        if self._journal.resolutions != self._resolutions or self._looks % LOOKS_AT_HELD == 0:
            self._resolutions = self._journal.resolutions
            self._to_check = deque(held)
        while self._to_check:
            sequence = self._to_check[0]
            record = await self._one(sequence) if sequence in held else None
            if record is not None and (record.time_known or self._send_provisional):
                return record  # until it is done: it may have to wait for tomorrow
            if record is None:
                self._forget(sequence)
            self._to_check.popleft()
        return None

    async def _one(self, sequence: int) -> Record | None:
        read = await self._journal.read(sequence - 1, {RecordKind.CAPTURE}, 1)
        return read[0] if read and read[0].sequence == sequence else None

    async def _deliver(self, record: Record, item: CapturedObject) -> bool:
        state = self._cursor.state
        state.spent_bytes += len(item.content)  # an attempt that fails has used the line, too
        try:
            await self._store.put(item)
        except ObjectRefused as error:
            await self._accepts()
            logger.warning("captured part refused key=%s reason=%s", record.key, error)
            state.refused.append(
                RefusedObject(record.sequence, record.key, record.subject, self._wall_ns(), str(error))
            )
            self._error = f"{record.key}: {error}"
        except SinkUnavailable as error:
            wait_s = self._backoff.delay_s(self._failures, self._chance())
            if error.retry_after_s is not None:
                wait_s = max(
                    wait_s, error.retry_after_s + self._chance() * max(1.0, error.retry_after_s / 10)
                )
            await self._fail(CourierState.UNREACHABLE, str(error), wait_s)
            return True
        except Fatal as error:
            remedy = error.remedy if isinstance(error, SinkStopped) else ""
            await self._watch(True, error.reason if isinstance(error, SinkStopped) else str(error), remedy)
            await self._fail(CourierState.STOPPED, str(error), STOPPED_RETRY_S)
            return True
        else:
            await self._accepts()
            state.delivered += 1
            state.delivered_bytes += len(item.content)
        await self._done(record)
        return True

    async def _accepts(self) -> None:
        if self._state is not CourierState.CONNECTED:
            logger.info("object store accepts where=%s", self._where)
            self._state, self._error = CourierState.CONNECTED, ""
            await self._watch(False, "", "")
        self._failures = 0

    async def _fail(self, state: CourierState, error: str, wait_s: float) -> None:
        if (state, error) != (self._state, self._error):
            logger.warning("object store not served where=%s state=%s reason=%s", self._where, state, error)
        self._state, self._error = state, error
        self._failures += 1
        await self._save()
        await self._sleep(wait_s)

    async def _done(self, record: Record) -> None:
        self._forget(record.sequence)
        self._cursor.state.after = max(self._cursor.state.after, record.sequence)
        if await self._save():
            self._mark()

    def _forget(self, sequence: int) -> None:
        for waiting in (self._cursor.state.again, self._cursor.state.held):
            if sequence in waiting:
                waiting.remove(sequence)

    async def _save(self) -> bool:
        """A disk that refuses holds nothing up: what is not written down is sent again."""
        try:
            await asyncio.to_thread(self._cursor.save)
        except OSError as error:
            logger.error("object store's cursor cannot be written error=%s", error)
            return False
        return True

    def _mark(self) -> None:
        waiting = [*self._cursor.state.held, *self._cursor.state.again]
        upto = min([self._cursor.state.after, *(sequence - 1 for sequence in waiting)])
        self._journal.mark_delivered(OBJECT_STORE, RecordClass.CAPTURE, upto)

    def _affordable(self, size_bytes: int) -> bool:
        """Whether the day's bytes allow it. One that is larger than a whole day's goes alone."""
        state, today = self._cursor.state, self._today()
        if state.day != today:
            state.day, state.spent_bytes = today, 0
        return state.spent_bytes == 0 or state.spent_bytes + size_bytes <= self._budget_bytes

    def _today(self) -> str:
        return datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).strftime("%Y-%m-%d")
