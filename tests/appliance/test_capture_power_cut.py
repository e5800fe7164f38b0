"""The order in which captures reach the disk, by the kernel: no power cut leaves a name without a file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.drill.power_trace import Call, Flush, Gone, NotTraceable, Write, traced
from appliance.journal.store import FILE_NAME
from tests.conftest import ROOT

CAPTURES = 12
WAL = f"{FILE_NAME}-wal"


def first(calls: list[Call], wanted: object, begin: int = 0) -> int:
    """Where the first call is that fits."""
    assert callable(wanted)
    return next(index for index in range(begin, len(calls)) if wanted(calls[index]))


def test_a_record_is_written_after_its_file_is_safe_and_a_file_leaves_after_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    command = [sys.executable, "-m", "tests.appliance.capture_load", str(tmp_path), str(CAPTURES)]
    try:
        calls = traced(command, tmp_path / "trace")
    except NotTraceable as reason:
        pytest.skip(f"NO TRACE, NO PROOF: {reason}")
    put = [
        (index, call)
        for index, call in enumerate(calls)
        if isinstance(call, Gone) and call.to.endswith(".stcap")
    ]
    assert len(put) == 2 * CAPTURES
    for index, renamed in put:
        name = Path(renamed.to).name
        content = first(calls, lambda c, part=renamed.path: isinstance(c, Flush) and c.path == part)
        folder = first(
            calls, lambda c, to=renamed.to: isinstance(c, Flush) and c.path == str(Path(to).parent), index
        )
        named = first(
            calls,
            lambda c, name=name: isinstance(c, Write) and c.path.endswith(WAL) and name.encode() in c.content,
        )
        assert content < index < folder < named, name
    left = [
        (index, call)
        for index, call in enumerate(calls)
        if isinstance(call, Gone) and not call.to and call.path.endswith(".stcap")
    ]
    assert left, "the budget has let nothing go"
    for index, gone in left:
        of_log = [c for c in calls[:index] if isinstance(c, Write | Flush) and c.path.endswith(WAL)]
        assert isinstance(of_log[-1], Flush), f"{gone.path} left before its record was gone for good"
