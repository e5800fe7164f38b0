"""Commands of the centre: asked for, judged, carried out once, and answered.

Duty: read the measurement `command` of this device, refuse what is forged, copied, stale or another's,
bring the rest to the alarms and the limits, and store each outcome as audit, from where the courier takes it
back to the centre as `command_result`. What a command is, and whether it holds, is `command_document`'s.

The audit is the memory: which points were looked at, and how far. It is read at the start, so that a restart
carries nothing out twice. The point of a command may reach the centre late: every look goes back a while, and
every hour (and after each outage) as far as a command can live. One look reads so much and no more; where it
broke off the next one goes on, so that a flood of forgeries delays a command and never hides it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.alarm_records import StoredTransition
from appliance.alarms.acts import Act, ActivationId, HybridStamp
from appliance.backoff import Backoff
from appliance.clock import Clock
from appliance.errors import StethosError
from appliance.journal.journal import Journal
from appliance.journal.record import NewRecord, Record, RecordClass, RecordKind
from appliance.limit_versions import LimitChangeError
from appliance.limit_wish import LimitWish
from appliance.reconcile.alarm_merge import CONFLICT
from appliance.reconcile.central import name_of, text_of
from appliance.reconcile.command_document import (
    LONGEST_LIFE_NS,
    MAX_DOCUMENT_BYTES,
    MEASUREMENT,
    MOST_AHEAD_NS,
    AlarmOrder,
    Command,
    CommandRefused,
    LimitOrder,
    SignedCommand,
    judge,
    verified,
)
from appliance.reconcile.command_memory import CommandMemory
from appliance.reconcile.errors import AnswerTooLarge
from appliance.reconcile.limits_merge import MergePlan
from appliance.sinks.points_commands import COMMAND_SUBJECT

logger = logging.getLogger(__name__)

PAGE, MOST_PAGES = 500, 20  # commands in one answer, answers in one look
RECALLED = 10_000  # records that are read at once at a start
LATE_NS = 600 * 1_000_000_000  # how late a point may reach the centre and still be found at the next look
FULL_LOOK_NS = 3_600 * 1_000_000_000
MOST_REFUSALS = 100  # that are stored one by one in an hour: a flood of forgeries must not fill the journal
BACKOFF = Backoff(base_s=2.0, cap_s=60.0, floor_s=1.0)
FORMAT = "command-result-1"


class Asker(Protocol):
    """Questions to the centre (`central.CentralReader`)."""

    async def rows(self, question: str) -> Sequence[Mapping[str, Any]]: ...


class AlarmActs(Protocol):
    """Who takes acts on alarms (`AlarmDesk`)."""

    @property
    def seen(self) -> HybridStamp: ...

    async def take_act(self, alarm_id: str, named: ActivationId, act: Act) -> StoredTransition | None: ...


ChangeLimits = Callable[[str, LimitWish, str], Awaitable[MergePlan]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a command: done, conflict, refused, failed, or begun (which a result follows)."""

    outcome: str
    text: str


@dataclass(frozen=True, slots=True)
class _Point:
    time_ns: int
    said: SignedCommand

    @property
    def digest(self) -> str:
        content = f"{self.time_ns}\n{self.said.key_id}\n{self.said.signature}\n{self.said.document}"
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class CommandDesk:
    """Follows the centre's commands. `run` it."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        *,
        device_id: str,
        asker: Asker,
        keys: Callable[[], Mapping[str, Ed25519PublicKey]],
        alarms: AlarmActs,
        change_limits: ChangeLimits,
        poll_s: float,
        trust_any_clock: bool = False,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`keys` is asked before every look: a new key needs no restart. `trust_any_clock`: somebody else
        keeps the clock (a container), so what expired can be told although the kernel says nothing of it."""
        self._journal, self._clock = journal, clock
        self._device_id, self._asker, self._keys = device_id, asker, keys
        self._alarms, self._change_limits = alarms, change_limits
        self._poll_s, self._trust_any_clock, self._chance = poll_s, trust_any_clock, chance
        self._memory = CommandMemory()
        self._full_look_ns: int | None = None  # monotonic
        self._next_ns: int | None = None  # where the latest look broke off, in what is new
        self._full_next_ns: int | None = None  # and in all that a command can live
        self._refusals: list[int] = []  # monotonic times of those of the last hour
        self._unstored = 0
        self._state = "not asked yet"
        self.counts = {"done": 0, "conflict": 0, "refused": 0, "failed": 0}

    def text(self) -> str:
        """The line for the appliance page."""
        counted = ", ".join(f"{number} {name}" for name, number in self.counts.items() if number)
        return f"commands: {self._state}" + (f" ({counted} since the start)" if counted else "")

    async def run(self) -> None:
        """Look for commands, for ever. Raises Retryable where the journal cannot be read."""
        await self.recall()
        failures = 0
        while True:
            try:
                await self.look()
                failures = 0
            except StethosError as error:
                self._full_look_ns = self._full_next_ns = None
                self._state = f"cannot be asked for: {error}"
                logger.log(
                    logging.WARNING if failures == 0 else logging.DEBUG, "commands not read reason=%s", error
                )
                failures += 1
            await asyncio.sleep(BACKOFF.delay_s(failures - 1, self._chance()) if failures else self._poll_s)

    async def recall(self) -> None:
        """Know what was looked at before this start. Raises Retryable."""
        newest = await self._journal.history(RecordKind.AUDIT, COMMAND_SUBJECT, RECALLED)
        if len(newest) >= RECALLED:  # a flood of refusals must not push out what was carried out before it
            times = [record.time_ns for record in newest]
            since_ns, until_ns = max(times) - LONGEST_LIFE_NS - LATE_NS, min(times)
            while since_ns <= until_ns:
                older = await self._journal.between(
                    RecordKind.AUDIT, COMMAND_SUBJECT, since_ns, until_ns, RECALLED
                )
                self._note_all(older)
                if len(older) < RECALLED:
                    break
                since_ns = max(since_ns + 1, older[-1].time_ns)
        self._note_all(newest)

    async def look(self) -> None:
        """Ask once, and carry out what is new. Raises StethosError."""
        now_ns, trusted = self._now()
        if not trusted:
            self._state = "wait for a clock that is trusted: whether they expired cannot be known"
            return
        await self._finish_begun()
        monotonic_ns = self._clock.monotonic_ns()
        full = self._full_look_ns is None or monotonic_ns - self._full_look_ns > FULL_LOOK_NS
        oldest_ns = now_ns - LONGEST_LIFE_NS - LATE_NS
        recent_ns = max(oldest_ns, self._memory.cursor_ns - LATE_NS)
        # What is new first: behind it the whole of a week may take many looks.
        self._next_ns = await self._scan(max(oldest_ns, self._next_ns or recent_ns), now_ns)
        if full and recent_ns > oldest_ns:
            self._full_next_ns = await self._scan(max(oldest_ns, self._full_next_ns or oldest_ns), now_ns)
        whole = self._full_next_ns is None and (recent_ns > oldest_ns or self._next_ns is None)
        if full and whole:
            self._full_look_ns = monotonic_ns
            self._memory.forget(oldest_ns)
        await self._store_flood(monotonic_ns)
        behind = self._next_ns is not None or self._full_next_ns is not None
        self._state = "asked for; more of them wait than one look takes" if behind else "asked for"

    async def _scan(self, since_ns: int, now_ns: int) -> int | None:
        """Carry out what is new from a time on; where to go on at the next look, None: it came to the end.

        Raises StethosError.
        """
        keys = self._keys()
        page = PAGE
        for _ in range(MOST_PAGES):
            try:
                rows = await self._asker.rows(self._question(since_ns, page))
            except AnswerTooLarge:
                if page == 1:
                    raise
                page = max(1, page // 8)  # somebody has written documents that no command has
                continue
            points = [point for point in map(_point, rows) if point is not None]
            for point in points:
                if point.digest not in self._memory:
                    await self._take(point, keys)
                    self._memory.looked_at(point.time_ns, now_ns)
            if len(rows) < page or not points:
                return None
            since_ns = max(point.time_ns for point in points) + 1
            if since_ns > now_ns + MOST_AHEAD_NS:
                return None  # what bears a time to come is read anew: a command of today stands before it
        return since_ns

    # -- one command --

    async def _take(self, point: _Point, keys: Mapping[str, Ed25519PublicKey]) -> None:
        now_ns, _ = self._now()
        command: Command | None = None
        try:
            command = verified(point.said, keys)
            known = self._memory.carried_out
            judge(command, device_id=self._device_id, now_ns=now_ns, seen=self._alarms.seen, done=known)
        except CommandRefused as error:
            self._memory.note_refused(point.digest, point.time_ns)
            await self._refuse(point, command, error)
            return
        if isinstance(command.order, LimitOrder):
            await self._store(point, command, Outcome("begun", "it is being carried out"))
        outcome = await self._carry_out(command, point.said.key_id)
        await self._store(point, command, outcome)

    async def _carry_out(self, command: Command, key_id: str) -> Outcome:
        order = command.order
        try:
            if isinstance(order, AlarmOrder):
                stored = await self._alarms.take_act(order.alarm_id, order.named, command.act(key_id))
                if stored is None:
                    return Outcome("done", "it was part of the alarm already")
                if stored.transition.what == CONFLICT:
                    return Outcome("conflict", stored.transition.reason)
                state = stored.transition.alarm.state
                return Outcome("done", f"{stored.transition.what}; the alarm is {state}")
            wish = LimitWish(
                action=order.action,  # type: ignore[arg-type]  # one of LIMIT_ACTIONS
                reason=command.reason,
                seen_revision=order.seen_revision,
                channel_id=order.channel_id,
                operating_state=order.operating_state,
                factor=order.factor,
                version=order.version,
            )
            plan = await self._change_limits(order.asset_id, wish, f"{command.actor} (centre)")
        except KeyError as error:
            return Outcome("failed", f"there is no {error} on this device")
        except (LimitChangeError, StethosError) as error:
            return Outcome("failed", str(error))
        return Outcome("conflict" if plan.conflict else "done", plan.text)

    async def _refuse(self, point: _Point, command: Command | None, error: CommandRefused) -> None:
        now_ns = self._clock.monotonic_ns()
        self._refusals = [at_ns for at_ns in self._refusals if now_ns - at_ns < FULL_LOOK_NS]
        if len(self._refusals) >= MOST_REFUSALS:
            self._unstored += 1
            self.counts["refused"] += 1
            return
        logger.warning("command refused key=%s reason=%s", point.said.key_id[:32], error)
        self._refusals.append(now_ns)
        await self._store(point, command, Outcome("refused", str(error)))

    async def _finish_begun(self) -> None:
        """What a stop of the service interrupted is not begun again: nobody knows how far it went."""
        for command_id, (key, expires_ns) in list(self._memory.begun.items()):
            text = "the service stopped while it was carried out: look at the limits as they are now"
            payload = {"command_id": command_id, "expires_ns": expires_ns, "outcome": "failed", "text": text}
            await self._commit(f"{key}/failed", payload)

    async def _store_flood(self, monotonic_ns: int) -> None:
        if self._unstored and monotonic_ns - self._refusals[-1] > FULL_LOOK_NS / 60:
            text = f"{self._unstored} more commands were refused within the hour, not stored one by one"
            self._unstored = 0
            payload = {"command_id": "", "expires_ns": 0, "outcome": "refused", "text": text}
            await self._commit(
                f"command/flood/{self._journal.boot_id}/{monotonic_ns}", payload, counted=False
            )

    # -- the audit --

    async def _store(self, point: _Point, command: Command | None, outcome: Outcome) -> None:
        payload: dict[str, Any] = {
            "point": point.digest,
            "point_time_ns": point.time_ns,
            "key_id": point.said.key_id[:32],
            "command_id": "" if command is None else command.command_id,
            "expires_ns": 0 if command is None else command.expires_ns,
            "issued_ns": None if command is None else command.issued_ns,
            "actor": None if command is None else command.actor,
            "kind": None if command is None else _kind(command),
            "about": None if command is None else _about(command),
            "reason": None if command is None else command.reason,
            "outcome": outcome.outcome,
            "text": outcome.text[:1000],
            "document": point.said.document[:2000],
        }
        await self._commit(f"command/{point.digest}/{outcome.outcome}", payload)

    async def _commit(self, key: str, payload: dict[str, Any], counted: bool = True) -> None:
        record = NewRecord(
            RecordClass.ALARM,
            RecordKind.AUDIT,
            key,
            COMMAND_SUBJECT,
            self._clock.monotonic_ns(),
            orjson.dumps({"format": FORMAT, "what": "command", **payload}),
        )
        await self._journal.commit([record])
        self._note({"format": FORMAT, **payload})
        if counted and payload["outcome"] in self.counts:
            self.counts[payload["outcome"]] += 1
        logger.info("command outcome=%s text=%s", payload["outcome"], payload["text"])

    def _note_all(self, records: Sequence[Record]) -> None:
        for record in sorted(records, key=lambda one: one.sequence):
            try:
                self._note(orjson.loads(record.payload))
            except (ValueError, TypeError, KeyError) as error:
                logger.error("audit of a command unreadable sequence=%s reason=%s", record.sequence, error)

    def _note(self, payload: Mapping[str, Any]) -> None:
        if payload.get("format") == FORMAT:
            self._memory.note(payload, self._now()[0])

    def _now(self) -> tuple[int, bool]:
        wall = self._clock.wall(self._clock.monotonic_ns())
        return wall.time_ns, wall.trusted or self._trust_any_clock

    def _question(self, since_ns: int, page: int) -> str:
        fields = ", ".join(name_of(name) for name in ("document", "signature", "key_id"))
        return (
            f"SELECT {fields} FROM {name_of(MEASUREMENT)} "  # noqa: S608 - quoted
            f'WHERE "device_id" = {text_of(self._device_id)} AND time >= {since_ns} '
            f"ORDER BY time ASC LIMIT {page}"
        )


def _point(row: Mapping[str, Any]) -> _Point | None:
    """A row of the answer; None where it holds no document that could be a command."""
    document, signature, key_id = (row.get(name) for name in ("document", "signature", "key_id"))
    if not isinstance(document, str) or len(document) > MAX_DOCUMENT_BYTES:
        document = str(document)[:200]
    time_ns = row.get("time")
    if not isinstance(time_ns, int):
        return None
    return _Point(time_ns, SignedCommand(document, str(signature)[:200], str(key_id)[:64]))


def _kind(command: Command) -> str:
    order = command.order
    return str(order.kind) if isinstance(order, AlarmOrder) else f"limit {order.action}"


def _about(command: Command) -> str:
    order = command.order
    return order.alarm_id if isinstance(order, AlarmOrder) else order.asset_id
