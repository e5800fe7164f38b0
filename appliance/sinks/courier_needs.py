"""What the courier is given: a journal to read, somebody to tell, and a pace.

Duty: the two Protocols and the figures. Holds no logic.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from appliance.backoff import Backoff
from appliance.journal.record import Record, RecordClass, RecordKind

BACKOFF = Backoff(base_s=1.0, cap_s=60.0, floor_s=0.2)


class JournalFeed(Protocol):
    """What the courier needs of the journal."""

    @property
    def last_sequence(self) -> int: ...

    @property
    def incarnation(self) -> str: ...

    @property
    def resolutions(self) -> int:
        """How often provisional times were resolved since the start."""
        ...

    async def read(
        self, after_sequence: int, kinds: Collection[RecordKind] | None = None, limit: int = 1_000
    ) -> list[Record]: ...

    def mark_delivered(self, sink: str, record_class: RecordClass, sequence: int) -> None: ...


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
