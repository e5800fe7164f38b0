"""A piece of the soak, with its disturbances: no alarm, and one with a fault. The whole is `make soak`."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from tests.soak.disturbances import DAY_S, TABLE, WEEK_S, Course, described
from tests.soak.machine import FULL_SCALE, Growth, SoakMachine
from tests.soak.running import run_machine

# One operating state is learned in days instead of weeks; the rest of the table holds.
ONE_STATE = replace(TABLE, load=(0.80, 1.00), speed=0.02)
LEARN_WEEKS, WEEKS = 0.7, 1.5


@pytest.mark.timeout(600)
def test_weeks_of_healthy_running_raise_nothing() -> None:
    for line in described(ONE_STATE):
        print(line)
    machine = SoakMachine(101, ONE_STATE, (LEARN_WEEKS + WEEKS) * WEEK_S)
    account = asyncio.run(run_machine(machine, LEARN_WEEKS, WEEKS))
    print(f"{account.decisions} decisions, {account.scored} scored, largest {account.largest:.2f}")
    print(f"{len(account.alarms)} false alarms in {WEEKS:g} machine-weeks; limit {account.limit}")
    assert account.alarms == account.early == []
    assert account.largest < 1.0
    assert "watched" in account.limit
    assert account.scored > 0.6 * account.decisions
    assert account.diagnosed > 0.6 * account.decisions  # a rule that judges nothing raises nothing


@pytest.mark.timeout(600)
def test_the_same_weeks_with_a_fault_alarm() -> None:
    begins_s = LEARN_WEEKS * WEEK_S
    machine = SoakMachine(101, ONE_STATE, 4 * WEEK_S, Growth(begins_s, 8 * DAY_S))
    account = asyncio.run(run_machine(machine, LEARN_WEEKS, WEEKS, stop_at_alarm=True))
    assert [alarm["rule"] for alarm in account.alarms] == ["machine condition"]
    assert account.alarms[0]["fault"] == "outer race"
    print(f"caught on day {account.alarms[0]['day']:g} of 8: {account.alarms[0]['reason']}")


def test_the_table_is_what_the_machine_meets() -> None:
    course = Course(3, TABLE, 52 * WEEK_S)
    met = [course.at(t_s) for t_s in np.arange(0.0, 50 * WEEK_S, 3571.0).tolist()]
    loads = np.array([now.load for now in met])
    assert loads.min() < 0.23
    assert loads.max() > 0.97
    running = [now.speed for now in met if now.speed > 0.0 and now.speed_change_per_s == 0.0]
    assert min(running) < 0.92
    assert max(running) > 1.08
    warmth = np.array([now.temperature_k for now in met])
    assert warmth.min() < -15.0
    assert warmth.max() > 15.0
    assert 0.4 < np.mean([now.neighbour for now in met]) < 0.6
    assert 0.005 < np.mean([now.bump for now in met]) < 0.015
    assert 0.03 < np.mean([now.speed == 0.0 for now in met]) < 0.2
    assert any(now.speed_change_per_s > 0.0 for now in met)
    # a bump is as large as the table says, and does not clip
    machine = SoakMachine(3, replace(TABLE, bump_share=1.0), WEEK_S)
    block = machine.snapshot(7200.0)[2]
    assert 0.9 * 98.0 < np.abs(block.samples).max() < FULL_SCALE
    # the same snapshot however it is asked for
    np.testing.assert_array_equal(block.samples, machine.snapshot(7200.0)[2].samples)
