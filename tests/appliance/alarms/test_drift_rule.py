"""A drift is told once with its act, gives way to the machine's own alarm, and outlives a restart."""

from __future__ import annotations

from appliance.alarms.drift_rule import DriftRule
from appliance.alarms.lifecycle import AlarmTransition, Severity
from appliance.alarms.register import AlarmRegister
from models.drift import Drift

S = 10**9
SCORE = Drift("score", "first", 0.35, 0.8, 0.5)
GAIN = Drift("gain", "first", -4.0, 1.2, 0.9)
SHAPE = Drift("shape", "present", 3.0, 0.6, 0.4)


class Bench:
    """One rule with its register."""

    def __init__(self) -> None:
        self.register = AlarmRegister()
        self.rule = DriftRule("pump", "pump.x")
        self.time_ns = 0

    def decide(self, *drifts: Drift, told_otherwise: bool = False) -> AlarmTransition | None:
        self.time_ns += S
        return self.rule.decide(self.register, self.time_ns, drifts, told_otherwise)


def test_it_is_raised_once_says_what_to_do_and_clears() -> None:
    bench = Bench()
    assert bench.decide() is None
    raised = bench.decide(SCORE, SHAPE)
    assert raised is not None
    assert raised.what == "raised"
    alarm = raised.alarm
    assert alarm.alarm_id == "pump.drift.x"
    assert alarm.severity is Severity.WATCH
    assert alarm.reason == (
        "drift of pump.x: the score moved by +0.35 x the limit since the first baseline (also: the spectrum's"
        " shape moved by +3 dB since the present baseline). Look at the machine; re-baseline only once it was"
        " found sound"
    )
    assert alarm.evidence["cause"] == "scores"
    assert alarm.evidence["psi"] == 0.8
    assert bench.decide(SCORE) is None
    cleared = bench.decide()
    assert cleared is not None
    assert cleared.what == "cleared"


def test_another_cause_and_a_grown_shift_are_told_again() -> None:
    bench = Bench()
    bench.decide(SCORE)
    assert bench.decide(Drift("score", "first", 0.45, 0.8, 0.5)) is None
    grown = bench.decide(Drift("score", "first", 0.60, 0.8, 0.5))
    assert grown is not None
    assert grown.what == "updated"
    other = bench.decide(GAIN, SCORE)
    assert other is not None
    assert other.alarm.evidence["cause"] == "sensor"
    assert other.alarm.severity is Severity.NOT_RATED
    assert "Check the sensor" in other.alarm.reason


def test_beside_the_machine_s_own_alarm_only_the_sensor_s_drift_is_raised() -> None:
    bench = Bench()
    assert bench.decide(SCORE, told_otherwise=True) is None
    assert bench.decide(SHAPE, told_otherwise=True) is None
    sensor = bench.decide(GAIN, told_otherwise=True)
    assert sensor is not None
    assert sensor.what == "raised"
    # one that stood before the machine's alarm stays until it is over
    other = Bench()
    other.decide(SCORE)
    assert other.decide(SCORE, told_otherwise=True) is None
    assert other.register.active("pump.drift.x")


def test_after_a_restart_a_standing_alarm_is_not_raised_twice() -> None:
    bench = Bench()
    bench.decide(SCORE)
    again = Bench()
    again.register.restore(bench.register.alarms())
    assert again.decide(SCORE) is None
    cleared = again.decide()
    assert cleared is not None
    assert cleared.what == "cleared"
