"""`stethos demo` with arguments that cannot be used: a sentence, never a traceback."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from appliance.__main__ import main


@pytest.mark.parametrize("port", ["99999", "-1", "http", "80.5"])
def test_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", f"--port={port}"])
    assert ended.value.code == 2
    assert f"{port!r} is no port; 0 (any that is free) to 65535" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "soon", "nan", "1e9"])
def test_no_time_to_pull_the_centre_for(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", f"--outage-s={seconds}"])
    assert ended.value.code == 2
    assert f"{seconds!r} is no time; 1 to 86400 (seconds)" in capsys.readouterr().err


def test_two_demos_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (tmp_path / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["demo", "--state-dir", str(tmp_path)]) == 1
    assert f"another demo runs in {tmp_path}; end it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "told"),
    [
        (
            "/nonexistent/influxd",
            "influxd cannot be started: /nonexistent/influxd: No such file or directory",
        ),
        ("/bin/false", "influxd does not answer at http://127.0.0.1:"),
    ],
)
def test_a_centre_that_does_not_run_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], program: str, told: str
) -> None:
    assert main(["demo", "--state-dir", str(tmp_path), "--port", "0", "--central", program]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert sentence.startswith(f"stethos: {told}")


def test_a_file_is_no_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a-file"
    path.touch()
    assert main(["demo", "--state-dir", str(path)]) == 1
    told = capsys.readouterr().err
    assert f"{path} cannot be used: File exists; choose another with --state-dir" in told
