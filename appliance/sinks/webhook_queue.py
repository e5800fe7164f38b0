"""The order and the times of a receiver's webhooks: in order per alarm, none waiting for another alarm's.

Duty: which message may go now, when one that failed goes again, and when to give up. Pure: time and chance
are arguments, nothing is sent or stored here.

Each alarm is a lane: its messages go one after the other, the oldest first. Lanes do not wait for each other,
but for a receiver that asked for a pause (429 or 503 with Retry-After).
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from enum import StrEnum

from appliance.backoff import Backoff
from appliance.sinks.webhook_message import Message

SECOND_NS = 1_000_000_000
BACKOFF = Backoff(base_s=2.0, cap_s=600.0, floor_s=0.5)
GIVE_UP_S = 72 * 3600.0
IN_FLIGHT = 4
LONGEST_PAUSE_S = 24 * 3600.0  # what a receiver may ask for: it must not stop alarms for a year
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a failed message is tried again, and for how long."""

    backoff: Backoff = BACKOFF
    give_up_s: float = GIVE_UP_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to. `status` None: there was no answer."""

    delivered: bool
    reason: str
    status: int | None = None
    retry_after_s: float | None = None
    detail: str = ""  # the beginning of the answer, for a person who tests


class Fate(StrEnum):
    """What becomes of a message after an attempt."""

    DELIVERED = "delivered"
    WAITING = "waiting"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Settled:
    """The state of a message after an attempt, as it is stored."""

    message: Message  # with the sequence that it has by now
    fate: Fate
    attempts: int
    age_s: float  # how long it has been tried, without the time the appliance was off
    wait_s: float  # until the next attempt


@dataclass(slots=True)
class _Waiting:
    message: Message
    order: int  # the sequence it came with: its place in the lane, also when its own becomes known later
    attempts: int
    age_s: float  # at since_ns
    since_ns: int
    next_ns: int


@dataclass(slots=True)
class _Lane:
    waiting: list[_Waiting] = field(default_factory=list)
    in_flight: _Waiting | None = None


class WebhookQueue:
    """The messages that one receiver has not accepted yet. Times are monotonic ns."""

    def __init__(self, schedule: Schedule, in_flight: int = IN_FLIGHT) -> None:
        self._schedule = schedule
        self._room = in_flight
        self._lanes: dict[str, _Lane] = {}
        self._entries: dict[str, _Waiting] = {}  # by message id
        self._paused_until_ns = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, message_id: str) -> bool:
        return message_id in self._entries

    def add(
        self, message: Message, now_ns: int, *, attempts: int = 0, age_s: float = 0.0, wait_s: float = 0.0
    ) -> None:
        """One more message; it takes its place by sequence among those of its alarm. Twice is once."""
        if message.message_id in self._entries:
            return
        next_ns = now_ns + round(wait_s * SECOND_NS)
        entry = _Waiting(message, message.sequence, attempts, age_s, now_ns, next_ns)
        self._entries[message.message_id] = entry
        lane = self._lanes.setdefault(message.alarm_id, _Lane())
        bisect.insort(lane.waiting, entry, key=_order)

    def renumber(self, message_id: str, sequence: int) -> Message:
        """A message that was sent before its commit has its sequence now; place and body stay as they were.

        Raises KeyError if it does not wait here.
        """
        entry = self._entries[message_id]
        entry.message = replace(entry.message, sequence=sequence)
        return entry.message

    def resume(self, now_ns: int) -> None:
        """Attempts that ended without an outcome (their task was cancelled) are due again."""
        for lane in self._lanes.values():
            if lane.in_flight is not None:
                lane.in_flight.next_ns = now_ns
                bisect.insort(lane.waiting, lane.in_flight, key=_order)
                lane.in_flight = None
                self._room += 1

    def due(self, now_ns: int) -> list[Message]:
        """Messages to be sent now; each must be settled. Those that wait longest come first."""
        if now_ns < self._paused_until_ns:
            return []
        ready = [lane for lane in self._free() if lane.waiting[0].next_ns <= now_ns]
        ready.sort(key=lambda lane: (lane.waiting[0].next_ns, lane.waiting[0].order))
        taken = []
        for lane in ready[: self._room]:
            lane.in_flight = lane.waiting.pop(0)
            taken.append(lane.in_flight.message)
        self._room -= len(taken)
        return taken

    def wait_s(self, now_ns: int) -> float | None:
        """Time until something is due, s; None until a message is added or settled."""
        if self._room == 0:
            return None
        nexts = [lane.waiting[0].next_ns for lane in self._free()]
        if not nexts:
            return None
        return max(0.0, (max(min(nexts), self._paused_until_ns) - now_ns) / SECOND_NS)

    def settle(self, message: Message, outcome: Outcome, now_ns: int, chance: float) -> Settled:
        """Take in the outcome of an attempt; `chance` is a draw from [0, 1)."""
        lane = self._lanes[message.alarm_id]
        entry = lane.in_flight
        if entry is None or entry.message.message_id != message.message_id:
            raise ValueError(f"message {message.message_id} is not in flight")
        lane.in_flight = None
        self._room += 1
        entry.attempts += 1
        entry.age_s += (now_ns - entry.since_ns) / SECOND_NS
        entry.since_ns = now_ns
        if outcome.delivered:
            return self._gone(lane, entry, Fate.DELIVERED)
        if entry.age_s >= self._schedule.give_up_s:
            return self._gone(lane, entry, Fate.DEAD)
        wait_s = self._schedule.backoff.delay_s(entry.attempts - 1, chance)
        if outcome.retry_after_s is not None:
            asked_s = min(outcome.retry_after_s, LONGEST_PAUSE_S)
            wait_s = max(wait_s, asked_s)
            if outcome.status in _BUSY:
                self._paused_until_ns = max(self._paused_until_ns, now_ns + round(asked_s * SECOND_NS))
        entry.next_ns = now_ns + round(wait_s * SECOND_NS)
        bisect.insort(lane.waiting, entry, key=_order)
        return Settled(entry.message, Fate.WAITING, entry.attempts, entry.age_s, wait_s)

    def oldest_s(self, now_ns: int) -> float:
        """How long the oldest message has been tried, s; 0 while nothing waits."""
        return max((one.age_s + (now_ns - one.since_ns) / SECOND_NS for one in self._all()), default=0.0)

    def _all(self) -> list[_Waiting]:
        entries = [entry for lane in self._lanes.values() for entry in lane.waiting]
        return entries + [lane.in_flight for lane in self._lanes.values() if lane.in_flight is not None]

    def _free(self) -> list[_Lane]:
        return [lane for lane in self._lanes.values() if lane.waiting and lane.in_flight is None]

    def _gone(self, lane: _Lane, entry: _Waiting, fate: Fate) -> Settled:
        del self._entries[entry.message.message_id]
        if not lane.waiting:
            del self._lanes[entry.message.alarm_id]
        return Settled(entry.message, fate, entry.attempts, entry.age_s, 0.0)


def _order(entry: _Waiting) -> int:
    return entry.order
