"""The line to the centre while the power may go: a sink that takes records, or does what a bad line does.

Duty: the sink that the recorded load's courier delivers to, and the one that takes what the courier of the
next start delivers. It tells what has arrived; that is the witness. Opens no connection: what is tested is
that courier, cursors and journal agree after a cut, whatever the line did.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from appliance.backoff import Backoff
from appliance.errors import Fatal
from appliance.journal.features import NameList
from appliance.journal.journal import Journal
from appliance.journal.record import Record, RecordClass, RecordKind
from appliance.sinks.courier import KINDS, Courier
from appliance.sinks.courier_needs import Pace
from appliance.sinks.outbox import FILE_NAME, Outbox
from appliance.sinks.sink import OutboxBatch, Receipt, SinkUnavailable

# By the names of the drill's faults: does a request arrive, and does the courier hear of it?
LINES = {
    "black-hole": (False, "no answer"),
    "reset": (False, "connection reset"),
    "late-answer": (True, "the answer came too late"),
    "busy": (False, "429"),
    "unavailable": (False, "503"),
}
TURN_S = 0.4  # the line is open, then bad, in turn
PATIENCE_S = 0.1  # of the sink, for an answer
BUSY_S = 0.1  # what Retry-After asks for
PACE = Pace(
    batch_records=40, look_s=0.005, live_lag=30, backoff=Backoff(base_s=0.05, cap_s=0.2, floor_s=0.02)
)
DRAIN_WAIT_S = 60.0

Arrived = Callable[[RecordClass, list[str]], None]


class DrillSink:
    """Takes everything; while the line is bad nothing, or without saying so."""

    wants = frozenset(RecordKind)

    def __init__(self, arrived: Arrived, line: str = "") -> None:
        """`arrived(class, keys)` hears what is there; `line` is one of LINES, "" a good one."""
        self._arrived, self._line, self._begin_s = arrived, line, time.monotonic()

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        keys = [one.body.decode() for one in batch.lines]
        bad = bool(self._line) and int((time.monotonic() - self._begin_s) / TURN_S) % 2 == 1
        arrives, words = LINES[self._line] if bad else (True, "")
        if arrives:
            self._arrived(batch.record_class, keys)
        if bad:
            if self._line in ("black-hole", "late-answer"):
                await asyncio.sleep(PATIENCE_S)
            raise SinkUnavailable(words, BUSY_S if words.isdecimal() else None)
        return Receipt(len(keys))


class _Nobody:
    """Nobody is told that the centre refuses: the drill looks at what arrived."""

    async def central_refuses(self, reason: str, remedy: str) -> None:
        raise Fatal(f"the drill's sink refuses: {reason}")

    async def central_accepts(self) -> None:
        pass


def courier(journal: Journal, folder: Path, arrived: Arrived, line: str = "") -> tuple[Courier, Outbox]:
    """The product's courier on the stores in `folder`, and its file. Raises Fatal."""
    outbox = Outbox(folder / FILE_NAME)
    return Courier(
        journal,
        DrillSink(arrived, line),
        outbox,
        encode=_key,
        name_list=_no_names,
        watch=_Nobody(),
        where=line or "the centre",
        pace=PACE,
    ), outbox


async def deliver_all(journal: Journal, folder: Path, arrived: Arrived) -> None:
    """What the next start delivers until nothing is left. Raises Fatal, TimeoutError."""
    one, outbox = courier(journal, folder, arrived)
    try:
        delivering = asyncio.create_task(one.run())
        async with asyncio.timeout(DRAIN_WAIT_S):
            while not _done(one, journal.last_sequence):
                await asyncio.sleep(0.005)
                if delivering.done():
                    await delivering
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
    finally:
        outbox.close()


def _done(one: Courier, head: int) -> bool:
    lanes = [one.lanes[record_class] for record_class in KINDS]
    return all(lane.live >= head and not lane.stretches for lane in lanes)


def _key(record: Record, names: NameList | None) -> bytes | None:
    return record.key.encode()


async def _no_names(names_id: bytes) -> NameList | None:
    return None
