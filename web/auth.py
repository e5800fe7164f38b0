"""Users and their sessions, kept in one file of the state folder that only the service may read.

Duty: signing in and out, changing a password, and surviving a kill -9 with everyone still signed in. It
knows no HTTP; `guard.py` and `routes/session.py` speak it. The file holds argon2id hashes and SHA-256
digests of session tokens, never a password or a token.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from web.login_throttle import LoginThrottle, network_of
from web.passwords import HashingBusyError, PasswordHashing, check_policy, new_first_password
from web.sessions import Session, SessionTable, device_of, digest_of, new_device_cookie, new_token

log = logging.getLogger(__name__)

FIRST_USER = "admin"
FORMAT = 1
TOUCH_EVERY_S = 600.0  # how stale the stored "last seen" may be: flash wears
BUSY_RETRY_S = 2.0


class AuthError(Exception):
    """Base of what can go wrong when someone signs in or changes a password."""


class WrongPasswordError(AuthError):
    """User and password do not belong together; which of them is wrong is not said."""


class WaitError(AuthError):
    """Too many attempts: `retry_after_s` says how long to wait."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"wait {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class NotStoredError(AuthError):
    """The new password could not be written; the old one still holds."""


@dataclass(slots=True)
class User:
    """One person's account."""

    name: str
    password_hash: str
    must_change_password: bool


@dataclass(frozen=True, slots=True)
class SignIn:
    """A successful sign-in: the cookies' values, and the session."""

    token: str
    device_cookie: str
    session: Session


class AuthStore:
    """The users, their sessions and the file of both.

    `monotonic_s` orders the sessions while the process lives; `wall_s` only tells how long it was dead (a
    wall clock that went backwards meanwhile counts as no time).
    """

    def __init__(
        self,
        path: Path,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
        hashing: PasswordHashing | None = None,
    ) -> None:
        self._path = path
        self._monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._hashing = hashing or PasswordHashing()
        self._users: dict[str, User] = {}
        self._sessions = SessionTable()
        self._throttle = LoginThrottle()
        self._device_key = secrets.token_bytes(32)
        self._writing = asyncio.Lock()
        self._stored_s = monotonic_s()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
        hashing: PasswordHashing | None = None,
    ) -> Self:
        """Reads the file if there is one. A damaged one is set aside, and the store starts empty.

        Raises OSError when the folder cannot be used.
        """
        store = cls(path, monotonic_s=monotonic_s, wall_s=wall_s, hashing=hashing)
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            path.chmod(0o600)
            try:
                store._restore(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
                aside = path.with_name(f"{path.name}.damaged-{int(wall_s())}")
                path.replace(aside)
                log.error("accounts file damaged, set aside as=%s reason=%r", aside, error)
                store = cls(path, monotonic_s=monotonic_s, wall_s=wall_s, hashing=store._hashing)
        return store

    def close(self) -> None:
        """Stores when everyone was last seen, and ends the hashing thread."""
        try:
            self._write(self._document())
        except OSError as error:
            log.warning("accounts file not written reason=%s", error)
        self._hashing.close()

    # -- accounts ---------------------------------------------------------------------------------------

    @property
    def users(self) -> tuple[str, ...]:
        """Names of all users, in alphabetical order."""
        return tuple(sorted(self._users))

    def ensure_first_user(self) -> str | None:
        """Makes `admin` if there is no user; its first-boot password, this once, else None. Blocking."""
        if self._users:
            return None
        return self.reset_password(FIRST_USER)

    def reset_password(self, name: str, password: str | None = None, *, must_change: bool = True) -> str:
        """Gives the user (made if missing) a password, ends his sessions; the password. Blocking.

        For the console of the appliance, while the service is stopped. Raises OSError when not stored.
        """
        chosen = password if password is not None else new_first_password()
        self._users[name] = User(name, self._hashing.hash_now(chosen), must_change_password=must_change)
        self._sessions.end_all_of(name)
        self._write(self._document())
        return chosen

    def must_change_password(self, name: str) -> bool:
        user = self._users.get(name)
        return user is None or user.must_change_password

    # -- sessions ---------------------------------------------------------------------------------------

    async def sign_in(self, name: str, password: str, address: str, device_cookie: str = "") -> SignIn:
        """Signs in from an address, with the cookie that an earlier sign-in left if there is one.

        Raises WrongPasswordError, WaitError.
        """
        device = device_of(self._device_key, name, device_cookie) if name in self._users else None
        await self._check_password(name, password, address, device)
        token = new_token()
        session = self._sessions.add(token, name, self._monotonic_s())
        await self._store_quietly()
        log.info("signed in user=%r address=%s", name, address)
        kept = device_cookie if device else new_device_cookie(self._device_key, name)
        return SignIn(token, kept, session)

    def find(self, token: str) -> Session | None:
        """The live session of a cookie's token, now seen; None if unknown or ended."""
        now_s = self._monotonic_s()
        session = self._sessions.find(digest_of(token), now_s)
        if session is None or session.user not in self._users:
            return None
        session.seen_s = now_s
        return session

    def is_live(self, digest: str) -> bool:
        """Whether that session still stands; asking does not count as using it."""
        return self._sessions.find(digest, self._monotonic_s()) is not None

    @property
    def touch_is_due(self) -> bool:
        """Whether `store_touches` would write."""
        return self._monotonic_s() - self._stored_s > TOUCH_EVERY_S

    async def store_touches(self) -> None:
        """Stores when sessions were last seen, at most every ten minutes."""
        if self.touch_is_due:
            self._stored_s = self._monotonic_s()
            await self._store_quietly()

    async def sign_out(self, session: Session) -> None:
        self._sessions.end(session.digest)
        await self._store_quietly()

    async def change_password(
        self, session: Session, old: str, new: str, address: str, device_cookie: str = ""
    ) -> tuple[str, Session, list[Session]]:
        """(new token, its session, the ended sessions): all of the user's sessions end with the old password.

        Raises WrongPasswordError, WaitError, PasswordRefusedError, NotStoredError.
        """
        name = session.user
        device = device_of(self._device_key, name, device_cookie)
        await self._check_password(name, old, address, device)
        check_policy(name, old, new)
        try:
            encoded = await self._hashing.hash(new)
        except HashingBusyError:
            raise WaitError(BUSY_RETRY_S) from None
        user = self._users[name]
        self._users[name] = User(name, encoded, must_change_password=False)
        ended = self._sessions.end_all_of(name)
        token = new_token()
        renewed = self._sessions.add(token, name, self._monotonic_s())
        try:
            await self._store()
        except OSError as error:
            self._users[name] = user
            self._sessions.end_all_of(name)
            self._sessions.put_back(ended)
            raise NotStoredError(str(error)) from error
        log.info("password changed user=%r address=%s", name, address)
        return token, renewed, ended

    async def _check_password(self, name: str, password: str, address: str, device: str | None) -> None:
        user = self._users.get(name)
        network = network_of(address)
        wait_s = self._throttle.begin(name, network, device, self._monotonic_s())
        if wait_s > 0.0:
            raise WaitError(wait_s)
        encoded = user.password_hash if user else None
        try:
            right = await self._hashing.verify(encoded, password)
            if right and user is not None and self._hashing.outdated(user.password_hash):
                user.password_hash = await self._hashing.hash(password)
        except HashingBusyError:
            self._throttle.withdrawn(name, network, device)
            raise WaitError(BUSY_RETRY_S) from None
        if not right or self._users.get(name) is not user:
            log.warning("sign-in refused user=%r address=%s", name[:64], address)
            raise WrongPasswordError
        self._throttle.succeeded(name, network, device)

    # -- the file ---------------------------------------------------------------------------------------

    def _document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "saved_wall_s": self._wall_s(),
            "device_key": self._device_key.hex(),
            "users": {
                user.name: {
                    "password_hash": user.password_hash,
                    "must_change_password": user.must_change_password,
                }
                for user in self._users.values()
            },
            "sessions": self._sessions.dump(self._monotonic_s()),
        }

    def _restore(self, document: dict[str, Any]) -> None:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r}, expected {FORMAT}")
        for name, item in document["users"].items():
            self._users[name] = User(
                str(name),
                str(item["password_hash"]),
                bool(item["must_change_password"]),
            )
        self._device_key = bytes.fromhex(document["device_key"])
        if len(self._device_key) < 32:
            raise ValueError("device_key is too short")
        elapsed_s = max(0.0, self._wall_s() - float(document["saved_wall_s"]))
        self._sessions.load(document["sessions"], elapsed_s, self._monotonic_s())

    async def _store(self) -> None:
        async with self._writing:
            self._stored_s = self._monotonic_s()
            await asyncio.to_thread(self._write, self._document())

    async def _store_quietly(self) -> None:
        """A full disk must not keep a technician out: the session then lasts until the next restart."""
        try:
            await self._store()
        except OSError as error:
            log.error("accounts file not written reason=%s", error)

    def _write(self, document: dict[str, Any]) -> None:
        """Replaces the file whole: after a power cut it is the old one or the new one, never half of it."""
        beside = self._path.with_name(self._path.name + ".new")
        beside.unlink(missing_ok=True)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(document, indent=1).encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
