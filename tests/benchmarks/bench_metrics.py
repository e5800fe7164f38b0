"""/metrics scraped 100 times a second from a running appliance: what it costs, and who notices.

Everything real: a simulated sensor on a pty with a 4 KiB FIFO, an OPC UA server, `stethos run`, 4 scrapers in
this process. The cost is the service's processor time with the scrapes minus that without, measured in turns.
The sensor's own account says what was dropped. No program of this kind runs beside it: the peer columns show
the same appliance's JSON of the same report, asked for as often.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from tests.end_to_end.rig import Rig
from tests.end_to_end.truth_account import read_lives

TURN_S = 6.0
TURNS = 2
RATE_HZ = 100.0
N_SCRAPERS = 4
PAGE, PEER = "/metrics", "/api/appliance/health"
WATCHED = "/api/machines"


def row(figure: str, unit: str, ours: float, peer: float | None = None) -> dict[str, Any]:
    return {
        "bench": "metrics", "figure": figure, "unit": unit, "ours": ours, "peer": peer,
        "peer_name": "" if peer is None else f"GET {PEER}",
        "ratio": None if peer is None else ours / peer,
    }  # fmt: skip


async def scraped(
    url: str, path: str | None, seconds: float, cookies: Mapping[str, str]
) -> tuple[list[float], list[float], int]:
    """Ask for `path` at the rate, and for a page's data beside it: (ms of both, bytes of one)."""
    own, others, size = [], [], 0
    end_s = time.monotonic() + seconds

    async def scraper(number: int) -> None:
        nonlocal size
        due_s = time.monotonic() + number / RATE_HZ
        async with httpx.AsyncClient(base_url=url, cookies=dict(cookies), trust_env=False) as http:
            while path is not None and due_s < end_s:
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                began_s = time.monotonic()
                answer = await http.get(path)
                own.append(1e3 * (time.monotonic() - began_s))
                assert answer.status_code == 200
                size = len(answer.content)
                due_s += N_SCRAPERS / RATE_HZ

    async def page() -> None:
        async with httpx.AsyncClient(base_url=url, cookies=dict(cookies), trust_env=False) as http:
            while time.monotonic() < end_s:
                began_s = time.monotonic()
                assert (await http.get(WATCHED)).status_code == 200
                others.append(1e3 * (time.monotonic() - began_s))
                await asyncio.sleep(0.05)

    await asyncio.gather(page(), *(scraper(number) for number in range(N_SCRAPERS)))
    return own, others, size


def run() -> list[dict[str, Any]]:
    """Rows of this benchmark; takes about a minute."""
    with tempfile.TemporaryDirectory(prefix="stethos-bench-") as folder:
        rig = Rig(Path(folder))
        try:
            rig.start()
            time.sleep(10.0)
            return _measure(rig)
        finally:
            rig.end()


def _measure(rig: Rig) -> list[dict[str, Any]]:
    process = psutil.Process(rig.appliance.pid)
    cpu: dict[str | None, list[float]] = {None: [], PAGE: [], PEER: []}
    own: dict[str | None, list[float]] = {path: [] for path in cpu}
    others: dict[str | None, list[float]] = {path: [] for path in cpu}
    n_bytes = 0
    for _ in range(TURNS):
        for path, percents in cpu.items():
            before, began_s = process.cpu_times(), time.monotonic()
            latencies, beside, size = asyncio.run(scraped(rig.api.url, path, TURN_S, rig.api.cookies))
            after = process.cpu_times()
            used_s = after.user + after.system - before.user - before.system
            percents.append(100.0 * used_s / (time.monotonic() - began_s))
            own[path] += latencies
            others[path] += beside
            n_bytes = size if path == PAGE else n_bytes
    idle = float(np.mean(cpu[None]))
    metrics, view = (float(np.mean(cpu[path])) - idle for path in (PAGE, PEER))
    rig.sensor.end()  # its account is whole
    overruns = sum(len(life.overrun) for life in read_lives(rig.truth_path))
    return [
        row("scrapes answered", "1/s", len(own[PAGE]) / (TURNS * TURN_S)),
        row("cost of 100 scrapes/s", "% of a core", metrics, view),
        row("scrape p50", "ms", *(float(np.median(own[path])) for path in (PAGE, PEER))),
        row("scrape p99", "ms", *(float(np.percentile(own[path], 99)) for path in (PAGE, PEER))),
        row("page", "kB", n_bytes / 1e3),
        row("other route p99, no scrapes", "ms", float(np.percentile(others[None], 99))),
        row("other route p99, 100 scrapes/s", "ms", float(np.percentile(others[PAGE], 99))),
        row("frames overrun at the sensor", "", float(overruns)),
    ]  # fmt: skip
