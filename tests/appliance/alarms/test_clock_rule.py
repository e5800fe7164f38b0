"""When an untrusted clock is an alarm."""

from __future__ import annotations

import pytest

from appliance.alarms.clock_rule import UNSET, ClockRule

S = 1_000_000_000
FREE = "system clock, undisciplined"
KEPT = "system clock, disciplined"


def test_a_clock_that_cannot_be_right_is_an_alarm_at_once_and_over_when_it_is_set() -> None:
    rule = ClockRule()
    assert rule.look(False, UNSET, 0) == "its time cannot be right"
    assert rule.look(False, UNSET, S) == "its time cannot be right"
    assert rule.look(True, KEPT, 2 * S) == ""


@pytest.mark.parametrize("source", [FREE, "any other state that is not trusted"])
def test_every_other_untrusted_state_gets_a_grace(source: str) -> None:
    rule = ClockRule(900.0)
    assert rule.look(False, source, 0) is None
    assert rule.look(False, source, 899 * S) is None
    reason = rule.look(False, source, 900 * S)
    assert reason is not None
    assert "15 minutes" in reason
    assert rule.look(False, source, 5000 * S) == reason, "the sentence does not change while it stands"


def test_it_is_over_only_after_a_minute_of_trust() -> None:
    rule = ClockRule(900.0)
    rule.look(False, FREE, 0)
    assert rule.look(False, FREE, 1000 * S)
    assert rule.look(True, KEPT, 1010 * S) is None, "what was said last still holds"
    assert rule.look(False, FREE, 1030 * S) is None
    assert rule.look(True, KEPT, 1040 * S) is None
    assert rule.look(True, KEPT, 1100 * S) == ""


def test_a_clock_that_wavers_never_becomes_an_alarm() -> None:
    rule = ClockRule(900.0)
    for minute in range(300):
        assert not rule.look(minute % 10 == 0, FREE, minute * 60 * S)


def test_a_clock_that_goes_from_unset_to_free_keeps_one_alarm() -> None:
    rule = ClockRule(900.0)
    assert rule.look(False, UNSET, 0)
    assert rule.look(False, UNSET, 1000 * S)
    assert rule.look(False, FREE, 1001 * S), "no clearing in between"


def test_where_somebody_else_keeps_the_clock_only_an_impossible_time_is_an_alarm() -> None:
    rule = ClockRule(0.0)
    assert rule.look(False, FREE, 10_000 * S) == ""
    assert rule.look(False, UNSET, 10_001 * S)
