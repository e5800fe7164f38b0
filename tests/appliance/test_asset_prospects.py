"""What will be judged of a machine, said from its plate alone: zones, fault lines, hours; or why not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.asset_prospects import Prospect, plate_notes, prospects
from appliance.config_file import ConfigError, load_settings

SAMPLE = (Path(__file__).parents[2] / "image" / "stethos.sample.toml").read_text()


def settings_of(folder: Path, *changes: tuple[str, str]) -> Path:
    text = SAMPLE
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = folder / "stethos.toml"
    path.write_text(text)
    return path


def judged(folder: Path, *changes: tuple[str, str]) -> dict[str, Prospect]:
    settings = load_settings(settings_of(folder, *changes))
    return {prospect.what: prospect for prospect in prospects(settings, settings.assets[0])}


def test_a_whole_plate_is_judged_by_all_means(tmp_path: Path) -> None:
    found = judged(tmp_path, ("# gear_teeth", "gear_teeth"))
    assert all(prospect.possible for prospect in found.values())
    assert found["zones"].text == "ISO 20816-3 group 2, rigid: A/B 1.4, B/C 2.8, C/D 4.5 mm/s"
    assert "BPFO 3.04" in found["fault lines"].text
    assert "speed measured" in found["fault lines"].text
    assert "567 Hz" in found["gear"].text
    assert found["learned limits"].text == (
        "after 4 h of steady, healthy running in each operating state (by speed and load)"
    )


def test_a_cadence_says_how_much_longer_it_learns(tmp_path: Path) -> None:
    found = judged(tmp_path, ("decision_cadence_s = 0.0", "decision_cadence_s = 600"))
    assert found["learned limits"].text == (
        "after 48 h of steady, healthy running in each operating state (by speed and load);"
        " a second of waveform is judged each 600 s"
    )


@pytest.mark.parametrize(
    ("what", "changes", "why"),
    [
        ("zones", [("rated_power_kw = 45.0", "")], "rated power is unknown; give rated_power_kw"),
        ("zones", [("rated_power_kw = 45.0", "rated_power_kw = 4.0")], "4 kW is outside ISO 20816-3"),
        ("zones", [('foundation = "rigid"', "")], "give foundation"),
        ("zones", [("nominal_speed_rpm = 1480.0", "nominal_speed_rpm = 110.0")], "110 r/min is outside"),
        ("zones", [("sample_rate_hz = 25600.0", "sample_rate_hz = 1600.0")], "cannot be stated from 1600 Hz"),
        (
            "fault lines",
            [
                ("nominal_speed_rpm = 1480.0", ""),
                ('measurand = "shaft_speed"', 'measurand = "temperature"'),
                ('unit = "rpm"', 'unit = "degC"'),
            ],
            "give nominal_speed_rpm, or a tag",
        ),
        ("gear", [("# gear_teeth = 23", "gear_teeth = 700")], "lies above half the rate"),
    ],
)
def test_what_cannot_be_judged_says_what_is_needed(
    tmp_path: Path, what: str, changes: list[tuple[str, str]], why: str
) -> None:
    found = judged(tmp_path, *changes)[what]
    assert not found.possible
    assert why in found.text


def test_without_a_bearing_there_are_no_fault_lines(tmp_path: Path) -> None:
    before, _, rest = SAMPLE.partition("[assets.bearing]")
    path = tmp_path / "a.toml"
    path.write_text(before + "# An accelerometer" + rest.partition("# An accelerometer")[2])
    settings = load_settings(path)
    lines = next(p for p in prospects(settings, settings.assets[0]) if p.what == "fault lines")
    assert not lines.possible
    assert "no bearing is given" in lines.text


def test_agreed_zone_limits_name_their_source(tmp_path: Path) -> None:
    line = next(line for line in SAMPLE.splitlines() if line.startswith("# zone_limits = "))
    found = judged(tmp_path, (line, line[2:].replace("2.8", "3.0")))
    assert found["zones"].text == "acceptance, 2024-03-01: A/B 1.4, B/C 3, C/D 4.5 mm/s"


def test_a_shaft_that_no_sensor_can_see_is_refused(tmp_path: Path) -> None:
    path = settings_of(tmp_path, ("nominal_speed_rpm = 1480.0", "nominal_speed_rpm = 90000.0"),
                       ("sample_rate_hz = 25600.0", "sample_rate_hz = 3200.0"))  # fmt: skip
    with pytest.raises(ConfigError) as refused:
        load_settings(path)
    (problem,) = refused.value.problems
    assert problem.key == "assets[0].nominal_speed_rpm"
    assert "90000 rpm are 1500 Hz" in problem.reason
    assert "rpm, not Hz" in problem.remedy


def test_elements_as_large_as_the_pitch_circle_are_refused(tmp_path: Path) -> None:
    too_large = ("rolling_element_diameter_mm = 17.46", "rolling_element_diameter_mm = 68.0")
    path = settings_of(tmp_path, ("n_rolling_elements = 8", "n_rolling_elements = 3"), too_large)
    with pytest.raises(ConfigError, match="rolling_element_diameter_mm"):
        load_settings(path)


def test_what_is_probably_not_meant_is_noted(tmp_path: Path) -> None:
    settings = load_settings(
        settings_of(
            tmp_path,
            ("nominal_speed_rpm = 1480.0", "nominal_speed_rpm = 24.7"),
            ('designation = "6309"', 'designation = "SKF 6205-2RS"'),
        )
    )
    notes = plate_notes(settings, settings.assets[0])
    assert any("or Hz (1482 rpm)" in note for note in notes)
    assert any("BPFO is 3.04 x shaft speed as stated, 3.58 for SKF 6205" in note for note in notes)


def test_the_command_says_it_in_words_and_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = settings_of(tmp_path, ("rated_power_kw = 45.0", ""))
    assert main(["check-config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "zones:          NO: not rated after ISO 20816-3: rated power is unknown" in said
    assert "learned limits: after 4 h" in said
    assert main(["check-config", str(path), "--json"]) == 0
    (machine,) = json.loads(capsys.readouterr().out)["machines"]
    assert [entry["possible"] for entry in machine["judged"]] == [False, True, True]
