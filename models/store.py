"""Model bundles on disk: a folder of files, or one zip file of them; written whole or not at all.

Duty: read a bundle's files within bounds and hand them to `models.bundle` to verify, write a verified one so
that no reader, and no power cut, ever finds half of it or none. Decides nothing about what is in them.

A folder is flat: no sub-folders, no links. A zip's members are stored in order of name with a fixed time, so
that equal bundles are equal files.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import stat
import struct
import tempfile
import zipfile
from pathlib import Path
from typing import BinaryIO

from models.bundle import MAX_BUNDLE_BYTES, MAX_FILE_BYTES, MAX_FILES, Bundle, verified
from models.errors import BundleError, ManifestError
from models.manifest import MANIFEST_FILE, ModelManifest

_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_MAX_DIRECTORY_BYTES = 1 << 16  # of a zip: some hundred bytes for each of MAX_FILES
_ZIP_END = struct.Struct("<4s8xI6x")  # the last record: its mark, the directory's size
_ZIP64_LOCATOR_BYTES = 20
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
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
    except Exception as error:  # what zipfile and its decoders make of damage is theirs to choose
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
    contents: dict[str, bytes] = {}
    left_bytes = MAX_BUNDLE_BYTES
    for entry in entries:
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise BundleError(f"{entry.name} is no plain file")
        with _opened(entry) as file:
            _bounded(entry.name, os.fstat(file.fileno()).st_size, left_bytes)
            contents[entry.name] = file.read(MAX_FILE_BYTES + 1)  # it may be growing
        left_bytes -= _bounded(entry.name, len(contents[entry.name]), left_bytes)
    return contents


def _zip(path: Path) -> dict[str, bytes]:
    with _opened(path) as file:
        _require_small_directory(file)
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > MAX_FILES:
                raise BundleError(f"{len(members)} members; at most {MAX_FILES} are accepted")
            left_bytes = MAX_BUNDLE_BYTES
            for member in members:
                name = member.filename
                if "/" in name or "\\" in name or name in ("", ".", ".."):
                    raise BundleError(f"member {name!r} is not a bare name")
                if member.compress_type not in _PACKED:
                    raise BundleError(
                        f"member {name!r} is packed by method {member.compress_type}, not deflated"
                    )
                left_bytes -= _bounded(name, member.file_size, left_bytes)
            contents: dict[str, bytes] = {}
            for member in members:
                if member.filename in contents:
                    raise BundleError(f"member {member.filename!r} is there twice")
                contents[member.filename] = archive.read(member)  # never more than its entry says
            return contents


def _opened(path: Path) -> BinaryIO:
    """A plain file, no link, no pipe: opening never waits. Raises BundleError, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    file = os.fdopen(descriptor, "rb")
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        file.close()
        raise BundleError("is no plain file")
    return file


def _require_small_directory(file: BinaryIO) -> None:
    """Raises BundleError for a zip with a long list of members: it is read before it can be counted."""
    size_bytes = file.seek(0, os.SEEK_END)
    file.seek(max(size_bytes - _ZIP_END.size - _ZIP64_LOCATOR_BYTES, 0))
    tail = file.read()
    if len(tail) < _ZIP_END.size:
        raise BundleError("is no zip file, or cut short")
    mark, directory_bytes = _ZIP_END.unpack(tail[-_ZIP_END.size :])
    if mark != b"PK\5\6" or tail[-2:] != b"\0\0" or tail.startswith(b"PK\6\7"):
        raise BundleError("is no zip file, is cut short, has a comment, or is in the form beyond 4 GiB")
    if directory_bytes > _MAX_DIRECTORY_BYTES:
        raise BundleError(f"its list of members has {directory_bytes} bytes; at most {_MAX_DIRECTORY_BYTES}")
    file.seek(0)


def _bounded(name: str, size_bytes: int, left_bytes: int) -> int:
    """The size. Raises BundleError where it is too much by itself or with those before."""
    if size_bytes > MAX_FILE_BYTES:
        raise BundleError(f"{name} has {size_bytes} bytes; at most {MAX_FILE_BYTES} are accepted")
    if size_bytes > left_bytes:
        raise BundleError(f"its files have more bytes together than {MAX_BUNDLE_BYTES}, at most accepted")
    return size_bytes


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
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _write_folder(contents: dict[str, bytes], path: Path) -> None:
    if path.exists() and not _is_replaceable(path):
        raise BundleError(f"{path}: holds something that is no bundle; name a folder that is not there")
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        for name, content in contents.items():
            with (temporary / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        temporary.chmod(0o755)
        sync_folder(temporary)
        if path.exists():
            _exchange(temporary, path)  # the old one is removed below
        else:
            temporary.replace(path)
        sync_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_replaceable(path: Path) -> bool:
    """Whether a folder is empty, or holds a manifest of ours with files that it lists, and nothing else."""
    if not path.is_dir():
        return False
    entries = list(path.iterdir())
    if not entries:
        return True
    try:
        manifest = ModelManifest.from_json((path / MANIFEST_FILE).read_bytes())
    except (OSError, ManifestError):
        return False
    listed = {MANIFEST_FILE, *(one.file for one in manifest.artefacts), *(one.file for one in manifest.files)}
    return all(entry.name in listed and stat.S_ISREG(entry.lstat().st_mode) for entry in entries)


def _exchange(one: Path, other: Path) -> None:
    """Each folder takes the other's name: at once, where the file system can. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        return
    if (number := ctypes.get_errno()) not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), str(other))
    between = one.with_name(f"{one.name}.old")
    other.rename(between)  # a network's folder: for a moment there is none
    try:
        one.rename(other)
    except OSError:
        between.rename(other)
        raise
    between.rename(one)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
