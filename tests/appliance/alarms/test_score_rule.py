"""Scores become an alarm by one test: the live rule says what `models.cumulative_sum` says, and no more."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.alarms.lifecycle import Severity
from appliance.alarms.register import AlarmRegister
from appliance.alarms.rules import MachineConditionRule, RuleSettings, WindowJudgement
from appliance.analysis_settings import PROFILES
from models.cumulative_sum import CumulativeSum, CumulativeSumRules
from models.evaluation.run_to_failure_protocol import RunToFailureProtocol

S = 1_000_000_000


def live(scores: list[float], fresh: float = 1.0) -> list[bool]:
    """Whether the machine's alarm stands after each window of one channel."""
    rule, register, standing = MachineConditionRule("pump-1", RuleSettings()), AlarmRegister(), []
    for i, score in enumerate(scores):
        judgement = WindowJudgement("x", i * S, Severity.GOOD, score=score, unsmoothed=score, fresh=fresh)
        rule.observe_window(judgement)
        rule.decide(register, i * S)
        standing.append(register.active("pump-1.machine-condition"))
    return standing


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("fresh", [1.0, 0.5])
def test_the_alarm_stands_exactly_while_the_test_says_so(seed: int, fresh: float) -> None:
    rng = np.random.default_rng(seed)
    level = np.repeat(rng.choice([0.3, 0.8, 1.1, 1.6], 8, p=[0.4, 0.2, 0.2, 0.2]), 60)
    scores = (level * np.exp(0.3 * rng.standard_normal(len(level)))).tolist()
    test = CumulativeSum()
    said = [test.observe(score, fresh) for score in scores]
    assert any(said) and not all(said)
    assert live(scores, fresh) == said


def test_the_evaluation_judges_by_the_rules_in_service() -> None:
    """One set of figures for every profile, and the evaluation's is that one."""
    assert {settings.rules.score for settings in PROFILES.values()} == {CumulativeSumRules()}
    figures = RunToFailureProtocol().settings()["cumulative_sum"]
    assert CumulativeSumRules(**figures) == CumulativeSumRules()


def test_a_click_in_overlapping_windows_is_one_click() -> None:
    """Windows overlap by half: what is heard once is in two windows, or in three where it rings."""
    assert not any(live([*[0.3] * 6, 50.0, 50.0, 50.0] * 40, fresh=0.5))
