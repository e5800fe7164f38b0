"""Passwords: how one is made, judged and checked. No user names, files or clocks live here."""

from __future__ import annotations

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import argon2

# Crockford's base 32 in lower case: no i, l, o, u, so that what is read off a screen is typed right.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
GROUPS, GROUP_LENGTH = 4, 4  # 16 symbols of 5 bits: 80 bits
SHORTEST = 12
MOST_WAITING = 8

ARGON2ID = argon2.PasswordHasher(time_cost=3, memory_cost=65536, parallelism=1, hash_len=32, salt_len=16)


T = TypeVar("T")


class PasswordRefusedError(ValueError):
    """A new password that breaks the policy; `args[0]` says which rule."""


class HashingBusyError(RuntimeError):
    """So many passwords wait to be checked that one more would only wait as well."""


def new_first_password() -> str:
    """A random password of 80 bits, in groups that can be read out over a telephone."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def normalised(password: str) -> str:
    """The password in Unicode NFKC (NIST SP 800-63B 5.1.1.2), so that every keyboard spells it alike."""
    return unicodedata.normalize("NFKC", password)


def check_policy(user: str, old: str, new: str) -> None:
    """Raises PasswordRefusedError unless `new` is long enough and neither the old one nor the user's name."""
    old, new = normalised(old), normalised(new)
    if len(new) < SHORTEST:
        raise PasswordRefusedError(f"the new password has fewer than {SHORTEST} characters")
    if new == old:
        raise PasswordRefusedError("the new password is the old one")
    if len(set(new)) < 5:
        raise PasswordRefusedError("the new password repeats fewer than five different characters")
    if user.casefold() in new.casefold() and len(new) - len(user) < SHORTEST:
        raise PasswordRefusedError("the new password is little more than the user's name")


class PasswordHashing:
    """Argon2id off the event loop, one at a time: signing in must not starve the machine's analysis.

    A hash takes tens of megabytes and a tenth of a second by design, so what waits is bounded too.
    """

    def __init__(self, hasher: argon2.PasswordHasher = ARGON2ID) -> None:
        self._hasher = hasher
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")
        self._waiting = 0
        self._nobody = hasher.hash(secrets.token_urlsafe(16))

    def hash_now(self, password: str) -> str:
        """The encoded hash, computed in the caller's thread (start-up, commands)."""
        return self._hasher.hash(normalised(password))

    async def hash(self, password: str) -> str:
        """The encoded hash."""
        return await self._off_loop(self.hash_now, password)

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether the password is the one of `encoded`; None (no such user) takes as long and is False."""
        return await self._off_loop(self._verify_now, encoded, password)

    def outdated(self, encoded: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(encoded)

    def close(self) -> None:
        """Ends the thread once its present work is done."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _verify_now(self, encoded: str | None, password: str) -> bool:
        try:
            self._hasher.verify(encoded or self._nobody, normalised(password))
        except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
            return False
        return encoded is not None

    async def _off_loop(self, function: Callable[..., T], *args: object) -> T:
        if self._waiting >= MOST_WAITING:
            raise HashingBusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *args)
        finally:
            self._waiting -= 1
