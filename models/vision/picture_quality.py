"""Whether a picture can be judged at all: too dark, over-exposed, without contrast, blurred.

Duty: figures of a picture, limits learned from the first good ones, and the sentence for a technician. It
comes before any verdict on a part: a picture that fails here says nothing of the part, least of all that it
is good. Pure NumPy. Does not know cameras.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.errors import ModelStateError
from models.vision.inspection import UInt8Array

TILES = 4  # each way: dirt on a lens blurs a part of the picture
DARK_GREY = 10.0  # a mean below is a lamp that is out, whatever was learned
BRIGHT_GREY = 247  # a pixel from here on is over-exposed
MOST_BRIGHT = 0.9  # part of the pixels, whatever was learned
LEAST_CONTRAST = 4.0  # grey values between the 5th and the 95th percentile, whatever was learned
DARKER_PART = 0.5  # of the least mean that was learned
BRIGHTER_PART = 0.2  # more of the pixels over-exposed than was ever learned
FLATTER_PART = 0.5  # of the least contrast that was learned
BLURRED_PART = 0.65  # of the least detail of a tile that was learned
MOST_BLURRED_TILES = 0.2  # of those that show detail at all
LEAST_DETAIL = 1.5  # grey values: what a tile shows that says more than noise
LEAST_PICTURES = 5


class PictureFault(StrEnum):
    """Why a picture cannot be judged."""

    DARK = "too dark"
    OVER_EXPOSED = "over-exposed"
    FLAT = "low contrast"
    BLURRED = "blurred"


_LIKELY = {
    PictureFault.DARK: "the lamp is out, or the lens is covered",
    PictureFault.OVER_EXPOSED: "foreign light, or the exposure was changed",
    PictureFault.FLAT: "no part in the picture, fog or dirt on the lens",
    PictureFault.BLURRED: "a dirty lens, or the focus has moved",
}


@dataclass(frozen=True, slots=True, eq=False)
class PictureFigures:
    """What a picture is like. `detail`: steps between neighbours, by tile, (TILES, TILES), grey values."""

    mean_grey: float  # 0 to 255
    bright_part: float  # of the pixels, over-exposed
    contrast_grey: float  # between the 5th and the 95th percentile
    detail: Float32Array = field(repr=False)


@dataclass(frozen=True, slots=True)
class QualityVerdict:
    """Whether a picture can be judged; `text` is for a technician, empty where it can."""

    fault: PictureFault | None
    text: str = ""

    @property
    def usable(self) -> bool:
        return self.fault is None


USABLE = QualityVerdict(None)


@dataclass(frozen=True, slots=True, eq=False)
class QualityLimits:
    """What pictures of one camera must hold to be judged, from those that were learned."""

    least_mean_grey: float
    most_bright_part: float
    least_contrast_grey: float
    least_detail: Float32Array = field(repr=False)  # (TILES, TILES); 0 where a tile showed none

    def verdict(self, figures: PictureFigures) -> QualityVerdict:
        """The first thing that is wrong with a picture; `USABLE` where nothing is."""
        if figures.mean_grey < self.least_mean_grey:
            what = (
                f"mean grey value {figures.mean_grey:.0f}, at least {self.least_mean_grey:.0f} is usual here"
            )
            return _faulty(PictureFault.DARK, what)
        if figures.bright_part > self.most_bright_part:
            most = 100 * self.most_bright_part
            what = f"{100 * figures.bright_part:.0f} % of the pixels, {most:.0f} % at most"
            return _faulty(PictureFault.OVER_EXPOSED, what)
        if figures.contrast_grey < self.least_contrast_grey:
            least = self.least_contrast_grey
            what = f"{figures.contrast_grey:.0f} grey values, at least {least:.0f} are usual here"
            return _faulty(PictureFault.FLAT, what)
        shown = self.least_detail > 0.0
        blurred = shown & (figures.detail < self.least_detail)
        if shown.any() and blurred.sum() > MOST_BLURRED_TILES * shown.sum():
            what = f"{int(blurred.sum())} of {int(shown.sum())} parts of the picture lack their usual detail"
            return _faulty(PictureFault.BLURRED, what)
        return USABLE

    def state(self) -> dict[str, Any]:
        """All that `restored` needs, as arrays."""
        figures = [self.least_mean_grey, self.most_bright_part, self.least_contrast_grey]
        return {"figures": np.array(figures, np.float64), "least_detail": self.least_detail}

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> QualityLimits:
        """From what `state` gave. Raises ModelStateError."""
        try:
            mean, bright, contrast = (float(value) for value in state["figures"])
            detail = np.asarray(state["least_detail"], np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(
                f"what was learned of a camera's pictures cannot be read: {error}"
            ) from error
        if detail.shape != (TILES, TILES) or not np.isfinite([mean, bright, contrast, *detail.ravel()]).all():
            raise ModelStateError("what was learned of a camera's pictures is not of this release")
        return cls(mean, bright, contrast, detail)


ABSOLUTE = QualityLimits(DARK_GREY, MOST_BRIGHT, LEAST_CONTRAST, np.zeros((TILES, TILES), np.float32))
"""What holds before anything is learned."""


def learned_quality(figures: Sequence[PictureFigures]) -> QualityLimits:
    """Limits from pictures of good parts. Raises ModelStateError for too few."""
    if len(figures) < LEAST_PICTURES:
        raise ModelStateError(f"{len(figures)} pictures are too few: {LEAST_PICTURES} are least")
    detail = np.min([one.detail for one in figures], axis=0)
    return QualityLimits(
        max(DARK_GREY, DARKER_PART * min(one.mean_grey for one in figures)),
        min(MOST_BRIGHT, BRIGHTER_PART + max(one.bright_part for one in figures)),
        max(LEAST_CONTRAST, FLATTER_PART * min(one.contrast_grey for one in figures)),
        np.where(detail >= LEAST_DETAIL, BLURRED_PART * detail, 0.0).astype(np.float32),
    )


def picture_figures(picture: UInt8Array) -> PictureFigures:
    """Figures of a grey picture `(h, w)` of at least 4 x TILES pixels each way."""
    counts = np.bincount(picture.ravel(), minlength=256)
    n_pixels = picture.size
    reached = np.cumsum(counts)
    low, high = np.searchsorted(reached, (0.05 * n_pixels, 0.95 * n_pixels))
    return PictureFigures(
        float(counts @ np.arange(256)) / n_pixels,
        float(counts[BRIGHT_GREY:].sum()) / n_pixels,
        float(high - low),
        _detail(picture),
    )


def _detail(picture: UInt8Array) -> Float32Array:
    """Root mean square step between neighbouring 2 x 2 means, by tile: a pixel's noise hardly counts."""
    height, width = (edge // (2 * TILES) * TILES for edge in picture.shape)
    cut = picture[: 2 * height, : 2 * width].astype(np.float32)
    small = (cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / np.float32(4)
    steps = np.zeros_like(small)
    steps[:, 1:] += np.square(np.diff(small, axis=1))
    steps[1:] += np.square(np.diff(small, axis=0))
    tiles = steps.reshape(TILES, height // TILES, TILES, width // TILES)
    result: Float32Array = np.sqrt(tiles.mean(axis=(1, 3)))
    return result


def _faulty(fault: PictureFault, what: str) -> QualityVerdict:
    return QualityVerdict(fault, f"{fault} ({what}): {_LIKELY[fault]}")
