"""The state folder that stands in memory while the disk takes no write: whole, private, brought back."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

import pytest

from appliance import stand_in as module
from appliance.errors import Fatal
from appliance.stand_in import bring_back, give_up, remove_temporary, stand_in

KEPT = {"accounts.json", "device.key", "central/outbox.sqlite", "central/outbox.sqlite-wal", "tls/key.pem"}
LEFT = {"journal/journal.sqlite", "journal/reserve", "central/outbox.sqlite-shm", "central/x.damaged-1"}
BEFORE_NS = 10**18  # in 2001
OF_WEBHOOKS = {"journal/webhooks.sqlite", "journal/webhooks.sqlite-wal"}


class Places(NamedTuple):
    """The state on the disk, and the folder in memory."""

    disk: Path
    memory: Path


@pytest.fixture
def places(tmp_path: Path) -> Places:
    found = Places(tmp_path / "state", tmp_path / "run")
    found.memory.mkdir()
    for name in KEPT | LEFT | OF_WEBHOOKS:
        path = found.disk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o600)
        os.utime(path, ns=(BEFORE_NS, BEFORE_NS))  # not within the tick of what a test writes next
    return found


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_all_that_parts_keep_is_copied_and_nothing_of_the_journal(places: Places) -> None:
    place = stand_in(places.disk, places.memory)
    assert place.parent == places.memory
    assert files(place) == KEPT | OF_WEBHOOKS
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert {stat.S_IMODE((place / name).stat().st_mode) for name in KEPT} == {0o600}


def test_what_stands_in_memory_goes_on_after_a_kill(places: Places) -> None:
    (stand_in(places.disk, places.memory) / "central/outbox.sqlite").write_text("further")
    again = stand_in(places.disk, places.memory)
    assert (again / "central/outbox.sqlite").read_text() == "further"


def test_a_copy_that_was_broken_off_is_not_used(places: Places) -> None:
    half = places.memory / "state.new"
    half.mkdir()
    (half / "accounts.json").write_text("ha")
    place = stand_in(places.disk, places.memory)
    assert (place / "accounts.json").read_text() == "accounts.json"
    assert not half.exists()


def test_what_finds_no_room_is_left_out_the_largest_first(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    (places.disk / "central/outbox.sqlite").write_bytes(bytes(5_000))
    room = shutil.disk_usage(places.memory)._replace(free=4_000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: room)
    assert files(stand_in(places.disk, places.memory)) == (KEPT | OF_WEBHOOKS) - {"central/outbox.sqlite"}


def test_without_a_state_or_without_memory_it_says_so(places: Places, tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="takes no write"):
        stand_in(tmp_path / "never-was", places.memory)
    with pytest.raises(Fatal, match="takes no write, nor does"):
        stand_in(places.disk, tmp_path / "not-there")


def test_accounts_come_back_and_the_rest_ends(places: Places) -> None:
    place = stand_in(places.disk, places.memory)
    (place / "accounts.json").write_text("a new password")
    (place / "device.key").write_text("never")
    give_up(places.disk, places.memory)
    assert (places.disk / "accounts.json").read_text() == "a new password"
    assert stat.S_IMODE((places.disk / "accounts.json").stat().st_mode) == 0o600
    assert (places.disk / "device.key").read_text() == "device.key"
    assert list(places.memory.iterdir()) == []
    give_up(places.disk, places.memory)


def test_accounts_that_were_changed_on_the_disk_since_stay(places: Places) -> None:
    place = stand_in(places.disk, places.memory)
    (place / "accounts.json").write_text("in memory")
    kept = places.disk / "accounts.json"
    kept.write_text("by the command line, after the repair")
    later_ns = (place / "accounts.json").stat().st_mtime_ns + 1_000_000_000
    os.utime(kept, ns=(later_ns, later_ns))
    bring_back(place, places.disk)
    assert kept.read_text() == "by the command line, after the repair"


def test_without_a_folder_that_outlives_the_service_it_ends_with_it(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(places.memory))
    place = stand_in(places.disk, None)
    assert files(place) == KEPT | OF_WEBHOOKS
    remove_temporary(place)
    assert list(places.memory.iterdir()) == []
    in_runtime = stand_in(places.disk, places.memory)
    remove_temporary(in_runtime)
    assert in_runtime.is_dir()
