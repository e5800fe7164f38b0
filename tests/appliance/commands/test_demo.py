"""`stethos demo` with arguments that cannot be used: a sentence, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.__main__ import main


@pytest.mark.parametrize("port", ["99999", "-1", "http", "80.5"])
def test_no_port(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["demo", f"--port={port}"])
    assert ended.value.code == 2
    assert f"{port!r} is no port; 0 (any that is free) to 65535" in capsys.readouterr().err


def test_a_file_is_no_state_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a-file"
    path.touch()
    assert main(["demo", "--state-dir", str(path)]) == 1
    told = capsys.readouterr().err
    assert f"{path} cannot be used: File exists; choose another with --state-dir" in told
