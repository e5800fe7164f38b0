"""An excursion: confirmed, ended by its own peak, settled."""

from __future__ import annotations

import json
import math

import pytest

from models.errors import ModelStateError
from models.excursion import ExcursionAlarm, ExcursionRules

RULES = ExcursionRules(confirm_rows=3, end_share=0.5, quiet_rows=2, settle_rows=4)


def stands(deviations: list[float]) -> list[bool]:
    alarm = ExcursionAlarm(RULES)
    return [alarm.observe(value) for value in deviations]


def test_single_rows_above_the_limit_are_no_alarm() -> None:
    assert not any(stands([2.0, 2.0, 0.5] * 20))


def test_it_begins_with_the_third_row_in_a_row_and_ends_below_half_of_its_peak() -> None:
    assert stands([2.0] * 3 + [8.0] + [5.0] * 10) == [False, False] + [True] * 12
    assert stands([8.0] * 3 + [3.0, 3.0, 3.0]) == [False, False, True, True, False, False]


def test_a_displacement_after_it_is_told_again_when_the_settling_time_is_over() -> None:
    said = stands([8.0] * 3 + [3.0] * 2 + [3.0] * 10)
    assert said[4:] == [False] * 7 + [True] * 4  # 4 rows of settling, then 3 to confirm


def test_while_it_settles_what_exceeds_half_of_the_peak_is_an_alarm() -> None:
    assert stands([8.0] * 3 + [3.0] * 2 + [5.0] * 3)[-1]


def test_nothing_observed_changes_nothing() -> None:
    alarm = ExcursionAlarm(RULES)
    for value in (2.0, math.nan, 2.0, math.nan):
        assert not alarm.observe(value)
    assert alarm.observe(2.0)
    assert alarm.observe(math.nan)


def test_its_state_survives_json_at_every_row() -> None:
    series = [0.2, 3.0, 3.0, 3.0, 6.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 0.1]
    expected = stands(series)
    alarm = ExcursionAlarm(RULES)
    for value, wanted in zip(series, expected, strict=True):
        fresh = ExcursionAlarm(RULES)
        fresh.restore(json.loads(json.dumps(alarm.state())))
        alarm = fresh
        assert alarm.observe(value) is wanted


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"on": True, "peak": "x", "count": 0, "settling": 0},
        {"on": True, "peak": -1.0, "count": 0, "settling": 0},
    ],
)
def test_a_state_that_does_not_fit_is_refused(state: dict[str, object]) -> None:
    alarm = ExcursionAlarm(RULES)
    with pytest.raises(ModelStateError):
        alarm.restore(state)
    assert not alarm.on
