"""Pictures that teach a model: good ones, and defects with their kind and where they are.

Duty: what a training is given, and how it is parted: the first 60 % of the good pictures, and of each kind,
teach, the next 20 % say where the limit lies, the last 20 % judge. Neighbours often show the same part:
nothing is shuffled. Reads no file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.errors import ModelError
from models.training.drawn_defects import BoolArray
from models.vision.inspection import UInt8Array

TEACH, LIMIT = 0.6, 0.2  # shares; the rest judges
GOOD = ""


@dataclass(frozen=True, slots=True, eq=False)
class MarkedPicture:
    """One picture, and what is known of it."""

    picture: UInt8Array  # (h, w), grey
    kind: str = GOOD  # of its defect
    mask: BoolArray | None = None  # (h, w), where the defect is; None: nobody marked it


@dataclass(frozen=True, slots=True, eq=False)
class TrainingPictures:
    """All pictures of one training, in the order in which they were taken."""

    pictures: tuple[MarkedPicture, ...]
    origin: str  # where they come from, in words

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of defects, by name."""
        return tuple(sorted({one.kind for one in self.pictures} - {GOOD}))

    @property
    def sha256(self) -> str:
        """Of all pictures, kinds and masks, in order."""
        found = hashlib.sha256()
        for one in self.pictures:
            found.update(f"{one.picture.shape}{one.kind}\0".encode())
            found.update(np.ascontiguousarray(one.picture).tobytes())
            found.update(b"" if one.mask is None else np.packbits(one.mask).tobytes())
        return found.hexdigest()

    def of(self, kind: str) -> list[MarkedPicture]:
        """Those of one kind, in order."""
        return [one for one in self.pictures if one.kind == kind]

    def parts(self) -> tuple[list[MarkedPicture], list[MarkedPicture], list[MarkedPicture]]:
        """Those that teach, that say where the limit lies, and that judge; of every kind some of each.

        Raises ModelError where a kind has fewer than three.
        """
        teach: list[MarkedPicture] = []
        limit: list[MarkedPicture] = []
        judge: list[MarkedPicture] = []
        for kind in (GOOD, *self.kinds):
            own = self.of(kind)
            if not own:
                continue
            if len(own) < 3:
                raise ModelError(f"{len(own)} pictures of {kind or 'good parts'!r}; expected 3 or more")
            first = max(1, min(len(own) - 2, round(TEACH * len(own))))
            second = max(first + 1, min(len(own) - 1, round((TEACH + LIMIT) * len(own))))
            teach += own[:first]
            limit += own[first:second]
            judge += own[second:]
        return teach, limit, judge


def mask_of_boxes(shape: tuple[int, int], boxes: Sequence[tuple[int, int, int, int]]) -> BoolArray:
    """`(h, w)` True inside any of the boxes (left, top, right, bottom), right and bottom included."""
    mask: BoolArray = np.zeros(shape, np.bool_)
    for left, top, right, bottom in boxes:
        mask[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = True
    return mask
