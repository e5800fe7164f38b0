"""Grey values to a network's input, its evidence to a verdict: the arithmetic and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.errors import ManifestError, PictureError, TensorError
from models.vision import picture_score as score
from models.vision.inspection import Inspection, grey
from models.vision.picture_score import PictureForm, PictureSpec

GOOD = PictureSpec(PictureForm.GOOD_PARTS, (32, 48), 1, (4, 6), (), True, 8.0, 4.0, 2)
KINDS = PictureSpec(PictureForm.SEGMENTER, (64, 96), 2, (4, 6), ("crack", "stain"), False, 48.0, 4.0, 3)
CHANCE = np.random.default_rng(6)
SEEN = np.full((1, 32, 48), 90.0, np.float32)


def test_another_lamp_is_no_defect_where_a_picture_is_its_own_measure() -> None:
    picture = CHANCE.uniform(60, 160, (1, 32, 48)).astype(np.float32)
    brighter = picture * 1.4 + 20
    np.testing.assert_allclose(
        score.network_input(GOOD, picture), score.network_input(GOOD, brighter), atol=1e-5
    )
    fixed = replace(KINDS, picture_size_px=(32, 48), shrink=1)
    assert np.abs(score.network_input(fixed, picture) - score.network_input(fixed, brighter)).max() > 0.5


def test_an_even_picture_is_not_blown_up_and_nothing_passes_the_reach() -> None:
    even = np.full((1, 32, 48), 90.0, np.float32)
    even[0, 5, 5] = 94.0
    assert np.abs(score.network_input(GOOD, even)).max() < 1.0
    even[0, 5, 5] = 255.0
    assert score.network_input(GOOD, even).max() == 4.0
    even[0, 7, 7] = np.nan
    assert np.isfinite(score.network_input(GOOD, even)).all()


def test_heat_is_the_cost_of_calling_a_cell_sound() -> None:
    evidence = CHANCE.normal(0, 3, (4, 6, 2)).astype(np.float32)
    probability_of_none = 1.0 / (1.0 + np.exp(evidence.astype(np.float64)).sum(axis=-1))
    np.testing.assert_allclose(score.heat_of(evidence), -np.log(probability_of_none), rtol=1e-9)
    assert (score.heat_of(np.full((4, 6, 1), -500, np.float32)) > 0).all()
    assert score.heat_of(np.full((1, 1, 1), 900, np.float32))[0, 0] == pytest.approx(900)


def test_a_result_holds_score_kinds_and_heat_and_is_taken_apart() -> None:
    evidence = np.full((1, 4, 6, 2), -6.0, np.float32)
    evidence[0, 2, 3] = (-1.0, 5.0)
    evidence[0, 2, 4] = (-1.0, 4.0)
    row = score.results(KINDS, SEEN, evidence, limit=0.5)[0]
    assert row.shape == (KINDS.values,) == (1 + 2 + 24,)
    found = score.taken_apart(KINDS, row)
    heat = score.heat_of(evidence)[0]
    assert found.score == pytest.approx(np.sort(heat.ravel())[-3:].mean() / 0.5, rel=1e-6)
    np.testing.assert_allclose(found.heat, heat / 0.5, rtol=1e-6)
    assert np.unravel_index(found.heat.argmax(), found.heat.shape) == (2, 3)
    assert found.kind_shares[1] > 0.9
    assert found.kind_shares.sum() == pytest.approx(1.0)


def test_the_figure_of_golden_vectors_changes_with_every_part() -> None:
    rows = score.results(KINDS, SEEN, CHANCE.normal(0, 2, (1, 4, 6, 2)).astype(np.float32), 1.0)
    figure = score.figures(KINDS, rows)[0]
    for position in (0, 1, 2, 3, 26):
        changed = rows.copy()
        changed[0, position] += 3.0
        assert abs(score.figures(KINDS, changed)[0] - figure) > 0.1


def test_shrinking_averages_and_mirroring_repeats() -> None:
    picture = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(score.shrunk(picture, 2), [[2.5, 4.5], [8.5, 10.5]])
    assert score.shrunk(picture, 1) is picture
    grown = score.mirrored(picture, (7, 4))
    np.testing.assert_array_equal(grown[:, 0], [0, 4, 8, 8, 4, 0, 0])
    assert score.mirrored(picture, (2, 2)).tolist() == [[0, 1], [4, 5]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shrink": 0}, "shrink"),
        ({"picture_size_px": (33, 48)}, "picture_size_px"),
        ({"map_shape": (33, 6)}, "map_shape"),
        ({"kinds": ("crack",)}, "kinds"),
        ({"form": PictureForm.SEGMENTER}, "kinds"),
        ({"form": PictureForm.SEGMENTER, "kinds": ("a", "a")}, "kinds"),
        ({"spread": 0.0}, "spread"),
        ({"reach": float("nan")}, "reach"),
        ({"top_cells": 0}, "top_cells"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(changes: dict[str, object], words: str) -> None:
    score.check(GOOD, (32, 48), "manifest.picture")
    with pytest.raises(ManifestError, match=words):
        score.check(replace(GOOD, **changes), (32, 48), "manifest.picture")  # type: ignore[arg-type]
    with pytest.raises(ManifestError, match="height, width"):
        score.check(GOOD, (32,), "manifest.picture")


def test_other_shapes_are_refused() -> None:
    with pytest.raises(TensorError):
        score.network_input(GOOD, np.zeros((32, 48), np.float32))
    with pytest.raises(TensorError):
        score.results(GOOD, SEEN, np.zeros((1, 4, 5, 1), np.float32), 1.0)


def test_a_picture_of_another_size_or_type_is_refused_in_words() -> None:
    for wrong in (np.zeros((4, 5)), np.zeros((4, 6), np.uint8), np.zeros((4, 5, 4), np.uint8), None):
        with pytest.raises(PictureError, match=r"expected 8-bit values of shape \(4, 5\)"):
            grey(wrong, (4, 5))  # type: ignore[arg-type]
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[..., 1] = 100
    assert grey(colours, (4, 5)).tolist() == [[59] * 5] * 4  # ITU-R BT.601: 0.587 of green
    assert grey(np.full((4, 5, 3), 255, np.uint8), (4, 5)).min() == 255


@pytest.mark.parametrize(
    ("value", "is_defect", "is_unsure"),
    [(0.5, False, False), (0.95, False, True), (1.0, False, True), (1.05, True, True), (1.2, True, False)],
)
def test_an_inspection_says_defect_and_unsure(value: float, is_defect: bool, is_unsure: bool) -> None:
    one = Inspection(value, 1.0, None, None, np.zeros((1, 1), np.float32))
    assert (one.is_defect, one.is_unsure) == (is_defect, is_unsure)
    assert not replace(one, unsure_band=0.0).is_unsure


def test_the_rim_sees_past_the_end_of_the_picture_and_is_not_judged() -> None:
    heat = np.zeros((5, 6))
    heat[0, 3] = heat[4, 0] = heat[2, 5] = 9.0
    heat[3, 4] = 2.0
    assert score.raw_score(heat, 1) == 2.0
    assert score.raw_score(np.full((3, 9), 4.0), 1) == 4.0
