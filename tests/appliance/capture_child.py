"""A service that captures and is going to be killed; forked by `killer` for each line on its standard input.

What it was promised goes to a witness outside the journal: `stored ID PART` once the record of a part is
durable.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from appliance.capture_group import CaptureTiming
from appliance.clock import SystemClock
from appliance.journal.capture_record import capture_part
from appliance.journal.record import RecordKind
from tests.appliance.capture_rig import ASSET, CHANNELS, CaptureRig, blocks, capture_rig, raised

TIMING = CaptureTiming(before_s=3.0, after_s=1.0, most_per_hour=1000)
PROMISES = 2  # that each life has made before it is killed, however slow the disk is


def say(line: str) -> None:
    os.write(1, (line + "\n").encode())


async def witness(rig: CaptureRig) -> None:
    async for record in rig.journal.follow(rig.journal.last_sequence, {RecordKind.CAPTURE}):
        part = capture_part(record)
        say(f"stored {part.capture_id} {part.part}")


async def main(folder: Path) -> None:
    async with capture_rig(folder, TIMING, clock=SystemClock()) as rig:
        await rig.care.begin()
        say("open")
        tasks = [asyncio.create_task(rig.desk.run()), asyncio.create_task(witness(rig))]
        now_ds = time.monotonic_ns() // 100_000_000
        rig.desk.take(ASSET, blocks(now_ds - 40, 40, CHANNELS), [])
        while True:  # faster than real time: a trigger every 20 ms, ended 1.5 s of samples later
            now_ds += 15
            rig.desk.take(ASSET, blocks(now_ds - 15, 15, CHANNELS), [raised(now_ds / 10)])
            await asyncio.sleep(0.02)
        await asyncio.gather(*tasks)


def killer() -> None:
    """For every line `FOLDER WITNESS SECONDS`: fork a service, kill it that long after its first promises."""
    for line in sys.stdin:
        folder, said, alive_s = line.split()
        pid = os.fork()
        if pid == 0:
            os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), 1)
            asyncio.run(main(Path(folder)))
        while not Path(said).exists() or Path(said).read_bytes().count(b"stored") < PROMISES:
            time.sleep(0.005)
        time.sleep(float(alive_s))  # the moment of the kill is random, nothing waits for it
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        say("killed")


if __name__ == "__main__":
    killer()
