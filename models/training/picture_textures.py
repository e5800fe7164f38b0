"""The discriminant of texture beside a network that tells kinds of defects apart: fitted on what teaches.

Duty: marked pictures to `TextureKinds`. How sure it may be is found on pictures that it was not fitted on:
blocks of neighbours of each kind, left out in turn. Looks at no network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dsp.samples import Float32Array, Float64Array
from models.vision.picture_texture import TextureKinds, texture_figures

IntArray = npt.NDArray[np.int64]
LEAST_OF_A_KIND = 10  # fewer say nothing of how a kind's texture spreads
_BLOCKS = 5
_RIDGE = 0.1  # of the mean variance
_SURE = np.geomspace(1.0, 0.01, 25)  # factors of the discriminant's own log-odds


def fit_texture(taught: Sequence[tuple[Float32Array, str]], kinds: Sequence[str]) -> TextureKinds | None:
    """Of pictures `(h, w)` of one size with their kinds; None where kinds are too few, or one has too few."""
    numbers = np.array([kinds.index(kind) for _, kind in taught], dtype=np.int64)
    if len(kinds) < 2 or np.bincount(numbers, minlength=len(kinds)).min() < LEAST_OF_A_KIND:
        return None
    rows = np.stack([texture_figures(picture) for picture, _ in taught])
    blocks = _blocks(numbers)
    odds = np.empty((len(rows), len(kinds)))
    for block in range(_BLOCKS):
        out = blocks == block
        weights, bias = _discriminant(rows[~out], numbers[~out])
        odds[out] = rows[out] @ weights.T + bias
    sure = max(_SURE, key=lambda factor: _mean_log_share(factor * odds, numbers))
    weights, bias = _discriminant(rows, numbers)
    return TextureKinds(
        tuple(tuple(_short(sure * value) for value in row) for row in weights),
        tuple(_short(sure * value) for value in bias),
    )


def _blocks(numbers: IntArray) -> IntArray:
    """The block of each picture: neighbours of its kind stay together."""
    found = np.zeros(len(numbers), np.int64)
    for number in np.unique(numbers):
        own = np.flatnonzero(numbers == number)
        found[own] = np.arange(len(own)) * _BLOCKS // len(own)
    return found


def _discriminant(rows: Float64Array, numbers: IntArray) -> tuple[Float64Array, Float64Array]:
    """Weights `(kinds, figures)` and bias `(kinds,)` of the log-odds, all kinds equally usual."""
    means = np.stack([rows[numbers == number].mean(axis=0) for number in range(int(numbers.max()) + 1)])
    rest = rows - means[numbers]
    within = rest.T @ rest / max(len(rest) - len(means), 1)
    scale = np.sqrt(np.maximum(np.diag(within), 1e-12))
    inverse = np.linalg.inv(within / np.outer(scale, scale) + _RIDGE * np.eye(len(scale)))
    weights = (means / scale) @ inverse / scale
    middle = means.mean(axis=0)
    weights = weights - weights.mean(axis=0)  # log-odds matter up to what all kinds have in common
    bias = -0.5 * np.einsum("ij,jk,ik->i", (means - middle) / scale, inverse, (means - middle) / scale)
    return weights, bias - weights @ middle


def _mean_log_share(odds: Float64Array, numbers: IntArray) -> float:
    right = odds[np.arange(len(odds)), numbers]
    return float((right - np.logaddexp.reduce(odds, axis=1)).mean())


def _short(value: float) -> float:
    return float(f"{value:.9g}")
