"""The accounts' file: what is in it, who may read it, and what a crash at any moment leaves."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.web.conftest import PASSWORD, Site, cheap_hashing
from web.auth import AuthStore, NotStoredError, WaitError, WrongPasswordError
from web.login_throttle import FREE_FAILURES
from web.passwords import PasswordHashing
from web.sessions import ABSOLUTE_S, IDLE_S

NEW = "purple trains at noon"


def test_the_first_boot_password_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "state" / "auth.json"
    store = AuthStore.open(path, hashing=cheap_hashing())
    first = store.ensure_first_user()
    assert first is not None
    assert store.ensure_first_user() is None
    assert store.must_change_password("admin")
    assert first not in path.read_text()
    again = AuthStore.open(path, hashing=cheap_hashing())
    assert again.ensure_first_user() is None
    assert asyncio.run(again.sign_in("admin", first, "10.0.0.1")).session.user == "admin"


def test_only_the_service_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    previous = os.umask(0)
    try:
        AuthStore.open(path, hashing=cheap_hashing()).ensure_first_user()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
        AuthStore.open(path, hashing=cheap_hashing())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(previous)


async def test_the_file_holds_neither_password_nor_token(site: Site) -> None:
    signed_in = await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")
    text = (site.folder / "auth.json").read_text()
    assert "$argon2id$" in text
    assert signed_in.session.digest in text
    for secret in (PASSWORD, signed_in.token, signed_in.device_cookie):
        assert secret not in text


async def test_a_wrong_password_and_an_unknown_user_look_alike(site: Site) -> None:
    for user, password in (("admin", "wrong password"), ("nobody", PASSWORD)):
        with pytest.raises(WrongPasswordError) as refused:
            await site.auth.sign_in(user, password, "10.0.0.1")
        assert refused.value.args == ()


async def test_sessions_live_through_a_restart_and_end_when_they_should(site: Site) -> None:
    token = (await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")).token
    site.clock.wall += 3600.0  # the box was off for an hour; its monotonic clock starts anew
    site.clock.monotonic = 5.0
    later = site.open_auth()
    assert later.find(token) is not None
    site.clock.advance(IDLE_S)
    assert later.find(token) is None


async def test_a_wall_clock_that_went_back_ends_nobodys_session_and_lengthens_none(site: Site) -> None:
    token = (await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")).token
    site.clock.wall = 0.0  # no battery: 1970
    later = site.open_auth()
    assert later.find(token) is not None
    site.clock.advance(IDLE_S)
    assert later.find(token) is None


async def test_use_is_stored_now_and_then_so_that_a_restart_knows_it(site: Site) -> None:
    token = (await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")).token
    os.utime(site.folder / "auth.json", ns=(0, 0))  # the clock of files may be as coarse as these writes
    for _ in range(11):
        site.clock.advance(3600.0)
        assert site.auth.find(token) is not None
        assert site.auth.touch_is_due
        await site.auth.store_touches()
        assert not site.auth.touch_is_due
    assert (site.folder / "auth.json").stat().st_mtime_ns > 0
    site.clock.advance(3600.0)  # 12 h after the sign-in, but only one after the last use
    assert site.open_auth().find(token) is not None


async def test_no_session_outlives_a_week_of_restarts(site: Site) -> None:
    token = (await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")).token
    store, hours = site.auth, 0
    while store.find(token) is not None:
        hours += 1
        site.clock.advance(3600.0)
        await store.store_touches()
        store = site.open_auth()
    assert hours * 3600.0 == ABSOLUTE_S


async def test_changing_the_password_ends_the_other_sessions(site: Site) -> None:
    mine = await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")
    other = await site.auth.sign_in("admin", PASSWORD, "10.0.0.2")
    token, _, ended = await site.auth.change_password(mine.session, PASSWORD, NEW, "10.0.0.1")
    assert {s.digest for s in ended} == {mine.session.digest, other.session.digest}
    for store in (site.auth, site.open_auth()):
        assert store.find(mine.token) is None
        assert store.find(other.token) is None
        assert store.find(token) is not None
    with pytest.raises(WrongPasswordError):
        await site.auth.sign_in("admin", PASSWORD, "10.0.0.3")
    assert (await site.auth.sign_in("admin", NEW, "10.0.0.3")).token


async def test_a_password_that_cannot_be_stored_is_not_changed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NotStoredError, match="No space left"):
        await site.auth.change_password(mine.session, PASSWORD, NEW, "10.0.0.1")
    assert site.auth.find(mine.token) is not None
    # signing in still works on a full disk: the session lasts until the next restart
    assert site.auth.find((await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")).token) is not None
    monkeypatch.undo()
    assert (await site.open_auth().sign_in("admin", PASSWORD, "10.0.0.1")).token


async def test_guessing_is_slowed_and_a_known_browser_is_not(site: Site) -> None:
    cookie = (await site.auth.sign_in("admin", PASSWORD, "10.0.0.9")).device_cookie
    for _ in range(FREE_FAILURES):
        with pytest.raises(WrongPasswordError):
            await site.auth.sign_in("admin", "a wrong guess", "10.0.0.9")
    with pytest.raises(WaitError) as wait:
        await site.auth.sign_in("admin", PASSWORD, "10.0.0.9")
    assert wait.value.retry_after_s == pytest.approx(1.0)
    with pytest.raises(WaitError):
        await site.auth.sign_in("admin", PASSWORD, "10.0.0.9", device_cookie="f" * 32 + ".forged")
    assert (await site.auth.sign_in("admin", PASSWORD, "10.0.0.9", cookie)).device_cookie == cookie
    site.clock.advance(1.0)
    assert (await site.auth.sign_in("admin", PASSWORD, "10.0.0.9")).token


async def test_guessing_the_old_password_from_a_stolen_session_is_slowed_too(site: Site) -> None:
    mine = await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")
    for _ in range(FREE_FAILURES):
        with pytest.raises(WrongPasswordError):
            await site.auth.change_password(mine.session, "a wrong guess", NEW, "10.0.0.1")
    with pytest.raises(WaitError):
        await site.auth.change_password(mine.session, PASSWORD, NEW, "10.0.0.1")


async def test_many_guesses_at_once_are_no_way_around_the_limit(site: Site) -> None:
    tries = [site.auth.sign_in("admin", f"wrong guess {k}", "10.0.0.9") for k in range(40)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(r, WrongPasswordError) for r in results) == FREE_FAILURES
    assert sum(isinstance(r, WaitError) for r in results) == 40 - FREE_FAILURES


async def test_a_hash_of_yesterdays_cost_is_renewed_at_sign_in(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    AuthStore.open(path, hashing=cheap_hashing()).reset_password("admin", PASSWORD)
    store = AuthStore.open(path, hashing=PasswordHashing())
    await store.sign_in("admin", PASSWORD, "10.0.0.1")
    assert "m=65536,t=3" in path.read_text()
    assert (await store.sign_in("admin", PASSWORD, "10.0.0.1")).token


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\x00" * 500, b"[]", b"null", b'{"format": 2}', b'{"format": 1, "users": []}',
     b"[" * 100_000,
     b'{"format": 1, "users": {"admin": {}}}',
     b'{"format": 1, "users": {}, "sessions": 3, "saved_wall_s": 0, "device_key": ""}'],
)  # fmt: skip
def test_a_damaged_file_is_set_aside(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_bytes(content)
    store = AuthStore.open(path, hashing=cheap_hashing())
    assert store.ensure_first_user() is not None
    aside = [p for p in tmp_path.iterdir() if "damaged" in p.name]
    assert [p.read_bytes() for p in aside] == [content]
    assert json.loads(path.read_bytes())["users"].keys() == {"admin"}


def test_a_crash_at_any_step_of_a_write_leaves_the_old_file_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "auth.json"
    AuthStore.open(path, hashing=cheap_hashing()).reset_password("admin", PASSWORD)
    old = path.read_bytes()

    class PowerCutError(BaseException):
        pass

    for step in ("fsync", "replace"):
        store = AuthStore.open(path, hashing=cheap_hashing())
        with monkeypatch.context() as patched, pytest.raises(PowerCutError):

            def cut(*_: object) -> None:
                raise PowerCutError

            patched.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), cut)
            store.reset_password("admin", NEW)
        assert path.read_bytes() == old
    # what is left over is no hindrance
    AuthStore.open(path, hashing=cheap_hashing()).reset_password("admin", NEW)
    assert path.read_bytes() != old
    assert [p.name for p in tmp_path.iterdir()] == ["auth.json"]


def test_a_killed_process_loses_no_session(tmp_path: Path) -> None:
    code = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.web.conftest import PASSWORD, cheap_hashing
from web.auth import AuthStore
store = AuthStore.open(Path(sys.argv[1]), hashing=cheap_hashing())
store.reset_password("admin", PASSWORD)
async def main():
    token = (await store.sign_in("admin", PASSWORD, "10.0.0.1")).token
    sys.stdout.write(token); sys.stdout.flush()
    os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    path = tmp_path / "auth.json"
    root = Path(__file__).resolve().parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    assert AuthStore.open(path, hashing=cheap_hashing()).find(killed.stdout) is not None


async def test_neither_hashing_nor_the_file_holds_up_the_loop(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    fsync = os.fsync

    def watched(handle: int) -> None:
        threads.append(threading.current_thread())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    signed_in = await site.auth.sign_in("admin", PASSWORD, "10.0.0.1")
    _, renewed, _ = await site.auth.change_password(signed_in.session, PASSWORD, NEW, "10.0.0.1")
    site.clock.advance(3600.0)
    await site.auth.store_touches()
    await site.auth.sign_out(renewed)
    assert len(threads) == 2 * 4  # file and folder, four times
    assert threading.main_thread() not in threads
