"""Which machine a channel belonged to: through a damaged courier's file, a damaged history, and both."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.sinks.channel_owners import FILE_NAME as OWNERS_NAME
from appliance.sinks.outbox import FILE_NAME, Outbox


def owners(folder: Path, asset: str, next_sequence: int) -> list[str]:
    """The machine of the channel's records 50 and 150, as a start with this configuration has it."""
    outbox = Outbox(folder / FILE_NAME)
    try:
        known = outbox.owners({"x": asset}, next_sequence)
        return [known.asset_of("x", sequence) for sequence in (50, 150)]
    finally:
        outbox.close()


def test_a_moved_channel_keeps_its_old_records_machine_through_a_damaged_file(tmp_path: Path) -> None:
    owners(tmp_path, "pump-1", 1)
    assert owners(tmp_path, "pump-2", 100) == ["pump-1", "pump-2"]
    for damaged in (FILE_NAME, OWNERS_NAME, FILE_NAME):
        (tmp_path / damaged).write_bytes(b"\xff" * 8192)
        assert owners(tmp_path, "pump-2", 200) == ["pump-1", "pump-2"], damaged
    assert (tmp_path / OWNERS_NAME).stat().st_mode & 0o777 == 0o600


def test_a_file_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    owners(tmp_path, "pump-1", 1)
    owners(tmp_path, "pump-2", 100)
    (tmp_path / OWNERS_NAME).unlink()  # as before there was one
    assert owners(tmp_path, "pump-2", 200) == ["pump-1", "pump-2"]
    (tmp_path / FILE_NAME).unlink()
    assert owners(tmp_path, "pump-2", 200) == ["pump-1", "pump-2"]


def test_a_disk_that_refuses_the_history_holds_nothing_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / OWNERS_NAME).mkdir()  # a file cannot take its place, root or not
    assert owners(tmp_path, "pump-1", 1) == ["pump-1", "pump-1"]
    assert owners(tmp_path, "pump-2", 100) == ["pump-1", "pump-2"], "the courier's file has its copy"
    assert "not written" in caplog.text


def test_a_start_that_could_not_read_the_journal_moves_no_channel_for_good(tmp_path: Path) -> None:
    owners(tmp_path, "pump-1", 1)
    assert owners(tmp_path, "pump-2", 1) == ["pump-2", "pump-2"]
    assert owners(tmp_path, "pump-2", 100) == ["pump-1", "pump-2"]
