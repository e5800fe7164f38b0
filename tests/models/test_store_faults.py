"""A bundle's file that means harm, and a disk that refuses in the middle: said, bounded, nothing lost."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from models.bundle import MAX_BUNDLE_BYTES, MAX_FILE_BYTES
from models.errors import BundleError
from models.store import read_bundle, write_bundle
from tests.fakes.network_bundles import small_bundle


def test_a_bomb_of_many_files_is_not_unpacked(tmp_path: Path) -> None:
    """None too large by itself; together more than a small box has memory for."""
    path = tmp_path / "bomb.zip"
    piece = bytes(MAX_FILE_BYTES // 2)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for i in range(MAX_BUNDLE_BYTES // len(piece) + 1):
            archive.writestr(f"piece_{i}", piece)
    assert path.stat().st_size < 8 << 20
    program = f"""
from pathlib import Path
from models.errors import BundleError
from models.store import read_bundle
try:
    read_bundle(Path({str(path)!r}))
except BundleError as error:
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(error, said["VmHWM"].split()[0])  # getrusage would count what the parent had
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    *_, peak_kib = done.stdout.split()
    assert "at most" in done.stdout
    assert int(peak_kib) << 10 < MAX_BUNDLE_BYTES


def test_a_folder_that_is_too_large_together_is_not_read(tmp_path: Path) -> None:
    for i in range(MAX_BUNDLE_BYTES // MAX_FILE_BYTES + 1):
        with (tmp_path / f"piece_{i}").open("wb") as file:
            file.truncate(MAX_FILE_BYTES)
    with pytest.raises(BundleError, match="together"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_only_the_packing_that_we_write_is_unpacked(tmp_path: Path, method: int) -> None:
    """Other decoders take memory by what a header says, and fail in words of their own."""
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in small_bundle().contents().items():
            archive.writestr(name, content)
    with pytest.raises(BundleError, match="packed"):
        read_bundle(path)


def test_whatever_a_zip_is_damaged_into_no_other_error_comes_out(tmp_path: Path) -> None:
    """With fields for archives beyond 4 GiB, which hold offsets that no file has."""
    path, chance = tmp_path / "x.zip", Random(3)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in small_bundle().contents().items():
            with archive.open(name, "w", force_zip64=True) as file:
                file.write(content)
    whole = path.read_bytes()
    refused = 0
    for _ in range(800):
        content = bytearray(whole)
        for _ in range(chance.choice((1, 2, 8))):
            first = chance.randrange(len(content))
            content[first : first + chance.choice((1, 4, 8))] = chance.choice((b"\xff", b"\0")) * 8
        path.write_bytes(content)
        try:
            read_bundle(path)
        except BundleError:
            refused += 1
    assert refused > 600


def test_an_offset_beyond_every_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    info = zipfile.ZipInfo("manifest.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"{}")
        info.header_offset = (1 << 64) - 1
    with pytest.raises(BundleError, match="cannot be read"):
        read_bundle(path)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    found: list[BaseException] = []

    def read() -> None:
        try:
            read_bundle(tmp_path / "pipe.zip")
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(20)
    assert isinstance(found[0], BundleError)


@pytest.mark.parametrize("name", ["bundle", "bundle.zip"])
def test_a_disk_that_refuses_leaves_the_old_bundle(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_bundle(small_bundle(), path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, hard))
    try:
        with pytest.raises(BundleError, match="cannot be written"):
            write_bundle(small_bundle(), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert read_bundle(path).identity == small_bundle().identity
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_exchanged_at_once(tmp_path: Path) -> None:
    """A reader that looks all the time, and a power cut at any moment, find the old or the new."""
    path, ends, missing = tmp_path / "bundle", threading.Event(), []
    write_bundle(small_bundle(), path)

    def look() -> None:
        while not ends.is_set():
            if not path.exists():
                missing.append(path)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(60):
        write_bundle(small_bundle(), path)
    ends.set()
    thread.join()
    assert not missing
    assert list(tmp_path.iterdir()) == [path]


def test_where_folders_cannot_be_exchanged_one_still_takes_the_other_s_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "models.store._RENAME_EXCHANGE", 1 << 20
    )  # as the kernel answers for such a file system
    path = tmp_path / "bundle"
    write_bundle(small_bundle(), path)
    other = replace(small_bundle(), manifest=replace(small_bundle().manifest, version="2.0"))
    write_bundle(other, path)
    assert read_bundle(path).manifest.version == "2.0"
    assert list(tmp_path.iterdir()) == [path]
