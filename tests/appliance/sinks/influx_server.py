"""A real influxd 1.x for tests: Debian's package, unpacked into the checkout's cache, on loopback."""

from __future__ import annotations

import os
import random
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


_taken: list[socket.socket] = []


def free_port() -> int:
    """A port for a server of this test process, also while that server is down: no other process gets it.

    None of those that the kernel gives to connections and to whoever asks for any; and of the tests' own
    processes, which run side by side, only the one that holds the datagram port of the same number.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    beyond = lowest if lowest > 12_000 else 60_000
    while True:
        port = random.SystemRandom().randrange(beyond - 10_000, beyond)
        mine, probe = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        try:
            mine.bind(("127.0.0.1", port))
            probe.bind(("127.0.0.1", port))
        except OSError:
            mine.close()
        else:
            _taken.append(mine)
            return port
        finally:
            probe.close()


def local_influx(folder: Path, *, most_body_bytes: int = 0) -> LocalInflux:
    """A server that is not started yet."""
    return LocalInflux(influxd_binary(), folder / "influxd", free_port(), most_body_bytes=most_body_bytes)


def count(server: LocalInflux, measurement: str, field: str) -> int:
    """Points of a measurement that have the field."""
    rows = server.ask(f'SELECT count("{field}") FROM "{measurement}"')
    return int(rows[0]["count"]) if rows else 0
