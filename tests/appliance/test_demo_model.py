"""The demo's network is whole, small, fits the demo's sensor, gives its golden scores where it runs, and
leaves a healthy machine that it never met alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from appliance.analysis import PROFILES, AssetAnalysis
from appliance.commands.demo_story import GROWTH_S
from appliance.config_file import load_settings
from appliance.demo_config import DEMO_MODEL, DemoPlaces, demo_backends, demo_config
from appliance.wiring_models import bundle_problems
from firmware_bridge.bearing_impacts import FaultKind
from models.backends.network import BackendOptions
from models.backends.numpy_reference import NumpyReference
from models.backends.table import backend_named
from models.manifest import golden_differences, golden_inputs
from models.manifest_entries import Precision
from models.network_judge import NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from models.store import read_bundle
from tests.fakes.machine_items import MOTOR, S, channels, motor_items, run

MAX_BYTES = 50_000
pytestmark = pytest.mark.timeout(300)  # kernels may have to be compiled first


def test_it_is_small_and_was_trained_on_the_simulator_alone() -> None:
    assert DEMO_MODEL.stat().st_size < MAX_BYTES
    bundle = read_bundle(DEMO_MODEL)
    assert {one.precision for one in bundle.manifest.artefacts} == {Precision.INT8}
    assert "16 simulated machines" in bundle.model_card
    learn_s = PROFILES["demo"].learning.learn_s
    assert f"after baselines of {learn_s:g} s" in bundle.model_card, "its limit is of the demo's baselines"
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


class Watched:
    """A simulated machine that was not taught, through the analysis of the demo."""

    def __init__(self, seed: int, seconds: float, by_network: bool, fault_at_s: float | None = None) -> None:
        bundle = read_bundle(DEMO_MODEL)
        backend = NumpyReference()
        backend.load(bundle.manifest, bundle.artefact_bytes("numpy_reference"))
        judge = NetworkJudge(bundle.manifest, asked_of(backend))
        own = channels(axes="z")
        seats = {one.channel_id: NetworkSeat(lambda: judge) for one in own} if by_network else {}
        analysis = AssetAnalysis(MOTOR, own, replace(PROFILES["demo"], networks=seats))
        fault = None if fault_at_s is None else FaultKind.OUTER_RACE
        found = run(
            analysis,
            motor_items(
                seed, seconds, fault=fault, fault_at_s=fault_at_s or 0.0, growth_s=GROWTH_S, axes="z"
            ),
        )
        self.scores = found.scores
        raised = [one for one in found.transitions if one.what == "raised"]
        self.alarm_s = raised[0].alarm.changed_ns / S if raised else None


# Its first 40 s, which are the baseline, lie beside the usual: a network that was taught on machines moved by
# the medians of all their running, with a limit fitted on such rows, called it at 62 s.
UNUSUAL_BEGINNING = 3


def test_a_healthy_machine_whose_baseline_lies_beside_the_usual_raises_nothing() -> None:
    watched = Watched(UNUSUAL_BEGINNING, 80.0, by_network=True)
    assert watched.alarm_s is None
    assert len(watched.scores) > 50
    assert {score.backend for score in watched.scores} == {"numpy_reference"}
    assert all("demo-motor" in score.model_version for score in watched.scores)
    assert max(score.value for score in watched.scores) < 0.9
    assert np.mean([score.unsmoothed > 1.0 for score in watched.scores]) < 0.01


def test_a_growing_fault_is_called_before_the_statistical_detector_does() -> None:
    by_network, by_detector = (
        Watched(UNUSUAL_BEGINNING, 66.0, by_network=own, fault_at_s=48.0) for own in (True, False)
    )
    assert by_detector.alarm_s is None
    assert len(by_detector.scores) > 30
    assert by_network.alarm_s is not None
    assert by_network.alarm_s > 48.0


def test_without_runtimes_the_demo_has_no_network() -> None:
    assert "[models]" not in demo_config(DemoPlaces("/dev/none", 4, 8))
