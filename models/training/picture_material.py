"""What a picture bundle carries to be quantised and judged again: crops, and pictures that did not teach.

Duty: `pictures.npz` of a bundle, and the figures of a network on it. Three parts of the network's own size:
good pictures on which the limit is found, good ones and defective ones that judge; and crops that taught,
half of them with made-up defects, on which int8 is calibrated: ranges of good parts alone would cut what a
defect does. Trains nothing, runs no network.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import BundleError, ModelError
from models.evaluation.ranking import auroc, pauc
from models.training.drawn_defects import with_defects
from models.training.judging import Quality
from models.training.pictures import GOOD, MarkedPicture, TrainingPictures
from models.training.rows import packed_arrays
from models.vision.inspection import UInt8Array
from models.vision.picture_score import mirrored, shrunk

PICTURES_FILE = "pictures.npz"
CALIBRATION_CROPS, CROP_PX = 200, 96
ENOUGH_PICTURES = 19  # of n good pictures that did not teach, the next lies above them all once in n + 1
LIMIT_MARGIN = 1.5  # of the largest excess, where fewer say little of how far good parts go
MADE_UP = "made-up defects"
_MOST_BYTES = 40 << 20  # of pictures in a bundle
_PARTS = ("limit", "good", "bad", "bad_kind", "crops")


@dataclass(frozen=True, slots=True, eq=False)
class PictureMaterial:
    """Pictures `(n, h, w)`, 8-bit grey, of the network's own size; `bad_kind` are positions in `kinds`."""

    limit: UInt8Array
    good: UInt8Array
    bad: UInt8Array
    bad_kind: UInt8Array
    crops: UInt8Array
    kinds: tuple[str, ...]  # of what judges
    made_up: bool  # no defective picture was given

    def quality(self, good: Float64Array, bad: Float64Array, limit: float) -> Quality:
        """Figures of raw scores of the pictures that judge; an alarm is a picture called defective."""
        by_kind = {
            kind: float(auroc(good, bad[self.bad_kind == number]) or 0.0)
            for number, kind in enumerate(self.kinds)
            if (self.bad_kind == number).any()
        }
        return Quality(
            auroc=float(auroc(good, bad) or 0.0),
            pauc=float(pauc(good, bad) or 0.0),
            by_fault=by_kind,
            healthy_alarms=int((good > limit).sum()),
            faulty_alarms=int((bad > limit).sum()),
            healthy_items=len(good),
            faulty_items=len(bad),
        )


def fitted_limit(raw: Float64Array) -> float:
    """The limit of good pictures' raw scores `(n,)`: the largest of them, where they are enough to tell.

    Then one good part in n + 1 is expected above it, however scores are distributed (all of n + 1 parts are
    equally likely to be the largest). Of fewer, 1.5 times the largest excess over the usual. Never below 1.5
    times the usual. Raises ModelError without a score.
    """
    if not len(raw) or not np.isfinite(raw).all():
        raise ModelError("no good picture has a score: the limit cannot be found")
    usual, largest = float(np.median(raw)), float(raw.max())
    margin = 1.0 if len(raw) >= ENOUGH_PICTURES else LIMIT_MARGIN
    return usual + margin * max(largest - usual, 0.5 * usual, 1e-6)


def material_of(pictures: TrainingPictures, shrink: int, crop_px: int, seed: int) -> PictureMaterial:
    """What judges a network of these pictures. Raises ModelError without good ones of one size."""
    teach, until, judge = pictures.parts()
    chance = np.random.Generator(np.random.PCG64(seed + 1))
    limit = [one for one in until if one.kind == GOOD]
    good = [one for one in judge if one.kind == GOOD]
    if not limit or not good:
        raise ModelError("no picture of a good part is there: nothing says where the limit lies")
    sizes = {one.picture.shape for one in pictures.pictures}
    if len(sizes) != 1:
        words = ", ".join(f"{w} x {h}" for h, w in sorted(sizes)[:4])
        raise ModelError(f"pictures are {words} pixels; expected one size: a network inspects one camera's")
    bad = [one for one in judge if one.kind != GOOD]
    kinds, made_up = pictures.kinds, not bad
    if made_up:
        grounds = [one.picture.astype(np.float32) for one in good]
        drawn = [with_defects(one, grounds, chance)[0] for one in grounds for _ in range(2)]
        bad = [MarkedPicture(one.astype(np.uint8), MADE_UP) for one in drawn]
        kinds = (MADE_UP,)
    share = _MOST_BYTES // 3
    small_bad, chosen = _bounded(bad, shrink, share)
    return PictureMaterial(
        limit=_bounded(limit, shrink, share)[0],
        good=_bounded(good, shrink, share)[0],
        bad=small_bad,
        bad_kind=np.array([kinds.index(one.kind) for one in chosen], np.uint8),
        crops=calibration_crops(
            [shrunk(one.picture.astype(np.float32), shrink) for one in teach], crop_px, chance
        ),
        kinds=kinds,
        made_up=made_up,
    )


def _bounded(
    pictures: Sequence[MarkedPicture], shrink: int, most_bytes: int
) -> tuple[UInt8Array, list[MarkedPicture]]:
    """Pictures of the network's size, evenly chosen where they are too many for a bundle."""
    most = max(3, most_bytes // (pictures[0].picture.size // shrink**2))
    at = np.unique(np.linspace(0, len(pictures) - 1, min(len(pictures), most)).astype(int))
    chosen = [pictures[i] for i in at]
    small = [np.rint(shrunk(one.picture.astype(np.float32), shrink)) for one in chosen]
    return np.stack(small).astype(np.uint8), chosen


def calibration_crops(pictures: Sequence[Float32Array], size: int, chance: np.random.Generator) -> UInt8Array:
    """`(n, size, size)` crops of pictures, every second with a made-up defect."""
    found = []
    for number in range(CALIBRATION_CROPS):
        picture = pictures[int(chance.integers(len(pictures)))]
        whole = mirrored(picture, (max(picture.shape[0], size), max(picture.shape[1], size)))
        top, left = (int(chance.integers(n - size + 1)) for n in whole.shape)
        crop = whole[top : top + size, left : left + size]
        found.append(with_defects(crop, [crop], chance)[0] if number % 2 else crop)
    return np.rint(np.stack(found)).astype(np.uint8)


def to_bytes(material: PictureMaterial) -> bytes:
    """As `pictures.npz`; equal material gives equal bytes."""
    return packed_arrays({name: getattr(material, name) for name in _PARTS})


def from_bytes(content: bytes, kinds: tuple[str, ...], made_up: bool) -> PictureMaterial:
    """Read back. Raises BundleError where it cannot be."""
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            parts = {name: np.asarray(file[name]) for name in _PARTS}
    except Exception as error:  # a damaged archive makes NumPy raise anything
        raise BundleError(f"{PICTURES_FILE} cannot be read: {type(error).__name__} {error}") from error
    if any(part.dtype != np.uint8 for part in parts.values()) or len(parts["bad"]) != len(parts["bad_kind"]):
        raise BundleError(f"{PICTURES_FILE} cannot be read: its arrays are no pictures")
    return PictureMaterial(**parts, kinds=kinds, made_up=made_up)
