"""A service that sends webhooks and is going to be killed: journal, sink, one alarm per line on stdin.

usage: python -m tests.appliance.sinks.killed_sender FOLDER URL
Says `open` when it runs, `committed ID` after each alarm's durable commit.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.sinks.webhook_targets import parse_target
from tests.appliance.journal.builders import PATIENT, SMALL
from tests.appliance.sinks.receiver import Plant, sending


async def main(folder: Path, url: str) -> None:
    clock = SystemClock()
    journal = await Journal.open(folder / "journal", SMALL, clock, PATIENT)
    plant = Plant(journal, clock)
    async with sending(plant, parse_target(url, allow_http=True, allow_local=True), timeout_s=60.0):
        print("open", flush=True)
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            await plant.raised(line)
            print(f"committed {line}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
