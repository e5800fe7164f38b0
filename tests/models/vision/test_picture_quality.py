"""A picture that cannot be judged is named for what it is; a defect is never taken for a bad picture."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelStateError
from models.vision.picture_quality import (
    ABSOLUTE,
    PictureFault,
    QualityLimits,
    learned_quality,
    picture_figures,
)
from tests.fakes.drawn_parts import DrawnParts


def limits(parts: DrawnParts) -> QualityLimits:
    return learned_quality([picture_figures(parts.good()) for _ in range(20)])


@pytest.mark.parametrize(
    ("seed", "size_px"), [(0, (120, 160)), (1, (120, 160)), (2, (120, 160)), (3, (480, 640))]
)
def test_every_fault_is_named_and_parts_are_judged(seed: int, size_px: tuple[int, int]) -> None:
    parts = DrawnParts(seed, size_px)
    learned = limits(parts)
    faults = {
        PictureFault.DARK: parts.lamp_out,
        PictureFault.OVER_EXPOSED: parts.over_exposed,
        PictureFault.BLURRED: parts.blurred,
    }
    for fault, draw in faults.items():
        verdict = learned.verdict(picture_figures(draw()))
        assert verdict.fault is fault
        assert fault in verdict.text
    assert not learned.verdict(picture_figures(parts.empty())).usable
    for draw in (parts.good, parts.scratched, parts.stained):
        found = [learned.verdict(picture_figures(draw())) for _ in range(10)]
        assert all(one.usable for one in found), [one.text for one in found]


def test_dirt_on_a_third_of_the_lens_is_seen() -> None:
    parts = DrawnParts(4)
    learned = limits(parts)
    picture, greased = parts.good(), parts.blurred()
    picture[:, 40:110] = greased[:, 40:110]
    assert learned.verdict(picture_figures(picture)).fault is PictureFault.BLURRED


def test_figures_are_what_they_say() -> None:
    picture = np.zeros((64, 64), np.uint8)
    picture[:, 32:] = 200
    picture[:16, 32:] = 255
    figures = picture_figures(picture)
    assert figures.mean_grey == pytest.approx(picture.mean())
    assert figures.bright_part == pytest.approx(0.125)
    assert figures.contrast_grey == 255.0
    assert figures.detail[0, 0] == 0.0  # nothing happens in the left half
    assert figures.detail[1, 2] > 10.0  # the edge lies at the begin of the third column of tiles


def test_before_anything_is_learned_only_what_is_hopeless_is_refused() -> None:
    parts = DrawnParts(3)
    assert ABSOLUTE.verdict(picture_figures(parts.lamp_out())).fault is PictureFault.DARK
    assert (
        ABSOLUTE.verdict(picture_figures(np.full((64, 64), 254, np.uint8))).fault is PictureFault.OVER_EXPOSED
    )
    assert ABSOLUTE.verdict(picture_figures(np.full((64, 64), 90, np.uint8))).fault is PictureFault.FLAT
    assert ABSOLUTE.verdict(picture_figures(parts.good())).usable


def test_what_was_learned_comes_back_and_too_little_is_refused() -> None:
    parts = DrawnParts(2)
    learned = limits(parts)
    back = QualityLimits.restored(learned.state())
    assert back.state()["figures"].tolist() == learned.state()["figures"].tolist()
    assert back.verdict(picture_figures(parts.blurred())).fault is PictureFault.BLURRED
    with pytest.raises(ModelStateError):
        QualityLimits.restored({"figures": [1.0]})
    with pytest.raises(ModelStateError, match="too few"):
        learned_quality([picture_figures(parts.good())])
