"""Baselines of line levels, and since when a line is up."""

from __future__ import annotations

import json
import math

import pytest

from models.errors import ModelStateError
from models.line_baseline import LineBaselines, RisingSince


def test_a_rise_is_told_once_enough_was_learned() -> None:
    baselines = LineBaselines(needed=3)
    for level_db in (1.0, 2.0):
        baselines.learn("slow", {"BPFO": level_db})
        assert baselines.rises("slow", {"BPFO": 9.0}) == {}
    baselines.learn("slow", {"BPFO": 3.0, "FTF": math.nan})
    assert baselines.rises("slow", {"BPFO": 9.0, "BPFI": 5.0, "FTF": 1.0}) == {"BPFO": pytest.approx(7.0)}
    assert baselines.rises("fast", {"BPFO": 9.0}) == {}
    assert baselines.rises("slow", {"BPFO": math.nan}) == {}


def test_a_line_that_comes_and_goes_when_healthy_has_not_risen() -> None:
    baselines = LineBaselines(needed=4)
    for level_db in (1.0, 1.0, 1.0, 12.0):
        baselines.learn("", {"BPFO": level_db})
    assert baselines.rises("", {"BPFO": 12.0})["BPFO"] <= 3.0


def test_state_survives_json() -> None:
    baselines = LineBaselines(needed=2)
    for level_db in (1.0, 2.5):
        baselines.learn("slow", {"BPFO": level_db, "1x": -30.0})
    restored = LineBaselines(needed=2)
    restored.restore(json.loads(json.dumps(baselines.state())))
    assert restored.rises("slow", {"BPFO": 8.0}) == baselines.rises("slow", {"BPFO": 8.0})
    assert restored.state() == baselines.state()


@pytest.mark.parametrize(
    "state",
    [
        None,
        [],
        {"slow": 3},
        {"slow": {"BPFO": 3}},
        {"slow": {"BPFO": [1, "x", 2]}},
        {"slow": {"BPFO": [0, 1, 2]}},
        {"slow": {"BPFO": [3, math.nan, 2]}},
    ],
)
def test_a_state_that_is_none_is_refused_and_changes_nothing(state: object) -> None:
    baselines = LineBaselines(needed=1)
    baselines.learn("slow", {"BPFO": 1.0})
    before = baselines.state()
    with pytest.raises(ModelStateError):
        baselines.restore(state)
    assert baselines.state() == before


def test_rising_counts_from_its_last_beginning() -> None:
    rising = RisingSince()
    rising.update({"BPFO"}, 10_000_000_000)
    rising.update({"BPFO", "1x"}, 25_000_000_000)
    assert rising.since_ns("BPFO") == 10_000_000_000
    assert rising.since_ns("1x") == 25_000_000_000
    rising.update({"1x"}, 30_000_000_000)
    assert rising.since_ns("BPFO") is None, "not risen, or not to be seen: a break either way"
    rising.update({"BPFO"}, 40_000_000_000)
    assert rising.since_ns("BPFO") == 40_000_000_000


def test_a_rise_goes_on_after_a_restart_until_it_is_denied() -> None:
    rising = RisingSince()
    rising.resume("BPFO", -5_000_000_000)  # before this boot
    rising.update({"BPFO"}, 10_000_000_000)
    assert rising.since_ns("BPFO") == -5_000_000_000
    rising.update((), 12_000_000_000)
    assert rising.since_ns("BPFO") is None
