"""Who may sign in at the OPC UA server: names and Argon2id hashes in one file of mode 0600.

Duty: read and write that file, and judge a name and password off the event loop, with a wait after wrong
ones. The file is read again when it changed, so a new password needs no restart. Knows no OPC UA.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from web.login_throttle import LoginThrottle, network_of
from web.passwords import HashingBusyError, PasswordHashing, new_first_password

logger = logging.getLogger(__name__)

MOST_FILE_BYTES = 100_000
LONGEST_NAME = 64
LONGEST_PASSWORD = 1024
MOST_WAITING = 32  # after a restart of the appliance all clients come at once


class SignInResult(Enum):
    """What came of a sign-in."""

    ADMITTED = auto()
    REFUSED = auto()  # wrong, unknown, or in a wait after wrong ones: which one is not said
    BUSY = auto()


def read_users(path: Path) -> dict[str, str]:
    """Hash per name; empty where there is no file. Raises ValueError for one that cannot be used."""
    try:
        content = path.read_bytes()[:MOST_FILE_BYTES]
    except FileNotFoundError:
        return {}
    users = json.loads(content)
    if not isinstance(users, dict) or not all(isinstance(value, str) for value in users.values()):
        raise ValueError(f"{path} is no list of users")
    return {str(name): value for name, value in users.items()}


def set_password(
    path: Path, name: str, password: str | None = None, hashing: PasswordHashing | None = None
) -> str:
    """Give a user (made if missing) a password, a random one unless given; the password. Blocking.

    Raises OSError where the file cannot be written, ValueError where it cannot be read.
    """
    hashing = hashing or PasswordHashing()
    try:
        chosen = password if password is not None else new_first_password()
        users = {**read_users(path), name: hashing.hash_now(chosen)}
    finally:
        hashing.close()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(users, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return chosen


class UserFile:
    """Judges sign-ins by the file."""

    def __init__(
        self,
        path: Path,
        hashing: PasswordHashing,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._hashing = hashing
        self._monotonic_s = monotonic_s
        self._throttle = LoginThrottle()
        self._one_at_a_time = asyncio.Lock()  # or clients that come together would be taken for guessing
        self._waiting = 0
        self._read: tuple[tuple[int, int], dict[str, str]] = ((0, 0), {})

    async def sign_in(self, name: str, password: str, address: str) -> SignInResult:
        """Judge a name and password that came from an address."""
        if self._waiting >= MOST_WAITING:
            return SignInResult.BUSY
        self._waiting += 1
        try:
            async with self._one_at_a_time:
                return await self._judge(name[:LONGEST_NAME], password[:LONGEST_PASSWORD], address)
        finally:
            self._waiting -= 1

    async def _judge(self, name: str, password: str, address: str) -> SignInResult:
        network = network_of(address)
        if self._throttle.begin(name, network, None, self._monotonic_s()) > 0.0:
            return SignInResult.REFUSED
        encoded = self._users().get(name)
        try:
            right = await self._hashing.verify(encoded, password)
        except HashingBusyError:
            self._throttle.withdrawn(name, network, None)
            return SignInResult.BUSY
        if not right:
            logger.warning("OPC UA sign-in refused user=%r address=%s", name, address)
            return SignInResult.REFUSED
        self._throttle.succeeded(name, network, None)
        return SignInResult.ADMITTED

    def has_users(self) -> bool:
        """Whether anybody may sign in at all."""
        return bool(self._users())

    def close(self) -> None:
        """End the hashing thread."""
        self._hashing.close()

    def _users(self) -> dict[str, str]:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self._read[0]:
                self._read = (stamp, read_users(self._path))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            logger.error("OPC UA users cannot be read file=%s reason=%s", self._path, error)
            return {}
        return self._read[1]
