"""Model bundles on disk: a folder of files, or one zip file of them; written whole or not at all.

Duty: read a bundle's files within bounds and hand them to `models.bundle` to verify, write a verified one so
that no reader ever sees half of it. Decides nothing about what is in them.

A folder is flat: no sub-folders, no links. A zip's members are stored in order of name with a fixed time, so
that equal bundles are equal files.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from models.bundle import MAX_FILE_BYTES, MAX_FILES, Bundle, verified
from models.errors import BundleError

# What zipfile makes of damage, by the part that is damaged.
_DAMAGED = (OSError, zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, NotImplementedError, RuntimeError,
            ValueError, EOFError)  # fmt: skip
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def read_bundle(path: Path) -> Bundle:
    """The verified bundle in a folder or zip file. Raises BundleError with the path and all that is wrong."""
    try:
        contents = _folder(path) if path.is_dir() else _zip(path)
        return verified(contents)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error
    except FileNotFoundError as error:
        raise BundleError(f"{path}: there is no such folder or file") from error
    except _DAMAGED as error:
        raise BundleError(f"{path}: cannot be read: {type(error).__name__} {error}") from error


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Writes a bundle to `path`: a zip file where the name ends in .zip, else a folder.

    A bundle that stood there before is replaced as a whole. Raises BundleError where the bundle is not sound,
    where `path` holds something that is no bundle, and where the disk refuses.
    """
    contents = verified(bundle.contents()).contents()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".zip":
            _write_zip(contents, path)
        else:
            _write_folder(contents, path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be written: {error}") from error


def _folder(path: Path) -> dict[str, bytes]:
    entries = sorted(path.iterdir())
    if len(entries) > MAX_FILES:
        raise BundleError(f"{len(entries)} entries; at most {MAX_FILES} are accepted")
    contents = {}
    for entry in entries:
        state = entry.lstat()
        if not stat.S_ISREG(state.st_mode):
            raise BundleError(f"{entry.name} is no plain file")
        _bounded(entry.name, state.st_size)
        contents[entry.name] = entry.read_bytes()
    return contents


def _zip(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > MAX_FILES:
            raise BundleError(f"{len(members)} members; at most {MAX_FILES} are accepted")
        contents: dict[str, bytes] = {}
        for member in members:
            name = member.filename
            if "/" in name or "\\" in name or name in ("", ".", ".."):
                raise BundleError(f"member {name!r} is not a bare name")
            if name in contents:
                raise BundleError(f"member {name!r} is there twice")
            _bounded(name, member.file_size)
            with archive.open(member) as file:
                contents[name] = file.read(MAX_FILE_BYTES + 1)  # what the header says may be a lie
            _bounded(name, len(contents[name]))
        return contents


def _bounded(name: str, size_bytes: int) -> None:
    if size_bytes > MAX_FILE_BYTES:
        raise BundleError(f"{name} has {size_bytes} bytes; at most {MAX_FILE_BYTES} are accepted")


def _write_zip(contents: dict[str, bytes], path: Path) -> None:
    if path.is_dir():
        raise BundleError(f"{path}: is a folder; name a file that is not there, or a bundle")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
                for member, content in sorted(contents.items()):
                    entry = zipfile.ZipInfo(member, _ZIP_TIME)
                    entry.external_attr = 0o644 << 16
                    entry.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(entry, content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _write_folder(contents: dict[str, bytes], path: Path) -> None:
    if path.exists() and (
        not path.is_dir() or (any(path.iterdir()) and not (path / "manifest.json").is_file())
    ):
        raise BundleError(f"{path}: holds something that is no bundle; name a folder that is not there")
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name, content in contents.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        _sync(temporary)
        if path.exists():
            # a folder cannot be replaced by another at once: for a moment there is none, never half of one
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            path.replace(old)
            temporary.replace(path)
            shutil.rmtree(old)
        else:
            temporary.replace(path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
