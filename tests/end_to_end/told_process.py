"""A process of the product, started as a user would start it, that tells JSON lines on its standard output.

Duty: start, wait for what it tells, tell it something, end it, and find out what it left behind. Each
process carries a mark in its environment, which all its descendants inherit: none of them can hide.
"""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MARK = "STETHOS_TEST_MARK"
PROGRAM = "STETHOS_TEST_PROGRAM"  # starts a module in place of `python -m`: the command in its root
PATIENCE_S = 60.0

_libc = ctypes.CDLL(None)
Line = dict[str, Any]


def new_mark() -> str:
    """A name for everything that one test starts."""
    return uuid.uuid4().hex


def marked_processes(mark: str) -> dict[int, str]:
    """Every living process that was started under this mark: pid and command line. Zombies do not count."""
    needle = f"{MARK}={mark}".encode()
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if needle in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = command.strip()
        except OSError:  # another user's, or gone meanwhile
            continue
    return found


def until(
    condition: Callable[[], object], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.1
) -> Any:
    """Wait until the condition gives something true, and return that; fails with `what` after a while."""
    give_up_s = time.monotonic() + patience_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < give_up_s, f"not within {patience_s:g} s: {what}"
        time.sleep(every_s)


def _end_with_parent() -> None:
    """Runs in the child: ask the kernel for SIGTERM at the parent's death (prctl(2), PR_SET_PDEATHSIG)."""
    _libc.prctl(1, signal.SIGTERM)


class ToldProcess:
    """`python -m MODULE ARGUMENTS`, in a session of its own; its lines are collected as they come."""

    def __init__(self, name: str, mark: str, log: Path, module: str, *arguments: str) -> None:
        self.name = name
        self.log = log
        self.started_s = time.monotonic()
        self._lines: list[Line] = []
        self._news = threading.Condition()
        with log.open("ab") as log_file:
            self._process = subprocess.Popen(
                [*(shlex.split(os.environ.get(PROGRAM, "")) or (sys.executable, "-m")), module, *arguments],
                cwd=ROOT,
                env={**os.environ, MARK: mark},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log_file,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - also when the tests themselves are killed
            )
        self._reader = threading.Thread(target=self._read, name=f"lines of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code; None while it lives."""
        return self._process.poll()

    def lines(self, kind: str | None = None) -> list[Line]:
        """What it has told so far; only lines of one `type` if that is given."""
        with self._news:
            return [line for line in self._lines if kind is None or line.get("type") == kind]

    def wait_for(self, wanted: Callable[[Line], object], what: str, patience_s: float = PATIENCE_S) -> Line:
        """The first line that fits. Fails with the end of the log when it ends, or after a long while."""
        give_up_s = time.monotonic() + patience_s
        seen = 0
        while True:
            with self._news:
                for line in self._lines[seen:]:
                    if wanted(line):
                        return line
                seen = len(self._lines)
                ended = not self._reader.is_alive()
                if not ended:
                    self._news.wait(0.2)
            assert not ended, f"{self.name} ended (code {self.code}) before: {what}\n{self.tail()}"
            assert time.monotonic() < give_up_s, (
                f"{self.name}, not within {patience_s:g} s: {what}\n{self.tail()}"
            )

    def tell(self, **command: object) -> None:
        """One JSON line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """A signal to this process alone."""
        self._process.send_signal(number)

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; returns the exit code."""
        code = self._process.wait(patience_s)
        self._reader.join(PATIENCE_S)
        return code

    def end(self, patience_s: float = 20.0) -> int:
        """Ask it to end, make sure, close the pipes; returns the exit code."""
        if self.code is None:
            self._process.terminate()
            try:
                self._process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        code = self.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        return code

    def tail(self, lines: int = 30) -> str:
        """The end of its log, for whoever reads a failure."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"type": "not json", "text": raw.decode(errors="replace")}
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


def end_all_marked(mark: str) -> dict[int, str]:
    """Kill what is left under a mark; returns what there was to kill: after an orderly end, nothing."""
    left = marked_processes(mark)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return left
