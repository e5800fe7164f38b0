"""The demo's centre: a real influxd 1.x on loopback with a folder of its own.

Duty: its configuration, its life as a child process, and questions in InfluxQL. Tests use it too. Not part of
an appliance: a plant has its own InfluxDB.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from appliance.errors import Fatal
from appliance.parent_death import end_with_parent

DATABASE = "stethos"
READY_WAIT_S = 30.0
ANSWER_WAIT_S = 30.0


class LocalInflux:
    """One influxd; `start` it, `stop` or `kill` it, `start` it again on the same data and port."""

    def __init__(self, binary: Path, folder: Path, port: int, *, most_body_bytes: int = 0) -> None:
        """`most_body_bytes` 0 keeps the server's own bound (25 MB)."""
        self.url = f"http://127.0.0.1:{port}"
        self._binary, self._folder = binary, folder
        self._config = folder / "influxdb.conf"
        folder.mkdir(parents=True, exist_ok=True)
        bound = f"max-body-size = {most_body_bytes}" if most_body_bytes else ""
        self._config.write_text(
            f"""reporting-disabled = true
bind-address = "127.0.0.1:0"
[meta]
dir = "{folder / "meta"}"
[data]
dir = "{folder / "data"}"
wal-dir = "{folder / "wal"}"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
{bound}
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
""",
            encoding="utf-8",
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, database: str = DATABASE) -> None:
        """Start it and wait until it answers; the database is made where it is missing. Raises Fatal."""
        with (self._folder / "influxd.log").open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    str(self._binary),
                    *("-config", str(self._config)),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=end_with_parent,
                )
            except OSError as error:
                raise Fatal(f"influxd cannot be started: {self._binary}: {error.strerror}") from error
        give_up_s = time.monotonic() + READY_WAIT_S
        while time.monotonic() < give_up_s and self._process.returncode is None:
            with contextlib.suppress(OSError, ValueError):
                await asyncio.to_thread(self.ask, f'CREATE DATABASE "{database}"', "")
                return
            await asyncio.sleep(0.1)
        raise Fatal(f"influxd does not answer at {self.url}; see {self._folder / 'influxd.log'}")

    @property
    def died_with(self) -> int | None:
        """The exit code, if it has ended without being told to."""
        return None if self._process is None else self._process.returncode

    async def stop(self) -> int:
        """Ask it to end and wait."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End it as a power cut would end it."""
        return await self._end(signal.SIGKILL)

    def ask(self, question: str, database: str = DATABASE) -> list[dict[str, Any]]:
        """Rows of an InfluxQL question, tags included; times in ns. Raises OSError, ValueError."""
        form = urllib.parse.urlencode({"q": question, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", data=form, timeout=ANSWER_WAIT_S) as answer:  # noqa: S310
            (result,) = json.load(answer)["results"]
        if "error" in result:
            raise ValueError(result["error"])
        return [
            {**series.get("tags", {}), **dict(zip(series["columns"], row, strict=True))}
            for series in result.get("series", [])
            for row in series["values"]
        ]

    async def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        return await process.wait()
