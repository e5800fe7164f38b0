"""`stethos password`: for whoever has lost theirs, not for making users by a slip of the pen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.__main__ import main
from web.auth import AuthStore

SAMPLE = Path(__file__).parents[3] / "image" / "stethos.sample.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "stethos.toml"
    path.write_text(SAMPLE.read_text().replace('"/var/lib/stethos"', f'"{tmp_path}"'))
    return path


def test_a_new_password_works_until_it_is_changed(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["password", "--config", str(config), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["user"] == "admin"
    store = AuthStore.open(config.parent / "accounts.json")
    assert store.users == ("admin",)
    assert store.must_change_password("admin")
    store.close()


def test_an_unknown_user_is_refused_and_not_made(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["password", "--config", str(config)]) == 0
    accounts = config.parent / "accounts.json"
    before = json.loads(accounts.read_text())["users"]
    capsys.readouterr()
    assert main(["password", "--config", str(config), "--user", "amdin"]) == 1
    told = capsys.readouterr()
    assert "no user 'amdin'; users are: admin" in told.err
    assert told.out == ""
    assert json.loads(accounts.read_text())["users"] == before
