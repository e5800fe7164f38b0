"""The sensor's alarm: told once, told again for another verdict, cleared by good windows."""

from __future__ import annotations

from appliance.alarms.lifecycle import Severity
from appliance.alarms.register import AlarmRegister
from appliance.alarms.rules import RuleSettings
from appliance.alarms.sensor_rule import CheckSensorRule

HOP_NS = 640_000_000


def test_a_broken_sensor_is_told_once_and_clears() -> None:
    rule = CheckSensorRule("pump-1", "pump-1.x", RuleSettings())
    register = AlarmRegister()
    told = []
    for i, verdict in enumerate([None] * 5 + ["clipped"] + [None] * 5 + ["clipped"] * 50 + [None] * 20):
        transition = rule.observe(
            register, i * HOP_NS, verdict, "all samples at the stop", "Set a wider range."
        )
        if transition is not None:
            told.append((i, transition))
    assert [(i, t.what) for i, t in told] == [(12, "raised"), (75, "cleared")]
    alarm = told[0][1].alarm
    assert alarm.alarm_id == "pump-1.check-sensor.x"
    assert alarm.rule == "check sensor"
    assert alarm.channel_id == "pump-1.x"
    assert alarm.severity is Severity.NOT_RATED
    assert alarm.reason == "check sensor pump-1.x: all samples at the stop. Set a wider range."
    for i in range(40):  # from its edge on, a cut cable shows first as something else
        verdict = ("dropouts", "flat line")[i > 2]
        transition = rule.observe(register, (100 + i) * HOP_NS, verdict, verdict)
        if transition is not None:
            told.append((i, transition))
    assert [(t.what, t.alarm.evidence["verdict"]) for _, t in told[2:]] == [
        ("re-raised", "dropouts"),
        ("updated", "flat line"),
    ]
    fresh = CheckSensorRule("pump-1", "pump-1.x", RuleSettings())
    fresh.restore([alarm])
    register.restore([alarm])
    assert fresh.observe(register, 0, None) is None
    assert register.active(alarm.alarm_id)
