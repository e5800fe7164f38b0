"""From an alarm's commit to its receiver, beside a plain POST of the same body with the same client library.

Ours: the time from the call of `commit` (journal, fsync) until the receiver has the signed message: commit,
journal follow, queue, signature, connection, POST. The peer sends the same body without journal, queue and
signature, on a connection of its own each time, as ours does. Both ends share the machine; plain HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp

from appliance.alarms.lifecycle import Severity
from appliance.clock import SystemClock
from appliance.journal.journal import Journal
from appliance.journal.retention import Budgets
from tests.appliance.sinks.receiver import Plant, Receiver, receiver, sending

ALARMS = 300
BURST = 1000


async def _latencies() -> tuple[list[float], list[float], float]:
    with tempfile.TemporaryDirectory() as folder:
        clock = SystemClock()
        journal = await Journal.open(Path(folder) / "journal", Budgets(reserve_transitions=1000), clock)
        plant = Plant(journal, clock)
        async with receiver() as cmms, sending(plant, cmms.target()):
            await plant.raised("first")
            await cmms.until(lambda: bool(cmms.accepted))
            ours, peer = [], []
            for number in range(ALARMS):  # turn by turn, so that a noisy machine disturbs both
                before = len(cmms.accepted)
                began_s = time.perf_counter()
                await plant.raised(f"alarm-{number}")
                while len(cmms.accepted) == before:
                    await asyncio.sleep(0)
                ours.append(time.perf_counter() - began_s)
                peer.append(await _plain_post(cmms))
            began_s, before = time.perf_counter(), len(cmms.accepted)
            await asyncio.gather(*(plant.raised(f"burst-{n}", Severity.STOP) for n in range(BURST)))
            await cmms.until(lambda: len(cmms.accepted) == before + BURST, limit_s=120.0)
            burst_s = time.perf_counter() - began_s
        await journal.close()
    return ours, peer, burst_s


async def _plain_post(cmms: Receiver) -> float:
    headers = {name: cmms.seen[-1][name] for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}
    began_s = time.perf_counter()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.post(cmms.url, data=cmms.last_body, headers=headers) as response,
    ):
        await response.read()
    return time.perf_counter() - began_s


def _row(figure: str, unit: str, ours: float, peer: float | None) -> dict[str, Any]:
    ratio = None if peer is None else ours / peer
    return {
        "bench": "webhook",
        "figure": figure,
        "unit": unit,
        "ours": ours,
        "peer": peer,
        "peer_name": "one plain POST" if peer is not None else None,
        "ratio": ratio,
    }


def run() -> list[dict[str, Any]]:
    with contextlib.ExitStack() as stack:
        quiet = logging.getLogger("appliance")
        stack.callback(quiet.setLevel, quiet.level)
        quiet.setLevel(logging.ERROR)
        ours, peer, burst_s = asyncio.run(_latencies())
    ours_q, peer_q = statistics.quantiles(ours, n=100), statistics.quantiles(peer, n=100)
    return [
        _row("alarm commit to receiver, p50", "ms", 1e3 * ours_q[49], 1e3 * peer_q[49]),
        _row("alarm commit to receiver, p99", "ms", 1e3 * ours_q[98], 1e3 * peer_q[98]),
        _row(f"{BURST} alarms at once, delivered", "1/s", BURST / burst_s, None),
    ]
