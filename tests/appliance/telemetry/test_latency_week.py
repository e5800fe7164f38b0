"""Latency beside its own week: when it is judged, what is twice, what is noise."""

from __future__ import annotations

import random

import pytest

from appliance.telemetry.health import Stage
from appliance.telemetry.latency_week import HOUR_NS, NEEDED_HOURS, NOTICEABLE_S, LatencyWeek

MINUTE_NS = HOUR_NS // 60
T0 = 500_000 * HOUR_NS


def lived(hours: int, p50_s: float = 0.2, seed: int = 1) -> LatencyWeek:
    """A stage that has taken about so long for so many hours, a value a minute."""
    week, chance = LatencyWeek(Stage.ANALYSIS, "motor-1"), random.Random(seed)
    for minute in range(hours * 60):
        week.add(T0 + minute * MINUTE_NS, p50_s * chance.uniform(0.8, 1.25))
    return week


def go_on(week: LatencyWeek, from_hour: int, minutes: int, p50_s: float) -> int:
    """So many minutes at this latency; returns the time of the last one."""
    for minute in range(minutes):
        week.add(T0 + from_hour * HOUR_NS + minute * MINUTE_NS, p50_s)
    return T0 + from_hour * HOUR_NS + (minutes - 1) * MINUTE_NS


def test_a_doubling_is_found_within_the_hour_and_ends_below_one_and_a_half() -> None:
    week = lived(72)
    assert not week.trend(T0 + 72 * HOUR_NS).doubled
    now_ns = go_on(week, 72, 20, 0.5)
    assert not week.trend(now_ns).doubled, "most of the last hour was as ever"
    now_ns = go_on(week, 73, 40, 0.5)
    trend = week.trend(now_ns)
    assert trend.doubled
    assert trend.factor == pytest.approx(2.5, rel=0.1)
    assert trend.week_p50_s == pytest.approx(0.2, rel=0.1)
    assert week.trend(go_on(week, 74, 60, 0.35)).doubled, "1.75 times is not over yet"
    assert not week.trend(go_on(week, 75, 60, 0.25)).doubled


def test_without_a_day_of_history_nothing_is_judged_and_that_is_said() -> None:
    week = lived(NEEDED_HOURS - 2)
    trend = week.trend(go_on(week, NEEDED_HOURS - 2, 60, 9.0))
    assert trend.factor is None
    assert not trend.doubled
    assert f"of {NEEDED_HOURS} hours" in trend.text
    idle = lived(72).trend(T0 + 75 * HOUR_NS)
    assert (idle.factor, idle.now_p50_s) == (None, None)
    assert "too little" in idle.text


def test_what_nobody_would_notice_is_no_alarm() -> None:
    quick = NOTICEABLE_S[Stage.ANALYSIS] / 100
    week = lived(48, quick)
    trend = week.trend(go_on(week, 48, 60, 10 * quick))
    assert trend.factor is not None
    assert trend.factor > 5
    assert not trend.doubled


def test_a_burst_and_single_outliers_are_no_alarm() -> None:
    week = lived(48)
    now_ns = T0
    for minute in range(60):
        now_ns = T0 + 48 * HOUR_NS + minute * MINUTE_NS
        week.add(now_ns, 30.0 if minute % 3 == 0 else 0.2)
        assert not week.trend(now_ns).doubled


def test_a_change_that_stays_becomes_normal_after_half_a_week() -> None:
    week = lived(7 * 24)
    raised, over = None, None
    for hour in range(7 * 24, 14 * 24):
        trend = week.trend(go_on(week, hour, 60, 0.5))
        raised = hour if raised is None and trend.doubled else raised
        over = hour if raised is not None and over is None and not trend.doubled else over
    assert raised == 7 * 24
    assert over is not None
    assert 3 <= (over - raised) / 24 <= 4


def test_a_stage_that_then_has_nothing_to_do_is_slow_for_a_day_and_no_longer() -> None:
    week = lived(72)
    judged_ns = go_on(week, 72, 60, 0.5)
    assert week.trend(judged_ns).doubled
    for hours, doubled in ((2, True), (23, True), (25, False), (60, False)):
        trend = week.trend(judged_ns + hours * HOUR_NS)
        assert trend.factor is None
        assert trend.doubled is doubled, f"{hours} h later"


def test_a_clock_that_is_set_back_forgets_the_future() -> None:
    week = lived(72)
    week.add(T0 + 30 * HOUR_NS, 0.2)
    trend = week.trend(T0 + 30 * HOUR_NS)
    assert trend.now_p50_s == 0.2
    assert "too little" in trend.text, "29 hours of history are left"


def test_no_number_of_stages_or_hours_grows_without_bound() -> None:
    week = lived(400)
    assert len(week._hours) <= 7 * 24
    assert len(week._recent) <= 3600
