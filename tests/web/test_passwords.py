"""Passwords: strong when made, judged by the policy, checked off the loop."""

from __future__ import annotations

import asyncio
import math
import threading
import time

import pytest

from tests.web.conftest import cheap_hashing
from web.passwords import (
    ALPHABET,
    ARGON2ID,
    MOST_WAITING,
    HashingBusyError,
    PasswordHashing,
    PasswordRefusedError,
    check_policy,
    new_first_password,
)


def test_a_first_password_has_80_bits_and_no_letter_that_is_misread() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 32
    assert not set(ALPHABET) & set("ilouILOU")
    made = {new_first_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        symbols = password.replace("-", "")
        assert set(symbols) <= set(ALPHABET)
        assert len(symbols) * math.log2(len(ALPHABET)) >= 80
        check_policy("admin", "", password)


@pytest.mark.parametrize(
    ("user", "old", "new", "reason"),
    [
        ("admin", "x" * 12, "short-pass1", "fewer than 12"),
        ("admin", "correct horse battery", "correct horse battery", "the old one"),
        ("admin", "old password 1", "ｏｌｄ password 1", "the old one"),  # full-width letters
        ("administrator", "old password 1", "Administrator1", "user's name"),
        ("admin", "old password 1", "aaaaaaaaaaaa", "repeats"),
    ],
)
def test_the_policy_refuses(user: str, old: str, new: str, reason: str) -> None:
    with pytest.raises(PasswordRefusedError, match=reason):
        check_policy(user, old, new)


def test_the_policy_admits_a_long_phrase_that_contains_the_name() -> None:
    check_policy("admin", "old password 1", "admin likes purple trains")


def test_hashes_are_argon2id_with_the_cost_of_rfc_9106() -> None:
    encoded = ARGON2ID.hash("x")
    assert encoded.startswith("$argon2id$v=19$m=65536,t=3,")


async def test_verification_is_right_and_the_unknown_user_is_false() -> None:
    hashing = cheap_hashing()
    encoded = await hashing.hash("pässword ﬁve")  # a ligature: NFKC makes it "fi"
    assert await hashing.verify(encoded, "pässword five")
    assert not await hashing.verify(encoded, "password five")
    assert not await hashing.verify(None, "pässword five")
    assert not await hashing.verify("no hash at all", "pässword five")
    assert not hashing.outdated(encoded)
    assert PasswordHashing().outdated(encoded)


async def test_an_unknown_user_takes_as_long_as_a_known_one() -> None:
    hashing = PasswordHashing()
    encoded = hashing.hash_now("correct horse battery")

    async def taken_s(of: str | None) -> float:
        began = time.perf_counter()
        assert not await hashing.verify(of, "wrong password")
        return time.perf_counter() - began

    known_s = unknown_s = math.inf
    for _ in range(50):  # the same work; the rest is this machine's noise, which only adds
        known_s, unknown_s = min(known_s, await taken_s(encoded)), min(unknown_s, await taken_s(None))
        if 0.4 < unknown_s / known_s < 2.5:
            return
    raise AssertionError(f"{unknown_s} s for nobody, {known_s} s for a user")


async def test_hashing_keeps_the_loop_free_runs_one_at_a_time_and_bounds_what_waits() -> None:
    hashing = cheap_hashing()
    release, running, most_running = threading.Event(), 0, 0
    threads = set()

    def slow(_encoded: str | None, _password: str) -> bool:
        nonlocal running, most_running
        running += 1
        most_running = max(most_running, running)
        threads.add(threading.current_thread())
        release.wait(60)
        running -= 1
        return True

    hashing._verify_now = slow  # type: ignore[method-assign]
    checks = [asyncio.create_task(hashing.verify("", "")) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)  # the loop runs while a hash is computed
    with pytest.raises(HashingBusyError):
        await hashing.verify("", "")
    release.set()
    assert await asyncio.gather(*checks) == [True] * MOST_WAITING
    assert most_running == 1
    assert threading.main_thread() not in threads
    hashing.close()
