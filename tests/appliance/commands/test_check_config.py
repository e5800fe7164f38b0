"""`stethos check-config` and the command line itself: exit codes and what is printed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.commands import COMMANDS

SAMPLE = Path(__file__).parents[3] / "image" / "stethos.sample.toml"


def test_sample_is_usable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", str(SAMPLE)]) == 0
    assert "Cooling pump 2" in capsys.readouterr().out


def test_mistake_is_told_with_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(SAMPLE.read_text().replace("port = 8080", "prot = 8080"))
    assert main(["check-config", str(path)]) == 2
    told = capsys.readouterr().err
    assert f"{path}: web.prot" in told
    assert "Did you mean port?" in told


def test_json_names_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text(
        SAMPLE.read_text().replace('unit = "rpm"', 'unit = "bar"').replace('name = "Cool', 'nam = "Cool')
    )
    assert main(["check-config", str(path), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["usable"] is False
    assert {"assets[0].nam", "assets[0].name"} == {problem["key"] for problem in told["problems"]}
    assert all(set(problem) == {"file", "key", "reason", "remedy"} for problem in told["problems"])


def test_bearing_that_arithmetic_refuses_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    before, _, rest = SAMPLE.read_text().partition("n_rolling_elements = 8")
    multipliers = "bpfo = 5.4\nbpfi = 3.6\nbsf = 2.4\nftf = 0.4\n# ... or the maker's"
    path.write_text(before + multipliers + rest.partition("# ... or the maker's")[2])
    assert main(["check-config", str(path)]) == 2
    told = capsys.readouterr().err
    assert "assets[0].bearing" in told
    assert "BPFO 5.4 and BPFI 3.6" in told


def test_what_is_mended_in_a_bearing_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    before, _, rest = SAMPLE.read_text().partition("n_rolling_elements = 8")
    multipliers = "bpfo = 3.585\nbpfi = 5.415\nbsf = 4.714\nftf = 0.398\n# ... or the maker's"
    path.write_text(before + multipliers + rest.partition("# ... or the maker's")[2])
    assert main(["check-config", str(path)]) == 0
    assert "note: bearing of Cooling pump 2" in capsys.readouterr().out


def test_run_refuses_what_check_config_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[station]\n")
    assert main(["run", "--config", str(path)]) == 2
    assert "names no machine and no camera" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"stethos {name}" in capsys.readouterr().out


def test_unknown_command_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["rnu"])
    assert ended.value.code == 2
    assert "run" in capsys.readouterr().err
