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


def test_a_runtime_that_takes_all_memory_ends_alone() -> None:
    assert "OOMPolicy=continue" in UNIT.read_text(encoding="utf-8").splitlines()


def calls_of(word: str) -> set[str]:
    """The system calls of a word in SystemCallFilter: one call, or a group with the groups in it."""
    if not word.startswith("@"):
        return {word}
    done = subprocess.run(
        ["systemd-analyze", "syscall-filter", word], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    return set().union(*(calls_of(line) for line in lines if line and not line.startswith("#")))


def allowed_calls() -> set[str]:
    """What the filter's lines leave, one after the other: each adds to or takes from those before."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("NOT TESTED: systemd-analyze is not installed (Debian package systemd)")
    allowed = calls_of("@default")
    for words in re.findall(r"^SystemCallFilter=(.+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE):
        calls = set().union(*(calls_of(word) for word in words.removeprefix("~").split()))
        allowed = allowed - calls if words.startswith("~") else allowed | calls
    return allowed


def test_what_the_service_asks_of_the_kernel_is_allowed_whatever_line_takes_it_away() -> None:
    allowed = allowed_calls()
    # The clock's discipline (glibc asks by the second), the reader's priority and its limit, files, sockets.
    asked = {
        "adjtimex",
        "clock_adjtime",
        "sched_setscheduler",
        "setpriority",
        "prlimit64",
        "fdatasync",
        "ioctl",
        "memfd_create",  # the model host's: how a model and its batches reach a child
        "fcntl",
        "vfork",
        "renameat2",
    }
    assert asked <= allowed
    assert (
        not {"clock_settime", "settimeofday", "mount", "reboot", "ptrace", "init_module", "chown"} & allowed
    )


def test_it_needs_no_capability() -> None:
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    assert "CapabilityBoundingSet=" in lines
    assert not any(line.startswith("AmbientCapabilities") for line in lines)
    assert {"LimitRTPRIO=1", "LimitNICE=-10"} <= set(lines)


def test_udev_s_names_come_after_what_they_are_made_of_and_open_what_the_service_may_use() -> None:
    rules = UNIT.with_name("60-stethos-serial.rules")
    assert rules.name > "60-serial.rules", "that file of udev's own sets ID_SERIAL_SHORT"
    lines = [line for line in rules.read_text(encoding="utf-8").splitlines() if line[:1] not in ("", "#")]
    pair = r'[A-Z]+(?:\{\w+\})?(?:==|=|\+=)"[^"]*"'
    assert [line for line in lines if not re.fullmatch(f"{pair}(?:, {pair})*", line)] == []
    (grant,) = [line for line in lines if "GROUP=" in line]
    unit = UNIT.read_text(encoding="utf-8")
    given = re.search(r'KERNEL=="([^"]+)", GROUP="(\w+)", MODE="0660"', grant)
    assert given is not None
    assert f"Group={given[2]}" in unit.splitlines()
    allowed = set(re.findall(r"^DeviceAllow=char-(\w+) rw$", unit, re.MULTILINE))
    assert {name.removesuffix("[0-9]*") for name in given[1].split("|")} == allowed - {"video4linux"}
    assert "SupplementaryGroups=video" in unit.splitlines(), "what Debian gives cameras to"
    (name,) = [line for line in lines if "SYMLINK" in line]
    assert 'ENV{ID_SERIAL_SHORT}=="?*"' in name
    assert name.endswith('SYMLINK+="stethos/$env{ID_SERIAL_SHORT}"')
