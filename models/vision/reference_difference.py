"""How far a picture is from the good ones that were seen first: mean and spread of every spot, no network.

Duty: learn the two and a limit from pictures of good parts, and inspect by them. The simplest inspector there
is: the one that a camera without a model has, and the last in the chain behind a model. It wants parts that
lie still and alike; what moves by more than a few pixels is a difference to it. Pure NumPy; keeps no file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dsp.samples import Float32Array
from models.errors import ModelStateError, PictureError
from models.vision.inspection import Inspection, UInt8Array, grey

CELL_PX = 4  # edge of a spot: its mean forgives a pixel's shift and most of the sensor's noise
LEAST_PICTURES = 8
LIMIT_MARGIN = 2.0  # above the worst of the good pictures that mean and spread were not made from
LEAST_SPREAD = 1.5  # grey values: less is the sensor's own noise, learned from too few pictures
BACKEND = "reference difference"


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceDifference:
    """Implements `inspection.Inspector`. Score: the greatest difference of a spot, in units of its spread."""

    size_px: tuple[int, int]
    mean: Float32Array = field(repr=False)  # (cells down, cells across), grey values
    spread: Float32Array = field(repr=False)
    limit: float

    @property
    def picture_size_px(self) -> tuple[int, int]:
        """(height, width) of the pictures that it inspects."""
        return self.size_px

    def inspect(self, picture: UInt8Array) -> Inspection:
        """See `Inspector.inspect`."""
        heat = _heat(cells(grey(picture, self.size_px)), self.mean, self.spread)
        row, column = np.unravel_index(int(np.argmax(heat)), heat.shape)
        position = (int(column) * CELL_PX + CELL_PX // 2, int(row) * CELL_PX + CELL_PX // 2)
        return Inspection(float(heat[row, column]), self.limit, position, None, heat, backend=BACKEND)

    def state(self) -> dict[str, Any]:
        """All that `restored` needs, as arrays."""
        return {
            "size_px": np.array(self.size_px, np.int64),
            "mean": self.mean,
            "spread": self.spread,
            "limit": np.array(self.limit, np.float64),
        }

    @classmethod
    def restored(cls, state: Mapping[str, Any]) -> ReferenceDifference:
        """From what `state` gave. Raises ModelStateError."""
        try:
            height, width = (int(edge) for edge in state["size_px"])
            mean, spread = (np.asarray(state[name], np.float32) for name in ("mean", "spread"))
            limit = float(state["limit"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelStateError(f"what was learned of good pictures cannot be read: {error}") from error
        shape = (height // CELL_PX, width // CELL_PX)
        usable = mean.shape == spread.shape == shape and np.isfinite(mean).all()
        if (
            not usable
            or not np.isfinite(spread).all()
            or spread.min() < LEAST_SPREAD
            or not 0 < limit < np.inf
        ):
            raise ModelStateError(
                f"what was learned of good pictures does not fit pictures of {width} x {height}"
            )
        return cls((height, width), mean, spread, limit)


class ReferenceLearner:
    """Collects good pictures of one size; `finish` once there are enough."""

    def __init__(self, size_px: tuple[int, int]) -> None:
        """Raises PictureError for pictures smaller than two spots."""
        if min(size_px) < 2 * CELL_PX:
            raise PictureError(
                f"pictures of {size_px[1]} x {size_px[0]} pixels; {2 * CELL_PX} each way are least"
            )
        self._size_px = size_px
        self._cells: list[Float32Array] = []

    @property
    def n_pictures(self) -> int:
        return len(self._cells)

    def observe(self, picture: UInt8Array) -> None:
        """One more picture of a good part. Raises PictureError."""
        self._cells.append(cells(grey(picture, self._size_px)))

    def finish(self) -> ReferenceDifference:
        """Mean and spread of two thirds of the pictures, the limit from the rest. Raises ModelStateError."""
        if len(self._cells) < LEAST_PICTURES:
            raise ModelStateError(f"{len(self._cells)} good pictures are too few: {LEAST_PICTURES} are least")
        seen, held_out = self._cells[: len(self._cells) * 2 // 3], self._cells[len(self._cells) * 2 // 3 :]
        stack = np.stack(seen)
        mean = stack.mean(axis=0, dtype=np.float32)
        spread = np.sqrt(stack.var(axis=0, ddof=1, dtype=np.float32) + np.float32(LEAST_SPREAD**2))
        worst = max(float(_heat(one, mean, spread).max()) for one in held_out)
        return ReferenceDifference(self._size_px, mean, spread, LIMIT_MARGIN * max(worst, 1.0))


def cells(picture: UInt8Array) -> Float32Array:
    """Mean grey value of every spot, `(h // CELL_PX, w // CELL_PX)`; the rest at the edges is left out."""
    height, width = (edge // CELL_PX for edge in picture.shape)
    cut = picture[: height * CELL_PX, : width * CELL_PX]
    rows = cut.reshape(height, CELL_PX, width * CELL_PX).sum(axis=1, dtype=np.uint16)
    sums = rows.reshape(height, width, CELL_PX).sum(axis=2, dtype=np.uint16)
    result: Float32Array = sums.astype(np.float32) / np.float32(CELL_PX * CELL_PX)
    return result


def _heat(found: Float32Array, mean: Float32Array, spread: Float32Array) -> Float32Array:
    """Differences in units of the spread, each the mean of its 3 x 3 neighbours: one odd pixel is no defect.

    A lamp that is a little brighter or darker than when it was learned is no defect either: the median
    difference is taken off.
    """
    difference = found - mean
    difference -= np.float32(np.median(difference))
    padded = np.pad(np.abs(difference) / spread, 1, mode="edge")
    across = padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]
    result: Float32Array = (across[:-2] + across[1:-1] + across[2:]) / np.float32(9)
    return result
