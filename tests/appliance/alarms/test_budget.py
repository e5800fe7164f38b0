"""One budget of false alarms per machine: every rule has its share, stated once, and the shares add up."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from appliance.alarms import process_rule, rules
from appliance.alarms.budget import (
    FALSE_ALARMS_PER_YEAR,
    FAULT_LINES,
    PROCESS_VALUES,
    SCORES,
    SHARES,
    SLOW_TAGS,
    ZONES,
    per_year,
    set_aside,
)
from appliance.alarms.rules import RuleSettings
from appliance.analysis_settings import PROFILES, WatchSettings
from appliance.analysis_watch import ChannelWatch
from models.extreme_limit import span_for

ROOT = Path(__file__).resolve().parents[3]


def test_the_shares_are_the_whole_budget() -> None:
    assert sum(share.part for share in SHARES) == pytest.approx(1.0)
    assert all(share.part > 0.0 for share in SHARES)
    for sharers in (1, 3):
        assert sum(per_year(share, sharers) * sharers for share in SHARES) == pytest.approx(
            FALSE_ALARMS_PER_YEAR
        )
    assert WatchSettings().false_alarms_per_year == FALSE_ALARMS_PER_YEAR


def test_every_rule_that_can_alarm_of_a_machine_has_a_row() -> None:
    known = {share.rule for share in SHARES}
    named = set()
    for path in sorted((ROOT / "appliance" / "alarms").glob("*.py")):
        # the appliance's own troubles (its clock, its networks) are no machine's
        if not path.stem.endswith(("rule", "rules")) or path.stem in {"clock_rule", "network_rule"}:
            continue
        module = importlib.import_module(f"appliance.alarms.{path.stem}")
        named |= {v for name, v in vars(module).items() if name.isupper() and isinstance(v, str)}
    raising = {
        str(path.relative_to(ROOT / "appliance"))
        for path in (ROOT / "appliance").rglob("*.py")
        if re.search(r"\bCondition\(\n", path.read_text(encoding="utf-8"))
    }
    rule_files = {f"alarms/{name}.py" for name in ("drift_rule", "process_rule", "rules", "sensor_rule")}
    # and who raises none of a machine: the appliance's own, and what is rebuilt from records
    assert raising == rule_files | {"alarms/system.py", "reconcile/alarm_recovery.py"}
    assert named >= {rules.MACHINE_CONDITION, rules.DRIFT, process_rule.SLOW_TAG}
    # the machine's own alarm is three rules in one
    assert known == named - {rules.MACHINE_CONDITION} | {SCORES.rule, FAULT_LINES.rule, ZONES.rule}


def test_what_is_not_learned_says_why_and_promises_nothing() -> None:
    for share in SHARES:
        assert share.why.startswith("not estimated: ") is not share.learned, share.rule
    said = "can be promised for {}; {} a year of the machine's budget is set aside for them"
    assert said.format("process values", "0.1") in set_aside(PROCESS_VALUES)
    assert said.format("slow tags", "0.05") in set_aside(SLOW_TAGS)


@pytest.mark.parametrize("channels", [1, 3])
def test_learned_rules_are_watched_for_their_share(channels: int) -> None:
    for settings in (PROFILES["default"], PROFILES["snapshots"]):
        watch = ChannelWatch("pump.x", settings.watch, channels, RuleSettings())
        for share, statement in ((SCORES, watch.statement), (FAULT_LINES, watch.fault_statement)):
            assert statement.wanted_per_year == pytest.approx(share.part / channels)
            assert statement.needed_h == pytest.approx(span_for(share.part / channels))
            assert statement.provisional
            years = 1.0 / statement.wanted_per_year
            assert f"its share is 1 false alarm in {years:.2g} years" in statement.text
    # the hours that the table states are those of one channel
    for share in (SCORES, FAULT_LINES):
        assert f"({np.round(span_for(share.part)):,.0f} h of one channel)" in share.why


def test_the_table_of_the_documents_is_the_table_of_the_code() -> None:
    text = (ROOT / "docs" / "learned-limits.md").read_text(encoding="utf-8")
    told = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") == 5]
    shown = {
        cells[1].strip(): cells[2].strip()
        for line in told
        if (cells := line.split("|"))[2].strip()[:2] == "0."
    }
    assert shown == {share.rule: f"{share.part:.2f}" for share in SHARES}
    for share in SHARES:
        row = next(line for line in told if line.startswith(f"| {share.rule} |"))
        assert ("not estimated" in row) is not share.learned, row
