"""What pictures are judged by without a network: statistics of cells, and of edges.

Duty: the simple figures that a model must beat, on the same pictures and in the same folds. Nothing here is
the product's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from dsp.samples import Float32Array, Float64Array
from models.vision.inspection import UInt8Array

CELL_PX = 8
TOP_CELLS = 3
_GRAINS = (0.7, 1.5, 3.0, 6.0)  # sigmas, pixels
_LEAST = 0.5  # grey values
_RIDGE = 0.1  # of the mean variance


@dataclass(frozen=True, slots=True, eq=False)
class CellStatistics:
    """Usual mean and spread of level and roughness of cells of good pictures."""

    centre: Float64Array  # (2,)
    spread: Float64Array

    def judge(self, picture: UInt8Array) -> tuple[float, Float32Array]:
        """The mean of the three strangest cells, and how strange each is."""
        rest = (_cells(picture) - self.centre) / self.spread
        heat = np.sqrt((rest**2).mean(axis=-1))
        hottest = np.sort(heat.ravel())[-TOP_CELLS:]
        return float(hottest.mean()), heat.astype(np.float32)


def cell_statistics(good: Sequence[UInt8Array]) -> CellStatistics:
    """Learned from good pictures."""
    cells = np.concatenate([_cells(picture).reshape(-1, 2) for picture in good])
    return CellStatistics(cells.mean(axis=0), np.maximum(cells.std(axis=0), 1e-6))


def _cells(picture: UInt8Array) -> Float64Array:
    """`(h, w, 2)`: mean in spreads of the picture, log of the spread inside; far edges mirrored."""
    values = picture.astype(np.float64)
    values = (values - values.mean()) / max(float(values.std()), _LEAST)
    values = np.pad(values, [(0, -size % CELL_PX) for size in values.shape], mode="symmetric")
    down, across = (size // CELL_PX for size in values.shape)
    blocks = values.reshape(down, CELL_PX, across, CELL_PX)
    found: Float64Array = np.stack(
        [blocks.mean(axis=(1, 3)), np.log(blocks.std(axis=(1, 3)) + 1e-2)], axis=-1
    )
    return found


def texture(picture: UInt8Array) -> Float64Array:
    """Level, and at four sizes of grain the strength and peakedness of edges in both directions."""
    values = picture.astype(np.float64)
    found = [float(values.mean()) / 64.0, float(np.log(values.std() + _LEAST))]
    for sigma in _GRAINS:
        smooth = ndimage.gaussian_filter(values, sigma)
        for axis in (0, 1):
            edges = np.diff(smooth, axis=axis)
            spread = float(edges.std()) + 1e-3
            found += [np.log(spread), float(np.log(np.mean((edges / spread) ** 4))), _skew(edges, spread)]
        bow = ndimage.laplace(smooth)
        spread = float(bow.std()) + 1e-3
        found += [np.log(spread), _skew(bow, spread)]
    return np.array(found, dtype=np.float64)


def _skew(values: Float64Array, spread: float) -> float:
    return float(np.cbrt(np.mean((values / spread) ** 3)))


def nearest_class(train: Float64Array, kinds: Sequence[str], rows: Float64Array) -> list[str]:
    """The class whose mean is nearest, in the spread within classes (linear discriminant)."""
    names = sorted(set(kinds))
    labels = np.array([names.index(kind) for kind in kinds])
    means = np.stack([train[labels == number].mean(axis=0) for number in range(len(names))])
    rest = train - means[labels]
    within = rest.T @ rest / max(len(rest) - len(names), 1)
    scale = np.sqrt(np.maximum(np.diag(within), 1e-12))
    within = within / np.outer(scale, scale) + _RIDGE * np.eye(len(scale))
    inverse = np.linalg.inv(within)
    away = (rows[:, np.newaxis] - means[np.newaxis]) / scale
    distance = np.einsum("ijk,kl,ijl->ij", away, inverse, away)
    return [names[int(i)] for i in distance.argmin(axis=1)]
