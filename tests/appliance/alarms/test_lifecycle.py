"""The life of an alarm: the table holds whatever happens, in whatever order."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from appliance.alarms.lifecycle import (
    TABLE,
    Alarm,
    AlarmState,
    AlarmStep,
    AlarmStepError,
    AlarmTransition,
    Condition,
    NothingToAcknowledgeError,
    Severity,
    StaleActivationError,
    acknowledge,
    clear,
    diagram,
    raise_alarm,
    update,
)

CONDITION = Condition(
    "pump-1.machine-condition", "pump-1", "pump-1.x", "machine condition", Severity.WATCH, "why"
)


def raised() -> Alarm:
    return raise_alarm(None, CONDITION, 10).alarm


def test_the_usual_life() -> None:
    first = raise_alarm(None, CONDITION, 10)
    assert (first.what, first.actor) == ("raised", "appliance")
    assert (first.alarm.state, first.alarm.activation) == (AlarmState.ACTIVE_UNACKNOWLEDGED, 1)
    seen = acknowledge(first.alarm, 1, "ada", "bearing ordered", 20)
    assert (seen.what, seen.actor) == ("acknowledged", "ada")
    assert (seen.alarm.acknowledged_by, seen.alarm.comment) == ("ada", "bearing ordered")
    worse = update(
        seen.alarm, Condition(**{**fields(), "severity": Severity.WARN, "fault": "outer race"}), 30
    )
    assert (worse.what, worse.alarm.state) == ("updated", AlarmState.ACTIVE_ACKNOWLEDGED)
    assert (worse.alarm.acknowledged_by, worse.alarm.fault) == ("ada", "outer race")
    assert (worse.alarm.raised_ns, worse.alarm.changed_ns) == (10, 30)
    gone = clear(worse.alarm, 40)
    assert (gone.what, gone.alarm.state) == ("closed", AlarmState.NORMAL)
    again = raise_alarm(gone.alarm, CONDITION, 50)
    assert (again.what, again.alarm.activation) == ("raised", 2)
    assert (again.alarm.acknowledged_by, again.alarm.comment, again.alarm.raised_ns) == (None, "", 50)


def fields() -> dict[str, object]:
    return {name: getattr(CONDITION, name) for name in CONDITION.__slots__}


def test_cleared_before_it_was_seen_it_stays_open_and_may_come_back() -> None:
    gone = clear(raised(), 20)
    assert (gone.what, gone.alarm.state) == ("cleared", AlarmState.CLEARED_UNACKNOWLEDGED)
    back = raise_alarm(gone.alarm, CONDITION, 30)
    assert (back.what, back.alarm.state) == ("re-raised", AlarmState.ACTIVE_UNACKNOWLEDGED)
    assert back.alarm.activation == 2
    seen = acknowledge(gone.alarm, 1, "ada", "", 40)
    assert (seen.what, seen.alarm.state) == ("acknowledged", AlarmState.NORMAL)


def test_an_acknowledgement_of_an_old_activation_names_both() -> None:
    back = raise_alarm(clear(raised(), 20).alarm, CONDITION, 30).alarm
    with pytest.raises(StaleActivationError, match=r"activation 1 .* present one is 2"):
        acknowledge(back, 1, "ada", "", 40)
    with pytest.raises(StaleActivationError, match="activation 3"):
        acknowledge(back, 3, "ada", "", 40)


def test_nothing_is_acknowledged_twice() -> None:
    seen = acknowledge(raised(), 1, "ada", "", 20).alarm
    with pytest.raises(NothingToAcknowledgeError, match="acknowledged by ada"):
        acknowledge(seen, 1, "bob", "", 30)


def test_steps_that_the_table_does_not_have_are_refused() -> None:
    with pytest.raises(AlarmStepError, match="cannot raise; it can update, acknowledge, clear"):
        raise_alarm(raised(), CONDITION, 20)
    gone = clear(raised(), 20).alarm
    for refused in (lambda: clear(gone, 30), lambda: update(gone, CONDITION, 30)):
        with pytest.raises(AlarmStepError):
            refused()


def test_a_long_comment_is_cut() -> None:
    assert len(acknowledge(raised(), 1, "ada", "x" * 10_000, 20).alarm.comment) == 500


def test_the_diagram_shows_every_arrow_of_the_table() -> None:
    drawn = diagram()
    assert drawn.startswith("stateDiagram-v2\n")
    assert drawn.count("-->") == len(TABLE) + 1
    for row in TABLE:
        assert f": {row.step} ({row.what})" in drawn
    for state in AlarmState:
        assert str(state) in drawn


def test_the_folder_s_readme_shows_the_diagram_as_it_is() -> None:
    readme = Path(__file__).parents[3] / "appliance" / "alarms" / "README.md"
    assert f"```mermaid\n{diagram()}```" in readme.read_text(encoding="utf-8")


def test_each_state_has_one_arrow_per_step() -> None:
    assert len({(row.state, row.step) for row in TABLE}) == len(TABLE)
    assert {row.state for row in TABLE} == set(AlarmState)
    assert {row.step for row in TABLE} == set(AlarmStep)


def test_severities_are_ordered() -> None:
    assert [s.rank for s in Severity] == sorted(s.rank for s in Severity)
    assert max(Severity, key=lambda s: s.rank) is Severity.STOP


class AnyLife(RuleBasedStateMachine):
    """Random steps against the obvious model: two flags and a counter."""

    def __init__(self) -> None:
        super().__init__()
        self.alarm: Alarm | None = None
        self.active = False
        self.seen = True
        self.activation = 0
        self.now_ns = 0
        self.history: list[AlarmTransition] = []

    def took(self, transition: AlarmTransition) -> None:
        self.alarm = transition.alarm
        self.history.append(transition)

    @rule(severity=st.sampled_from(Severity))
    def raise_(self, severity: Severity) -> None:
        self.now_ns += 1
        condition = Condition("a", "a", None, "r", severity, "why")
        if self.active:
            with pytest.raises(AlarmStepError):
                raise_alarm(self.alarm, condition, self.now_ns)
            return
        was_open = self.alarm is not None and not self.seen
        self.took(raise_alarm(self.alarm, condition, self.now_ns))
        self.active, self.seen, self.activation = True, False, self.activation + 1
        assert self.history[-1].what == ("re-raised" if was_open else "raised")

    @precondition(lambda self: self.alarm is not None)
    @rule()
    def clear_(self) -> None:
        assert self.alarm is not None
        self.now_ns += 1
        if not self.active:
            with pytest.raises(AlarmStepError):
                clear(self.alarm, self.now_ns)
            return
        self.took(clear(self.alarm, self.now_ns))
        self.active = False

    @precondition(lambda self: self.alarm is not None)
    @rule(severity=st.sampled_from(Severity))
    def update_(self, severity: Severity) -> None:
        assert self.alarm is not None
        condition = Condition("a", "a", None, "r", severity, "now this")
        if not self.active:
            with pytest.raises(AlarmStepError):
                update(self.alarm, condition, self.now_ns)
            return
        self.took(update(self.alarm, condition, self.now_ns))
        assert self.alarm.severity is severity

    @precondition(lambda self: self.alarm is not None)
    @rule(off=st.integers(-2, 2))
    def acknowledge_(self, off: int) -> None:
        assert self.alarm is not None
        if off != 0:
            with pytest.raises(StaleActivationError):
                acknowledge(self.alarm, self.activation + off, "ada", "", self.now_ns)
        elif self.seen:
            with pytest.raises(NothingToAcknowledgeError):
                acknowledge(self.alarm, self.activation, "ada", "", self.now_ns)
        else:
            self.took(acknowledge(self.alarm, self.activation, "ada", "", self.now_ns))
            self.seen = True

    @invariant()
    def agrees_with_the_model(self) -> None:
        if self.alarm is None:
            return
        expected = {
            (True, False): AlarmState.ACTIVE_UNACKNOWLEDGED,
            (True, True): AlarmState.ACTIVE_ACKNOWLEDGED,
            (False, False): AlarmState.CLEARED_UNACKNOWLEDGED,
            (False, True): AlarmState.NORMAL,
        }[self.active, self.seen]
        assert self.alarm.state is expected
        assert self.alarm.state.active == self.active
        assert self.alarm.activation == self.activation
        assert (self.alarm.acknowledged_by is not None) == self.seen
        assert self.alarm.changed_ns >= self.alarm.raised_ns
        json.dumps(asdict(self.alarm))


TestAnyLife = AnyLife.TestCase


@given(st.lists(st.sampled_from(AlarmStep), max_size=30))
def test_activations_count_raises_and_nothing_else(steps: list[AlarmStep]) -> None:
    alarm: Alarm | None = None
    raises = 0
    for time_ns, step in enumerate(steps):
        try:
            if step is AlarmStep.RAISE:
                alarm = raise_alarm(alarm, CONDITION, time_ns).alarm
                raises += 1
            elif alarm is None:
                continue
            elif step is AlarmStep.UPDATE:
                alarm = update(alarm, CONDITION, time_ns).alarm
            elif step is AlarmStep.CLEAR:
                alarm = clear(alarm, time_ns).alarm
            else:
                alarm = acknowledge(alarm, alarm.activation, "ada", "", time_ns).alarm
        except (AlarmStepError, NothingToAcknowledgeError):
            continue
    assert (alarm.activation if alarm else 0) == raises
