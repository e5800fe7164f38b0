"""A fault that grows for weeks is caught, at every rate tried, and never learned as normal. Virtual time.

Through the pipeline from hop 3 on (`tests.soak.running`), a decision an hour instead of each ten minutes, and
one operating state: what a day holds of judgements is fewer, which makes it harder, not easier.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from tests.soak.disturbances import DAY_S, TABLE, WEEK_S
from tests.soak.machine import Growth, SoakMachine
from tests.soak.running import Account, run_machine

CADENCE_S = 3600.0
HEALTHY_WEEKS = 1.3
ONE_STATE = replace(TABLE, load=(0.80, 1.00), speed=0.0)

# Days of growth, what one strike is at its end (m/s2), and how late in its life it grows.
RATES = {
    "30 days, large": Growth(0.0, 30 * DAY_S, 24.0, 3.0),
    "30 days, half of it": Growth(0.0, 30 * DAY_S, 12.0, 3.0),
    "30 days, a quarter": Growth(0.0, 30 * DAY_S, 6.0, 3.0),
    "30 days, evenly": Growth(0.0, 30 * DAY_S, 6.0, 0.1),
    "30 days, late": Growth(0.0, 30 * DAY_S, 24.0, 7.0),
}


def grown(growth: Growth) -> Account:
    begins_s = HEALTHY_WEEKS * WEEK_S
    weeks = growth.grows_s / WEEK_S
    fault = replace(growth, start_s=begins_s)
    machine = SoakMachine(5, ONE_STATE, begins_s + weeks * WEEK_S, fault)
    return asyncio.run(run_machine(machine, HEALTHY_WEEKS, weeks, cadence_s=CADENCE_S, stop_at_alarm=True))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rate", RATES)
def test_a_fault_that_grows_over_a_month_is_caught(rate: str) -> None:
    growth = RATES[rate]
    account = grown(growth)
    assert account.early == []
    assert account.alarms, f"{rate}: no alarm, largest score {account.largest:.2f}"
    first = account.alarms[0]
    strike = growth.strike_mps2(first["day"] * DAY_S)
    print(f"{rate}: day {first['day']:g} at {strike:.1f} m/s2 a strike: {first['reason']}")
    assert first["rule"] in ("machine condition", "drift")
