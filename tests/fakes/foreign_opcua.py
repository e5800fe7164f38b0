"""node-opcua as a foreign peer: its client in a process of its own, installed on demand from its lock file.

`tools/scada.sh` installs the packages into `tests/node_opcua`, once per lock file.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "node_opcua"
ANSWER_WAIT_S = 40.0


def node_environment() -> dict[str, str]:
    """The environment in which `node` and `npm` are new enough."""
    folder = ROOT / ".venv" / "node" / "bin"
    paths = [str(folder)] if (folder / "node").exists() else []
    return {**os.environ, "PATH": os.pathsep.join([*paths, os.environ.get("PATH", "")])}


def install() -> None:
    """Install node-opcua unless the lock file's packages are there already."""
    subprocess.run([ROOT / "tools" / "scada.sh", "--install"], check=True, stdout=subprocess.DEVNULL)


class PeerError(Exception):
    """What node-opcua said went wrong."""


class NodeProcess:
    """A script of tests/node_opcua that answers JSON lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.greeting: dict[str, Any] = {}  # its first line
        self._number = 0
        self._asking = asyncio.Lock()

    async def do(self, command: str, **arguments: Any) -> Any:
        """The peer's answer to one command. Raises PeerError with what it said."""
        async with self._asking:
            self._number += 1
            line = json.dumps({"id": self._number, "do": command, **arguments}) + "\n"
            assert self.process.stdin is not None
            self.process.stdin.write(line.encode())
            await self.process.stdin.drain()
            reply = await self.line()
        assert reply.get("id") == self._number, reply
        if "error" in reply:
            raise PeerError(reply["error"])
        return reply["ok"]

    async def line(self) -> dict[str, Any]:
        """The next JSON line; what node-opcua prints for people is passed over."""
        assert self.process.stdout is not None
        while True:
            line = await asyncio.wait_for(self.process.stdout.readline(), ANSWER_WAIT_S)
            assert line, "node-opcua's process has ended"
            if line.startswith(b"{"):
                return dict(json.loads(line))


@contextlib.asynccontextmanager
async def node_process(script: str, *arguments: str, folder: Path) -> AsyncIterator[NodeProcess]:
    """`node tests/node_opcua/<script> <folder> ...`, ended whatever happens; its files stay in `folder`."""
    await asyncio.to_thread(install)
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**node_environment(), "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(
        shutil.which("node", path=environment["PATH"]) or "node",
        str(FOLDER / script), str(folder), *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment, limit=2**22,
    )  # fmt: skip
    peer = NodeProcess(process)
    try:
        peer.greeting = await peer.line()
        assert peer.greeting.get("ready")
        yield peer
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
