"""The alarms of process values: raised once, told again when it matters, cleared when nothing stands."""

from __future__ import annotations

import math

from appliance.alarms.process_rule import PROCESS_VALUES, ProcessFinding, ProcessRule
from appliance.alarms.register import AlarmRegister

S = 1_000_000_000


def finding(deviation: float, worst: str = "pump.flow", stands: bool = True) -> ProcessFinding:
    text = "" if math.isnan(deviation) else f"{worst} is off ({deviation:.1f} x the learned limit)"
    return ProcessFinding(stands, deviation, worst, text, {"deviation": deviation})


def test_one_alarm_per_group_told_again_when_another_leads_or_it_grew() -> None:
    register, rule = AlarmRegister(), ProcessRule("pump", PROCESS_VALUES, "water", "process values water")

    def told(at_s: int, found: ProcessFinding) -> str | None:
        transition = rule.decide(register, at_s * S, found)
        return None if transition is None else transition.what

    assert told(0, finding(0.4, stands=False)) is None
    assert told(10, finding(2.0)) == "raised"
    alarm = register.get("pump.process-values.water")
    assert alarm is not None
    assert (alarm.rule, alarm.severity, alarm.channel_id, alarm.score) == (
        "process values",
        "watch",
        "pump.flow",
        2.0,
    )
    assert alarm.reason == "process values water: pump.flow is off (2.0 x the learned limit)"
    assert told(20, finding(9.0)) is None  # not each row
    assert told(80, finding(2.9)) is None
    assert told(90, finding(3.0)) == "updated"
    assert told(160, finding(1.2, "pump.pressure")) == "updated"
    assert told(230, finding(0.7)) is None  # on its way back, still standing
    assert told(300, finding(math.nan)) is None
    assert told(310, finding(0.2, stands=False)) == "cleared"
    assert told(320, finding(0.2, stands=False)) is None
    assert told(330, finding(math.nan)) is None  # nothing to say: nothing is raised
    assert told(340, finding(1.5)) == "re-raised"
