"""A real OPC UA server of ours on loopback, for its tests and benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import argon2

from appliance.publishers.address_space import (
    AlarmNodes,
    ChannelNodes,
    FeatureNode,
    MachineNodes,
    UaNode,
    nodes_of,
)
from appliance.publishers.opcua_certificates import ClientTrust, own_certificate
from appliance.publishers.opcua_server import OpcUaServer, TrustGate
from appliance.publishers.opcua_sessions import Bounds
from appliance.publishers.opcua_users import UserFile, set_password
from appliance.publishers.publisher import PublishedValue, ValueStatus
from web.passwords import PasswordHashing

USER = "scada"
PASSWORD = "correct-horse-battery"
START_NS = 1_800_000_000 * 10**9
QUICK_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)

MOTOR = MachineNodes(
    "motor-1",
    "Motor 1",
    (
        ChannelNodes(
            "motor-1.x",
            "acceleration x",
            (
                FeatureNode("rms_mps2", "RMS", "m/s2"),
                FeatureNode("velocity_rms_mm_s", "velocity RMS", "mm/s"),
            ),
            judged=True,
        ),
        ChannelNodes(
            "motor-1.speed", "shaft speed", (FeatureNode("value", "shaft speed", "Hz"),), judged=False
        ),
    ),
    (AlarmNodes("motor-1.machine-condition", "machine condition"),),
)
RMS = "machines/motor-1/channels/motor-1.x/rms_mps2"


def good(path: str, value: float | int | str | bool, at_ns: int = START_NS) -> PublishedValue:
    return PublishedValue(path, value, ValueStatus.GOOD, at_ns)


def nodes() -> list[UaNode]:
    return nodes_of("hall-3", [MOTOR], [AlarmNodes("appliance.overload", "overload")])


class Rig:
    """One running server."""

    def __init__(self, folder: Path, server: OpcUaServer) -> None:
        self.folder = folder
        self.server = server
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run it until it listens."""
        self._task = task = asyncio.create_task(self.server.run())
        waiting = asyncio.create_task(self.server.listening.wait())
        await asyncio.wait([task, waiting], timeout=60, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if task.done():
            task.result()
        assert self.server.listening.is_set()

    async def stop(self) -> None:
        """End it, as the supervisor does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.server.port}/stethos"

    def trust_rejected(self) -> int:
        """What an operator does: move what was rejected to what is trusted."""
        moved = list((self.folder / "rejected").iterdir())
        for path in moved:
            path.rename(self.folder / "trusted" / path.name)
        return len(moved)


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    *,
    any_client: bool = True,
    bounds: Bounds | None = None,
    of: list[UaNode] | None = None,
    utc: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> AsyncIterator[Rig]:
    """Our server, listening, with one user."""
    set_password(folder / "users.json", USER, PASSWORD, PasswordHashing(QUICK_HASH))
    users = UserFile(folder / "users.json", PasswordHashing(QUICK_HASH))
    gate = TrustGate(ClientTrust(folder, any_client=any_client), users, lambda: datetime.now(UTC))
    server = OpcUaServer("127.0.0.1", 0, of or nodes(), own_certificate(folder), gate, bounds=bounds, utc=utc)
    rig = Rig(folder, server)
    try:
        await rig.start()
        yield rig
    finally:
        await rig.stop()
        users.close()
