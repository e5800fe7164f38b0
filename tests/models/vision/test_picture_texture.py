"""Figures of texture and their word on the kind: what they see, what they leave alone, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models.errors import ManifestError
from models.training.picture_textures import LEAST_OF_A_KIND, fit_texture
from models.vision import picture_score as score
from models.vision.picture_score import PictureForm, PictureSpec
from models.vision.picture_texture import (
    FIGURES,
    TextureKinds,
    check_texture,
    texture_figures,
    texture_from_fields,
    with_texture,
)

KINDS = ("along", "across", "coarse")


def surface(kind: str, seed: int, size: int = 64) -> np.ndarray:
    """Grain that is drawn out along, or across, or in large lumps, at a light of its own."""
    chance = np.random.default_rng(seed)
    grain = chance.normal(size=(size, size))
    if kind == "coarse":
        grain = np.kron(chance.normal(size=(size // 8, size // 8)), np.ones((8, 8)))
    else:
        axis = 1 if kind == "along" else 0
        grain = sum(np.roll(grain, shift, axis) for shift in range(6)) / 6**0.5
    return np.clip(chance.uniform(80, 160) + 12 * grain, 0, 255).astype(np.float32)


def taught(n: int = 20, first: int = 0) -> list[tuple[np.ndarray, str]]:
    return [(surface(kind, first + 7 * i + j), kind) for i, kind in enumerate(KINDS) for j in range(n)]


def test_figures_leave_a_step_of_light_alone_and_tell_directions_apart() -> None:
    picture = surface("along", 5)
    figures = texture_figures(picture)
    assert figures.shape == (FIGURES,)
    np.testing.assert_allclose(texture_figures(picture + 20), figures, atol=1e-3)
    turned = texture_figures(picture.T.copy())
    assert abs(turned - figures).max() > 0.3
    np.testing.assert_allclose(turned[1:4], figures[4:7], rtol=1e-4)  # finest edges, down and across
    for odd in (np.zeros((9, 13)), np.full((1, 1), 7.0), np.tile([0.0, 255.0], (50, 25))):
        assert np.isfinite(texture_figures(odd.astype(np.float32))).all()


def test_a_fitted_discriminant_tells_unseen_surfaces_apart_and_is_not_too_sure() -> None:
    texture = fit_texture(taught(), KINDS)
    assert texture is not None
    even = np.full(3, 1 / 3)
    for picture, kind in taught(8, first=1000):
        shares = with_texture(even, texture, texture_figures(picture))
        assert shares.sum() == pytest.approx(1.0)
        assert KINDS[int(shares.argmax())] == kind
    # surfaces whose kinds are names only: no figure knows better than chance, so none may claim it
    chance = np.random.default_rng(2)
    same = [(surface("along", i), str(chance.choice(KINDS[:2]))) for i in range(60)]
    unsure = fit_texture(same, KINDS[:2])
    assert unsure is not None
    shares = [with_texture(even[:2], unsure, texture_figures(surface("along", 500 + i))) for i in range(20)]
    assert np.median([one.max() for one in shares]) < 0.8


def test_too_few_pictures_of_a_kind_fit_nothing() -> None:
    assert fit_texture(taught(LEAST_OF_A_KIND - 1), KINDS) is None
    assert fit_texture([(surface("along", i), "along") for i in range(40)], ("along",)) is None


def test_network_and_texture_outvote_each_other_by_how_sure_they_are() -> None:
    texture = TextureKinds(((0.0,) * FIGURES,) * 2, (1.0, 0.0))  # e to 1 for the first
    figures = np.zeros(FIGURES)
    assert with_texture(np.array([0.5, 0.5]), texture, figures)[0] == pytest.approx(np.e / (1 + np.e))
    assert with_texture(np.array([0.1, 0.9]), texture, figures).argmax() == 1
    surest = with_texture(np.array([0.0, 1.0]), texture, figures)  # counts as 1 in 100, not as never
    assert surest[0] == pytest.approx(0.01 * np.e / (1 + 0.01 * np.e))
    strong = replace(texture, bias=(6.0, 0.0))
    assert with_texture(np.array([0.0, 1.0]), strong, figures).argmax() == 0
    certain = with_texture(np.array([1.0, 0.0]), replace(texture, bias=(1e6, -1e6)), figures)
    assert certain.tolist() == [1.0, 0.0]


def test_a_result_carries_the_common_word_and_its_score_and_heat_stay_the_networks() -> None:
    texture = TextureKinds(((0.0,) * FIGURES,) * 2, (3.0, 0.0))
    spec = PictureSpec(PictureForm.SEGMENTER, (32, 48), 1, (4, 6), ("a", "b"), True, 8.0, 4.0, 3)
    evidence = np.random.default_rng(1).normal(0, 2, (1, 4, 6, 2)).astype(np.float32)
    seen = np.full((1, 32, 48), 90.0, np.float32)
    seen[0, 3, 3] = np.nan
    alone = score.results(spec, seen, evidence, 1.0)[0]
    both = score.results(replace(spec, texture=texture), seen, evidence, 1.0)[0]
    np.testing.assert_array_equal(both[[0, *range(3, 27)]], alone[[0, *range(3, 27)]])
    assert both[1] > alone[1]
    assert both[1:3].sum() == pytest.approx(1.0)


def test_a_discriminant_that_does_not_fit_is_refused() -> None:
    fields = {"weights": [[0.5] * FIGURES] * 2, "bias": [1.0, 2.0]}
    texture = texture_from_fields(json.loads(json.dumps(fields)), "t")
    assert texture.weights[1] == (0.5,) * FIGURES
    check_texture(texture, ("a", "b"), "t")
    with pytest.raises(ManifestError, match="2 kinds; the model has 3"):
        check_texture(texture, ("a", "b", "c"), "t")
    with pytest.raises(ManifestError, match=f"rows of {FIGURES}"):
        check_texture(replace(texture, weights=((0.5,), (0.5,))), ("a", "b"), "t")
    for wrong, words in (
        ({"weights": [["x"]], "bias": []}, r"t.weights\[0\]"),
        ({"weights": [3], "bias": []}, r"t.weights\[0\]"),
        ({"weights": [], "bias": [float("nan")]}, r"t.bias\[0\]"),
        ({"weights": []}, "lacks bias"),
    ):
        with pytest.raises(ManifestError, match=words):
            texture_from_fields(wrong, "t")
