"""Fills gaps of process values from the history of the server that was not heard.

Duty: which gaps may be filled, from what their source's peer has kept, and what becomes of them: a gap with
values is backfilled, and what of it nobody vouches for is entered as lost; one of which the peer has nothing
keeps its cause and ends as lost. Past values are stored as live ones are averaged, by a key made of the
peer's timestamp: a second time, also after a kill in between, stores nothing twice. They are not judged:
what they would have raised is over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import orjson

from appliance.clock import Clock
from appliance.journal.journal import Journal
from appliance.journal.record import GapState, NewRecord, RecordClass, RecordKind, StoredGap
from appliance.sources.source import LinkReport, LinkState, PastSample, SourceLost
from dsp.samples import Channel, Gap, GapCause

logger = logging.getLogger(__name__)

LOOK_S = 10.0
BACK_NS = 86_400_000_000_000  # as long as the ledger keeps a gap open
SETTLED_NS = 2_000_000_000  # after its end: until its last values are on the disk
HOLE_NS = 60_000_000_000  # without a value for so long: nobody vouches for what was there
MOST_RECORDS = 500  # of one commit: an alarm does not wait long behind it
OF_ONE_START = frozenset({GapCause.OPCUA_DOWN})
CAUSES = OF_ONE_START | {GapCause.POWER_OFF}


class Historian(Protocol):
    """A source whose peer may have kept what was missed (an OPC UA client)."""

    source_id: str
    channels: tuple[Channel, ...]

    def report(self) -> LinkReport: ...

    async def history(self, channel_id: str, start_ns: int, end_ns: int) -> list[PastSample]:
        """What was kept between two monotonic times. Raises SourceLost where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class _Try:
    """One attempt at a gap: another one is due once it has grown, or after another connection."""

    gap_id: int
    end_ns: int
    connection: int


class Backfill:
    """Looks after the gaps of some sources. `run` it under the supervisor."""

    def __init__(
        self, sources: Sequence[Historian], journal: Journal, clock: Clock, *, period_s: float
    ) -> None:
        """`period_s`: over which process values are averaged, as they are live."""
        self._sources = sources
        self._journal = journal
        self._clock = clock
        self._period_ns = round(period_s * 1e9)
        self._tried: dict[_Try, None] = {}  # in order
        self.filled = 0  # gaps, since the start

    async def run(self) -> None:
        """For ever. Raises Retryable where the journal cannot be read."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Once: try each gap that may be filled and was not tried since its source is connected."""
        if self._more_important:
            return
        for source in self._sources:
            report = source.report()
            if report.state is not LinkState.CONNECTED:
                continue
            connection = (report.counts or {}).get("connections", 0)
            for channel in source.channels:
                for gap in await self._gaps(channel.channel_id):
                    one = _Try(gap.gap_id, gap.end_ns, connection)
                    if one not in self._tried and await self._fill(source, gap):
                        self._tried[one] = None
        while len(self._tried) > 10_000:
            del self._tried[next(iter(self._tried))]

    @property
    def _more_important(self) -> bool:
        """Whether there are more important things to write: the disk refuses, or lives of its reserve."""
        return not self._journal.durable or self._journal.space_low

    async def _gaps(self, channel_id: str) -> list[StoredGap]:
        now_ns = self._now_ns()
        found = await self._journal.gaps(channel_id, now_ns - BACK_NS, now_ns)
        return [
            gap
            for gap in found
            if gap.cause in CAUSES
            and gap.state is not GapState.BACKFILLED
            and now_ns - BACK_NS < gap.end_ns < now_ns - SETTLED_NS
            and gap.start_ns < gap.end_ns
            # By a clock that is not trusted only times of this start can be put side by side.
            and (not gap.provisional or (gap.boot_id == self._journal.boot_id and gap.cause in OF_ONE_START))
        ]

    async def _fill(self, source: Historian, gap: StoredGap) -> bool:
        """Try one gap; False: our own disk did not take it or has no room, it is to be tried again."""
        start_ns, end_ns = self._monotonic_ns(gap.start_ns), self._monotonic_ns(gap.end_ns)
        try:
            samples = await source.history(gap.channel_id, start_ns, end_ns)
        except SourceLost as error:
            logger.info("gap not filled channel=%s reason=%s", gap.channel_id, error)
            return True
        if not samples:
            logger.info("gap not filled channel=%s reason=nothing was kept", gap.channel_id)
            return True
        there = await self._keys(gap)  # a day of them takes seconds to make: not in the event loop
        fresh = await asyncio.to_thread(_fresh_records, gap.channel_id, samples, self._period_ns, there)
        for at in range(0, len(fresh), MOST_RECORDS):
            if self._more_important:
                return False
            result = await self._journal.commit(fresh[at : at + MOST_RECORDS])
            if not result.durable:
                return False  # the gap stays; what was stored is known the next time
        self._journal.resolve_gap(gap.gap_id, GapState.BACKFILLED)
        holes = await asyncio.to_thread(_holes, [start_ns, *(one.time_ns for one in samples), end_ns])
        for hole_start_ns, hole_end_ns in holes:
            self._journal.record_gap(
                Gap(gap.channel_id, hole_start_ns, hole_end_ns, gap.cause), GapState.LOST
            )
        self.filled += 1
        logger.info(
            "gap filled channel=%s values=%d records=%d holes=%d",
            gap.channel_id, len(samples), len(fresh), len(holes),
        )  # fmt: skip
        return True

    async def _keys(self, gap: StoredGap) -> set[str]:
        """Keys of what an earlier attempt, cut off, has stored already."""
        found: set[str] = set()
        from_ns = gap.start_ns
        while page := await self._journal.between(RecordKind.TAG, gap.channel_id, from_ns, gap.end_ns):
            found |= {record.key for record in page}
            if page[-1].time_ns <= from_ns:
                break
            from_ns = page[-1].time_ns
        return found

    def _now_ns(self) -> int:
        return self._clock.wall(self._clock.monotonic_ns()).time_ns

    def _monotonic_ns(self, time_ns: int) -> int:
        """A UTC time as one of this boot's monotonic clock (before the boot: negative)."""
        now_ns = self._clock.monotonic_ns()
        return now_ns - (self._clock.wall(now_ns).time_ns - time_ns)


def _fresh_records(
    channel_id: str, samples: Iterable[PastSample], period_ns: int, there: Container[str]
) -> list[NewRecord]:
    """Averages over periods of the peer's own time, so that each always has the same key; without those whose
    keys are `there` already. Blocking."""
    periods: dict[int, list[PastSample]] = {}
    for one in samples:
        begins_ns = one.source_ns - one.source_ns % period_ns if period_ns else one.source_ns
        periods.setdefault(begins_ns, []).append(one)
    return [
        NewRecord(
            RecordClass.TELEMETRY,
            RecordKind.TAG,
            key,
            channel_id,
            some[0].time_ns,
            orjson.dumps({"value": sum(one.value for one in some) / len(some)}),
            late=True,
        )
        for begins_ns, some in sorted(periods.items())
        if (key := f"{RecordKind.TAG}/{channel_id}/history/{begins_ns}") not in there
    ]


def _holes(times_ns: Sequence[int]) -> list[tuple[int, int]]:
    """Times between which nobody vouches for what was there. Blocking."""
    return [one for one in pairwise(times_ns) if one[1] - one[0] > HOLE_NS]
