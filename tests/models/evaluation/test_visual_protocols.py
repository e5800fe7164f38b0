"""The protocols on pictures: who teaches, who judges, what is counted; labels stay shut until then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from models.errors import EvaluationError
from models.evaluation.picture_baselines import cell_statistics, nearest_class, texture
from models.evaluation.protocol import Picture, Run, Unit
from models.evaluation.result import TaskResult
from models.evaluation.sealed import RevealedLabel, SealedLabel
from models.evaluation.visual_anomaly_protocol import CELLS, Judge, VisualAnomalyProtocol, grown
from models.evaluation.visual_classification_protocol import (
    TEXTURE,
    NameKind,
    Taught,
    VisualClassificationProtocol,
    folds_of,
)
from models.machine import Machine
from models.vision.inspection import UInt8Array
from tests.fakes import picture_bundles as drawn


def unit(picture: UInt8Array, state: str, fault: str | None = None, mask: np.ndarray | None = None) -> Unit:
    columns = {} if mask is None else {"mask": mask}
    return Unit(
        name="a picture",
        layout="images_masks",
        content=Picture(picture),
        sealed=SealedLabel(RevealedLabel({"state": state, "fault": fault}, columns)),
        machine=Machine("machine", "machine"),
    )


def tiles(exposures: int = 2, good: int = 20, bad: int = 5, step: float = 40) -> list[Unit]:
    from dataclasses import replace

    chance = np.random.default_rng(8)
    units = []
    for number in range(exposures):
        own = [unit(drawn.surface(chance), "healthy") for _ in range(good)]
        for _ in range(bad):
            picture, mask = drawn.with_spot(drawn.surface(chance), step, 50, 30)
            own.append(unit(picture, "defect", "spot", mask))
        units += [replace(one, group=f"exp{number}") for one in own]
    return units


def by_variant(results: list[TaskResult]) -> dict[str, TaskResult]:
    return {result.variant: result for result in results}


class Brightest:
    """A model that needs no training: how far each cell is from the middle; keeps what taught it."""

    def __init__(self) -> None:
        self.taught: list[UInt8Array] = []

    def __call__(self, good: Sequence[UInt8Array]) -> dict[str, dict[str, Judge]]:
        self.taught += list(good)

        def judge(picture: UInt8Array) -> tuple[float, np.ndarray]:
            cells = picture.astype(np.float32).reshape(8, 8, 12, 8).mean(axis=(1, 3))
            heat = np.abs(cells - 110) / 10
            return float(heat.max()), heat

        def random(picture: UInt8Array) -> tuple[float, np.ndarray]:
            return float(picture[0, 0]), np.zeros((8, 12), np.float32)

        return {"int8": {"first": judge, "second": random}, "float32": {"first": judge}}


def test_the_first_sixty_percent_of_each_exposure_teach_and_the_rest_judge() -> None:
    units, model = tiles(), Brightest()
    found = by_variant(
        VisualAnomalyProtocol(model, {"steps": 1}).evaluate("tiles", "visual_anomaly", units, [], Run())
    )
    assert len(model.taught) == 2 * 12
    assert model.taught[0] is units[0].picture
    assert model.taught[12] is units[25].picture
    assert list(found) == ["int8", "float32", CELLS]
    best = found["int8"]
    assert best.metrics["image_auroc"] == 1.0
    assert best.metrics["pixel_auroc"] > 0.95  # type: ignore[operator]
    assert best.counts["good"] == 2 * 8
    assert best.counts["defective"] == 2 * 5
    assert best.counts["first_image_auroc"] == 1.0
    assert best.counts["second_image_auroc"] < 0.9
    assert [(rate.k, rate.n) for rate in best.rates] == [(0, 16), (10, 10)]
    assert found[CELLS].metrics["image_auroc"] == 1.0


def test_an_exposure_with_few_good_pictures_teaches_nothing_and_its_defects_count_apart() -> None:
    from dataclasses import replace

    few = [replace(one, group="exp9") for one in tiles(exposures=1, good=13, step=0)]
    model = Brightest()
    said: list[str] = []
    found = by_variant(
        VisualAnomalyProtocol(model).evaluate("tiles", "visual_anomaly", [*tiles(), *few], [], Run())
    )
    assert len(model.taught) == 2 * 12
    assert found["int8"].metrics["image_auroc"] == 1.0
    assert found["int8"].counts["defective"] == 10
    assert found["int8"].counts["all_defects"] < 0.95
    protocol = VisualAnomalyProtocol()
    assert protocol.evaluate("tiles", "visual_anomaly", few, [], Run(remark=said.append)) == []
    assert "too few good pictures" in said[0]


def test_without_models_the_baseline_judges_and_it_is_said() -> None:
    said: list[str] = []
    found = VisualAnomalyProtocol().evaluate("tiles", "visual_anomaly", tiles(), [], Run(remark=said.append))
    assert [result.variant for result in found] == [CELLS]
    assert "--vision" in said[0]


def test_cells_grow_to_pixels_with_their_middles_kept() -> None:
    heat = np.array([[0.0, 8.0], [4.0, 0.0]], np.float32)
    found = grown(heat, (16, 15))
    assert found.shape == (16, 15)
    assert found[0, 0] == 0.0
    assert found[15, 0] == 4.0
    assert found[3, 6] == pytest.approx((found[3, 5] + found[3, 7]) / 2)
    assert found.max() <= 8.0


def kinds(n: int = 10) -> list[Unit]:
    chance = np.random.default_rng(3)
    units = []
    for kind, step in (("bright", 60), ("dark", -60), ("even", 0)):
        for _ in range(n):
            picture, _ = drawn.with_spot(drawn.surface(chance), step, 40, 30)
            units.append(unit(picture, "defect", kind))
    return units


def test_folds_are_blocks_of_neighbours_of_a_kind() -> None:
    assert folds_of(["a"] * 5 + ["b"] * 10) == [0, 1, 2, 3, 4, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_no_model_names_the_kind_of_a_picture_that_taught_it() -> None:
    units = kinds()
    seen: list[set[int]] = []

    def teach(taught: Taught) -> dict[str, dict[str, NameKind]]:
        own = {id(picture) for picture, _ in taught}
        seen.append(own)
        assert {truth.fault for _, truth in taught} == {"bright", "dark", "even"}

        def name(picture: UInt8Array) -> str:
            assert id(picture) not in own
            rest = picture.astype(np.float64) - 110
            return "bright" if rest.max() > 50 else "dark" if rest.min() < -50 else "even"

        return {"int8": {"first": name}}

    found = by_variant(
        VisualClassificationProtocol(teach).evaluate("steel", "visual_classification", units, [], Run())
    )
    assert len(seen) == 5
    assert all(len(own) == 24 for own in seen)
    assert found["int8"].metrics["accuracy"] == 1.0
    assert found["int8"].counts["right"] == found["int8"].counts["pictures"] == 30
    assert found[TEXTURE].metrics["accuracy"] > 0.9  # type: ignore[operator]
    with pytest.raises(EvaluationError):
        units[0].sealed.write("late", "bright")


def test_too_few_pictures_of_a_kind_are_said() -> None:
    said: list[str] = []
    found = VisualClassificationProtocol().evaluate(
        "steel", "visual_classification", kinds(2), [], Run(remark=said.append)
    )
    assert found == []
    assert "not scored" in said[0]


def test_the_baselines_learn_what_they_are_given() -> None:
    chance = np.random.default_rng(2)
    good = [drawn.surface(chance) for _ in range(6)]
    learned = cell_statistics(good)
    worse, _ = drawn.with_spot(drawn.surface(chance), 50, 40, 30)
    assert learned.judge(worse)[0] > 2 * max(learned.judge(one)[0] for one in good)
    odd = good[0][:61, :90]
    assert learned.judge(odd)[1].shape == (8, 12)
    rows = np.stack([texture(one.picture) for one in kinds(6)])
    labels = ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    assert nearest_class(rows, labels, rows) == labels
