"""What a service did to its files, call by call: every write, flush and truncation, and what it promised.

Duty: runs a program under strace and reads the record into calls, in the order of their ends. A `kill -9`
keeps the page cache, so it shows nothing about a power cut; from this record any state that the disk may have
been in can be rebuilt (`power_disk`). Needs strace and the right to trace a child.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Fatal

CALLS = "pwrite64,write,fsync,fdatasync,ftruncate,unlink,rename"
LONGEST_WRITE_BYTES = 1 << 20
_AT = r"(?P<at>\d+\.\d+) "
_WRITE = re.compile(
    _AT + r'pwrite64\(\d+<(?P<path>[^>]*)>, "(?P<data>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?, \d+, '
    r"(?P<offset>\d+)\)\s+= (?P<took>\d+)"
)
_APPEND = re.compile(
    _AT + r'write\((?![12]<)\d+<(?P<path>[^>]*)>, "(?P<data>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?, \d+\)'
    r"\s+= (?P<took>\d+)"
)
_FLUSH = re.compile(_AT + r"(?:fsync|fdatasync)\(\d+<(?P<path>[^>]*)>\)\s+= 0")
_TRUNCATE = re.compile(_AT + r"ftruncate\(\d+<(?P<path>[^>]*)>, (?P<size>\d+)\)\s+= 0")
_UNLINK = re.compile(_AT + r'unlink\("(?P<path>[^"]*)"\)\s+= 0')
_RENAME = re.compile(_AT + r'rename\("(?P<path>[^"]*)", "(?P<to>[^"]*)"\)\s+= 0')
_SAID = re.compile(_AT + r'write\(1(?:<[^>]*>)?, "(?P<data>(?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes handed to the page cache; on the disk once a later flush of the file has returned."""

    path: str
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """fsync or fdatasync that returned: everything written to the file before is on the disk."""

    path: str


@dataclass(frozen=True, slots=True)
class Truncate:
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The file was removed, or renamed `to` another name."""

    path: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A line on standard output: what the outside was told, and when (UTC s)."""

    words: tuple[str, ...]
    at_s: float


Call = Write | Flush | Truncate | Gone | Said


class NotTraceable(Fatal):
    """This system has no strace, or does not allow it."""


def traced(command: Sequence[str], log: Path) -> list[Call]:
    """Run a program under strace; its calls on files. Blocking. Raises NotTraceable, Fatal if it fails."""
    if shutil.which("strace") is None:
        raise NotTraceable("a power cut is rebuilt from strace's record; strace is not installed")
    flags = (
        "-f",
        "-y",
        "-xx",
        "-ttt",
        "-s",
        str(LONGEST_WRITE_BYTES),
        "-e",
        f"trace={CALLS}",
        "-o",
        str(log),
    )
    ran = subprocess.run(
        ["strace", *flags, *command],
        capture_output=True,
        text=True,
        check=False,
    )
    if "PTRACE" in ran.stderr or "Operation not permitted" in ran.stderr:
        raise NotTraceable(f"this system does not allow tracing ({ran.stderr.strip()[:200]})")
    if ran.returncode != 0:
        raise Fatal(f"the traced program ended with code {ran.returncode}: {ran.stderr.strip()[-500:]}")
    with log.open(encoding="ascii", errors="replace") as lines:
        return list(calls_of(whole_lines(lines)))


def whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """`time call` in the order of the calls' ends, those of several threads put together again."""
    unfinished: dict[str, str] = {}
    for line in lines:
        pid, _, rest = line.strip().partition(" ")
        at, _, call = rest.strip().partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>"):
            unfinished[pid] = call.removesuffix("<unfinished ...>").rstrip()
        elif call.startswith("<... "):
            if pid in unfinished:
                yield f"{at} {unfinished.pop(pid)}{call.partition('resumed>')[2]}"
        else:
            yield f"{at} {call}"


def calls_of(lines: Iterable[str]) -> Iterator[Call]:
    """The calls that change files, and what was said. Raises Fatal for a write that was recorded in part.

    What is written without a place goes to the end of a file that is new (captures, cursors), on from there.
    """
    reached: dict[str, int] = {}
    for line in lines:
        if found := _WRITE.match(line) or _APPEND.match(line):
            content, path = _bytes(found["data"]), _text(found["path"])
            if "offset" not in found.groupdict() and not path.startswith("/"):
                continue  # a pipe or a socket
            if found["cut"] or int(found["took"]) != len(content):
                raise Fatal(f"a write was not recorded whole: {line[:120]}")
            offset = int(found.groupdict().get("offset", reached.get(path, 0)))
            reached[path] = offset + len(content)
            yield Write(path, offset, content)
        elif found := _FLUSH.match(line):
            yield Flush(_text(found["path"]))
        elif found := _TRUNCATE.match(line):
            yield Truncate(_text(found["path"]), int(found["size"]))
        elif found := _UNLINK.match(line):
            reached.pop(_text(found["path"]), None)
            yield Gone(_text(found["path"]))
        elif found := _RENAME.match(line):
            reached.pop(_text(found["path"]), None)
            yield Gone(_text(found["path"]), _text(found["to"]))
        elif found := _SAID.match(line):
            for said in _bytes(found["data"]).decode("utf-8", "replace").splitlines():
                yield Said(tuple(said.split()), float(found["at"]))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


def _text(text: str) -> str:
    return _bytes(text).decode("utf-8", "replace") if text.startswith("\\x") else text
