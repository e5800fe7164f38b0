"""The level at which a fault would be confirmed, and a diagnosis by a limit above the usual one."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.alarms.register import AlarmRegister
from appliance.alarms.rules import MachineConditionRule, RuleSettings
from models.diagnosis import Diagnosis, RankedFault, Verdict
from models.fault_confirmation import ConfirmationRules, ConfirmedLevel, at_limit

FAULTS = ("outer race", "gear", "inner race")


def diagnosis(fault: str, evidence: float, n: int = 0) -> Diagnosis:
    called = evidence >= 1.0
    return Diagnosis(
        asset_id="pump-1",
        channel_id="pump-1.x",
        start_ns=n,
        verdict=Verdict.FAULT if called else Verdict.ABSTAIN,
        fault=fault if called else None,
        confidence=0.8,
        text=f"{fault}, 9 dB over baseline",
        ranking=(RankedFault(fault, evidence), RankedFault("unbalance", 0.5 * evidence)),
        over_baseline_db=9.0,
        frequency_hz=107.0,
        line="BPFO" if called else None,
    )


@pytest.mark.parametrize("seed", range(6))
def test_the_alarm_stands_at_a_limit_where_the_level_reaches_it(seed: int) -> None:
    """What is watched is the very statistic that an alarm needs, at any limit."""
    rng = np.random.default_rng(seed)
    named = [FAULTS[int(rng.integers(3)) if rng.random() < 0.4 else 0] for _ in range(60)]
    shown = list(zip(named, rng.uniform(0.0, 1.0, 60).tolist(), strict=True))
    for limit in (0.3, 0.6, 0.9):
        rules = ConfirmationRules()
        level, rule = ConfirmedLevel(rules), MachineConditionRule("pump-1", RuleSettings(confirmation=rules))
        register = AlarmRegister()
        reached = False
        for n, (fault, evidence) in enumerate(shown):
            reached = reached or level.observe(diagnosis(fault, evidence, n)) >= limit
            rule.observe_diagnosis(diagnosis(fault, evidence / limit, n), 29.9)
            rule.decide(register, n)
            assert register.active(rule.alarm_id) is reached
            if reached:
                break


def test_two_odd_neighbours_confirm_nothing() -> None:
    level = ConfirmedLevel(ConfirmationRules())
    quiet = diagnosis("outer race", 0.05)
    shown = (quiet, quiet, diagnosis("gear", 1.3), diagnosis("gear", 0.9))
    assert [level.observe(one) for one in shown] == [0.0] * 4
    assert level.observe(diagnosis("gear", 0.4)) == pytest.approx(0.4)
    level.clear()
    assert level.observe(diagnosis("gear", 0.4)) == 0.0
    for _ in range(3):
        most = level.observe(diagnosis("gear", 7.0))
    assert most == 1.0  # an alarm's to judge


def test_a_diagnosis_by_a_settled_limit() -> None:
    called = diagnosis("outer race", 1.2)
    assert at_limit(called, 1.0) is called
    weaker = at_limit(called, 1.5)
    assert (weaker.verdict, weaker.fault, weaker.line) == (Verdict.ABSTAIN, None, None)
    assert weaker.ranking[0] == RankedFault("outer race", 0.8)
    assert weaker.text.startswith("perhaps outer race, 9 dB over baseline; too weak")
    assert weaker.confidence == 0.4
    still = at_limit(diagnosis("outer race", 3.0), 1.5)
    assert (still.verdict, still.fault, still.confidence) == (Verdict.FAULT, "outer race", 0.95)
    assert at_limit(diagnosis("outer race", 0.6), 1.5).ranking[0].evidence == 0.4
