"""One condition is one alarm however often it is stated; the appliance's own alarms have sentences."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.alarms.debounce import Debounce
from appliance.alarms.lifecycle import AlarmState, Condition, NothingToAcknowledgeError, Severity
from appliance.alarms.register import AlarmRegister, alarm_id_of
from appliance.alarms.system import SystemAlarms, SystemCondition

CONDITION = Condition("a.rule", "a", None, "rule", Severity.WATCH, "why")


def test_stating_a_condition_again_updates_its_alarm() -> None:
    register = AlarmRegister()
    assert register.state(CONDITION, 1).what == "raised"
    assert register.state(CONDITION, 2).what == "updated"
    assert len(register.alarms()) == 1
    cleared = register.clear("a.rule", 3)
    assert cleared is not None
    assert cleared.what == "cleared"
    assert register.clear("a.rule", 4) is None
    assert register.clear("other", 4) is None
    assert register.state(CONDITION, 5).what == "re-raised"


def test_acknowledging_what_never_was_names_what_there_is() -> None:
    register = AlarmRegister()
    register.state(CONDITION, 1)
    with pytest.raises(NothingToAcknowledgeError, match=r"'b.rule'; there are: a.rule"):
        register.acknowledge("b.rule", 1, "ada", "", 2)


def test_what_is_restored_goes_on() -> None:
    first = AlarmRegister()
    first.state(CONDITION, 1)
    first.acknowledge("a.rule", 1, "ada", "seen", 2)
    second = AlarmRegister()
    second.restore(first.alarms())
    assert second.active("a.rule")
    assert second.state(CONDITION, 3).alarm.acknowledged_by == "ada"


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_ids_are_always_well_formed(owner: str, rule: str, subject: str) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9._-]*", alarm_id_of(owner, rule, subject))


def test_ids_read_well() -> None:
    assert alarm_id_of("pump-1", "machine condition") == "pump-1.machine-condition"
    assert alarm_id_of("pump-1", "check sensor", "pump-1.x") == "pump-1.check-sensor.x"


def test_system_alarms_by_key() -> None:
    system = SystemAlarms()
    lost = system.set(SystemCondition.SOURCE_LOST, "sensor-1", 1, "port is gone", "Plug it in again.")
    assert lost is not None
    assert lost.alarm.alarm_id == "appliance.source-lost.sensor-1"
    assert lost.alarm.reason == "sensor-1 delivers no data: port is gone. Plug it in again."
    assert lost.alarm.severity is Severity.NOT_RATED
    assert system.set(SystemCondition.SOURCE_LOST, "sensor-1", 2, "port is gone", "Plug it in again.") is None
    changed = system.set(SystemCondition.SOURCE_LOST, "sensor-1", 3, "port is busy")
    assert changed is not None
    assert changed.what == "updated"
    other = system.set(SystemCondition.SOURCE_LOST, "plc", 4, "refused")
    assert other is not None
    assert other.what == "raised"
    assert system.clear(SystemCondition.SOURCE_LOST, "nobody", 5) is None
    cleared = system.clear(SystemCondition.SOURCE_LOST, "sensor-1", 5)
    assert cleared is not None
    assert cleared.alarm.state is AlarmState.CLEARED_UNACKNOWLEDGED
    seen = system.acknowledge("appliance.source-lost.sensor-1", 1, "ada", "", 6)
    assert seen.alarm.state is AlarmState.NORMAL
    assert system.owns("appliance.source-lost.plc")
    assert not system.owns("pump-1.machine-condition")


@pytest.mark.parametrize("condition", SystemCondition)
def test_every_system_condition_has_its_sentence(condition: SystemCondition) -> None:
    transition = SystemAlarms().set(condition, "subject", 1, "a reason")
    assert transition is not None
    assert "a reason" in transition.alarm.reason
    assert transition.alarm.rule == condition


def test_system_alarms_restore_only_their_own() -> None:
    machine = AlarmRegister()
    machine.state(CONDITION, 1)
    first = SystemAlarms()
    first.set(SystemCondition.DISK_FULL, "", 1, "no space left")
    second = SystemAlarms()
    second.restore([*machine.alarms(), *first.alarms()])
    assert [alarm.alarm_id for alarm in second.alarms()] == ["appliance.disk-full"]
    assert second.set(SystemCondition.DISK_FULL, "", 2, "no space left") is None


@given(st.lists(st.sampled_from(["says", "denies", "neither"]), max_size=200))
def test_a_debounce_equals_its_slow_definition(words: list[str]) -> None:
    debounce = Debounce(needed=5, of=6, off_after=10)
    on, since = False, 0
    for i, word in enumerate(words):
        debounce.observe(word == "says", word == "denies")
        if on:
            last = words[max(since, i - 9) : i + 1]
            if len(last) == 10 and set(last) == {"denies"}:
                on, since = False, i + 1
        elif words[max(since, i - 5) : i + 1].count("says") >= 5:
            on, since = True, i + 1
        assert debounce.on == on


def test_a_debounce_that_cannot_be_is_refused() -> None:
    for needed, of, off_after in ((0, 1, 1), (3, 2, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="right"):
            Debounce(needed, of, off_after)
