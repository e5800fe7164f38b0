"""A child process of the demo that talks in JSON lines and never outlives the demo.

Duty: start, read lines, stop. The kernel ends the child when its parent dies, however that happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from appliance.errors import Fatal
from appliance.installation import module_command
from appliance.parent_death import end_with_parent

STOP_WAIT_S = 15.0
READY_WAIT_S = 60.0
AT_EOF_WAIT_S = 1.0
_LINE_BYTES = 1 << 20


class ChildProcess:
    """One running child."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    @property
    def pid(self) -> int:
        return self.process.pid

    @classmethod
    async def start(cls, name: str, module: str, *arguments: str, log: Path) -> ChildProcess:
        """Start a module of ours as a program; what it writes to standard error goes to `log`."""
        return await cls.run(name, *module_command(module), *arguments, log=log)

    @classmethod
    async def run(
        cls, name: str, program: str, *arguments: str, log: Path, environment: dict[str, str] | None = None
    ) -> ChildProcess:
        """Start any program; `environment` None is this process's. Raises OSError."""
        with log.open("ab") as log_file:
            process = await asyncio.create_subprocess_exec(
                program,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
                limit=_LINE_BYTES,
                env=environment,
                start_new_session=True,  # Ctrl-C is the demo's alone: it ends its children in order
                preexec_fn=end_with_parent,
            )
        return cls(name, process)

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """What it says, until it ends. Lines that are no JSON objects are left out."""
        assert self.process.stdout is not None
        while raw := await self.process.stdout.readline():
            with contextlib.suppress(ValueError):
                line = json.loads(raw)
                if isinstance(line, dict):
                    yield line

    async def first_line(self, log: Path) -> dict[str, Any]:
        """Its first line, which says that it is ready. Raises Fatal if it ends, or says nothing."""
        try:
            async with asyncio.timeout(READY_WAIT_S):
                async for line in self.lines():
                    return line
        except TimeoutError:
            raise Fatal(f"the {self.name} says nothing for {READY_WAIT_S:g} s; see {log}") from None
        raise Fatal(f"the {self.name} ended before it was ready; see {log}")

    async def tell(self, command: dict[str, object]) -> None:
        """Write one JSON line to its standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def stop(self) -> int:
        """Ask it to end, wait, and make sure; returns its exit code."""
        if self.process.stdout is not None and self.process.stdout.at_eof():  # it ends by itself just now
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AT_EOF_WAIT_S):
                    return await self.process.wait()
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            try:
                async with asyncio.timeout(STOP_WAIT_S):
                    return await self.process.wait()
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()
