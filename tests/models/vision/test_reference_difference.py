"""The inspector without a network: finds what good pictures did not show, and says where."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelStateError, PictureError
from models.vision.reference_difference import CELL_PX, ReferenceDifference, ReferenceLearner, cells
from tests.fakes.drawn_parts import DrawnParts


def learned(parts: DrawnParts, n: int = 24) -> ReferenceDifference:
    learner = ReferenceLearner(parts.size_px)
    for _ in range(n):
        learner.observe(parts.good())
    return learner.finish()


def test_spots_are_the_means_of_their_pixels() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (9, 14), np.uint8)
    slow = [
        [picture[y : y + CELL_PX, x : x + CELL_PX].mean() for x in range(0, 12, CELL_PX)]
        for y in range(0, 8, CELL_PX)
    ]
    np.testing.assert_allclose(cells(picture), slow, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_defects_are_found_and_good_parts_pass(seed: int) -> None:
    parts = DrawnParts(seed)
    inspector = learned(parts)
    good = [inspector.inspect(parts.good()) for _ in range(40)]
    assert sum(one.is_defect for one in good) <= 1
    for defect in (parts.scratched, parts.stained):
        found = [inspector.inspect(defect()) for _ in range(20)]
        assert all(one.is_defect for one in found), [one.score / one.limit for one in found]


def test_the_peak_lies_on_the_defect_and_the_heat_map_is_greatest_there() -> None:
    parts = DrawnParts(5)
    inspector = learned(parts)
    picture = parts.good()
    picture[40:52, 90:102] = 255
    found = inspector.inspect(picture)
    assert found.position_px is not None
    x, y = found.position_px
    assert 88 <= x <= 104
    assert 38 <= y <= 54
    assert found.heat_map.max() == pytest.approx(found.score)
    assert found.heat_map.shape == (30, 40)


def test_light_that_wanders_a_little_is_no_defect() -> None:
    parts = DrawnParts(6)
    inspector = learned(parts)
    brighter = np.clip(parts.good().astype(np.int16) + 6, 0, 255).astype(np.uint8)
    assert not inspector.inspect(brighter).is_defect


def test_colours_are_inspected_as_grey_and_another_size_is_refused() -> None:
    parts = DrawnParts(7)
    inspector = learned(parts)
    picture = parts.good()
    assert inspector.inspect(np.stack([picture] * 3, axis=2)).score == pytest.approx(
        inspector.inspect(picture).score, rel=0.05
    )
    with pytest.raises(PictureError, match="160 x 80"):
        inspector.inspect(picture[:80])


def test_what_was_learned_comes_back_and_what_does_not_fit_is_refused() -> None:
    parts = DrawnParts(8)
    inspector = learned(parts)
    back = ReferenceDifference.restored(inspector.state())
    picture = parts.scratched()
    assert back.inspect(picture).score == inspector.inspect(picture).score
    for name, wrong in (("limit", 0.0), ("mean", inspector.mean[:-1]), ("spread", inspector.spread * np.nan)):
        with pytest.raises(ModelStateError):
            ReferenceDifference.restored(inspector.state() | {name: np.asarray(wrong)})
    with pytest.raises(ModelStateError):
        ReferenceDifference.restored({})


def test_too_few_pictures_teach_nothing() -> None:
    parts = DrawnParts(9)
    learner = ReferenceLearner(parts.size_px)
    learner.observe(parts.good())
    with pytest.raises(ModelStateError, match="too few"):
        learner.finish()
    with pytest.raises(PictureError):
        ReferenceLearner((4, 100))
