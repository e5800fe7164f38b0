"""The sequential test: soon when it is clear, late when it is faint, never for a few loud windows."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from models.cumulative_sum import CumulativeSum, CumulativeSumRules
from models.errors import ModelStateError


def first_alarm(scores: list[float]) -> int | None:
    test = CumulativeSum()
    return next((i for i, score in enumerate(scores) if test.observe(score)), None)


def test_four_windows_far_above_the_limit_are_enough() -> None:
    assert first_alarm([0.3] * 50 + [1.8] * 5) == 53


def test_windows_just_at_the_limit_take_eight() -> None:
    assert first_alarm([0.3] * 50 + [1.0] * 9) == 57  # 1.5 / (1.0 - 0.8), rounded up


def test_what_stays_just_below_the_limit_is_found_in_the_end() -> None:
    found = first_alarm([0.3] * 50 + [0.9] * 40)
    assert found is not None and found > 60


def test_what_healthy_running_may_show_never_is() -> None:
    """A limit is 1.5 times the largest that was learned: two thirds of it, for a year, are healthy."""
    assert first_alarm([2.0 / 3.0] * 52_596) is None


@pytest.mark.parametrize("loud", [2.0, 100.0, math.inf])
def test_no_one_window_makes_an_alarm_nor_three(loud: float) -> None:
    assert first_alarm([*[0.3] * 4, loud, loud, loud] * 20 + [0.3]) is None


def test_windows_that_overlap_count_for_what_is_new_in_them() -> None:
    test = CumulativeSum()
    said = [test.observe(1.8, fresh=0.5) for _ in range(8)]
    assert said == [False] * 7 + [True]


def test_healthy_scores_never_add_up() -> None:
    rng = np.random.default_rng(1)
    assert first_alarm(list(rng.gamma(9.0, 0.3 / 9.0, 20_000))) is None


def test_it_ends_when_scores_are_healthy_again() -> None:
    test = CumulativeSum()
    for _ in range(500):
        test.observe(2.0)
    assert test.on and test.value == 1.0
    assert [test.observe(0.3) for _ in range(47)] == [True] * 46 + [False]  # 2 to 0, then 45 quiet ones


def test_an_alarm_that_wavers_is_one_alarm() -> None:
    test = CumulativeSum()
    said = [test.observe(score) for score in [*[2.0] * 4, *[0.3] * 40, *[2.0] * 4] * 5]
    assert said[3:] == [True] * (len(said) - 3)
    loud_now_and_then = [*[0.3] * 20, 5.0] * 6  # a dropped tool delays the end by the windows that it takes
    ended = [test.observe(score) for score in loud_now_and_then].index(False)
    assert 45 < ended < 60


def test_a_restart_keeps_what_stood() -> None:
    test = CumulativeSum()
    test.assume_on()
    assert [test.observe(0.3) for _ in range(47)] == [True] * 46 + [False]


def test_nothing_said_changes_nothing() -> None:
    test = CumulativeSum()
    for score in (1.0, math.nan, 1.0, math.nan, 1.0, 1.0):
        test.observe(score)
    assert test.value == pytest.approx(0.8 / 1.5)


def test_its_state_survives_json() -> None:
    test = CumulativeSum()
    test.observe(1.1)
    fresh = CumulativeSum()
    fresh.restore(json.loads(json.dumps(test.state())))
    assert fresh.value == test.value


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"on": False, "sum": "x", "quiet": 0},
        {"on": False, "sum": 9.0, "quiet": 0},
        {"on": True, "sum": math.nan, "quiet": 0},
        {"on": True, "sum": 1.0, "quiet": -1},
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    test = CumulativeSum(CumulativeSumRules())
    with pytest.raises(ModelStateError):
        test.restore(state)
    assert not test.on
