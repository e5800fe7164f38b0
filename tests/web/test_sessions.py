"""Sessions: tokens, expiry, and what is stored of them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from web.sessions import (
    ABSOLUTE_S,
    IDLE_S,
    MOST_PER_USER,
    SessionTable,
    csrf_token_is_right,
    csrf_token_of,
    device_of,
    digest_of,
    new_device_cookie,
    new_token,
)


def test_tokens_carry_256_bits_and_the_table_keeps_only_digests() -> None:
    token = new_token()
    assert len(token) >= 43  # 32 bytes in base64
    table = SessionTable()
    table.add(token, "admin", 0.0)
    assert token not in json.dumps(table.dump(1.0))
    assert table.find(digest_of(token), 1.0) is not None
    assert table.find(token, 1.0) is None


def test_a_session_ends_when_idle_and_when_old_however_busy() -> None:
    table = SessionTable()
    session = table.add("t", "admin", 0.0)
    assert table.find(session.digest, IDLE_S - 1.0) is session
    assert table.find(session.digest, IDLE_S) is None
    assert table.find(session.digest, 1.0) is None  # forgotten, not only hidden
    busy = table.add("u", "admin", 0.0)
    now_s = 0.0
    while now_s < ABSOLUTE_S - 3600.0:
        now_s += 3600.0
        found = table.find(busy.digest, now_s)
        assert found is not None or now_s >= ABSOLUTE_S
        if found:
            found.seen_s = now_s
    assert table.find(busy.digest, ABSOLUTE_S) is None


@given(
    st.floats(0, IDLE_S), st.floats(0, ABSOLUTE_S), st.floats(0, ABSOLUTE_S), st.floats(-1e6, 1e6)
)  # fmt: skip
def test_a_restart_neither_ends_nor_lengthens_a_session(
    idle_s: float, age_s: float, elapsed_s: float, other_zero_s: float
) -> None:
    table = SessionTable()
    session = table.add("t", "admin", 0.0)
    now_s = max(idle_s, age_s)
    session.created_s, session.seen_s = now_s - max(idle_s, age_s), now_s - idle_s
    later = SessionTable()
    later.load(json.loads(json.dumps(table.dump(now_s))), elapsed_s, other_zero_s)
    expected = session.is_live(now_s) and session.is_live(now_s + elapsed_s)
    margin_s = min(
        abs(idle_s + elapsed_s - IDLE_S), abs(idle_s - IDLE_S), abs(now_s + elapsed_s - ABSOLUTE_S),
        abs(now_s - ABSOLUTE_S),
    )  # fmt: skip
    if margin_s > 0.001:
        assert (later.find(session.digest, other_zero_s) is not None) == expected


def test_one_user_cannot_fill_the_memory_with_sessions() -> None:
    table = SessionTable()
    for k in range(3 * MOST_PER_USER):
        table.add(f"token {k}", "admin", float(k))
    assert len(table) == MOST_PER_USER
    assert table.find(digest_of("token 0"), 300.0) is None
    assert table.find(digest_of(f"token {3 * MOST_PER_USER - 1}"), 300.0) is not None


@given(st.text(), st.text())
def test_a_csrf_token_belongs_to_one_session(token: str, other: str) -> None:
    assert csrf_token_is_right(token, csrf_token_of(token))
    assert not csrf_token_is_right(token, other)
    assert csrf_token_of(token) != token


@given(st.text(), st.text())
def test_a_device_cookie_belongs_to_one_user_and_one_appliance(user: str, forged: str) -> None:
    cookie = new_device_cookie(b"key", user)
    assert device_of(b"key", user, cookie)
    assert device_of(b"key", user + "x", cookie) is None
    assert device_of(b"other", user, cookie) is None
    assert device_of(b"key", user, forged) is None
