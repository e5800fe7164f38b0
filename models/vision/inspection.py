"""What an inspection of one picture says, and the interface of whatever inspects.

Duty: the verdict's fields, what "defect" and "unsure" mean, and the check of a picture. Holds no model, reads
no camera, and decides nothing on lateness: a verdict that comes late is none, which is the line's to say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array
from models.errors import PictureError

UInt8Array = npt.NDArray[np.uint8]
UNSURE_BAND = 0.1  # of the limit, to both sides


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """The verdict on one picture. Score and limit are in the model's own unit; greater is worse."""

    score: float
    limit: float  # above 0
    position_px: tuple[int, int] | None  # (x, y) of the heat map's peak; None: no peak
    kind: str | None  # the defect's class, from a model that knows classes; None where there is none
    heat_map: Float32Array = field(repr=False)  # (h, w), coarse, over the whole picture; greater is worse
    unsure_band: float = UNSURE_BAND  # part of the limit within which a score is unsure; 0: never
    backend: str = ""  # what computed it

    @property
    def is_defect(self) -> bool:
        """Whether the score is above the limit."""
        return self.score > self.limit

    @property
    def is_unsure(self) -> bool:
        """Whether the score is so near to the limit, to either side, that a person should look."""
        return abs(self.score - self.limit) < self.unsure_band * self.limit


class Inspector(Protocol):
    """Inspects pictures of one size."""

    @property
    def picture_size_px(self) -> tuple[int, int]:
        """(height, width) of the pictures that it inspects."""
        ...

    def inspect(self, picture: UInt8Array) -> Inspection:
        """The verdict on a picture `(h, w)` or `(h, w, 3)`; blocking.

        Raises PictureError for another size or type, ModelError where nothing could compute it.
        """
        ...


def grey(picture: UInt8Array, size_px: tuple[int, int]) -> UInt8Array:
    """A picture `(h, w)` or `(h, w, 3)` (red, green, blue) as grey values `(h, w)` (ITU-R BT.601).

    Raises PictureError, saying what would be right, for another type, number of colours, or size.
    """
    wanted = f"expected 8-bit values of shape {size_px} or {(*size_px, 3)}"
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8:
        kind = getattr(picture, "dtype", type(picture).__name__)
        raise PictureError(f"picture of {kind}; {wanted}")
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] != 3):
        raise PictureError(f"picture of shape {picture.shape}; {wanted}")
    if picture.shape[:2] != size_px:
        raise PictureError(f"picture of {picture.shape[1]} x {picture.shape[0]} pixels; {wanted}")
    if picture.ndim == 2:
        return picture
    weights = np.array([77, 150, 29], dtype=np.uint16)  # of 256
    result: UInt8Array = ((picture @ weights + 128) >> 8).astype(np.uint8)
    return result
