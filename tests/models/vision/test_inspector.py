"""A bundle over pictures in child processes: verdict, place, kind, and what happens when a runtime dies.

The networks are put together by hand: no torch is needed.
"""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from models.backends.network import BackendOptions
from models.bundle import Bundle
from models.errors import ArtefactError, InferenceError, PictureError
from models.fallback_chain import ChainRules, TierState
from models.host_tiers import Tier
from models.vision.inspector import NetworkInspector
from tests.fakes import picture_bundles as drawn
from tests.fakes.linear_bundle import linear_bundle

RULES = ChainRules(
    deadline_ns=20_000_000_000, backoff_ns=100_000_000
)  # a loaded machine must not fail a test
RUNTIMES = ("onnxruntime", "openvino", "litert", "numpy_reference")
CHANCE = np.random.default_rng(12)
PLACE = (61, 22)  # x, y


def picture(step: float, shift: int = 0) -> np.ndarray:
    good = drawn.surface(CHANCE)
    found, _ = drawn.with_spot(good, step, *PLACE)
    return np.clip(found.astype(np.int16) + shift, 0, 255).astype(np.uint8)


def serving(inspector: NetworkInspector, n: int = 1) -> None:
    until = time.monotonic() + 60
    while sum(tier.state is TierState.SERVING for tier in inspector.report()) < n:
        assert time.monotonic() < until, inspector.report()
        time.sleep(0.02)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_finds_the_defect_and_its_place(runtime: str) -> None:
    with NetworkInspector(drawn.int8_bundle(), (Tier(runtime),), RULES) as inspector:
        serving(inspector)
        assert inspector.picture_size_px == drawn.SIZE_PX
        good, bad = inspector.inspect(picture(0)), inspector.inspect(picture(45))
        assert good.backend == bad.backend == runtime
        assert not good.is_defect
        assert bad.is_defect
        assert bad.kind is None
        assert bad.position_px is not None
        assert np.abs(np.array(bad.position_px) - PLACE).max() <= 8
        assert bad.heat_map.shape == (8, 12)
        colours = np.repeat(picture(-45)[..., np.newaxis], 3, axis=2)
        assert inspector.inspect(colours).is_defect


def test_a_segmenter_names_the_kind() -> None:
    bundle = drawn.int8_bundle(drawn.SEGMENTER)
    with NetworkInspector(bundle, (Tier("onnxruntime"),), RULES) as inspector:
        serving(inspector)
        assert inspector.kinds == (drawn.BRIGHT, drawn.DARK)
        assert inspector.inspect(picture(50, 18)).kind == drawn.BRIGHT
        assert inspector.inspect(picture(-50, 18)).kind == drawn.DARK
        sound = inspector.inspect(picture(0, 18))
        assert (sound.is_defect, sound.kind) == (False, None)


def test_what_is_no_picture_of_its_camera_is_refused() -> None:
    with NetworkInspector(drawn.int8_bundle(), rules=RULES) as inspector:
        for wrong in (np.zeros((64, 95), np.uint8), np.zeros((64, 96)), np.zeros((64, 96, 4), np.uint8)):
            with pytest.raises(PictureError, match=r"\(64, 96\)"):
                inspector.inspect(wrong)  # type: ignore[arg-type]


def test_before_a_runtime_serves_there_is_no_verdict() -> None:
    inspector = NetworkInspector(drawn.int8_bundle(), rules=RULES)  # nothing was started
    with pytest.raises(InferenceError, match="not started"):
        inspector.inspect(picture(0))


def test_the_next_runtime_answers_when_the_first_dies_and_gives_it_back() -> None:
    tiers = (Tier("onnxruntime"), Tier("numpy_reference"))
    with NetworkInspector(drawn.int8_bundle(), tiers, RULES) as inspector:
        serving(inspector, 2)
        inspector.moves()
        pid = inspector.report()[0].pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        found = inspector.inspect(picture(45))
        assert found.is_defect
        assert found.backend in ("numpy_reference", "onnxruntime")
        serving(inspector, 2)
        assert inspector.inspect(picture(0)).backend == "onnxruntime"
        assert any(move.down for move in inspector.moves())


def test_golden_pictures_ride_along_and_damage_is_seen_before_a_verdict() -> None:
    """Other weights under right digests: the runtime parses them, the golden pictures refuse them."""
    from dataclasses import replace

    from models.bundle import artefact_of
    from models.network import from_artefact, to_artefact

    bundle = drawn.float_bundle()
    network = from_artefact(bundle.files["float32.json"])
    last = network.layers[-1]
    other = to_artefact(
        replace(network, layers=(*network.layers[:-1], replace(last, weights=last.weights * 1.2)))
    )
    entry = artefact_of(bundle.manifest.artefacts[0], "float32.json", other)
    damaged = Bundle(replace(bundle.manifest, artefacts=(entry,)), {**bundle.files, "float32.json": other})
    with NetworkInspector(damaged, (Tier("numpy_reference"),), RULES) as inspector:
        until = time.monotonic() + 60
        while "wrong answers" not in inspector.report()[0].reason:
            assert time.monotonic() < until
            time.sleep(0.02)
        with pytest.raises(InferenceError, match="wrong answers"):
            inspector.inspect(picture(0))
    with NetworkInspector(bundle, (Tier("numpy_reference", BackendOptions()),), RULES) as inspector:
        serving(inspector)
        for _ in range(40):  # every 16th call carries a golden picture
            assert not inspector.inspect(picture(0)).is_defect


def test_a_bundle_of_rows_inspects_nothing() -> None:
    with pytest.raises(ArtefactError, match="inspects no pictures"):
        NetworkInspector(linear_bundle())


def test_large_pictures_are_shrunk_and_places_are_of_the_camera_s() -> None:
    from models.training.picture_fitting import PictureFitSettings
    from models.training.picture_making import PictureKind, finished_pictures

    size = (601, 1000)
    pictures = drawn.surfaces(5, good=6, bad=3, shape=size)
    bundle = finished_pictures(
        pictures, PictureKind.GOOD_PARTS, "large", PictureFitSettings(), drawn.averages
    )
    assert bundle.manifest.input_shape == (301, 500)
    with NetworkInspector(bundle, (Tier("numpy_reference"),), RULES) as inspector:
        serving(inspector)
        found, _ = drawn.with_spot(drawn.surface(CHANCE, size), 60, 700, 300, radius=20)
        verdict = inspector.inspect(found)
        assert verdict.is_defect
        assert verdict.position_px is not None
        assert np.abs(np.array(verdict.position_px) - (700, 300)).max() <= 20
