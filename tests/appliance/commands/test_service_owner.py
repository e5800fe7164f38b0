"""What root makes for the service can be read by the service."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.commands.service_owner import give_to_owner_of

SAMPLE = Path(__file__).parents[3] / "image" / "stethos.sample.toml"
SERVICE = 54_321  # a user and group that nobody has


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A folder of the service, and beside it a configuration of root's."""
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root can make files for another user")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    os.chown(folder, SERVICE, SERVICE)
    text = SAMPLE.read_text().replace("/var/lib/stethos", str(folder))
    (tmp_path / "stethos.toml").write_text(f"{text}\n[opcua_server]\nport = 0\n")
    return folder


@pytest.mark.parametrize(
    ("command", "made"),
    [
        (["opcua-user"], ["opcua", "opcua/users.json"]),
        (["password"], ["accounts.json"]),
    ],
    ids=lambda given: given[0],
)
def test_what_root_writes_into_the_state_folder_is_the_service_s(
    state: Path, command: list[str], made: list[str]
) -> None:
    for _ in range(2):  # made, and written anew
        assert main([*command, "--config", str(state.parent / "stethos.toml")]) == 0
        for path in (state / name for name in made):
            assert (path.stat().st_uid, path.stat().st_gid) == (SERVICE, SERVICE), path
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert {str(path.relative_to(state)) for path in state.rglob("*")} == set(made), "nothing else is left"


def test_a_secret_is_its_folder_s_owner_s_and_stays_whose_it_is(state: Path) -> None:
    path = state / "cmms"
    assert main(["webhook", "new-secret", str(path)]) == 0
    assert path.stat().st_uid == SERVICE
    os.chown(path, SERVICE + 1, SERVICE + 1)
    assert main(["webhook", "new-secret", str(path)]) == 0
    assert (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) == (SERVICE + 1, 0o600)


def test_nothing_is_given_away_through_a_link(state: Path) -> None:
    of_root = state.parent / "of-root"
    of_root.touch()
    (state / "link").symlink_to(of_root)
    give_to_owner_of(state, state / "link")
    assert of_root.stat().st_uid == 0
    assert (state / "link").lstat().st_uid == SERVICE


def test_whoever_is_not_root_keeps_what_they_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "chown", lambda *_, **__: pytest.fail("it asked for what only root may"))
    give_to_owner_of(tmp_path, tmp_path / "file")
