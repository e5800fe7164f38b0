"""What receivers refused for good, from all of them in one list, and its sending again.

Duty: one view over the files of the courier and of the webhooks. It keeps nothing and decides nothing: the
courier and the senders find in their files what a person had sent again.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from appliance.errors import Fatal, Retryable
from appliance.sinks.courier_report import CourierReport
from appliance.sinks.outbox_dead import read_dead_letters, redrive_dead_letters
from appliance.sinks.webhook import WebhookReport
from appliance.sinks.webhook_store import read_dead, redrive

logger = logging.getLogger(__name__)

CENTRAL = "central"


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """One dead letter. `letter_id` is unique within its destination; `refused_ns` (UTC) 0: not known."""

    destination: str
    letter_id: str
    kind: str  # of the record: "score", "alarm transition"; of a message: what happened to the alarm
    record_id: str  # what it is about: an alarm, a channel, a counter
    refused_ns: int
    reason: str  # as the receiver said it


@dataclass(frozen=True, slots=True)
class DeadLetterTally:
    """How many letters a destination has, and how many older ones had to leave the list."""

    destination: str
    refused: int
    dropped: int


class DeadLetterBox(Protocol):
    """The dead letters of one destination."""

    def tally(self) -> DeadLetterTally:
        """From memory."""
        ...

    def newest(self, limit: int) -> list[RefusedRecord]:
        """The latest refusal first. Blocking. Raises Fatal."""
        ...

    def redrive(self, letter_ids: Sequence[str] | None) -> int:
        """Let letters (None: all) be sent again; how many were dead until now. Blocking. Raises Fatal."""
        ...


class CentralLetters:
    """Those of the central InfluxDB."""

    def __init__(self, path: Path, report: Callable[[], CourierReport]) -> None:
        self._path = path
        self._report = report

    def tally(self) -> DeadLetterTally:
        report = self._report()
        return DeadLetterTally(CENTRAL, report.refused, report.refused_dropped)

    def newest(self, limit: int) -> list[RefusedRecord]:
        return [
            RefusedRecord(
                CENTRAL,
                str(letter.sequence),
                (letter.kind or letter.record_class.value).replace("_", " "),
                letter.subject or letter.key,
                letter.refused_ns,
                letter.reason,
            )
            for letter in read_dead_letters(self._path, limit)[1]
        ]

    def redrive(self, letter_ids: Sequence[str] | None) -> int:
        if letter_ids is None:
            return redrive_dead_letters(self._path)
        # A sequence has 19 digits at most; what is none belongs to no letter.
        sequences = {int(one) for one in letter_ids if one.isascii() and one.isdecimal() and len(one) < 19}
        return redrive_dead_letters(self._path, sequences)


class WebhookLetters:
    """Those of one receiver of webhooks."""

    def __init__(self, folder: Path, hook: str, report: Callable[[], WebhookReport]) -> None:
        self._folder = folder
        self._hook = hook
        self._report = report

    def tally(self) -> DeadLetterTally:
        report = self._report()
        return DeadLetterTally(f"webhook {self._hook}", report.dead_letters, report.dead_letters_dropped)

    def newest(self, limit: int) -> list[RefusedRecord]:
        return [
            RefusedRecord(
                f"webhook {self._hook}",
                stored.message.message_id,
                f"alarm {stored.message.what}",
                stored.message.alarm_id,
                stored.dead_time_ns or 0,
                f"{stored.reason} ({stored.attempts} attempts)",
            )
            for stored in read_dead(self._folder, self._hook, limit)
        ]

    def redrive(self, letter_ids: Sequence[str] | None) -> int:
        if letter_ids is None:
            return redrive(self._folder, self._hook, ())
        return redrive(self._folder, self._hook, letter_ids) if letter_ids else 0


class DeadLetters:
    """The dead letters of all destinations."""

    def __init__(self, boxes: Sequence[DeadLetterBox] = ()) -> None:
        self._boxes = boxes

    def tallies(self) -> list[DeadLetterTally]:
        """Every destination, those without any included."""
        return [box.tally() for box in self._boxes]

    def destinations(self) -> list[str]:
        return [tally.destination for tally in self.tallies()]

    async def page(self, destination: str | None, offset: int, limit: int) -> list[RefusedRecord]:
        """Letters of one destination, or of all: the latest refusal first. Raises Retryable."""
        boxes = [box for box in self._boxes if destination in (None, box.tally().destination)]
        try:
            lists = await asyncio.to_thread(lambda: [box.newest(offset + limit) for box in boxes])
        except Fatal as error:
            raise Retryable(str(error)) from error
        merged = heapq.merge(*lists, key=lambda letter: letter.refused_ns, reverse=True)
        return list(merged)[offset : offset + limit]

    async def redrive(self, destination: str, letter_ids: Sequence[str] | None, user: str) -> int:
        """Let letters be sent again (None: all of the destination); how many were dead until now.

        A letter that waits to be sent already, or that there is not, counts for none. Raises Retryable.
        """
        box = next(box for box in self._boxes if box.tally().destination == destination)
        try:
            count = await asyncio.to_thread(box.redrive, letter_ids)
        except Fatal as error:
            raise Retryable(str(error)) from error
        which = "all" if letter_ids is None else ",".join(letter_ids[:20])
        logger.info(
            "dead letters sent again destination=%s count=%d letters=%r user=%r",
            destination, count, which, user,
        )  # fmt: skip
        return count
