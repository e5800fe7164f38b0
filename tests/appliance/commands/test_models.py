"""`stethos models` without a service: what it changes is kept, what cannot be is refused with its reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.__main__ import main
from appliance.commands import EXIT_FAILED, EXIT_OK
from appliance.demo_config import DemoPlaces, demo_config
from models.bundle import Bundle
from models.store import write_bundle
from models.store_slots import SlotStore
from tests.fakes.trend_bundle import trend_bundle

RATE_HZ = 25_600.0


class Box:
    """A configuration with one slot, a store, and the command."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.config = folder / "stethos.toml"
        self.config.write_text(demo_config(DemoPlaces("/dev/none", 4, 8, backends=("numpy_reference",))))
        self.store = SlotStore(folder / "models")
        self.bundles = []
        for version in ("one", "two"):
            made = trend_bundle(RATE_HZ, version)
            path = folder / f"{version}.zip"
            write_bundle(made, path)
            self.bundles.append((path, made))

    def run(self, *arguments: str) -> tuple[int, str]:
        code = main(["models", *arguments, "--config", str(self.config)])
        told = self._capsys.readouterr()
        return code, told.out + told.err


@pytest.fixture
def box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Box:
    return Box(tmp_path, capsys)


def test_the_status_says_what_is_kept_and_that_no_service_has_reported(box: Box) -> None:
    code, said = box.run("status")
    assert code == EXIT_OK
    assert "no service has reported yet" in said
    assert "motor: network is to answer" in said
    assert "demo_model.zip" in said


def test_switching_is_kept_for_the_next_start(box: Box) -> None:
    code, said = box.run("use", "statistical")
    assert (code, said) == (
        EXIT_OK,
        "motor: statistical answers, once the service runs, or within a second\n",
    )
    assert box.store.read().of("motor").use == "statistical"
    assert json.loads(box.run("list", "--json")[1])["slots"][0]["use"] == "statistical"
    box.run("use", "network")
    assert box.store.read().of("motor").use == "network"


def test_shadow_promote_promote_roll_back(box: Box) -> None:
    (one_path, one), (two_path, two) = box.bundles
    assert box.run("shadow", str(one_path))[0] == EXIT_OK
    assert "nothing runs in the shadow" in box.run("shadow")[1]  # no service does so far
    assert box.run("promote")[0] == EXIT_OK
    shipped = box.store.read().of("motor").previous
    assert shipped is not None, "what the configuration named can be gone back to"
    box.run("shadow", str(two_path))
    box.run("promote")
    entry = box.store.read().of("motor")
    assert (entry.active, entry.previous) == (two.identity, one.identity)
    assert box.run("roll-back")[0] == EXIT_OK
    entry = box.store.read().of("motor")
    assert (entry.active, entry.previous) == (one.identity, two.identity)
    _, said = box.run("status")
    assert f"active          linear one, bundle {one.identity[:12]}" in said
    assert f"previous        linear two, bundle {two.identity[:12]}" in said
    box.run("shadow", str(two_path))
    box.run("shadow", "--end")
    assert box.store.read().of("motor").shadow is None


def test_what_cannot_be_is_refused_with_its_reason(box: Box, tmp_path: Path) -> None:
    assert box.run("promote") == (EXIT_FAILED, "stethos: slot 'motor' has nothing in its shadow to promote\n")
    code, said = box.run("roll-back")
    assert code == EXIT_FAILED
    assert "no previous bundle" in said
    other = tmp_path / "other.zip"
    write_bundle(trend_bundle(2_560.0), other)
    code, said = box.run("shadow", str(other))
    assert code == EXIT_FAILED
    assert "features do not fit" in said
    made = box.bundles[0][1]
    write_bundle(Bundle(replace(made.manifest, extractor_version="trend-0"), made.files), other)
    assert "trend-0" in box.run("shadow", str(other))[1]
    other.write_bytes(b"PK nothing")
    assert box.run("shadow", str(other))[0] == EXIT_FAILED
    assert "there is no slot 'fans'" in box.run("use", "network", "--slot", "fans")[1]
    box.config.write_text(demo_config(DemoPlaces("/dev/none", 4, 8)))
    assert "has no [models]" in box.run("status")[1]
    assert not box.store.folder.exists() or box.store.read().slots == {}


def test_a_damaged_store_is_named(box: Box) -> None:
    box.run("use", "network")
    (box.store.folder / "slots.json").write_text("{")
    code, said = box.run("status")
    assert code == EXIT_FAILED
    assert "slots.json: is damaged" in said
