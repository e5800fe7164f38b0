"""Figures of a picture's texture, and what they say of the kind of a defect: float beside the int8 network.

Duty: grain and edges of a whole picture as a row of numbers, and a linear discriminant of them, as log-odds
of kinds. Finds no defect, and not where one is; runs wherever NumPy does. `models.training` fits it.

A network of narrow sight names a kind by what each cell shows; some kinds differ in the grain of the whole
surface. The figures do not change with a step of brightness, but with contrast.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import ManifestError
from models.manifest_fields import an_object, as_number, each, list_at, only

_SCALES = 5  # each half as fine as the one before
_LEAST_PX = 3 << (_SCALES - 1)
_LEAST_SPREAD = 1e-3  # grey values
_LEAST_CONTRAST = 0.5
FIGURES = 1 + 8 * _SCALES
SURE = 0.01  # a network's share of a kind counts as at least so much: its cells are no independent witnesses


@dataclass(frozen=True, slots=True)
class TextureKinds:
    """A linear discriminant of a picture's figures: log-odds of each kind are `weights @ figures + bias`."""

    weights: tuple[tuple[float, ...], ...]  # (kinds, FIGURES)
    bias: tuple[float, ...]  # (kinds,)

    def log_odds(self, figures: Float64Array) -> Float64Array:
        """`(kinds,)`, up to a number that all have in common."""
        found: Float64Array = np.asarray(self.weights) @ figures + np.asarray(self.bias)
        return found


def texture_figures(picture: Float32Array) -> Float64Array:
    """`(FIGURES,)` of a picture `(h, w)` of finite grey values.

    First its contrast; then at five scales of edges along and across their strength, peakedness and skew, and
    of what is rounder the strength and skew. A small picture is mirrored up to 48 pixels.
    """
    now = np.asarray(picture, dtype=np.float32)
    now = now - now.mean(dtype=np.float64).astype(np.float32)
    if min(now.shape) < _LEAST_PX:
        now = np.pad(now, [(0, max(_LEAST_PX - size, 0)) for size in now.shape], "symmetric")
    found = [math.log(float(now.std(dtype=np.float64)) + _LEAST_CONTRAST)]
    for _ in range(_SCALES):
        for axis in (0, 1):
            found += _moments(np.diff(now, axis=axis))
        middle = now[1:-1, 1:-1]
        bow = 4 * middle - now[2:, 1:-1] - now[:-2, 1:-1] - now[1:-1, 2:] - now[1:-1, :-2]
        strength, _, skew = _moments(bow)
        found += [strength, skew]
        now = _halved(now)
    return np.array(found, dtype=np.float64)


def with_texture(shares: Float64Array, texture: TextureKinds, figures: Float64Array) -> Float64Array:
    """Shares of kinds `(kinds,)` by the network and by the texture, as of two who do not know each other."""
    together = np.log(np.maximum(shares, SURE)) + texture.log_odds(figures)
    weights = np.exp(together - together.max())
    found: Float64Array = weights / weights.sum()
    return found


def _moments(values: Float32Array) -> list[float]:
    """Logs of strength and peakedness, and the root of the skew."""
    flat = values.ravel()
    spread = math.sqrt(float(np.dot(flat, flat)) / len(flat)) + _LEAST_SPREAD
    flat = flat / np.float32(spread)
    squares = flat * flat
    fourth, third = (float(np.dot(squares, other)) / len(flat) for other in (squares, flat))
    return [math.log(spread), math.log(fourth + 1e-3), math.copysign(abs(third) ** (1 / 3), third)]


def _halved(values: Float32Array) -> Float32Array:
    height, width = (size // 2 * 2 for size in values.shape)
    even = values[:height, :width]
    rows = even[0::2] + even[1::2]
    mean: Float32Array = (rows[:, 0::2] + rows[:, 1::2]) * np.float32(0.25)
    return mean


def check_texture(texture: TextureKinds, kinds: Sequence[str], where: str) -> None:
    """Raises ManifestError where a discriminant does not fit the kinds that it is to tell apart."""
    if len(kinds) < 2 or len(texture.weights) != len(kinds) or len(texture.bias) != len(kinds):
        raise ManifestError(f"{where} has {len(texture.weights)} kinds; the model has {len(kinds)}")
    if any(len(row) != FIGURES for row in texture.weights):
        raise ManifestError(f"{where}.weights must be rows of {FIGURES} numbers")


def texture_from_fields(raw: Any, where: str) -> TextureKinds:
    """From its JSON object. Raises ManifestError that names the field."""
    fields: Mapping[str, Any] = an_object(raw, where)
    only(fields, where, {"weights", "bias"}, set())
    rows = []
    for number, row in enumerate(list_at(fields, where, "weights")):
        rows.append(each({"row": row}, f"{where}.weights[{number}]", "row", as_number))
    return TextureKinds(tuple(rows), each(fields, where, "bias", as_number))
