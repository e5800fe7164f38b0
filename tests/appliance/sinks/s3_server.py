"""A real S3-compatible server for tests: nanio, from PyPI, in a process of its own on loopback.

It keeps objects as files, checks every signature by code of its own, and survives a kill with what it took.
"""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from functools import cache
from pathlib import Path

import pytest

from appliance.sinks.object_signature import SigningKey
from tests.appliance.sinks.influx_server import free_port

ROOT = Path(__file__).resolve().parents[3]
BUCKET = "captures"
KEY = SigningKey("AKIATESTTESTTESTTEST", "a-secret-of/the+tests-only-0123456789abcd", "us-east-1")


@cache
def s3_program() -> Path:
    """The server's program. Where it cannot be had: a failure on CI, a loud skip elsewhere."""
    found = subprocess.run(
        [str(ROOT / "tools" / "s3_server.sh")], capture_output=True, text=True, check=False, timeout=110
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    reason = f"NO REAL S3 SERVER: {found.stderr.strip()}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


class LocalS3:
    """One server with one bucket. `start` it, `kill` it whatever happens; it may be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "s3"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        (self.folder / BUCKET).mkdir(parents=True)

    def start(self) -> None:
        with (self.folder.parent / "s3.log").open("ab") as log:
            self._process = subprocess.Popen(
                [s3_program(), "serve", "--data-dir", self.folder, "--host", "127.0.0.1", "--port",
                 str(self.port), "--log-level", "warning"],
                env={**os.environ, "NANIO_ACCESS_KEY": KEY.access_key_id, "NANIO_SECRET_KEY": KEY.secret},
                stdout=log,
                stderr=log,
            )  # fmt: skip
        give_up_s = time.monotonic() + 60.0
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=10).close()
            except urllib.error.HTTPError:
                return  # it answers, and lets nobody in without a signature
            except OSError:
                assert time.monotonic() < give_up_s and self._process.poll() is None, (
                    "the S3 server is not up"
                )
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)
            self._process = None

    def objects(self) -> dict[str, bytes]:
        """What it has, by name, as it lies on its disk."""
        root = self.folder / BUCKET
        return {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*.stcap"))
            if ".nanio" not in path.parts
        }
