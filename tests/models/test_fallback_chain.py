"""The chain's decisions, time as an argument: shares, climbing down, back-off, parity before climbing up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fallback_chain import Action, ChainRules, FallbackChain, Order, TierState

S = 1_000_000_000
RULES = ChainRules()


def serving(names: tuple[str, ...] = ("npu", "cpu"), now_ns: int = 0) -> FallbackChain:
    chain = FallbackChain(names, "statistical", RULES)
    for i in range(len(names)):
        serve(chain, i, now_ns)
    chain.moves()
    return chain


def serve(chain: FallbackChain, tier: int, now_ns: int) -> None:
    chain.started(tier, now_ns)
    chain.loaded(tier, now_ns)
    chain.passed(tier, now_ns)


def test_before_anything_is_checked_the_floor_answers() -> None:
    chain = FallbackChain(("npu", "cpu"), "statistical", RULES)
    assert chain.attempts(160) == []
    assert chain.orders(0) == [Order(Action.START, 0), Order(Action.START, 1)]
    chain.started(0, 0)
    chain.loaded(0, 1)
    assert chain.attempts(160) == []
    assert Order(Action.CHECK, 0) in chain.orders(1)
    chain.passed(0, 2)
    (move,) = chain.moves()
    assert (move.from_name, move.to_name, move.down) == ("statistical", "npu", False)


def test_the_first_choice_gets_half_of_the_deadline_and_each_behind_it_half_of_the_rest() -> None:
    chain = serving(("npu", "gpu", "cpu"))
    assert [(a.tier, a.budget_ns) for a in chain.attempts(160)] == [(0, 80), (1, 40), (2, 20)]
    chain.failed(0, "died", 1)
    assert [(a.tier, a.budget_ns) for a in chain.attempts(160)] == [(1, 80), (2, 40)]


def test_nobody_may_be_given_more_than_half() -> None:
    with pytest.raises(ValueError, match="half"):
        ChainRules(share=0.6)


def test_a_climb_down_is_told_with_its_reason_and_a_lower_tier_s_failure_is_not() -> None:
    chain = serving()
    chain.failed(1, "died by SIGKILL", 5)
    assert chain.moves() == []
    serve(chain, 1, 6)
    chain.failed(0, "died by SIGSEGV", 7)
    (move,) = chain.moves()
    assert (move.from_name, move.to_name, move.down) == ("npu", "cpu", True)
    assert "SIGSEGV" in move.reason
    assert "SIGSEGV" in chain.reason(0)
    chain.failed(1, "died by SIGBUS", 8)
    (move,) = chain.moves()
    assert (move.to_name, move.down) == ("statistical", True)


def test_back_off_doubles_up_to_its_cap_and_is_forgotten_after_a_stable_time() -> None:
    chain, now = serving(), 0
    waits = []
    for _ in range(12):
        chain.failed(0, "died", now)
        start = now
        while Order(Action.START, 0) not in chain.orders(now):
            now += S // 2
        waits.append((now - start) / S)
        serve(chain, 0, now)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    now += RULES.stable_ns
    chain.failed(0, "died", now)
    assert Order(Action.START, 0) in chain.orders(now + S)


def test_late_is_asked_nothing_until_it_answered_and_was_checked() -> None:
    chain = serving()
    chain.late(0, 10)
    assert [a.tier for a in chain.attempts(160)] == [1]
    assert chain.orders(20) == []
    chain.answered_late(0, 30)
    assert [a.tier for a in chain.attempts(160)] == [1]
    assert chain.orders(30) == [Order(Action.CHECK, 0)]
    chain.passed(0, 40)
    assert [a.tier for a in chain.attempts(160)] == [0, 1]
    assert [move.down for move in chain.moves()] == [True, False]


def test_late_for_too_long_is_hanging_and_too_long_in_starting_is_a_failure() -> None:
    chain = serving()
    chain.late(0, 0)
    assert chain.orders(RULES.hang_ns) == []
    assert chain.orders(RULES.hang_ns + 1) == [Order(Action.STOP, 0)]
    assert "hangs" in chain.reason(0)
    chain.started(0, 10 * S)
    assert chain.orders(10 * S + RULES.start_limit_ns + 1) == [Order(Action.STOP, 0)]
    assert "not ready" in chain.reason(0)


def test_late_again_and_again_is_a_failure() -> None:
    chain = serving()
    for i in range(RULES.lates):
        assert chain.state(0) is TierState.SERVING
        chain.late(0, i)
        chain.answered_late(0, i)
        if chain.state(0) is TierState.CHECKING:
            chain.passed(0, i)
    assert chain.state(0) is TierState.DOWN
    assert "3 times" in chain.reason(0)


def test_what_failed_its_check_does_not_serve() -> None:
    chain = FallbackChain(("npu",), "statistical", RULES)
    chain.started(0, 0)
    chain.loaded(0, 0)
    chain.failed(0, "gives wrong answers", 0)
    assert chain.attempts(160) == []
    with pytest.raises(ValueError, match="not being checked"):
        chain.passed(0, 1)


EVENTS = ("started", "loaded", "late", "answered late", "failed", "check", "wait")


@settings(max_examples=200)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 2)), max_size=60))
def test_whatever_happens_only_what_was_checked_is_asked_and_every_change_is_told(
    events: list[tuple[str, int]],
) -> None:
    """A naive model beside it: a tier is sound from its passed check to its next trouble."""
    chain, now = FallbackChain(("a", "b", "c"), "floor", RULES), 0
    sound: set[int] = set()
    for event, tier in events:
        now += S
        if event == "started" and chain.state(tier) is TierState.DOWN:
            chain.started(tier, now)
        elif event == "loaded" and chain.state(tier) is TierState.STARTING:
            chain.loaded(tier, now)
        elif event == "check" and chain.state(tier) is TierState.CHECKING:
            chain.passed(tier, now)
            sound.add(tier)
        elif event == "late" and chain.state(tier) is TierState.SERVING:
            chain.late(tier, now)
            sound.discard(tier)
        elif event == "answered late":
            chain.answered_late(tier, now)
        elif event == "failed":
            chain.failed(tier, "died", now)
            sound.discard(tier)
        elif event == "wait":
            chain.orders(now)
        before = chain.in_use
        assert [a.tier for a in chain.attempts(1000)] == sorted(sound)
        assert sum(a.budget_ns for a in chain.attempts(1000)) < 1000
        assert before == (min(sound) if sound else 3)
        for move in chain.moves():
            last = move.to_name
            assert move.from_name != move.to_name
            assert last == chain.name(chain.in_use)
