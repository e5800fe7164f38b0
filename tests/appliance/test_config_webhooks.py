"""The tables [[webhooks]]: the sample is true, what cannot work is named."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from appliance.config_file import load_settings
from appliance.config_webhooks import WebhookSettings
from tests.appliance.test_config import GOOD, SAMPLE, problems

HOOK = '\n[[webhooks]]\nname = "cmms"\nurl = "https://cmms.example/hook"\nsecret_file = "secret"\n'


def test_the_sample_shows_every_setting_with_the_code_s_default() -> None:
    text = SAMPLE.read_text()
    block = text[text.index("# [[webhooks]]") :].split("\n\n")[0]
    (table,) = tomllib.loads(re.sub(r"(?m)^# ?", "", block))["webhooks"]
    assert set(table) == set(WebhookSettings.model_fields)
    for name, field in WebhookSettings.model_fields.items():
        if not field.is_required() and field.get_default(call_default_factory=True) is not None:
            assert table[name] == field.get_default(call_default_factory=True), name


def test_without_a_table_there_is_none_and_with_one_its_paths_are_absolute(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(GOOD)
    assert load_settings(path).webhooks == []
    (tmp_path / "secret").write_text("whsec_x")
    path.write_text(GOOD + HOOK)
    (hook,) = load_settings(path).webhooks
    assert hook.secret_file == tmp_path / "secret"


@pytest.mark.parametrize(
    ("written", "key", "reason", "remedy"),
    [
        (HOOK.replace("https", "http"), "webhooks[0].url", "unencrypted", "allow_http"),
        (HOOK.replace("https", "file"), "webhooks[0].url", "not an https", "HTTPS alone"),
        (HOOK.replace("cmms.example", "127.0.0.1"), "webhooks[0].url", "this box itself", "allow_local"),
        (HOOK.replace("cmms.example", "169.254.169.254"), "webhooks[0].url", "metadata", "Write the rec"),
        (HOOK.replace('"secret"', '"none"'), "webhooks[0].secret_file", "there is no file", "new-secret"),
        (HOOK + HOOK, "webhooks[1].name", "already used by webhooks[0].name", "its own"),
        (HOOK + 'kinds = ["machine kondition"]', "webhooks[0].kinds", "no kind of alarm", "machine cond"),
        (HOOK + 'min_severity = "bad"', "webhooks[0].min_severity", '"bad"', '"stop"'),
        (HOOK + "give_up_after_h = 0", "webhooks[0].give_up_after_h", "greater than", "dead letter"),
        (HOOK + 'secret = "whsec_x"', "webhooks[0].secret", "no such setting", "secret_file"),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, written: str, key: str, reason: str, remedy: str) -> None:
    (tmp_path / "secret").write_text("whsec_x")
    (problem,) = problems(tmp_path, GOOD + written)
    assert problem.key == key
    assert reason in problem.reason
    assert remedy in problem.remedy
