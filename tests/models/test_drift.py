"""Drift is found against the first and the present baseline, named by its cause, and not cried for noise."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.drift import (
    BINS,
    DriftCause,
    DriftMonitor,
    DriftSettings,
    Reference,
    figures_of_rises,
    kolmogorov_smirnov,
    population_stability,
)
from models.errors import ModelStateError

STEP_NS = 600 * 10**9
DAY = 144
DAY_S = 86_400.0
SHORT = DriftSettings(reference_s=3 * DAY_S, period_s=DAY_S)  # for what needs no plant's week


def days(
    monitor: DriftMonitor, first: int, count: int, seed: int = 0, **shift_per_day: float
) -> dict[float, list[str]]:
    """Healthy figures with day-and-night cycles, each shifted by so much per day; drifts by day found."""
    rng = np.random.default_rng([seed, first])
    found: dict[float, list[str]] = {}
    for i in range(first * DAY, (first + count) * DAY):
        at = i / DAY - first
        cycle = np.sin(2 * np.pi * i / DAY)
        values = {
            "score": 0.25 + 0.05 * cycle + 0.04 * rng.standard_normal(),
            "rise": 1.5 + 0.3 * cycle + 0.4 * rng.standard_normal(),
            "gain": 0.3 * cycle + 0.3 * rng.standard_normal(),
            "shape": 0.8 + 0.2 * rng.standard_normal(),
            "bias": 0.02 * rng.standard_normal(),
        }
        for name, per_day in shift_per_day.items():
            values[name] += per_day * at
        if monitor.observe(i * STEP_NS, values, values) and monitor.drifts():
            found[i / DAY] = [drift.quantity for drift in monitor.drifts()]
    return found


def test_healthy_months_drift_nowhere() -> None:
    for settings in (SHORT, DriftSettings()):
        monitor = DriftMonitor(settings)
        assert days(monitor, 0, 200) == {}
        assert len(json.dumps(monitor.state())) < 20_000


def test_a_neighbour_that_runs_and_rests_for_days_is_no_drift() -> None:
    """The soak found it: a day's period took two days of a neighbour's running for a drift."""
    found = {}
    for settings in (SHORT, DriftSettings()):
        drifted = 0
        for seed in range(6):
            rng = np.random.default_rng([seed, 11])
            ends = np.cumsum(rng.uniform(6.0, 60.0, 200)) * 6  # in snapshots
            monitor = DriftMonitor(settings)
            for i in range(120 * DAY):
                runs = np.searchsorted(ends, i) % 2
                value = 1.5 + 3.5 * runs + 0.4 * rng.standard_normal()
                ended = monitor.observe(i * STEP_NS, {"rise": value}, {"rise": value})
                drifted += bool(ended and monitor.drifts())
        found[settings.period_s / DAY_S] = drifted
    print(f"periods that drifted, by days in a period: {found}")
    assert found[7.0] == 0


@pytest.mark.parametrize(
    ("quantity", "per_day", "cause"),
    [
        ("score", 0.02, DriftCause.SCORES),
        ("rise", 0.2, DriftCause.SCORES),
        ("gain", -0.2, DriftCause.SENSOR),
        ("bias", -0.05, DriftCause.SENSOR),
        ("shape", 0.2, DriftCause.INPUTS),
    ],
)
def test_each_figure_that_moves_is_named_with_what_to_do(
    quantity: str, per_day: float, cause: DriftCause
) -> None:
    monitor = DriftMonitor(SHORT)
    assert days(monitor, 0, 10) == {}
    found = days(monitor, 10, 30, **{quantity: per_day})
    assert found
    assert all(quantities == [quantity] for quantities in found.values())
    (drift,) = monitor.drifts()
    assert drift.cause is cause
    assert drift.act
    assert "since the first baseline" in drift.text
    assert drift.psi >= 0.25
    # it is over once the figures are back for two periods
    days(monitor, 40, 4)
    assert monitor.drifts() == []


def test_falling_scores_and_a_risen_level_in_all_bands_are_no_drift() -> None:
    monitor = DriftMonitor(SHORT)
    days(monitor, 0, 10)
    assert days(monitor, 10, 20, score=-0.01, rise=-0.2, gain=0.2, shape=-0.05) == {}


def test_after_a_new_baseline_both_are_compared() -> None:
    monitor = DriftMonitor(SHORT)
    days(monitor, 0, 10)
    monitor.rebaselined()
    rng = np.random.default_rng(5)
    for i in range(10 * DAY, 20 * DAY):
        # 5 dB above the first baseline, which is where the present one was learned
        monitor.observe(i * STEP_NS, {"rise": 6.5 + 0.3 * rng.standard_normal()}, {"rise": 1.5})
    assert [(drift.quantity, drift.since) for drift in monitor.drifts()] == [("rise", "first")]
    for i in range(20 * DAY, 25 * DAY):
        monitor.observe(i * STEP_NS, {"rise": 6.5}, {"rise": 5.5 + 0.3 * rng.standard_normal()})
    assert {drift.since for drift in monitor.drifts()} == {"first", "present"}


def test_measures_are_those_of_the_definitions() -> None:
    rng = np.random.default_rng(1)
    reference = Reference.of(rng.standard_normal(5000).tolist())
    same = reference.counts(rng.standard_normal(5000).tolist())
    moved = reference.counts((rng.standard_normal(5000) + 1.0).tolist())
    assert same.sum() == 5000
    assert len(same) == BINS
    assert population_stability(same) < 0.02
    assert population_stability(moved) > 0.5
    assert kolmogorov_smirnov(same) < 0.05
    assert kolmogorov_smirnov(moved) == pytest.approx(0.383, abs=0.03)  # 2 Phi(1/2) - 1
    rises = np.array([1.0, 1.0, 1.0, 7.0, 4.0, 1.0, 1.0, np.nan])
    figures = figures_of_rises(rises)
    assert figures == {"gain": 1.0, "rise": pytest.approx(4.0), "shape": pytest.approx(9.0 / 7.0)}
    assert figures_of_rises(np.full(4, np.nan)) == {}


def test_a_restart_goes_on_and_damage_is_refused() -> None:
    monitor = DriftMonitor(SHORT)
    days(monitor, 0, 20, score=0.04)
    state = json.loads(json.dumps(monitor.state()))
    again = DriftMonitor(SHORT)
    again.restore(state)
    assert [drift.text for drift in again.drifts()] == [drift.text for drift in monitor.drifts()] != []
    for damage in ({"seconds": [1.0]}, {"first": {}}, {"present": {"nothing": {}}}, {"seconds": ["x", 1, 2]}):
        with pytest.raises(ModelStateError):
            DriftMonitor(SHORT).restore({**state, **damage})
