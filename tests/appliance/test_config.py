"""Configuration: the sample is true, and every mistake is named with file, key, reason and remedy."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from appliance import config
from appliance.config_file import ConfigError, Problem, load_settings
from appliance.config_rules import is_loopback
from appliance.machine_facts import build_machine
from dsp.severity_limits import ZoneLimits

SAMPLE = Path(__file__).parents[2] / "image" / "stethos.sample.toml"
UNLIKE = ("designation", "tags")  # the sample shows some, the default is none

GOOD = """
[station]
name = "hall-3"
state_dir = "state"

[[assets]]
id = "pump"
name = "Pump"
nominal_speed_rpm = 1480

[[assets]]
id = "fan"
name = "Fan"

[[sources]]
kind = "serial"
id = "sensor"
device = "/dev/ttyUSB0"
axes = [{ axis = "x", channel = "pump-x", asset = "pump" }]

[[sources]]
kind = "opcua"
id = "plc"
url = "opc.tcp://127.0.0.1:4840/"

[[sources.tags]]
node = "ns=2;s=Speed"
channel = "pump-speed"
asset = "pump"
measurand = "shaft_speed"
unit = "rpm"
"""


def problems(tmp_path: Path, text: str) -> list[Problem]:
    path = tmp_path / "stethos.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    for problem in caught.value.problems:
        assert problem.file == str(path)
        assert problem.reason
        assert problem.remedy
    return caught.value.problems


def one_problem(tmp_path: Path, text: str) -> Problem:
    found = problems(tmp_path, text)
    assert len(found) == 1, found
    return found[0]


def test_good_configuration_is_read_and_paths_become_absolute(tmp_path: Path) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(GOOD)
    settings = load_settings(path)
    assert settings.station.state_dir == tmp_path / "state"
    assert [asset.nominal_speed_rpm for asset in settings.assets] == [1480.0, None]
    assert [source.kind for source in settings.sources] == ["serial", "opcua"]


@pytest.mark.parametrize(
    ("given", "written", "key", "reason", "remedy"),
    [
        ('name = "Pump"', 'name = "Pump"\ncolour = "red"', "assets[0].colour", "no such", "Known here:"),
        ("nominal_speed_rpm", "nominal_sped_rpm", "assets[0].nominal_sped_rpm", "no such", "l_speed_rpm?"),
        ("speed_rpm = 1480", "speed_hz = 24.7", "assets[0].nominal_speed_hz", "no such", "_rpm (mind"),
        ("= 1480", '= "1480 rpm"', "assets[0].nominal_speed_rpm", '"1480 rpm"', "rated shaft speed in rpm"),
        ("= 1480", "= -3", "assets[0].nominal_speed_rpm", "greater than 0", "rated shaft speed"),
        ("= 1480", "= nan", "assets[0].nominal_speed_rpm", "finite", "rated shaft speed"),
        ('"rpm"', '"bar"', "sources[1].tags[0].unit", "not a unit of shaft speed", "rpm, Hz"),
        ('name = "Fan"', 'name = "Pump"', "assets[1].name", "already used by assets[0].name", "its own name"),
        ('id = "fan"', 'id = "pump"', "assets[1].id", "already used by assets[0].id", "its own id"),
        ('id = "fan"', 'id = "The Fan"', "assets[1].id", "not possible", "lower-case letters"),
        ('id = "fan"\n', "", "assets[1].id", "missing", "identifier"),
        ('asset = "pump" }]', 'asset = "pmp" }]', "sources[0].axes[0].asset", "no machine", "mean pump?"),
        ('kind = "opcua"', 'kind = "modbus"', "sources[1].kind", '"modbus" is not a kind', '"serial" or'),
        ('kind = "serial"\n', "", "sources[0].kind", "missing", '"serial" or'),
        ('url = "opc.tcp', 'url = "http', "sources[1].url", "not possible", "opc.tcp://192"),
        ('"pump-speed"', '"pump-x"', "sources[1].tags[0].channel", "already used by sources[0]", "own name"),
        ('"shaft_speed"', '"presure"', "sources[1].tags[0].measurand", "presure", 'or "process_value"'),
        ('"ns=2;s=Speed"', '"Speed"', "sources[1].tags[0].node", "not possible", "node id"),
        ("[station]", "[web]\nport = 70000\n[station]", "web.port", "65535", "TCP port"),
        ("[station]", "[web]\ntls = true\n[station]", "web.tls", "true", '"auto" or "on"'),
        ("[station]", "[wev]\nport = 1\n[station]", "wev", "no such setting", "Did you mean web?"),
        ("/dev/ttyUSB0\"", '/dev/ttyUSB0"\nbaud = 1.5', "sources[0].baud", "1.5", "bit/s"),
        ("/dev/ttyUSB0\"", '/dev/ttyUSB0"\nbaud = 115200', "sources[0].baud", "cannot carry", "bit/s"),
        ("[station]", "web = 3\n[station]", "web", "3 is not possible", "Write [web] as a table"),
    ],
)  # fmt: skip
def test_mistake_is_named(
    tmp_path: Path, given: str, written: str, key: str, reason: str, remedy: str
) -> None:
    assert given in GOOD
    problem = one_problem(tmp_path, GOOD.replace(given, written, 1))
    assert problem.key == key
    assert reason in problem.reason
    assert remedy in problem.remedy


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    found = problems(
        tmp_path, GOOD.replace("1480", '"fast"').replace("/dev/ttyUSB0", '/dev/ttyUSB0"\nbaud = "x')
    )
    assert {problem.key for problem in found} == {"assets[0].nominal_speed_rpm", "sources[0].baud"}


def test_missing_file_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path / "nowhere.toml")
    (problem,) = caught.value.problems
    assert "no such file" in problem.reason
    assert "stethos.sample.toml" in problem.remedy


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"a = = b", "not valid TOML"), (b"\xff\xfe\x00", "not UTF-8"), (b"#" * 2_000_000, "larger than")],
)
def test_unreadable_file_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "stethos.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert reason in caught.value.problems[0].reason


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        load_settings(tmp_path)


def test_secret_file_that_does_not_exist_is_named(tmp_path: Path) -> None:
    problem = one_problem(
        tmp_path, GOOD.replace('url = "opc', 'user = "stethos"\npassword_file = "secrets/plc"\nurl = "opc')
    )
    assert problem.key == "sources[1].password_file"
    assert str(tmp_path / "secrets" / "plc") in problem.reason


@pytest.mark.parametrize(
    ("bearing", "key", "reason"),
    [
        ("bpfo = 3.5\nn_rolling_elements = 9", "assets[1].bearing", "both multipliers (bpfo) and geometry"),
        ("bpfo = 3.5\nbpfi = 5.4\nbsf = 2.3", "assets[1].bearing.ftf", "missing"),
        (
            "n_rolling_elements = 9\nrolling_element_diameter_mm = 39.0\npitch_diameter_mm = 7.9",
            "assets[1].bearing.rolling_element_diameter_mm",
            "not smaller than the pitch diameter",
        ),
        (
            "n_rolling_elements = 19\nrolling_element_diameter_mm = 7.94\npitch_diameter_mm = 39.0",
            "assets[1].bearing.n_rolling_elements",
            "do not fit",
        ),
    ],
)
def test_bearing_that_cannot_be_is_refused(tmp_path: Path, bearing: str, key: str, reason: str) -> None:
    text = GOOD.replace('name = "Fan"', f'name = "Fan"\n[assets.bearing]\n{bearing}')
    problem = one_problem(tmp_path, text)
    assert problem.key == key
    assert reason in problem.reason


def test_sample_is_a_valid_configuration() -> None:
    settings = load_settings(SAMPLE)
    assert {source.kind for source in settings.sources} == {"serial", "opcua"}


def _sample_tables() -> list[tuple[type[BaseModel], dict[str, Any]]]:
    document = tomllib.loads(SAMPLE.read_text())
    serial, opcua = document["sources"]
    asset = document["assets"][0]
    return [
        (config.StationSettings, document["station"]),
        (config.WebSettings, document["web"]),
        (config.JournalSettings, document["journal"]),
        (config.TelemetrySettings, document["telemetry"]),
        (config.CaptureSettings, document["captures"]),
        (config.AssetSettings, asset),
        (config.BearingSettings, asset["bearing"]),
        (config.SerialSettings, serial),
        (config.AxisSettings, serial["axes"][0]),
        (config.OpcUaSettings, opcua),
        (config.TagSettings, opcua["tags"][0]),
    ]


@pytest.mark.parametrize(
    ("model", "table"), _sample_tables(), ids=lambda value: getattr(value, "__name__", "")
)
def test_sample_documents_every_setting_with_the_code_s_default(
    model: type[BaseModel], table: dict[str, Any]
) -> None:
    text = SAMPLE.read_text()
    for name, field in model.model_fields.items():
        assert name in table or f"# {name} = " in text, f"{name} is not in the sample"
        if name in table and not field.is_required() and field.default is not None and name not in UNLIKE:
            given = type(field.default)(table[name])
            assert given == field.default, f"{name}: sample {given!r}, code {field.default!r}"
        elif name not in table and not field.is_required():
            assert field.default is None, f"{name} has a default that the sample does not show"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("plant.example", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_agreed_zone_limits_reach_the_machine_and_must_rise(tmp_path: Path) -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    file = tmp_path / "agreed.toml"
    file.write_text(text.replace("# zone_limits = ", "zone_limits = ", 1), encoding="utf-8")
    (asset,) = load_settings(file).assets
    limits = build_machine(asset).zone_limits
    assert limits == ZoneLimits(1.4, 2.8, 4.5, (22.0, 45.0, 71.0), "acceptance, 2024-03-01")
    (problem,) = problems(
        tmp_path, file.read_text(encoding="utf-8").replace("[1.4, 2.8, 4.5]", "[1.4, 4.5, 2.8]")
    )
    assert problem.key == "assets[0].zone_limits.velocity_mm_s"


def test_a_bearing_of_the_catalogue_needs_its_designation_alone(tmp_path: Path) -> None:
    file = tmp_path / "known.toml"
    bearing = '[assets.bearing]\ndesignation = "6205"\n'
    file.write_text(GOOD.replace('\n[[assets]]\nid = "fan"', f'{bearing}\n[[assets]]\nid = "fan"'))
    known = build_machine(load_settings(file).assets[0]).bearing
    assert known is not None
    assert known.bpfo == pytest.approx(3.5848, rel=1e-3)
    (problem,) = problems(tmp_path, file.read_text().replace("6205", "6299"))
    assert problem.key == "assets[0].bearing.designation"
    assert "catalogue" in problem.reason


def test_a_scraper_s_token_must_be_there_and_kept(tmp_path: Path) -> None:
    text = GOOD + '\n[metrics]\ntoken_file = "token"\n'
    token = tmp_path / "token"
    missing = one_problem(tmp_path, text)
    assert missing.key == "metrics.token_file"
    assert "no file" in missing.reason
    assert "openssl rand" in missing.remedy
    token.write_text("0123456789abcdef0123\n")
    token.chmod(0o644)
    assert "mode is 0644" in one_problem(tmp_path, text).reason
    token.chmod(0o600)
    path = tmp_path / "stethos.toml"
    path.write_text(text)
    settings = load_settings(path)
    assert settings.metrics is not None
    assert settings.metrics.token_file == token


def test_a_nightly_drill_has_a_time_and_a_program_that_is_there(tmp_path: Path) -> None:
    assert one_problem(tmp_path, GOOD + '\n[drill]\nnightly_at = "25:00"\n').key == "drill.nightly_at"
    program = tmp_path / "influxd"
    text = GOOD + '\n[drill]\nnightly_at = "02:30"\ninfluxd = "influxd"\n'
    assert one_problem(tmp_path, text).key == "drill.influxd"
    program.write_text("#!/bin/sh\n")
    assert one_problem(tmp_path, text).key == "drill.influxd"
    program.chmod(0o755)
    path = tmp_path / "stethos.toml"
    path.write_text(text)
    settings = load_settings(path)
    assert settings.drill is not None and settings.drill.influxd == program
