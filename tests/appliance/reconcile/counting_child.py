"""A box that counts until it is killed: journal, courier and rounds of reconciliation, in its own process.

Every line on stdout is a witness outside the journal: what is going to be counted, and what was, after its
commit. Between the two a kill leaves open which it is.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from appliance.clock import SystemClock
from appliance.counter_desk import CounterDesk
from appliance.counter_records import Counter
from appliance.counters import Counters
from appliance.demo_central import DATABASE
from appliance.journal.journal import Journal
from appliance.journal.record import RecordClass
from appliance.reconcile.central import CentralReader, Target
from appliance.reconcile.counter_reconciler import CounterReconciler
from appliance.sinks.influx import Influx1Writer, InfluxSink
from tests.appliance.journal.builders import PATIENT, SMALL
from tests.appliance.sinks.way import DEVICE, way

HOURS = (Counter.RUNNING_HOURS, "pump-1")
HALL = (Counter.SERVICE_STARTS, "hall")


def say(line: str) -> None:
    os.write(1, (line + "\n").encode())


async def main(folder: Path, url: str) -> None:
    """Count; every line of stdin is an order: `reconcile`, which is answered with the totals."""
    clock = SystemClock()
    journal = await Journal.open(folder / "journal", SMALL, clock, PATIENT)
    sink = InfluxSink(Influx1Writer(url, DATABASE, timeout_s=60.0))
    async with way(journal, folder, sink=sink, send_provisional=True) as one:
        desk = CounterDesk(journal, clock, Counters(journal.incarnation, journal.boot_id))
        desk.restore()
        reader = CentralReader(url, Target(DATABASE), timeout_s=60.0)
        reconciler = CounterReconciler(
            desk,
            reader,
            clock,
            device_id=DEVICE,
            acknowledged=lambda: one.courier.lanes[RecordClass.COUNTER].confirmed,
        )
        say("will hall 1")
        desk.counters.add(*HALL)
        assert await desk.commit()
        say("did hall 1")
        orders = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        while not orders.done():
            say("will hours 3")
            desk.counters.add(*HOURS, 3.0)
            assert await desk.commit()
            say("did hours 3")
        while orders.result().strip() == "reconcile":
            await one.drained()
            outcome = await reconciler.reconcile()
            await one.drained()
            assert outcome is not None
            counters = desk.counters
            say(f"total {counters.value(*HALL)} {counters.value(*HOURS)} {len(outcome.repairs)}")
            orders = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
            await orders


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
