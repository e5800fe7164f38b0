"""Running hours and starts."""

from __future__ import annotations

import pytest

from appliance.machine_usage import MachineUsage, Usage
from models.operating_state import NO_TAGS, STOPPED, WAITING

S = 1_000_000_000


def total(observations: list[tuple[float, float, str, float | None]]) -> Usage:
    """Usage over observations (start s, end s, state, RMS)."""
    usage = MachineUsage()
    found = [usage.observe(round(a * S), round(b * S), state, rms) for a, b, state, rms in observations]
    return Usage(sum(u.running_h for u in found), sum(u.starts for u in found))


def test_time_with_data_is_counted_and_the_first_observation_is_no_start() -> None:
    found = total([(0, 1, "1800 rpm", None), (1, 1.5, "1800 rpm", None), (1.4, 3, "1800 rpm", None)])
    assert found.running_h == pytest.approx(3.0 / 3600)
    assert found.starts == 0


def test_start_after_standstill() -> None:
    states = ["1800 rpm", STOPPED, STOPPED, "transient", "1800 rpm"]
    found = total([(t, t + 1, state, 1.0) for t, state in enumerate(states)])
    assert found.starts == 1
    assert found.running_h == pytest.approx(3.0 / 3600)


@pytest.mark.parametrize("state", [NO_TAGS, WAITING])
def test_vibration_tells_where_no_speed_does(state: str) -> None:
    found = total([(0, 1, state, 0.01), (1, 2, state, 0.8), (2, 3, state, None), (3, 4, state, 0.02)])
    assert found.starts == 1
    assert found.running_h == pytest.approx(2.0 / 3600)


def test_nothing_known_counts_nothing() -> None:
    assert total([(0, 1, WAITING, None), (1, 2, "", None)]) == Usage()


def test_a_silence_and_time_that_runs_back_are_not_running() -> None:
    found = total([(0, 1, "1800 rpm", 1), (60, 61, "1800 rpm", 1), (59, 60, "1800 rpm", 1)])
    assert found.running_h == pytest.approx(2.0 / 3600)
