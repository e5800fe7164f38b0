"""The demo's network is whole, small, fits the demo's sensor, and gives its golden scores where it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.config_file import load_settings
from appliance.demo_config import DEMO_MODEL, DemoPlaces, demo_backends, demo_config
from appliance.wiring_models import bundle_problems
from models.backends.network import BackendOptions
from models.backends.table import backend_named
from models.manifest import golden_differences, golden_inputs
from models.manifest_entries import Precision
from models.store import read_bundle

MAX_BYTES = 50_000


def test_it_is_small_and_was_trained_on_the_simulator_alone() -> None:
    assert DEMO_MODEL.stat().st_size < MAX_BYTES
    bundle = read_bundle(DEMO_MODEL)
    assert {one.precision for one in bundle.manifest.artefacts} == {Precision.INT8}
    assert "2 simulated machines" in bundle.model_card
    assert "rows.npz" not in bundle.files


def test_its_golden_vectors_hold_in_every_runtime_of_the_demo() -> None:
    bundle = read_bundle(DEMO_MODEL)
    assert demo_backends()[-1] == "numpy_reference"
    for name in demo_backends():
        backend = backend_named(name, BackendOptions())
        backend.load(bundle.manifest, bundle.artefact_bytes(name))
        found = backend.infer(golden_inputs(bundle.manifest))
        backend.close()
        assert golden_differences(bundle.manifest, bundle.manifest.artefact_for(name), found) == []


@pytest.mark.parametrize("backends", [demo_backends(), ("numpy_reference",)])
def test_it_fits_the_demo_s_sensor(tmp_path: Path, backends: tuple[str, ...]) -> None:
    path = tmp_path / "stethos.toml"
    path.write_text(demo_config(DemoPlaces("/dev/none", 4, 8, backends=backends)))
    settings = load_settings(path)
    assert settings.models is not None
    assert list(bundle_problems(settings)) == []


def test_without_runtimes_the_demo_has_no_network() -> None:
    assert "[models]" not in demo_config(DemoPlaces("/dev/none", 4, 8))
