"""Stress for a running appliance: many clients at once, and a main process that stands still now and then.

Duty: a plain function, for tests and benchmarks. The standstill is SIGSTOP: event loop, worker threads and
GIL of the appliance's main process all stop, as under a stalled disk or a debugger, while the process that
reads the serial port goes on. Knows nothing of what the appliance answers.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from appliance.demo_config import MACHINE_ID

PATHS = (
    "/api/machines",
    f"/api/machines/{MACHINE_ID}",
    f"/api/channels/{MACHINE_ID}.z/spectrum?kind=amplitude",
    f"/api/channels/{MACHINE_ID}.x/trend?feature=rms_mps2",
    "/api/alarms?include_closed=true",
    "/api/appliance",
)


@dataclass(frozen=True, slots=True)
class StressReport:
    """What the appliance was put through."""

    seconds: float
    requests: int  # answered with 200
    refused: int  # answered otherwise
    failed: int  # not answered
    standstills: int


async def stress(
    url: str,
    cookies: Mapping[str, str],
    pid: int,
    *,
    seconds: float,
    n_clients: int = 20,
    standstill_s: float = 0.2,
    pause_s: float = 0.3,
    paths: Sequence[str] = PATHS,
) -> StressReport:
    """Hammer the interface with `n_clients` clients at once and stop process `pid` for `standstill_s` at a
    time, `pause_s` between, for so many seconds. The process runs again when this returns or raises."""
    end_s = time.monotonic() + seconds
    answered = {"ok": 0, "refused": 0, "failed": 0}

    async def client(number: int) -> None:
        order = random.Random(number)
        async with httpx.AsyncClient(
            base_url=url, cookies=dict(cookies), timeout=30.0, trust_env=False
        ) as http:
            while time.monotonic() < end_s:
                try:
                    response = await http.get(order.choice(paths))
                except httpx.TransportError:
                    answered["failed"] += 1
                else:
                    answered["ok" if response.status_code == 200 else "refused"] += 1

    async def standstills() -> int:
        count = 0
        while time.monotonic() < end_s:
            os.kill(pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(standstill_s)
            finally:
                os.kill(pid, signal.SIGCONT)
            count += 1
            await asyncio.sleep(pause_s)
        return count

    began_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(standstills())
        for number in range(n_clients):
            group.create_task(client(number))
    return StressReport(
        time.monotonic() - began_s,
        answered["ok"],
        answered["refused"],
        answered["failed"],
        stopping.result(),
    )
