"""The sequential test: soon when it is clear, late when it is faint, never for one loud window."""

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


def test_three_windows_far_above_the_limit_are_enough() -> None:
    assert first_alarm([0.3] * 50 + [1.8] * 5) == 52


def test_windows_just_at_the_limit_take_five() -> None:
    assert first_alarm([0.3] * 50 + [1.0] * 9) == 54  # 1.6 / (1.0 - 0.65), rounded up


def test_what_stays_below_the_limit_is_found_in_the_end() -> None:
    found = first_alarm([0.3] * 50 + [0.75] * 40)
    assert found is not None and found > 60


@pytest.mark.parametrize("loud", [2.0, 100.0, math.inf])
def test_no_one_window_makes_an_alarm_nor_two(loud: float) -> None:
    assert first_alarm([*[0.3] * 4, loud, loud] * 20 + [0.3]) is None


def test_healthy_scores_never_add_up() -> None:
    rng = np.random.default_rng(1)
    assert first_alarm(list(rng.gamma(9.0, 0.3 / 9.0, 20_000))) is None


def test_it_ends_when_scores_are_healthy_again() -> None:
    test = CumulativeSum()
    for _ in range(500):
        test.observe(2.0)
    assert test.on and test.value == 1.0
    assert [test.observe(0.3) for _ in range(5)] == [True] * 4 + [False]


def test_nothing_said_changes_nothing() -> None:
    test = CumulativeSum()
    for score in (1.0, math.nan, 1.0, math.nan, 1.0, 1.0):
        test.observe(score)
    assert test.value == pytest.approx(1.4 / 1.6)


def test_its_state_survives_json() -> None:
    test = CumulativeSum()
    test.observe(1.1)
    fresh = CumulativeSum()
    fresh.restore(json.loads(json.dumps(test.state())))
    assert fresh.value == test.value


@pytest.mark.parametrize(
    "state", [{}, {"on": False, "sum": "x"}, {"on": False, "sum": 9.0}, {"on": True, "sum": math.nan}]
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    test = CumulativeSum(CumulativeSumRules())
    with pytest.raises(ModelStateError):
        test.restore(state)
    assert not test.on
