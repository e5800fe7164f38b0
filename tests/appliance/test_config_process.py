"""Process values that are judged: off unless configured, the sample is true, mistakes are named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from appliance.asset_prospects import prospects
from appliance.config_file import load_settings
from appliance.config_process import ProcessGroupSettings, SlowTagSettings
from appliance.machine_facts import build_watches
from models.process_detector import ProcessRules
from models.slow_tag import SlowTagRules
from tests.appliance.test_config import GOOD, SAMPLE, one_problem

GROUP = 'process_groups = [{ id = "water", channels = ["pump-flow", "pump-pressure"] }]\n'
SLOW = 'slow_tags = [{ channel = "pump-oil" }]\n'
TAGS = "".join(
    f'\n[[sources.tags]]\nnode = "ns=2;s={name}"\nchannel = "pump-{name}"\nasset = "pump"\n'
    f'measurand = "process_value"\nunit = "{unit}"\n'
    for name, unit in (("flow", "l/min"), ("pressure", "bar"), ("oil", "degC"))
)


def configured(groups: str = GROUP, slow: str = SLOW) -> str:
    return GOOD.replace('name = "Pump"\n', f'name = "Pump"\n{groups}{slow}') + TAGS


def test_it_is_off_unless_configured(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(GOOD)
    watches = build_watches(load_settings(path).assets[0])
    assert watches.groups == watches.slow_tags == ()


def test_several_process_values_of_a_machine_are_judged_with_the_product_s_figures(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(configured())
    settings = load_settings(path)
    watches = build_watches(settings.assets[0])
    (group,), (slow,) = watches.groups, watches.slow_tags
    assert group.channel_ids == ("pump-flow", "pump-pressure")
    assert group.rules == ProcessRules(learn_rows=2880)
    assert group.rules.excursion.confirm_rows > group.rules.window_rows
    assert (slow.value_s, slow.learn_values, slow.rules) == (3600.0, 336, SlowTagRules())
    said = {prospect.what: prospect.text for prospect in prospects(settings, settings.assets[0])}
    assert said["process values water"].startswith("pump-flow, pump-pressure together, after 8 h")
    assert said["slow tag"] == "pump-oil, after 14 days"


def test_the_sample_shows_every_setting_with_the_code_s_default(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    lines = re.findall(r"^# ((?:process_groups|slow_tags) = .*)$", text, re.MULTILINE)
    document = tomllib.loads("\n".join(lines))
    for model, (table,) in (
        (ProcessGroupSettings, document["process_groups"]),
        (SlowTagSettings, document["slow_tags"]),
    ):
        assert set(table) == set(model.model_fields)
        for name, field in model.model_fields.items():
            assert field.is_required() or table[name] == field.default, name
    channels = [*document["process_groups"][0]["channels"], document["slow_tags"][0]["channel"]]
    path = tmp_path / "stethos.toml"
    for line in lines:
        text = text.replace(f"# {line}", line)
    path.write_text(text + TAGS.replace("pump-", "pump-2-").replace('"pump"', '"pump-2"'))
    assert set(channels) == {"pump-2-flow", "pump-2-pressure", "pump-2-oil"}
    assert build_watches(load_settings(path).assets[0]).groups[0].group_id == "water"


@pytest.mark.parametrize(
    ("given", "written", "key", "reason", "remedy"),
    [
        ('"pump-flow"', '"pump-flov"', "process_groups[0].channels[0]", "no channel", "pump-flow"),
        ('"pump-flow"', '"pump-x"', "process_groups[0].channels[0]", "is vibration", "OPC UA"),
        ('"pump-flow"', '"pump-pressure"', "process_groups[0].channels", "twice", "once"),
        ("] }]", "], learn_h = 1.0 }]", "process_groups[0].learn_h", "360 rows", "At least 400"),
        ("] }]", "], row_s = 1.0, learn_h = 6.0 }]", "process_groups[0].row_s", "43200 values", "40000"),
        ("] }]", "], limit_spreads = 1.0 }]", "process_groups[0].limit_spreads", "", ""),
        (
            "] }]",
            '] }, { id = "water", channels = ["pump-oil"] }]',
            "process_groups[1].id",
            "already",
            "own id",
        ),
        ('"pump-oil"', '"pump-oil", learn_days = 1.0', "slow_tags[0].learn_days", "24 values", "100 to 5000"),
        ('"pump-oil" }', '"pump-oil" }, { channel = "pump-oil" }', "slow_tags[1].channel", "already", "once"),
    ],
)
def test_mistake_is_named(
    tmp_path: Path, given: str, written: str, key: str, reason: str, remedy: str
) -> None:
    text = configured()
    assert given in text
    problem = one_problem(tmp_path, text.replace(given, written, 1))
    assert problem.key == f"assets[0].{key}"
    assert reason in problem.reason
    assert remedy in problem.remedy
