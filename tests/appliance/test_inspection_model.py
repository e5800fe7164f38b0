"""A camera with a bundle: its network inspects, what hangs is replaced and told, a bad one stops nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from appliance.inspection_knowledge import CameraKnowledge
from appliance.inspection_line import LineSettings
from appliance.inspection_model import PictureModel
from appliance.inspection_verdict import PartResult, WhyNone
from models.errors import InferenceError
from models.store import write_bundle
from tests.appliance.inspection_rig import LEARN, inspection_rig
from tests.fakes import picture_bundles as drawn
from tests.fakes.linear_bundle import linear_bundle

CHANCE = np.random.default_rng(7)
DEADLINE_S = 20.0  # half of it for the runtime that hangs


def good() -> np.ndarray:
    return drawn.surface(CHANCE)


def spotted() -> np.ndarray:
    return drawn.with_spot(drawn.surface(CHANCE), 60, 50, 30)[0]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "press.zip"
    write_bundle(drawn.int8_bundle(), path)
    return path


async def test_a_network_inspects_and_when_its_runtime_dies_the_next_one_does_and_it_is_told(
    tmp_path: Path, bundle: Path
) -> None:
    model = PictureModel(bundle, ["onnxruntime", "numpy_reference"], DEADLINE_S)
    assert model.picture_size_px == drawn.SIZE_PX
    model.start()
    try:
        network = model._network
        assert network is not None
        until_s = time.monotonic() + 60
        while any(tier.reason for tier in network.report()):
            assert time.monotonic() < until_s, network.report()
            time.sleep(0.05)
        knowledge = CameraKnowledge(LEARN, model, "onnxruntime")
        async with inspection_rig(tmp_path, LineSettings(60.0), lambda: knowledge) as rig:
            found = await rig.show(good(), spotted())
            assert [one.result for one in found] == [PartResult.GOOD, PartResult.DEFECT]
            assert {one.backend for one in found} == {"onnxruntime"}
            pid = network.report()[0].pid
            assert pid is not None
            os.kill(pid, signal.SIGSTOP)  # it hangs: a kill would be mended before the next picture
            found = await rig.show(spotted(), good(), good())
            assert [one.result for one in found] == [PartResult.DEFECT, PartResult.GOOD, PartResult.GOOD]
            assert "onnxruntime does not answer" in rig.condition("inspection-impaired")
    finally:
        model.close()


async def test_a_bundle_that_cannot_be_used_gives_no_verdict_and_says_why(
    tmp_path: Path, bundle: Path
) -> None:
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(bundle.read_bytes()[:-200])
    rows = tmp_path / "rows.zip"
    write_bundle(linear_bundle(), rows)
    for path, why in ((damaged, "damaged.zip"), (rows, "no pictures"), (tmp_path / "none", "no such")):
        model = PictureModel(path, ["numpy_reference"], DEADLINE_S)
        assert why in model.trouble
        model.start()
        assert not model.serves(0.1)
        with pytest.raises(InferenceError, match=why):
            model.inspect(good())
        model.close()
    model = PictureModel(damaged, ["numpy_reference"], DEADLINE_S)
    async with inspection_rig(tmp_path, make=lambda: CameraKnowledge(LEARN, model)) as rig:
        found = await rig.show(good(), good(), good())
        assert {one.why for one in found} == {WhyNone.FAILED}
        assert "damaged.zip" in found[0].reason
        assert rig.condition("inspection-impaired")
