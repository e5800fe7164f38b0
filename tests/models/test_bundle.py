"""A bundle is read back as it was written, and whatever is wrong with one is named."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from models.bundle import MODEL_CARD, Bundle, verified
from models.errors import BundleError
from models.manifest import MANIFEST_FILE, Precision
from models.store import read_bundle, write_bundle
from tests.fakes.network_bundles import FILES, small_bundle


@pytest.fixture(params=["folder", "file.zip"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made: Path = tmp_path / request.param
    return made


def test_a_bundle_is_read_as_it_was_written(path: Path) -> None:
    there = small_bundle()
    write_bundle(there, path)
    back = read_bundle(path)
    assert back.manifest == there.manifest
    assert back.files == there.files
    assert back.identity == there.identity
    assert back.model_card == "# Läufer\n"
    assert back.artefact_bytes("onnxruntime") == FILES["int8.onnx"]
    assert back.artefact_bytes("onnxruntime", Precision.FLOAT32) == FILES["float32.onnx"]
    assert list(path.parent.iterdir()) == [path]


def test_another_bundle_takes_the_place_of_the_first(path: Path) -> None:
    write_bundle(small_bundle(), path)
    other = replace(small_bundle(), manifest=replace(small_bundle().manifest, version="2.0"))
    write_bundle(other, path)
    assert read_bundle(path).manifest.version == "2.0"
    assert list(path.parent.iterdir()) == [path]


def test_equal_bundles_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        write_bundle(small_bundle(), tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_nothing_but_a_bundle_is_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "diary.txt").write_text("dear diary")
    with pytest.raises(BundleError, match="no bundle"):
        write_bundle(small_bundle(), precious)
    assert (precious / "diary.txt").read_text() == "dear diary"
    for name, content in (("manifest.json", '{"name": "a web site"}'), ("manifest.json", None)):
        (precious / name).write_text(small_bundle().manifest.to_json() if content is None else content)
        with pytest.raises(BundleError, match="no bundle"):  # a manifest beside it makes no bundle of a diary
            write_bundle(small_bundle(), precious)
        assert (precious / "diary.txt").read_text() == "dear diary"
    (tmp_path / "x.zip").mkdir()
    with pytest.raises(BundleError, match="is a folder"):
        write_bundle(small_bundle(), tmp_path / "x.zip")
    (tmp_path / "plain").write_text("a file")
    with pytest.raises(BundleError, match="no bundle"):
        write_bundle(small_bundle(), tmp_path / "plain")


def test_an_unsound_bundle_is_not_written(path: Path) -> None:
    with pytest.raises(BundleError, match=r"int8\.onnx is missing"):
        write_bundle(Bundle(small_bundle().manifest, {}), path)
    assert not list(path.parent.iterdir())


def changed(key: str, value: object) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        fields = json.loads(contents[MANIFEST_FILE])
        fields[key] = value
        contents[MANIFEST_FILE] = json.dumps(fields).encode()

    return change


GOLDEN = json.loads(small_bundle().manifest.to_json())["golden"]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda c: c.pop(MANIFEST_FILE), ["has no manifest.json", "int8.onnx"]),
        (lambda c: c.clear(), ["no files"]),
        (lambda c: c.update({MANIFEST_FILE: b"{"}), ["manifest.json", "not JSON"]),
        (lambda c: c.pop("int8.onnx"), ["int8.onnx is missing"]),
        (lambda c: c.update({"int8.onnx": b"eight bitz"}), ["int8.onnx has SHA-256"]),
        (lambda c: c.update({"int8.onnx": b""}), ["int8.onnx has 0 bytes", "10"]),
        (lambda c: c.update({"extra.bin": b"x"}), ["extra.bin is in the bundle, but not in the manifest"]),
        (lambda c: c.update({MODEL_CARD: b"# Other\n"}), ["model_card.md has"]),
        (lambda c: (c.pop("int8.onnx"), c.pop(MODEL_CARD)), ["int8.onnx is missing", "model_card.md is m"]),
        (changed("golden", []), ["no golden vectors"]),
        (changed("golden", GOLDEN[:1]), ["near 0.4", "always says so"]),
        (changed("golden", [*GOLDEN[:1], {**GOLDEN[0], "output": 0.43}]), ["near 0.4", "always says so"]),
        (
            changed("golden", [{**one, "tolerance": 0.5} for one in GOLDEN]),
            ["tolerance is 0.5", "at most 0.1"],
        ),
        (changed("network", None), ["network's input"]),
        (changed("files", []), ["lists no model_card.md", "model_card.md is in the bundle, but not"]),
        (changed("version", ""), ["manifest.version"]),
    ],
)
def test_what_is_wrong_is_named(damage: Callable[[dict[str, bytes]], object], words: list[str]) -> None:
    contents = small_bundle().contents()
    damage(contents)
    with pytest.raises(BundleError) as caught:
        verified(contents)
    for word in words:
        assert word in str(caught.value)


def test_two_digests_for_one_file_are_refused() -> None:
    there = small_bundle()
    first, second, third = there.manifest.artefacts
    torn = replace(there.manifest, artefacts=(first, replace(second, sha256="0" * 64), third))
    with pytest.raises(BundleError, match="listed twice"):
        verified(Bundle(torn, there.files).contents())


def test_no_flipped_bit_goes_unseen(path: Path) -> None:
    """Bits of any file, of the zip's own structure too: refused, or read as another, never as this one."""
    write_bundle(small_bundle(), path)
    chance = Random(7)
    files = [path] if path.is_file() else sorted(path.iterdir())
    whole = {file: file.read_bytes() for file in files}
    sound = read_bundle(path)
    refused = 0
    for _ in range(300):
        file = chance.choice(files)
        content = bytearray(whole[file])
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        file.write_bytes(bytes(content))
        try:
            found = read_bundle(path)
        except BundleError as error:
            refused += 1
            assert str(path) in str(error)
        else:  # the manifest's own text, or a field of the zip that says nothing of the files
            assert found.files == sound.files
            assert found.manifest != sound.manifest or path.is_file()
        file.write_bytes(whole[file])
    assert refused > 150


@pytest.mark.parametrize("length", [0, 1, 30, 200, -1])
def test_a_zip_cut_short_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "cut.zip"
    write_bundle(small_bundle(), path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(BundleError, match=r"cut\.zip"):
        read_bundle(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "..", "a\\b"])
def test_a_zip_with_paths_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(BundleError, match="bare name"):
        read_bundle(path)


def test_a_folder_with_links_or_folders_is_refused(tmp_path: Path) -> None:
    write_bundle(small_bundle(), tmp_path / "b")
    (tmp_path / "b" / "link").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="link is no plain file"):
        read_bundle(tmp_path / "b")
    (tmp_path / "b" / "link").unlink()
    (tmp_path / "b" / "inner").mkdir()
    with pytest.raises(BundleError, match="inner is no plain file"):
        read_bundle(tmp_path / "b")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("big", "w") as file:
        for _ in range(65):
            file.write(bytes(1 << 20))
    with pytest.raises(BundleError, match="at most"):
        read_bundle(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such folder or file"):
        read_bundle(tmp_path / "none")
