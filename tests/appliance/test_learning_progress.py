"""How far a machine's learning is, in hours and operating states, as its page and `run --json` say it."""

from __future__ import annotations

import pytest

from appliance.alarms.lifecycle import AlarmTransition, Condition, Severity, raise_alarm
from appliance.alarms.rules import CHECK_SENSOR, MACHINE_CONDITION
from appliance.analysis import Findings
from appliance.machine_status import MachineStatus
from appliance.station_views import MachineAlarms, learning_view
from models.detector import LearningProgress
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels

HOUR_S = 3600.0


def status(*states: tuple[str, float, bool], needed_h: float = 4.0, now: str = "a") -> MachineStatus:
    """A machine with two channels, the second of which is half an hour behind."""
    one = MachineStatus(MOTOR, channels(LOW_RATE_HZ, "xy"))
    one.take_findings(
        Findings(
            learning=[
                LearningProgress(
                    channel_id, state, max(0.0, hours - behind) * HOUR_S, needed_h * HOUR_S, whole, True
                )
                for state, hours, whole in states
                for channel_id, behind in (("motor-1.x", 0.0), ("motor-1.y", 0.0 if whole else 0.5))
            ],
            operating_state=now,
        )
    )
    return one


@pytest.mark.parametrize(
    ("states", "needed_h", "text"),
    [
        ([("a", 1.5, False)], 4.0, "learning the baseline: 1.0 of 4.0 h"),
        ([("a", 4.0, True)], 4.0, "baseline learned, limit provisional"),
        (
            [("b", 9.6, True), ("c", 9.6, True), ("d", 9.6, True), ("e", 9.6, True), ("a", 3.1, False)],
            9.6,
            "learning the baseline: 41 of 48 h, 4 of 5 operating states",
        ),
        (
            [("a", 4.0, True), ("b", 1.5, False)],
            4.0,
            "baseline learned, limit provisional; 1 of 2 operating states",
        ),
        ([("a", 30.5 / 3600, False)], 40.0 / 3600, "learning the baseline: 0 of 40 s"),
    ],
)
def test_progress_counts_hours_and_operating_states(
    states: list[tuple[str, float, bool]], needed_h: float, text: str
) -> None:
    assert status(*states, needed_h=needed_h).learning().text == text


def test_states_and_hours_are_figures_for_scripts_too() -> None:
    view = learning_view(
        status(("a", 2.5, False), ("b", 4.0, True), ("c", 0.2, False)).learning(), MachineAlarms([])
    )
    assert (view.states_learned, view.states_seen) == (1, 3)
    assert (view.learned_h, view.needed_h) == (pytest.approx(6.0), pytest.approx(12.0))
    assert not view.paused


def raised(rule: str) -> AlarmTransition:
    condition = Condition("motor-1.a", "motor-1", "motor-1.x", rule, Severity.WATCH, "no matter")
    return raise_alarm(None, condition, 1)


def test_an_alarm_of_the_machine_pauses_learning_and_says_so() -> None:
    learning = status(("a", 1.5, False)).learning()
    standing = learning_view(learning, MachineAlarms([raised(MACHINE_CONDITION).alarm]))
    assert standing.paused
    assert standing.text == "learning the baseline: 1.0 of 4.0 h; paused while the alarm stands"
    assert not learning_view(learning, MachineAlarms([raised(CHECK_SENSOR).alarm])).paused
    whole = status(("a", 4.0, True)).learning()
    assert not learning_view(whole, MachineAlarms([raised(MACHINE_CONDITION).alarm])).paused
