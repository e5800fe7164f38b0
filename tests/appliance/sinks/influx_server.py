"""A real influxd 1.x for tests: Debian's package, unpacked into the checkout's cache, on loopback."""

from __future__ import annotations

import os
import socket
import subprocess
from functools import cache
from pathlib import Path

import pytest

from appliance.demo_central import LocalInflux

ROOT = Path(__file__).resolve().parents[3]


@cache
def influxd_binary() -> Path:
    """The server's program. Where it cannot be had: a failure on CI, a loud skip elsewhere."""
    found = subprocess.run(
        [str(ROOT / "tools" / "influxd.sh")], capture_output=True, text=True, check=False, timeout=110
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    reason = f"NO REAL INFLUXD: {found.stderr.strip()}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def local_influx(folder: Path, *, most_body_bytes: int = 0) -> LocalInflux:
    """A server that is not started yet."""
    return LocalInflux(influxd_binary(), folder / "influxd", free_port(), most_body_bytes=most_body_bytes)


def count(server: LocalInflux, measurement: str, field: str) -> int:
    """Points of a measurement that have the field."""
    rows = server.ask(f'SELECT count("{field}") FROM "{measurement}"')
    return int(rows[0]["count"]) if rows else 0
