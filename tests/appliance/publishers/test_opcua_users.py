"""Users of the OPC UA server: their file, and judging them without holding the loop up."""

from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path
from typing import Literal

import argon2

from appliance.publishers.opcua_users import MOST_WAITING, SignInResult, UserFile, read_users, set_password
from tests.appliance.publishers.opcua_rig import QUICK_HASH
from web.login_throttle import FREE_FAILURES
from web.passwords import PasswordHashing

ADDRESS = "192.0.2.7"


def users_of(path: Path, hasher: argon2.PasswordHasher = QUICK_HASH) -> UserFile:
    return UserFile(path, PasswordHashing(hasher), monotonic_s=lambda: 100.0)


async def test_right_wrong_and_unknown(tmp_path: Path) -> None:
    path = tmp_path / "opcua" / "users.json"
    password = set_password(path, "scada")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert password not in path.read_text()
    assert read_users(path)["scada"].startswith("$argon2id$")
    users = users_of(path)
    assert await users.sign_in("scada", password, ADDRESS) is SignInResult.ADMITTED
    assert await users.sign_in("scada", password + "x", ADDRESS) is SignInResult.REFUSED
    assert await users.sign_in("nobody", password, ADDRESS) is SignInResult.REFUSED
    users.close()


async def test_a_new_password_holds_at_once_and_a_damaged_file_admits_nobody(tmp_path: Path) -> None:
    path = tmp_path / "users.json"
    users = users_of(path)
    assert not users.has_users()
    old = set_password(path, "scada")
    assert await users.sign_in("scada", old, ADDRESS) is SignInResult.ADMITTED
    new = set_password(path, "scada", "another-long-password")
    assert await users.sign_in("scada", old, ADDRESS) is SignInResult.REFUSED
    assert await users.sign_in("scada", new, ADDRESS) is SignInResult.ADMITTED
    path.write_text('["scada"]')
    assert await users.sign_in("scada", new, ADDRESS) is SignInResult.REFUSED
    users.close()


async def test_guessing_is_slowed_down_and_keeps_no_other_address_out(tmp_path: Path) -> None:
    password = set_password(tmp_path / "users.json", "scada")
    users = users_of(tmp_path / "users.json")
    for _ in range(FREE_FAILURES):
        await users.sign_in("scada", "guess", ADDRESS)
    assert await users.sign_in("scada", password, ADDRESS) is SignInResult.REFUSED
    assert await users.sign_in("scada", password, "192.0.2.8") is SignInResult.ADMITTED
    users.close()


async def test_clients_that_come_together_are_no_guessing_and_too_many_are_told(tmp_path: Path) -> None:
    password = set_password(tmp_path / "users.json", "scada", hashing=PasswordHashing(QUICK_HASH))
    users = users_of(tmp_path / "users.json")
    results = await asyncio.gather(
        *(users.sign_in("scada", password, ADDRESS) for _ in range(MOST_WAITING + 5))
    )
    assert results.count(SignInResult.ADMITTED) == MOST_WAITING
    assert results.count(SignInResult.BUSY) == 5
    users.close()


async def test_hashing_does_not_hold_the_loop_up(tmp_path: Path) -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Slow(argon2.PasswordHasher):
        """Hashes until it may end, which the loop alone can say."""

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002
            begun.set()
            assert may_end.wait(60), "the loop is held up"
            return super().verify(hash, password)

    slow = Slow(time_cost=1, memory_cost=1024, parallelism=1)
    path = tmp_path / "users.json"
    set_password(path, "scada", "a-long-password", PasswordHashing(slow))
    users = users_of(path, slow)
    judging = asyncio.create_task(users.sign_in("scada", "a-long-password", ADDRESS))
    async with asyncio.timeout(60):
        while not begun.is_set():
            await asyncio.sleep(0.001)
    assert not judging.done()
    may_end.set()
    assert await judging is SignInResult.ADMITTED
    users.close()
