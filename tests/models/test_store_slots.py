"""Two models per slot: brought in, promoted, rolled back; whole before and after, whatever is damaged."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models.bundle import Bundle
from models.errors import BundleError
from models.store_slots import FILE, SlotEntry, SlotStore
from tests.fakes.network_bundles import small_bundle


def named(version: str) -> Bundle:
    made = small_bundle()
    return Bundle(replace(made.manifest, version=version), made.files)


def kept(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.zip")}


@pytest.fixture
def store(tmp_path: Path) -> SlotStore:
    return SlotStore(tmp_path / "models")


def test_nothing_is_there_before_the_first_change(store: SlotStore) -> None:
    assert store.read().of("pumps") == SlotEntry()
    assert not store.folder.exists()


def test_promoted_twice_and_rolled_back(store: SlotStore) -> None:
    one, two, three = named("1"), named("2"), named("3")
    store.try_beside("pumps", two)
    state = store.promote("pumps", configured=one)
    entry = state.of("pumps")
    assert (entry.active, entry.previous, entry.shadow) == (two.identity, one.identity, None)
    assert store.bundle(one.identity).manifest.version == "1", "what was configured can be gone back to"
    store.try_beside("pumps", three)
    entry = store.promote("pumps", configured=one).of("pumps")
    assert (entry.active, entry.previous) == (three.identity, two.identity)
    assert kept(store.folder) == {two.identity, three.identity}, "two are kept"
    entry = store.roll_back("pumps").of("pumps")
    assert (entry.active, entry.previous) == (two.identity, three.identity)
    assert store.read().revision == 5
    assert SlotStore(store.folder).read() == store.read()


def test_what_cannot_be_is_refused_and_changes_nothing(store: SlotStore) -> None:
    with pytest.raises(BundleError, match="no previous"):
        store.roll_back("pumps")
    with pytest.raises(BundleError, match="shadow"):
        store.promote("pumps")
    store.use("pumps", "statistical")
    before = (store.folder / FILE).read_bytes()
    with pytest.raises(BundleError):
        store.promote("pumps")
    assert (store.folder / FILE).read_bytes() == before
    assert store.read().of("pumps").use == "statistical"
    assert store.read().of("fans").use == "network"


def test_a_bundle_that_was_damaged_meanwhile_is_not_put_into_service(store: SlotStore) -> None:
    one, two = named("1"), named("2")
    store.try_beside("pumps", two)
    store.promote("pumps", configured=one)
    path = store.folder / f"{one.identity}.zip"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(BundleError, match=one.identity):
        store.roll_back("pumps")
    assert store.read().of("pumps").active == two.identity
    store.use("pumps", "statistical")  # what does not touch it is still possible


def test_a_bundle_under_another_s_name_is_refused(store: SlotStore) -> None:
    one, two = named("1"), named("2")
    store.try_beside("a", one)
    store.try_beside("b", two)
    (store.folder / f"{one.identity}.zip").replace(store.folder / f"{two.identity}.zip")
    with pytest.raises(BundleError, match="another"):
        store.bundle(two.identity)


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b'{"format": "stethos-model-slots-1", "revision": 1, "slots": {"a": 3}}',
     b'{"format": "stethos-model-slots-1", "revision": 1, "slots": {"a": {"use": "network", "active": "../x",'
     b' "previous": null, "shadow": null}}}', b"\xff" * 70_000],
)  # fmt: skip
def test_a_damaged_store_says_so(store: SlotStore, content: bytes) -> None:
    store.use("pumps", "network")
    (store.folder / FILE).write_bytes(content)
    with pytest.raises(BundleError, match=r"slots\.json: .*: move it away"):
        store.read()


def test_a_change_that_is_killed_leaves_before_or_after(store: SlotStore) -> None:
    """Killed at every system call that changes a file: the store reads as before, or as after."""
    one, two = named("1"), named("2")
    store.try_beside("pumps", two)
    store.promote("pumps", configured=one)
    outcomes = set()
    for calls in range(14):
        code = (
            "import os, sys\n"
            "from pathlib import Path\n"
            "left = [int(sys.argv[2])]\n"
            "def counted(real):\n"
            "    def call(*a, **k):\n"
            "        if left[0] == 0: os._exit(9)\n"
            "        left[0] -= 1\n"
            "        return real(*a, **k)\n"
            "    return call\n"
            "os.fsync, Path.replace, Path.unlink = map(counted, (os.fsync, Path.replace, Path.unlink))\n"
            "from models.store_slots import SlotStore\n"
            "SlotStore(Path(sys.argv[1])).roll_back('pumps')\n"
        )
        before = store.read().of("pumps")
        ended = subprocess.run([sys.executable, "-c", code, str(store.folder), str(calls)], check=False)
        after = store.read().of("pumps")
        assert ended.returncode in (0, 9)
        assert after in (before, replace(before, active=before.previous, previous=before.active))
        assert store.bundle(after.active or "").identity == after.active
        outcomes.add((ended.returncode, after == before))
        if ended.returncode == 0:
            break
    assert outcomes >= {(9, True), (9, False), (0, False)}


def test_a_bundle_that_was_damaged_is_mended_by_bringing_it_again(store: SlotStore) -> None:
    one = named("1")
    store.try_beside("pumps", one)
    path = store.folder / f"{one.identity}.zip"
    path.write_bytes(path.read_bytes()[:-100])
    store.try_beside("pumps", one)
    assert store.bundle(one.identity).identity == one.identity


def test_what_a_killed_change_left_half_written_leaves_with_the_next(store: SlotStore) -> None:
    one = named("1")
    store.use("pumps", "network")
    for name in (f".{one.identity}.zip.x7k2", f".{FILE}.a_b"):
        (store.folder / name).write_bytes(b"half")
    (store.folder / ".report.json.now").write_bytes(b"{}")  # the service may be writing it
    store.use("pumps", "statistical")
    left = {path.name for path in store.folder.iterdir()}
    assert left == {FILE, "lock", ".report.json.now"}


def test_a_disk_that_takes_no_new_file_is_told_and_changes_nothing(
    store: SlotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.use("pumps", "network")

    def full(*_args: object, **_named: object) -> tuple[int, str]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("models.store_slots.tempfile.mkstemp", full)
    with pytest.raises(BundleError, match="No space left"):
        store.use("pumps", "statistical")
    assert store.read().of("pumps").use == "network"


def test_what_is_active_already_is_not_promoted_over_what_can_be_gone_back_to(store: SlotStore) -> None:
    one, two = named("1"), named("2")
    store.try_beside("pumps", two)
    store.promote("pumps", configured=one)
    store.try_beside("pumps", two)
    with pytest.raises(BundleError, match="active already"):
        store.promote("pumps", configured=one)
    assert store.roll_back("pumps").of("pumps").active == one.identity
    store.try_beside("fans", one)
    with pytest.raises(BundleError, match="active already"):
        store.promote("fans", configured=one)
