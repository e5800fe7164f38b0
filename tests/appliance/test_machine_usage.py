"""Running hours and starts."""

from __future__ import annotations

import pytest

from appliance.machine_usage import MachineUsage, Usage
from models.operating_state import NO_TAGS, STOPPED, WAITING

S = 1_000_000_000


def total(observations: list[tuple[float, str, float | None]]) -> Usage:
    usage = MachineUsage()
    found = [usage.observe(round(t * S), state, rms) for t, state, rms in observations]
    return Usage(sum(u.running_h for u in found), sum(u.starts for u in found))


def test_running_is_counted_between_observations_and_the_first_one_is_no_start() -> None:
    found = total([(0.0, "1800 rpm", None), (1.0, "1800 rpm", None), (3.0, "1800 rpm", None)])
    assert found.running_h == pytest.approx(3.0 / 3600)
    assert found.starts == 0


def test_start_after_standstill() -> None:
    found = total(
        [
            (0, "1800 rpm", 1.0),
            (1, STOPPED, 0.0),
            (2, STOPPED, 0.0),
            (3, "transient", 1.0),
            (4, "1800 rpm", 1),
        ]
    )
    assert found.starts == 1
    assert found.running_h == pytest.approx(1.0 / 3600)


@pytest.mark.parametrize("state", [NO_TAGS, WAITING])
def test_vibration_tells_where_no_speed_does(state: str) -> None:
    found = total([(0, state, 0.01), (1, state, 0.8), (2, state, 0.9), (3, state, None)])
    assert found.starts == 1
    assert found.running_h == pytest.approx(1.0 / 3600)


def test_a_long_silence_and_time_that_runs_back_are_not_running() -> None:
    found = total([(0, "1800 rpm", 1), (60, "1800 rpm", 1), (59, "1800 rpm", 1), (61, "1800 rpm", 1)])
    assert found.running_h == pytest.approx(1.0 / 3600)
