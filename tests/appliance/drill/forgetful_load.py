"""The recorded load with a courier that is told of receipts for what never arrived: the drill must see it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from appliance.drill import power_line
from appliance.drill.power_load import load
from appliance.sinks.sink import OutboxBatch, Receipt, SinkUnavailable


class ForgetfulSink(power_line.DrillSink):
    """A receipt whatever becomes of it."""

    async def deliver(self, batch: OutboxBatch) -> Receipt:
        try:
            return await super().deliver(batch)
        except SinkUnavailable:
            return Receipt(batch.count)


if __name__ == "__main__":
    setattr(power_line, "DrillSink", ForgetfulSink)  # noqa: B010
    asyncio.run(load(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]))
