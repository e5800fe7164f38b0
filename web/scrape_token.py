"""The bearer token of a scraper: one line in a file that only the service may read.

Duty: read it when the file has changed, judge its form, compare without telling by time how far a guess was
right. Knows no HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 512
LOOK_S = 1.0  # how often the file is looked at: a token that was changed needs no restart


class TokenRefusedError(Exception):
    """The file cannot be used: why, and what would be right."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


def read_token(path: Path) -> str:
    """The token in the file's first line. Raises TokenRefusedError."""
    make = f"Make one: (umask 077; openssl rand -hex 32 > {path})"
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            content = file.read(LONGEST_TOKEN + 2)
    except FileNotFoundError:
        raise TokenRefusedError(f"there is no file {path}", make) from None
    except OSError as error:
        raise TokenRefusedError(
            f"the file {path} cannot be read: {error.strerror}", "Let the service's user own it."
        ) from None
    mode = stat.S_IMODE(found.st_mode)
    if mode & 0o077:
        raise TokenRefusedError(f"others may read {path}: its mode is {mode:04o}", f"Run chmod 600 {path}")
    token = content.decode("ascii", "replace").strip()
    if len(token.split()) != 1 or "\ufffd" in token:
        raise TokenRefusedError(f"the file {path} holds no token: one line of plain characters", make)
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN:
        raise TokenRefusedError(
            f"the token in {path} is not of {SHORTEST_TOKEN} to {LONGEST_TOKEN} characters", make
        )
    return token


class ScrapeToken:
    """Judges what a scraper shows. A file that cannot be used admits nobody, and the log says why."""

    def __init__(self, path: Path, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._monotonic_s = monotonic_s
        self._looked_s = float("-inf")
        self._seen: tuple[int, ...] | None = None
        self._digest: bytes | None = None

    def admits(self, shown: str) -> bool:
        """Whether this is the token."""
        self._look()
        given = hashlib.sha256(shown.encode("utf-8", "surrogateescape")).digest()
        return self._digest is not None and hmac.compare_digest(given, self._digest)

    def _look(self) -> None:
        now_s = self._monotonic_s()
        if now_s - self._looked_s < LOOK_S:
            return
        self._looked_s = now_s
        try:
            found = self._path.stat()
            seen: tuple[int, ...] = (
                found.st_mtime_ns,
                found.st_ctime_ns,
                found.st_ino,
                found.st_size,
                found.st_mode,
            )
        except OSError:
            seen = ()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._digest = hashlib.sha256(read_token(self._path).encode()).digest()
        except TokenRefusedError as error:
            self._digest = None
            log.warning("nobody can scrape with a token reason=%s", error)
