"""Bins with hysteresis, standstill, run-up, stale tags."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.operating_state import (
    NO_TAGS,
    STOPPED,
    TAGS_STALE,
    TRANSIENT,
    WAITING,
    OperatingStateSettings,
    OperatingStateTracker,
)

S = 1_000_000_000
NOMINAL_HZ = 30.0


def tracker(**changes: bool) -> OperatingStateTracker:
    return OperatingStateTracker(
        NOMINAL_HZ, has_speed=changes.get("has_speed", True), has_load=changes.get("has_load", True)
    )


def run(found: OperatingStateTracker, speeds_hz: list[float], load: float = 0.8) -> list[str]:
    """Labels after each of the tags, one of each per second."""
    labels = []
    for i, hz in enumerate(speeds_hz):
        found.speed(i * S, hz)
        found.load(i * S, load)
        labels.append(found.at(i * S).label)
    return labels


def test_steady_running_has_one_label_in_a_technician_s_words() -> None:
    rng = np.random.default_rng(1)
    speeds = (NOMINAL_HZ * (1 + 0.005 * rng.standard_normal(300))).tolist()
    assert set(run(tracker(), speeds)) == {"1800 rpm, load 75-100 %"}


def test_what_is_not_measured_is_not_in_the_label() -> None:
    assert OperatingStateTracker(NOMINAL_HZ, False, False).at(0).label == NO_TAGS
    only_speed = tracker(has_load=False)
    only_speed.speed(0, 30.0)
    assert only_speed.at(0).label == "1800 rpm"
    only_load = tracker(has_speed=False)
    only_load.load(0, 0.3)
    assert only_load.at(0).label == "load 25-50 %"
    assert only_load.at(0).learnable


def test_waiting_until_every_tag_came() -> None:
    found = tracker()
    assert found.at(0).label == WAITING
    found.speed(0, 30.0)
    assert found.at(0).label == WAITING
    assert found.at(0).shaft_hz == 30.0
    assert not found.at(0).learnable
    found.load(0, 0.5)
    assert found.at(0).label == "1800 rpm, load 50-75 %"


def test_tags_that_stop_coming_are_stale_and_recover() -> None:
    found = tracker()
    run(found, [30.0] * 5)
    last_ns = 4 * S
    assert found.at(last_ns + 30 * S).label == "1800 rpm, load 75-100 %"
    state = found.at(last_ns + 31 * S)
    assert (state.label, state.shaft_hz, state.load) == (TAGS_STALE, None, None)
    assert state.rated
    assert not state.learnable
    found.speed(40 * S, 30.0)
    assert found.at(40 * S).label == TAGS_STALE
    found.load(40 * S, 0.8)
    assert found.at(40 * S).label == "1800 rpm, load 75-100 %"


def test_a_lost_server_voids_its_values_at_once() -> None:
    found = tracker()
    run(found, [30.0] * 5)
    found.speed_lost()
    assert found.at(4 * S).label == TAGS_STALE
    assert found.shaft_hz_over(0, 4 * S) is None
    found.speed(5 * S, 30.0)
    assert found.at(5 * S).label == "1800 rpm, load 75-100 %"
    found.load(6 * S, math.nan)
    assert found.at(6 * S).label == TAGS_STALE


def test_standstill_and_run_up() -> None:
    # at rest, run-up in 10 s, running, coast-down in 6 s, at rest
    speeds = [0.0] * 5 + [3.0 * i for i in range(1, 11)] + [30.0] * 10 + [25.0, 20, 15, 10, 5, 0] + [0.0] * 8
    labels = run(tracker(), speeds)
    assert labels[:5] == [STOPPED] * 5
    assert set(labels[5:15]) == {TRANSIENT}
    assert labels[20:25] == ["1800 rpm, load 75-100 %"] * 5
    assert set(labels[25:30]) == {TRANSIENT}
    assert labels[-1] == STOPPED


def test_a_machine_that_idles_below_five_percent_is_stopped_whatever_its_load_says() -> None:
    found = tracker()
    found.speed(0, 1.4)
    assert found.at(0).label == STOPPED
    found.speed(S, -1.4)  # turning backwards by the wind
    assert found.at(S).label == STOPPED


def test_hovering_at_an_edge_does_not_flicker() -> None:
    edge = NOMINAL_HZ * 1.1**0.5
    rng = np.random.default_rng(2)
    labels = run(tracker(), (edge * (1 + 0.004 * rng.standard_normal(300))).tolist())
    assert len(set(labels)) == 1
    found = tracker(has_speed=False)
    seen = set()
    for i, load in enumerate((0.75 + 0.03 * rng.standard_normal(300)).tolist()):
        found.load(i * S, load)
        seen.add(found.at(i * S).label)
    assert len(seen) == 1


def test_rated_load_is_one_state_and_overload_another() -> None:
    found = tracker(has_speed=False)
    seen = []
    for i, load in enumerate([0.98, 1.02, 1.15, 1.25, 1.3, 0.9]):
        found.load(i * S, load)
        seen.append(found.at(i * S).label)
    assert seen == ["load 75-100 %"] * 3 + ["load over 110 %"] * 2 + ["load 75-100 %"]


@given(st.floats(2.0, 500.0))
def test_a_bin_holds_speeds_within_a_few_percent_of_its_name(shaft_hz: float) -> None:
    found = tracker(has_load=False)
    found.speed(0, shaft_hz)
    rpm = float(found.at(0).label.removesuffix(" rpm"))
    assert rpm == pytest.approx(60 * shaft_hz, rel=0.056)


def test_hysteresis_goes_on_over_a_restart() -> None:
    before = tracker()
    run(before, [30.0] * 3, load=0.70)
    run(before, [30.0] * 3, load=0.80)
    assert before.at(2 * S).label == "1800 rpm, load 50-75 %"
    after = tracker()
    after.prefer(*before.bins())
    assert run(after, [30.0], load=0.80) == ["1800 rpm, load 50-75 %"]
    assert run(tracker(), [30.0], load=0.80) == ["1800 rpm, load 75-100 %"]
    after.prefer(900, 77)
    assert run(after, [31.0], load=0.80) == ["1800 rpm, load 75-100 %"]


def test_mean_speed_over_a_record() -> None:
    found = tracker()
    run(found, [30.0, 30.2, 30.4, 30.6])
    assert found.shaft_hz_over(S, 3 * S) == pytest.approx(30.4)
    assert found.shaft_hz_over(10 * S, 12 * S) == pytest.approx(30.6)  # the last one before, still fresh
    assert found.shaft_hz_over(100 * S, 110 * S) is None
    assert found.steady_over(0, 3 * S, 0.02)
    assert not found.steady_over(0, 3 * S, 0.005)


def test_old_values_and_nonsense_do_no_harm() -> None:
    found = tracker()
    run(found, [30.0] * 5)
    found.speed(0, 1.0)  # late: another channel's clock, a reordered notification
    found.load(0, 0.1)
    assert found.at(4 * S).label == "1800 rpm, load 75-100 %"
    for value in (math.nan, math.inf, -math.inf):
        found.speed(5 * S, value)
        assert found.at(5 * S).label == TAGS_STALE
    found.load(6 * S, 1e30)
    found.speed(6 * S, 1e30)
    assert found.at(6 * S).label


def test_recordings_with_one_tag_at_their_start_never_go_stale() -> None:
    settings = OperatingStateSettings(stale_after_s=math.inf)
    found = OperatingStateTracker(NOMINAL_HZ, True, False, settings)
    found.speed(0, 29.5)
    assert found.at(3600 * S).label == "1800 rpm"
    assert found.shaft_hz_over(3000 * S, 3008 * S) == 29.5
