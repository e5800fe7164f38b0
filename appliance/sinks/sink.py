"""What a sink is: somewhere outside the box that takes the journal's records, at least once.

Duty: the Protocol, what is handed to it, what it answers, and the errors it may raise. A sink moves bytes to
one peer; it keeps no cursor and never waits to try again: that is the courier's work.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from appliance.errors import Fatal, Retryable
from appliance.journal.record import Record, RecordClass, RecordKind

# Level 1: six times smaller at 100 MB/s; level 6 gains another fifth for three times the work.
GZIP_LEVEL = 1


class EncodedRecord(NamedTuple):
    """One record in the peer's own notation, without a line end."""

    sequence: int
    time_ns: int
    body: bytes


@dataclass(frozen=True, slots=True)
class OutboxBatch:
    """Consecutive records of one class, in order, with a ready-to-send body where the sink wants one.

    `records` is empty where `lines` are delivered, and the other way round. `body` is the gzip'd lines; the
    same lines give the same bytes, so `checksum` (SHA-256 of the body, hex) names the content.
    """

    record_class: RecordClass
    records: tuple[Record, ...]
    lines: tuple[EncodedRecord, ...]
    body: bytes
    first_sequence: int
    last_sequence: int
    count: int
    start_ns: int  # UTC of the earliest
    end_ns: int  # UTC of the latest
    checksum: str

    @classmethod
    def of_lines(cls, record_class: RecordClass, lines: Sequence[EncodedRecord]) -> OutboxBatch:
        """A batch of encoded records (at least one), its body packed."""
        body = gzip.compress(b"\n".join(line.body for line in lines), GZIP_LEVEL, mtime=0)
        times_ns = [line.time_ns for line in lines]
        return cls(
            record_class=record_class,
            records=(),
            lines=tuple(lines),
            body=body,
            first_sequence=lines[0].sequence,
            last_sequence=lines[-1].sequence,
            count=len(lines),
            start_ns=min(times_ns),
            end_ns=max(times_ns),
            checksum=hashlib.sha256(body).hexdigest(),
        )

    @classmethod
    def of_records(cls, record_class: RecordClass, records: Sequence[Record]) -> OutboxBatch:
        """A batch of plain records (at least one): the sink writes its own body."""
        times_ns = [record.time_ns for record in records]
        return cls(
            record_class=record_class,
            records=tuple(records),
            lines=(),
            body=b"",
            first_sequence=records[0].sequence,
            last_sequence=records[-1].sequence,
            count=len(records),
            start_ns=min(times_ns),
            end_ns=max(times_ns),
            checksum="",
        )

    def halves(self) -> tuple[OutboxBatch, OutboxBatch]:
        """Two batches of lines that together are this one (of at least two lines)."""
        middle = len(self.lines) // 2
        return (
            OutboxBatch.of_lines(self.record_class, self.lines[:middle]),
            OutboxBatch.of_lines(self.record_class, self.lines[middle:]),
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One record that the peer will never take, and the peer's reason."""

    sequence: int
    reason: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a batch: how many were taken, which were refused for good, which the sink kept back."""

    accepted: int
    rejected: tuple[Refusal, ...] = ()
    kept: tuple[int, ...] = ()  # sequences to deliver again


class SinkUnavailable(Retryable):
    """The peer cannot be reached or is overloaded. `retry_after_s` is the peer's own wish, if stated; `away`:
    nobody was there to answer, so that asking again soon burdens nobody."""

    def __init__(self, reason: str, retry_after_s: float | None = None, *, away: bool = False) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.away = away


class SinkStopped(Fatal):
    """The peer refuses everything for a reason that a person must remove; nothing is lost or sent."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


class Sink(Protocol):
    """Durable delivery, at least once: an idempotent key makes a second delivery harmless."""

    wants: frozenset[RecordKind]

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        """Hand over a batch. Raises SinkUnavailable or SinkStopped, with all of it to be delivered again."""
        ...
