"""Our OPC UA server beside node-opcua's: values delivered to five clients, and what each costs the server.

Both serve Basic256Sha256 SignAndEncrypt with user and password; node-opcua's client subscribes to all
variables from five sessions at a publishing interval of 100 ms. Each server runs in a process of its own,
turn by turn; the operating system gives its CPU time. `at rest` changes 200 variables twice a second, what
a plant of ten machines asks for; `flood` changes 1,000 variables ten times a second, more than is asked for.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from tests.appliance.publishers.opcua_rig import PASSWORD, USER
from tests.fakes.foreign_opcua import NodeProcess, node_process

PEER = "node-opcua server"
CLIENTS = 5
TURNS = 2
SETTLE_S = 2.0
MEASURED_S = 5.0
CASES = (("at rest", 200, 2.0), ("flood", 1000, 10.0))


def run() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_all(Path(folder)))


async def _all(folder: Path) -> list[dict[str, Any]]:
    rows = []
    for name, variables, rate_hz in CASES:
        ours: list[tuple[float, float]] = []
        peers: list[tuple[float, float]] = []
        for turn in range(TURNS):
            ours.append(await _ours(folder / f"{name}-{turn}", variables, rate_hz))
            peers.append(await _peer(folder / f"{name}-{turn}-peer", variables, rate_hz))
        for index, (figure, unit) in enumerate(
            (("values delivered to 5 clients", "1/s"), ("server CPU per delivered value", "us"))
        ):
            mine, theirs = median(one[index] for one in ours), median(one[index] for one in peers)
            rows.append(
                {
                    "bench": "opcua", "figure": f"{figure}, {name}", "unit": unit,
                    "ours": mine, "peer": theirs, "peer_name": PEER,
                    "ratio": mine / theirs if index == 0 else theirs / mine,
                }
            )  # fmt: skip
    return rows


async def _ours(folder: Path, variables: int, rate_hz: float) -> tuple[float, float]:
    folder.mkdir(parents=True)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.opcua_server_process", str(folder / "ua"), str(variables),
        str(rate_hz), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=2**22,
    )  # fmt: skip
    try:
        told = await NodeProcess(process).line()
        return await _measure(folder, told["url"], told["nodes"], process.pid)
    finally:
        process.kill()
        await process.wait()


async def _peer(folder: Path, variables: int, rate_hz: float) -> tuple[float, float]:
    arguments = (str(variables), str(rate_hz), USER, PASSWORD)
    async with node_process("server.js", *arguments, folder=folder / "server") as server:
        told = server.greeting
        nodes = [f"{told['prefix']}v{index}" for index in range(variables)]
        return await _measure(folder, told["url"], nodes, server.process.pid)


async def _measure(folder: Path, url: str, nodes: list[str], pid: int) -> tuple[float, float]:
    """(values per second of all clients together, microseconds of the server's CPU per value)."""
    async with node_process("client.js", folder=folder / "client") as clients:
        for number in range(CLIENTS):
            name = f"c{number}"
            await clients.do("connect", name=name, url=url, user=USER, password=PASSWORD)
            await clients.do("count", name=name, nodes=nodes)
        await asyncio.sleep(SETTLE_S)
        server = psutil.Process(pid)
        began, cpu = sum(await clients.do("received")), server.cpu_times()
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        await asyncio.sleep(MEASURED_S)
        ended, cpu_after = sum(await clients.do("received")), server.cpu_times()
        took_s = clock.time() - began_s
        used_s = cpu_after.user + cpu_after.system - cpu.user - cpu.system
        delivered = ended - began
        return delivered / took_s, 1e6 * used_s / max(1, delivered)
