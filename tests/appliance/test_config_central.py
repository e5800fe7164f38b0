"""The table [central]: the sample is true, what cannot work is named."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import pytest

from appliance.config_central import CentralSettings
from appliance.config_file import load_settings
from appliance.device_identity import FILE_NAME, device_id
from appliance.errors import Fatal
from tests.appliance.test_config import GOOD, SAMPLE, problems

V1 = '[central]\nurl = "https://influx.example:8086"\nversion = 1\ndatabase = "plant"\n'
V2 = (
    '[central]\nurl = "https://influx.example"\nversion = 2\norg = "plant"\nbucket = "b"\n'
    'token_file = "token"\n'
)

V3 = '[central]\nurl = "https://influx.example:8181"\nversion = 3\ndatabase = "plant"\n'


def test_the_sample_shows_every_setting_with_the_code_s_default() -> None:
    text = SAMPLE.read_text()
    block = text[text.index("# [central]") :].split("\n\n")[0]
    table = tomllib.loads(re.sub(r"(?m)^# ?", "", block))["central"]
    assert set(table) == set(CentralSettings.model_fields)
    for name, field in CentralSettings.model_fields.items():
        if not field.is_required() and field.default is not None:
            assert table[name] == field.default, name


def test_without_the_table_there_is_no_centre(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(GOOD)
    assert load_settings(path).central is None


def test_all_versions_are_read(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    (tmp_path / "token").write_text("secret\n")
    for text, version in ((V1, 1), (V3, 3), (V2, 2)):
        path.write_text(text + GOOD)
        central = load_settings(path).central
        assert central is not None
        assert central.version == version
    assert central.token_file == tmp_path / "token"


@pytest.mark.parametrize(
    ("table", "key", "reason"),
    [
        (V1.replace("https", "http"), "central.url", "without TLS"),
        (V1.replace("https://", "https://user:secret@"), "central.url", "not possible"),
        (V1.replace("https", "ftp"), "central.url", "not possible"),
        (V1.replace('database = "plant"\n', ""), "central.database", "is missing"),
        (V1 + 'bucket = "b"\n', "central.bucket", "does not belong to version 1"),
        (V1 + 'user = "u"\n', "central.password_file", "is missing"),
        (V1 + 'ca_file = "nowhere.pem"\n', "central.ca_file", "there is no file"),
        (V2, "central.token_file", "there is no file"),
        (V1.replace("version = 1", "version = 4"), "central.version", "not possible"),
        (V3 + 'user = "u"\n', "central.user", "does not belong to version 3"),
        (V1 + 'client_key_file = "stethos.toml"\n', "central.client_certificate_file", "is missing"),
        (V1 + 'client_certificate_file = "stethos.toml"\n', "central.client_key_file", "is missing"),
        (V1 + "token = 'x'\n", "central.token", "no such setting"),
    ],
)
def test_what_cannot_work_is_named(tmp_path: Path, table: str, key: str, reason: str) -> None:
    (problem,) = problems(tmp_path, table + GOOD)
    assert problem.key == key
    assert reason in problem.reason


def test_plain_http_is_taken_on_loopback_and_where_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    for table in (
        V1.replace("https://influx.example", "http://127.0.0.1"),
        V1.replace("https", "http") + "allow_http = true\n",
    ):
        path.write_text(table + GOOD)
        assert load_settings(path).central is not None


def test_a_device_keeps_its_id_and_its_key_to_itself(tmp_path: Path) -> None:
    first = device_id(tmp_path)
    assert re.fullmatch("[0-9a-f]{32}", first)
    assert device_id(tmp_path) == first
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_damaged_device_key_is_told_and_never_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("no key")
    with pytest.raises(Fatal, match="cannot be used"):
        device_id(tmp_path)
    assert (tmp_path / FILE_NAME).read_text() == "no key"
