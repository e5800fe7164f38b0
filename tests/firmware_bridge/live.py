"""Real processes for tests: a simulated sensor on a real pty, and a host that listens to it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firmware_bridge.events import Event
from firmware_bridge.port import Port, open_port
from firmware_bridge.session import Session, Timeouts
from firmware_bridge.simulator_truth import Truth, read_truth
from tests.firmware_bridge.back_to_back import of_type

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 60.0
# A process that stands still for some seconds is no silent sensor; what is, the session's own tests say.
TIMEOUTS = Timeouts(attempts=60, silence_ns=60_000_000_000)


class SimulatorProcess:
    """`python -m firmware_bridge.simulator`, controlled over its stdin."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.link = folder / "sensor"
        self.truth_path = folder / "truth.jsonl"
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "firmware_bridge.simulator", "--link", str(self.link), "--seed", "5",
                "--truth", str(self.truth_path), "--end-with-stdin", *options,
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.answer()["ready"] is True

    def __enter__(self) -> SimulatorProcess:
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()  # end of stdin ends it
        self.process.wait(PATIENCE_S)

    def answer(self) -> dict[str, object]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def control(self, **wish: object) -> dict[str, object]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(wish).encode() + b"\n")
        self.process.stdin.flush()
        return self.answer()

    def truth(self) -> Truth:
        return read_truth(self.truth_path)


class Host:
    """A session on an open port."""

    def __init__(self, port: Port) -> None:
        self.port = port
        self.session = Session(timeouts=TIMEOUTS)
        self.events: list[Event] = []

    async def run_until(
        self, done: Callable[[], bool], after_chunk: Callable[[], object] = lambda: None
    ) -> None:
        """Listen until the condition holds; fails after a long while."""
        give_up_s = time.monotonic() + PATIENCE_S
        if self.session.state == "new":
            self.session.start(time.monotonic_ns())
        while not done():
            assert time.monotonic() < give_up_s, f"not reached; {self.session.state}, {self.session.counts}"
            await self.port.write(self.session.data_to_send())
            chunk = await self.port.read_chunk(self.session.next_deadline_ns)
            if chunk is None:
                self.session.tick(time.monotonic_ns())
            else:
                self.session.receive_data(chunk.data, chunk.received_ns)
            self.events += self.session.events()
            after_chunk()

    def seen(self, kind: type) -> list:
        return of_type(self.events, kind)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fails after a long while."""
    give_up_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up_s, what
        await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


HOLD_PORT = """
import asyncio, sys
from firmware_bridge.port import open_port
from firmware_bridge.session import Session
import time
async def main():
    async with open_port(sys.argv[1]) as port:
        session = Session()
        session.start(time.monotonic_ns())
        print(port.reader_pid, flush=True)
        while True:
            await port.write(session.data_to_send())
            chunk = await port.read_chunk(session.next_deadline_ns)
            if chunk is not None:
                session.receive_data(chunk.data, chunk.received_ns)
asyncio.run(main())
"""


def start_other_host(path: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Another process that holds the port and listens; also the pid of its reader."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_PORT, str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, int(process.stdout.readline())


__all__ = ["PATIENCE_S", "Host", "SimulatorProcess", "is_alive", "open_port", "start_other_host", "until"]
