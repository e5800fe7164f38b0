"""Sends alarm transitions to one receiver as signed webhooks: at least once, in order per alarm.

Duty: the shell between journal, queue, file and network. Follows the journal from its cursor, so that nothing
leaves before it is durable and nothing is missed; the queue decides what goes when; the file remembers.
What is on the disk in that file counts as taken over, and the journal is told so: it need not keep an alarm
until a dead receiver has it, but keeps what was not taken in yet (MAX_WAITING) or what the disk refused.

Only where the disk is broken does an alarm go ahead of its commit (`alarm_held`), and then not again with it.
Sending never waits for a disk: what reads the journal or the file is tried again beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from appliance.alarm_records import StoredTransition, stored_transition
from appliance.clock import Clock
from appliance.errors import Rejected, Retryable
from appliance.journal.record import Record, RecordClass, RecordKind, SinkClaim
from appliance.sinks.webhook_early import EarlyMessages
from appliance.sinks.webhook_message import Choice, Message, alarm_message, message_id
from appliance.sinks.webhook_post import WebhookPost
from appliance.sinks.webhook_queue import Fate, Outcome, Schedule, WebhookQueue
from appliance.sinks.webhook_store import WebhookStore

logger = logging.getLogger(__name__)

MAX_WAITING = 2_000  # messages in memory; beyond, the rest waits in the journal
LOOK_S = 2.0  # how often dead letters that a person sends again are looked for
CURSOR_STEP = 256  # transitions that nobody wants are noted this seldom
FAILING_S = 300.0  # nothing accepted for this long while something waits: an alarm
_KINDS = frozenset({RecordKind.ALARM_TRANSITION})


HOLDS_BACK = SinkClaim(frozenset({RecordClass.ALARM}), keeps=False)  # a choice of them is no copy


class TransitionLog(Protocol):
    """The journal, as far as a webhook needs it."""

    @property
    def last_sequence(self) -> int: ...

    def follow(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None
    ) -> AsyncIterator[Record]: ...

    def mark_delivered(self, sink: str, record_class: RecordClass, sequence: int) -> None: ...


@dataclass(frozen=True, slots=True)
class WebhookReport:
    """What an operator sees of one receiver."""

    name: str
    address: str
    failing: bool  # the latest attempts failed
    reason: str
    waiting: int
    oldest_s: float
    delivered: int  # since the start
    failed_attempts: int
    dead_letters: int
    dead_letters_dropped: int


Tell = Callable[[str, bool, str], Awaitable[None]]  # name, whether it is failing, why


async def _tell_nobody(name: str, failing: bool, reason: str) -> None:
    """Nobody wants to know."""


class WebhookSink:
    """One receiver's webhooks. `run` it, again after an error; it goes on where it was."""

    def __init__(
        self,
        name: str,
        post: WebhookPost,
        *,
        log: TransitionLog,
        store: WebhookStore,
        clock: Clock,
        choice: Choice,
        schedule: Schedule,
        appliance: str,
        asset_names: Mapping[str, str],
        tell: Tell = _tell_nobody,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """A receiver that the file does not know begins with what is committed from now on."""
        self.name = name
        self._post = post
        self._log = log
        self._store = store
        self._clock = clock
        self._choice = choice
        self._schedule = schedule
        self._appliance = appliance
        self._asset_names = asset_names
        self._tell = tell
        self._chance = chance
        self._queue = WebhookQueue(schedule)
        self._early = EarlyMessages()
        self._announced: dict[str, int] = {}  # newest activation of each alarm that was told
        self._cursor: int | None = None  # None: not read from the file yet
        self._loaded = asyncio.Event()
        self._version: int | None = None  # of the file, when it was last read
        self._gone: set[str] = set()  # ids that left the queue since the file was last read
        self._work = asyncio.Event()  # something may be due
        self._room = asyncio.Event()  # something left the queue
        self._failing_since_ns: int | None = None
        self._reason = ""
        self._told_failing = True  # the alarm of before a restart may stand: the first success clears it
        self._delivered = self._failed = 0
        self._dead, self._dropped = store.counts(name)
        self._begin()

    def report(self) -> WebhookReport:
        return WebhookReport(
            self.name,
            self._post.endpoint.target.shown,
            self._failing_since_ns is not None,
            self._reason,
            len(self._queue),
            self._queue.oldest_s(self._clock.monotonic_ns()),
            self._delivered,
            self._failed,
            self._dead,
            self._dropped,
        )

    async def run(self) -> None:
        """Take in and send, for ever."""
        self._queue.resume(self._clock.monotonic_ns())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._kept(self._look))
                group.create_task(self._kept(self._take_in))
                await self._send(group)
        except ExceptionGroup as errors:
            raise _first(errors) from errors  # the supervisor knows what to do with one
        finally:
            await self._post.close()

    def alarm_held(self, stored: StoredTransition) -> None:
        """A listener of the desk of alarms: what the disk did not take is sent at once."""
        if stored.sequence != 0 or not self._choice.wants(stored, self._announced):
            return
        alarm = stored.transition.alarm
        numbered = dataclasses.replace(stored, sequence=self._early.next_sequence(self._log.last_sequence))
        try:
            message = alarm_message(stored.key, numbered, self._appliance, self._asset_names)
        except (ValueError, OverflowError) as error:  # the desk must not stumble over one receiver
            logger.error("webhook cannot tell an alarm webhook=%s reason=%s", self.name, error)
            return
        if not self._early.admit(message.message_id):
            return  # told with its commit
        self._announced[alarm.alarm_id] = alarm.activation
        self._queue.add(message, self._clock.monotonic_ns())
        self._work.set()

    def _begin(self) -> None:
        cursor = self._store.cursor(self.name)
        if cursor is None and not self._store.replaced:
            cursor = self._log.last_sequence
            self._store.begin(self.name, cursor)
        elif cursor is None or cursor > self._log.last_sequence:
            # The file or the journal is not what it was: rather twice, with the same ids, than never.
            logger.warning("webhook cursor lost, recent transitions are sent again webhook=%s", self.name)
            self._store.begin(self.name, 0)
            self._mark(0)
            self._oldest_ns = self._wall_ns() - round(self._schedule.give_up_s * 1e9)
            return
        self._mark(cursor)
        self._oldest_ns = 0

    @property
    def claimant(self) -> str:
        """The name under which it holds alarms back in the journal."""
        return f"webhook/{self.name}"

    def _mark(self, sequence: int) -> None:
        self._log.mark_delivered(self.claimant, RecordClass.ALARM, sequence)

    async def _remember(
        self, message: Message | None, announced: tuple[str, int] | None, sequence: int
    ) -> None:
        """Write down that everything up to a sequence was taken in; the journal may let go of it then."""
        if await self._store.take(self.name, message, announced, sequence):
            self._mark(sequence)

    async def _kept(self, part: Callable[[], Awaitable[None]]) -> None:
        """Run what needs the disk, again whenever the disk refuses: sending goes on."""
        told = ""
        while True:
            try:
                return await part()
            except Retryable as error:
                level = logging.DEBUG if str(error) == told else logging.WARNING
                logger.log(level, "webhook waits for the disk webhook=%s reason=%s", self.name, error)
                told = str(error)
                await asyncio.sleep(LOOK_S)

    async def _look(self) -> None:
        """Put what waits in the file, or was put back there by a person, into the queue, for ever."""
        while True:
            version = await self._store.ask(lambda store: store.outside_changes())  # before what is read
            if version != self._version:
                await self._load()
                self._version = version
                self._loaded.set()
            await asyncio.sleep(LOOK_S)

    async def _load(self) -> None:
        now_ns, wall_ns = self._clock.monotonic_ns(), self._wall_ns()
        self._gone.clear()
        for stored in await self._store.ask(lambda store: store.messages(self.name, dead=False)):
            if stored.message.message_id in self._gone:
                continue  # settled while the file was read
            self._queue.add(
                stored.message,
                now_ns,
                attempts=stored.attempts,
                age_s=stored.age_s,
                wait_s=stored.remaining_s(wall_ns),
            )
        self._dead, self._dropped = await self._store.ask(lambda store: store.counts(self.name))
        self._work.set()

    async def _take_in(self) -> None:
        await self._loaded.wait()
        if self._cursor is None:
            told = await self._store.ask(lambda store: store.announced(self.name))
            self._cursor = await self._store.ask(lambda store: store.cursor(self.name)) or 0
            self._announced = {**told, **self._announced}
        noted = 0
        async for record in self._log.follow(self._cursor, _KINDS):
            while len(self._queue) >= MAX_WAITING:
                self._room.clear()
                await self._room.wait()
            if not await self._take(record):
                noted += 1
                if noted % CURSOR_STEP == 0:
                    await self._remember(None, None, record.sequence)
            self._cursor = record.sequence

    async def _take(self, record: Record) -> bool:
        """Take in one record; False if nothing was to be sent. Raises Retryable."""
        arrived = self._early.committed(message_id(record.key))
        try:
            stored = stored_transition(record)
            alarm = stored.transition.alarm
            known = (alarm.alarm_id, alarm.activation)
            if arrived is None and (
                record.time_ns < self._oldest_ns or not self._choice.wants(stored, self._announced)
            ):
                return False
            message = alarm_message(record.key, stored, self._appliance, self._asset_names)
        except (Rejected, ValueError, OverflowError) as error:
            logger.error("webhook cannot tell a record webhook=%s reason=%s", self.name, error)
            return False
        self._announced[alarm.alarm_id] = alarm.activation
        if arrived:
            await self._remember(None, known, record.sequence)
            return True
        if message.message_id in self._queue:
            message = self._queue.renumber(message.message_id, record.sequence)
        else:
            self._queue.add(message, self._clock.monotonic_ns())
        self._work.set()
        await self._remember(message, known, record.sequence)
        return True

    async def _send(self, group: asyncio.TaskGroup) -> None:
        looked_ns = self._clock.monotonic_ns()
        while True:
            self._work.clear()
            now_ns = self._clock.monotonic_ns()
            for message in self._queue.due(now_ns):
                group.create_task(self._attempt(message))
            if now_ns - looked_ns >= LOOK_S * 1e9:
                looked_ns = now_ns
                await self._tell_state(now_ns)
            wait_s = self._queue.wait_s(self._clock.monotonic_ns())
            # Not wait_for: in Python 3.11 it can swallow the cancellation that ends this task.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S if wait_s is None else min(wait_s, LOOK_S)):
                    await self._work.wait()

    async def _attempt(self, message: Message) -> None:
        try:
            outcome = await self._post.attempt(message, self._wall_ns() // 1_000_000_000)
        except Exception as error:  # a bug in one attempt must not end the others
            logger.exception("webhook attempt failed unexpectedly webhook=%s", self.name)
            outcome = Outcome(False, f"unexpected {type(error).__name__}")
        now_ns = self._clock.monotonic_ns()
        settled = self._queue.settle(message, outcome, now_ns, self._chance())
        if settled.fate is not Fate.WAITING:
            self._gone.add(message.message_id)
        self._note(message, outcome, settled.fate, now_ns)
        self._work.set()
        self._room.set()
        if message.message_id in self._early:  # the file knows nothing of it yet
            if settled.fate is Fate.DELIVERED:
                self._early.arrived(message.message_id)
            elif settled.fate is Fate.DEAD:
                self._early.given_up(message.message_id)
        else:
            try:
                await self._store.settle(self.name, settled, outcome.reason, self._wall_ns())
            except Retryable as error:  # it was sent all the same
                logger.error("webhook outcome not noted webhook=%s reason=%s", self.name, error)
        if settled.fate is Fate.DELIVERED and self._told_failing:
            await self._tell_state(now_ns)

    def _note(self, message: Message, outcome: Outcome, fate: Fate, now_ns: int) -> None:
        if outcome.delivered:
            self._delivered += 1
            if self._failing_since_ns is not None:
                logger.info("webhook delivered again webhook=%s", self.name)
            self._failing_since_ns, self._reason = None, ""
            return
        self._failed += 1
        self._dead += fate is Fate.DEAD
        first = self._failing_since_ns is None
        if first:
            self._failing_since_ns = now_ns
        level = logging.WARNING if first or fate is Fate.DEAD else logging.DEBUG
        logger.log(
            level,
            "webhook attempt failed webhook=%s id=%s alarm=%s now=%s reason=%s",
            self.name, message.message_id, message.alarm_id, fate, outcome.reason,
        )  # fmt: skip
        self._reason = outcome.reason

    async def _tell_state(self, now_ns: int) -> None:
        since_ns = self._failing_since_ns
        failing = since_ns is not None and now_ns - since_ns >= FAILING_S * 1e9
        well = since_ns is None and (self._delivered > 0 or not len(self._queue))
        if failing or (well and self._told_failing):
            self._told_failing = failing
            await self._tell(self.name, failing, self._reason)

    def _wall_ns(self) -> int:
        return self._clock.wall(self._clock.monotonic_ns()).time_ns


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    """One plain exception out of a group of groups."""
    inner = errors.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
