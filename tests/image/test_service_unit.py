"""The systemd unit: every line is understood, and little of the box is exposed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "image" / "stethos.service"
MOST_EXPOSED = 2.0


def analyze(*arguments: str) -> str:
    """What systemd-analyze says, on both streams; skips aloud where it is not installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: systemd-analyze is not installed (Debian package systemd)")
    done = subprocess.run(
        ["systemd-analyze", *arguments, str(UNIT)], capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def test_every_line_is_understood() -> None:
    said = analyze("verify")
    assert not re.search(r"unknown|ignoring|failed to parse|invalid", said, re.IGNORECASE), said
    # Where the package is not installed, this is all that may be wrong.
    complaints = [line for line in said.splitlines() if UNIT.name in line]
    assert all("/opt/stethos/bin/stethos is not executable" in line for line in complaints), said


def test_little_is_exposed() -> None:
    said = analyze("security", "--offline=yes", "--no-pager")
    overall = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert overall is not None, said
    assert float(overall.group(1)) <= MOST_EXPOSED


def test_what_numba_needs_is_said_beside_its_line() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert not any(line.startswith("MemoryDenyWriteExecute") for line in lines)
    assert any(
        line.startswith("#") and "MemoryDenyWriteExecute" in line and "numba" in line for line in lines
    )
    assert "WatchdogSec=30" in lines
    assert "Type=notify" in lines
