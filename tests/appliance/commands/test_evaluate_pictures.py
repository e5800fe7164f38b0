"""Zips of pictures become units with sealed marks; what cannot be read is said, and the others are judged."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.commands.evaluate import evaluate
from appliance.commands.evaluate_units import read_units
from appliance.png_picture import encode_png
from models.evaluation.protocol import Unit
from models.evaluation.visual_anomaly_protocol import CELLS
from tests.fakes import picture_bundles as drawn

pytest.importorskip("cv2", reason="pictures need OpenCV: the extra [vision]")
VOC = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"


def entry(file: str, state: str, fault: str | None, layout: str, task: str) -> dict[str, Any]:
    return {
        "dataset": "parts", "file": file, "task": task, "layout": layout,
        "label": {"state": state, "fault": fault},
    }  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    chance = np.random.default_rng(6)
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        for number in range(20):
            archive.writestr(f"Free/exp3_num_{number}.png", encode_png(drawn.surface(chance)))
    with zipfile.ZipFile(tmp_path / "spots.zip", "w") as archive:
        for number in range(6):
            picture, mask = drawn.with_spot(drawn.surface(chance), 50, 40, 30)
            archive.writestr(f"Spot/exp3_num_{number}.png", encode_png(picture))
            archive.writestr(f"Spot/exp3_num_{number}.mask.png", encode_png((255 * mask).astype(np.uint8)))
        archive.writestr("Spot/exp3_num_9.png", b"\x89PNG\r\n\x1a\n cut")
    for kind, step in (("bright", 50), ("dark", -50)):
        with zipfile.ZipFile(tmp_path / f"{kind}.zip", "w") as archive:
            for number in range(10):
                picture, _ = drawn.with_spot(drawn.surface(chance), step, 40, 30)
                archive.writestr(f"{kind}/{number}.png", encode_png(picture))
                archive.writestr(f"{kind}/{number}.xml", VOC.format(34, 24, 48, 38))
    (tmp_path / "no.zip").write_bytes(b"PK no zip")
    return tmp_path


ANOMALY = [
    entry("good.zip", "healthy", None, "images_masks", "visual_anomaly"),
    entry("spots.zip", "defect", "spot", "images_masks", "visual_anomaly"),
    entry("no.zip", "defect", "spot", "images_masks", "visual_anomaly"),
]
KINDS = [
    entry(f"{kind}.zip", "defect", kind, "images_boxes", "visual_classification")
    for kind in ("bright", "dark")
]


def test_each_picture_is_a_unit_and_its_marks_are_sealed(folder: Path) -> None:
    said: list[str] = []
    units = list(read_units(folder, ANOMALY[1], said.append))
    whole = [one for one in units if isinstance(one, Unit)]
    assert len(whole) == 6
    assert len(units) == 7
    assert "exp3_num_9" in said[0]
    assert {one.group for one in whole} == {"exp3"}
    assert whole[0].picture.shape == drawn.SIZE_PX
    whole[0].sealed.write("rules", 1.0)
    assert whole[0].sealed.reveal().columns["mask"].sum() > 100
    boxed = next(iter(read_units(folder, KINDS[0], said.append)))
    assert isinstance(boxed, Unit)
    assert boxed.sealed.taught().columns["boxes"].tolist() == [[33, 23, 47, 37]]


def test_a_folder_of_pictures_is_judged(folder: Path) -> None:
    found = evaluate([*ANOMALY, *KINDS], folder)
    anomaly, kinds = found.results
    assert anomaly.variant == CELLS
    assert anomaly.metrics["image_auroc"] == 1.0
    assert anomaly.counts["unreadable"] == 2
    assert kinds.metrics["accuracy"] == 1.0
    assert any("no.zip" in remark for remark in found.remarks)
    json.dumps([dict(one.counts) for one in found.results])


def test_pictures_are_not_judged_as_recordings_nor_the_other_way_round(folder: Path) -> None:
    wrong = evaluate([{**ANOMALY[0], "task": "diagnosis"}], folder)
    assert "nothing that task 'diagnosis' can judge" in " ".join(wrong.remarks)


def test_without_torch_vision_is_refused_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from appliance.__main__ import main

    (folder / "MANIFEST.json").write_text(json.dumps(ANOMALY))
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["evaluate", "--data", str(folder), "--vision"]) == 2
    assert "[train]" in capsys.readouterr().err


def test_networks_are_trained_and_judged_in_both_precisions(folder: Path) -> None:
    pytest.importorskip("torch", reason="training needs torch, which no lock file holds: see pyproject.toml")
    from models.evaluation.visual_anomaly_protocol import VisualAnomalyProtocol
    from models.evaluation.visual_classification_protocol import VisualClassificationProtocol
    from models.training.picture_evaluated import PictureNetworks
    from models.training.picture_fitting import PictureFitSettings

    networks = PictureNetworks(PictureFitSettings(steps=60, batch=4, crop_px=64))
    found = evaluate(
        [*ANOMALY, *KINDS],
        folder,
        protocols=[VisualAnomalyProtocol(networks.good_parts), VisualClassificationProtocol(networks.kinds)],
    )
    by = {(one.task, one.variant): one for one in found.results}
    for task, metric in (("visual_anomaly", "image_auroc"), ("visual_classification", "accuracy")):
        in_int8, in_float = by[task, "int8"].metrics[metric], by[task, "float32"].metrics[metric]
        assert in_float is not None
        assert in_int8 is not None
        assert in_float > 0.7
        assert abs(in_int8 - in_float) < 0.1
    assert "litert_image_auroc" in by["visual_anomaly", "int8"].counts
