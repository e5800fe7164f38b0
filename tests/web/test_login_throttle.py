"""The sign-in limit: doubles, forgets, and keeps nobody out for another's guessing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from web.login_throttle import (
    FORGET_AFTER_S,
    FREE_FAILURES,
    LONGEST_USER_WAIT_S,
    LONGEST_WAIT_S,
    MOST_KEYS,
    LoginThrottle,
    network_of,
)


def fail_until_waiting(throttle: LoginThrottle, user: str, network: str, now_s: float) -> float:
    for _ in range(100):
        if wait_s := throttle.begin(user, network, None, now_s):
            return wait_s
    raise AssertionError("never limited")


def test_the_free_failures_cost_no_wait_and_the_next_ones_double() -> None:
    throttle = LoginThrottle()
    now_s = 0.0
    for _ in range(FREE_FAILURES):
        assert throttle.begin("admin", "a", None, now_s) == 0.0
    waits = []
    for _ in range(12):
        wait_s = throttle.begin("admin", "a", None, now_s)
        waits.append(wait_s)
        now_s += wait_s
        assert throttle.begin("admin", "a", None, now_s) == 0.0
    assert waits[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert waits[-1] == LONGEST_WAIT_S


def test_an_attempt_during_the_wait_does_not_lengthen_it() -> None:
    throttle = LoginThrottle()
    fail_until_waiting(throttle, "admin", "a", 0.0)
    for _ in range(1000):
        assert throttle.begin("admin", "a", None, 0.5) == 0.5
    assert throttle.begin("admin", "a", None, 1.0) == 0.0


def test_many_attempts_at_once_are_counted_before_they_are_judged() -> None:
    throttle = LoginThrottle()
    admitted = sum(throttle.begin("admin", "a", None, 0.0) == 0.0 for _ in range(50))
    assert admitted == FREE_FAILURES


def test_guessing_from_many_addresses_meets_the_wait_of_the_user() -> None:
    throttle = LoginThrottle()
    for k in range(20):
        assert throttle.begin("admin", f"10.0.0.{k}", None, 0.0) == 0.0  # the first of each address
    waits = [throttle.begin("admin", f"10.0.0.{k}", None, 0.0) for k in range(20)]
    assert waits == [LONGEST_USER_WAIT_S] * 20


def test_another_address_and_a_known_browser_are_not_kept_out_by_an_attack() -> None:
    throttle = LoginThrottle()
    now_s = 0.0
    for _ in range(5000):  # a steady attack from one address
        throttle.begin("admin", "evil", None, now_s)
        now_s += 1.0
    assert throttle.begin("admin", "evil", None, now_s) > 0.0
    assert throttle.begin("admin", "technician", None, now_s) == 0.0
    # behind one proxy with the attacker, but with the cookie of an earlier sign-in
    assert throttle.begin("admin", "evil", "device", now_s) == 0.0


def test_success_clears_and_a_withdrawn_attempt_does_not_count() -> None:
    throttle = LoginThrottle()
    for _ in range(FREE_FAILURES - 1):
        throttle.begin("admin", "a", None, 0.0)
    for _ in range(10):
        assert throttle.begin("admin", "a", None, 0.0) == 0.0
        throttle.withdrawn("admin", "a", None)
    assert throttle.begin("admin", "a", None, 0.0) == 0.0
    assert throttle.begin("admin", "a", None, 0.0) > 0.0
    throttle.succeeded("admin", "a", None)
    assert throttle.begin("admin", "a", None, 0.0) == 0.0


def test_old_failures_are_forgotten() -> None:
    throttle = LoginThrottle()
    fail_until_waiting(throttle, "admin", "a", 0.0)
    assert throttle.begin("admin", "a", None, FORGET_AFTER_S + 1.0) == 0.0
    assert throttle.begin("admin", "a", None, FORGET_AFTER_S + 1.0) == 0.0


def test_the_table_is_bounded() -> None:
    throttle = LoginThrottle()
    for k in range(3 * MOST_KEYS):
        throttle.begin(f"user {k}", f"address {k}", None, float(k))
    assert len(throttle._counts) <= MOST_KEYS


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("xyz"), st.floats(0, 100)), max_size=200))
def test_a_wait_is_never_longer_than_the_longest(attempts: list[tuple[str, str, float]]) -> None:
    throttle = LoginThrottle()
    now_s = 0.0
    for user, network, later_s in attempts:
        now_s += later_s
        assert 0.0 <= throttle.begin(user, network, None, now_s) <= LONGEST_WAIT_S


def test_what_counts_as_one_address() -> None:
    assert network_of("10.1.2.3") == "10.1.2.3"
    assert network_of("::ffff:10.1.2.3") == "10.1.2.3"
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:2")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("testclient") == "unknown"
