"""The table [opcua_server]: the sample is true, and without it there is no server; its users' command."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

from appliance.config_file import load_settings
from appliance.config_opcua_server import OpcUaServerSettings

SAMPLE = Path(__file__).parents[2] / "image" / "stethos.sample.toml"


def test_the_sample_states_every_setting_with_its_default() -> None:
    text = SAMPLE.read_text()
    block = text[text.index("# [opcua_server]") :].split("\n\n")[0]
    table = tomllib.loads(re.sub(r"(?m)^# ?", "", block))["opcua_server"]
    assert set(table) == set(OpcUaServerSettings.model_fields)
    assert OpcUaServerSettings.model_validate(table) == OpcUaServerSettings()
    assert load_settings(SAMPLE).opcua_server is None


def test_a_user_gets_a_password_that_is_kept_as_a_hash(tmp_path: Path) -> None:
    config = tmp_path / "stethos.toml"
    text = SAMPLE.read_text().replace("/var/lib/stethos", str(tmp_path / "state"))
    config.write_text(text + "\n[opcua_server]\nport = 0\n")
    settings = load_settings(config).opcua_server
    assert settings is not None
    assert settings.port == 0

    def command(*more: str, given: str = "") -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "appliance", "opcua-user", "--config", str(config), *more]
        return subprocess.run(line, input=given, capture_output=True, text=True, check=False)

    made = json.loads(command("--json").stdout)
    users = tmp_path / "state" / "opcua" / "users.json"
    assert made["user"] == "scada"
    assert len(made["password"]) >= 16
    assert stat.S_IMODE(users.stat().st_mode) == 0o600
    assert made["password"] not in users.read_text()

    own = command("--user", "mes", "--password-stdin", given="a-password-of-my-own\n")
    assert own.returncode == 0
    assert "a-password" not in own.stdout
    assert set(json.loads(users.read_text())) == {"scada", "mes"}
    short = command("--password-stdin", given="short\n")
    assert short.returncode == 2
    assert "fewer than" in short.stderr
