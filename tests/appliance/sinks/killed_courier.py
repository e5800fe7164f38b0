"""A courier that dies (SIGKILL) after the server has taken a batch and before the cursor is written."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from appliance.journal.record import RecordKind
from appliance.sinks.influx import Influx1Writer, InfluxSink
from appliance.sinks.sink import OutboxBatch, Receipt
from tests.appliance.sinks.way import journal_in, way

DEATH_AFTER = 2  # the second batch: one cursor is written, the next is not


class DeadlySink:
    """Delivers, then kills its own process before the receipt is seen."""

    wants: frozenset[RecordKind] = InfluxSink.wants

    def __init__(self, url: str) -> None:
        self._sink = InfluxSink(Influx1Writer(url, "stethos"))
        self._delivered = 0

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        receipt = await self._sink.deliver(batch)
        self._delivered += 1
        if self._delivered == DEATH_AFTER:
            os.kill(os.getpid(), signal.SIGKILL)
        return receipt


async def main(folder: Path, url: str) -> None:
    async with journal_in(folder) as journal, way(journal, folder, sink=DeadlySink(url)) as one:
        await one.drained()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
