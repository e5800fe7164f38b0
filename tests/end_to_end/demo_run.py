"""`stethos demo`, started as `make demo` does, with its JSON lines instead of the words for people.

Duty: its address, first password and processes; the moments of its story. Its peers (SCADA, receiver, centre)
are part of it where a real influxd can be had.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.end_to_end.rig import free_port
from tests.end_to_end.told_process import Line, ToldProcess, end_all_marked, new_mark

SEED = 7


class DemoRun:
    """One run of the demo. Its clock, `at_s` in every line, starts with it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.state_dir = folder / "state"
        self.mark = new_mark()
        self.process = ToldProcess(
            "demo",
            self.mark,
            folder / "demo.stderr",
            "appliance",
            *("demo", "--json", "--state-dir", str(self.state_dir), "--port", str(free_port())),
            *("--seed", str(SEED), *options),
        )

    def wait_for(self, kind: str, patience_s: float = 60.0, **fields: object) -> Line:
        """The first line of this type whose fields have these values."""

        def fits(line: Line) -> bool:
            return line.get("type") == kind and all(line.get(name) == value for name, value in fields.items())

        return self.process.wait_for(fits, f"{kind} {fields or ''}", patience_s)

    def lives(self) -> list[Line]:
        """Each start of the appliance, with address and process id; the newest is last."""
        return self.process.lines("ready")

    def kill_appliance(self) -> None:
        """kill -9 of the appliance that runs now."""
        os.kill(self.lives()[-1]["pid"], signal.SIGKILL)

    def lines_after(self, kind: str) -> list[Line]:
        """What was told after the newest line of this type."""
        lines = self.process.lines()
        newest = max(index for index, line in enumerate(lines) if line["type"] == kind)
        return lines[newest + 1 :]

    def end(self) -> tuple[int, dict[int, str]]:
        """Ctrl-C; returns the exit code, and the processes that were left and had to be killed."""
        if self.process.code is None:
            self.process.send(signal.SIGINT)
            self.process.wait(30.0)
        return self.process.end(), end_all_marked(self.mark)
