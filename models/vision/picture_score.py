"""What stands around a network over pictures, in float: grey values to its input, its output to a verdict.

Duty: the arithmetic that every backend shares. Runs no network, reads no file, knows no camera: a picture
comes as grey values, in the network's own size.

With its own light a picture is centred on its own mean and counted in its own spread (at least `spread` grey
values), so that a lamp that ages is no defect; else on mid-grey, in fixed spreads. It is clipped to +-reach.
Of each cell of its map the network says how strongly each kind of defect shows, as log-odds against none. The
cell's heat is what calling it sound would cost,

    heat = log(1 + sum over kinds of exp(evidence)),

above 0 and without an upper end. A picture's raw score is the mean heat of its `top_cells` hottest cells; its
score is that divided by the limit, which was fitted on the very artefact that runs. Of its kind the texture
of the whole picture may have a word beside the evidence (`picture_texture`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from dsp.samples import Float32Array, Float64Array
from models.errors import ManifestError, TensorError
from models.manifest_fields import an_object, as_integer, as_number, as_text, each, only
from models.vision.picture_texture import (
    TextureKinds,
    check_texture,
    texture_figures,
    texture_from_fields,
    with_texture,
)

_LEAST_HEAT = 1e-6
MID_GREY = 128.0


class PictureForm(StrEnum):
    """What a network over pictures was taught."""

    GOOD_PARTS = "good parts"  # good pictures alone: one evidence per cell
    SEGMENTER = "segmenter"  # marked defects: one evidence per cell and kind


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """How pictures become a network's input, and its output a verdict."""

    form: PictureForm
    picture_size_px: tuple[int, int]  # (height, width) of the camera's pictures
    shrink: int  # so many of their pixels, down and across, are averaged to one of the network's
    map_shape: tuple[int, int]  # cells down and across
    kinds: tuple[str, ...]  # of defects; empty where the form knows none
    own_light: bool  # counted from the picture's own mean, else from mid-grey
    spread: float  # grey values; with own light the least
    reach: float  # the network sees at most so many spreads
    top_cells: int
    texture: TextureKinds | None = None  # a second word on the kind, beside the network's

    @property
    def evidences(self) -> int:
        """Values of each cell."""
        return max(len(self.kinds), 1)

    @property
    def values(self) -> int:
        """Values of a picture's result: score, evidence for each kind, heat of each cell."""
        return 1 + len(self.kinds) + math.prod(self.map_shape)


@dataclass(frozen=True, slots=True, eq=False)
class PictureResult:
    """One picture's result, taken apart."""

    score: float  # 1.0 = limit
    kind_shares: Float32Array  # (kinds,) of the evidence, with the texture's word; they add up to 1
    heat: Float32Array  # (h, w); 1.0 = limit


def network_input(spec: PictureSpec, batch: Float32Array) -> Float32Array:
    """`(n, h, w, 1)` of grey values `(n, h, w)`, 0 to 255. Raises TensorError for another shape.

    What is no number counts as the picture's mean.
    """
    if batch.ndim != 3:
        raise TensorError(f"batch of shape {batch.shape}; expected (n, height, width)")
    return lit(_finite(batch), spec.own_light, spec.spread, spec.reach)[..., np.newaxis]


def lit(values: Float32Array, own_light: bool, spread: float, reach: float) -> Float32Array:
    """Grey values `(n, h, w)` as a network sees them, see the module."""
    counted: Any = spread
    if own_light:
        rest = values - values.mean(axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        counted = np.maximum(rest.std(axis=(1, 2), keepdims=True), spread)
    else:
        rest = values - np.float32(MID_GREY)
    seen: Float32Array = np.clip(rest / counted, -reach, reach).astype(np.float32)
    return seen


def _finite(batch: Float32Array) -> Float32Array:
    """Grey values `(n, h, w)`, with each picture's mean where they are no number."""
    values = np.asarray(batch, dtype=np.float32)
    if np.isfinite(values).all():
        return values
    return np.where(np.isfinite(values), values, _means(values))


def _means(values: Float32Array) -> Float32Array:
    """Of each picture's finite values; 0 where there is none."""
    finite = np.isfinite(values)
    total = np.where(finite, values, 0).sum(axis=(1, 2), keepdims=True, dtype=np.float64)
    mean: Float32Array = (total / np.maximum(finite.sum(axis=(1, 2), keepdims=True), 1)).astype(np.float32)
    return mean


def heat_of(outputs: Float32Array) -> Float64Array:
    """`(..., h, w)` of evidence `(..., h, w, evidences)`."""
    heat: Float64Array = np.logaddexp.reduce(outputs.astype(np.float64), axis=-1)
    return np.maximum(np.logaddexp(0.0, heat), _LEAST_HEAT)


def raw_score(heat: Float64Array, top_cells: int) -> float:
    """Mean of the hottest cells of a map `(h, w)` within its rim, of all where it has fewer."""
    judged = heat[within_rim(heat.shape)].ravel()
    return float(judged[_hottest(judged, top_cells)].mean())


def within_rim(shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The part of a map that is judged: not its outermost cells, which see past the end of the picture.

    Of a map of less than four cells across, all.
    """
    rim = 1 if min(shape) >= 4 else 0
    return slice(rim, shape[0] - rim), slice(rim, shape[1] - rim)


def results(spec: PictureSpec, batch: Float32Array, outputs: Float32Array, limit: float) -> Float32Array:
    """`(n, spec.values)` of grey values `(n, h, w)` and what a network made of them. Raises TensorError.

    `outputs` are `(n, h, w, evidences)`.
    """
    wanted = (*spec.map_shape, spec.evidences)
    if outputs.shape[1:] != wanted:
        raise TensorError(f"the network gave {outputs.shape}; expected (n, {wanted})")
    heat = heat_of(outputs)
    found = np.empty((len(outputs), spec.values), np.float32)
    for row, cells, evidence, picture in zip(found, heat, outputs, batch, strict=True):
        row[0] = raw_score(cells, spec.top_cells) / limit
        shares = kind_shares(cells, evidence)[: len(spec.kinds)]
        if spec.texture is not None:
            shares = with_texture(shares, spec.texture, texture_figures(_finite(picture[np.newaxis])[0]))
        row[1 : 1 + len(spec.kinds)] = shares
        row[1 + len(spec.kinds) :] = cells.ravel() / limit
    return found


def kind_shares(heat: Float64Array, evidence: Float32Array) -> Float64Array:
    """`(evidences,)` part of each kind in a picture: its probability in each cell, summed."""
    cells = evidence.reshape(-1, evidence.shape[-1]).astype(np.float64)
    inside = np.exp(cells - heat.reshape(-1, 1))  # probability: heat is the log of 1 + the sum over kinds
    total = inside.sum(axis=0)
    shares: Float64Array = total / max(float(total.sum()), 1e-300)
    return shares


def taken_apart(spec: PictureSpec, row: Float32Array) -> PictureResult:
    """One row of `results`."""
    kinds = len(spec.kinds)
    return PictureResult(float(row[0]), row[1 : 1 + kinds], row[1 + kinds :].reshape(spec.map_shape))


def figures(spec: PictureSpec, found: Float32Array) -> Float32Array:
    """`(n,)` one figure of each of `results`, which changes with all of it: what golden vectors hold."""
    kinds = len(spec.kinds)
    shares = found[:, 1 : 1 + kinds] @ np.arange(1, 1 + kinds, dtype=np.float32)
    figure: Float32Array = found[:, 0] + found[:, 1 + kinds :].mean(axis=1) + shares
    return figure


def shrunk(picture: Float32Array, shrink: int) -> Float32Array:
    """A picture `(h, w)` with each block of `shrink` pixels averaged; its far edges go on."""
    if shrink == 1:
        return picture
    missing = [(0, -size % shrink) for size in picture.shape]
    whole = np.pad(picture, missing, mode="edge")
    down, across = (size // shrink for size in whole.shape)
    mean: Float32Array = whole.reshape(down, shrink, across, shrink).mean(axis=(1, 3), dtype=np.float32)
    return mean


def mirrored(crop: Float32Array, shape: tuple[int, ...]) -> Float32Array:
    """A small picture grown to `shape` by mirroring it at its edges, again and again."""
    grown: Float32Array = np.pad(
        crop,
        [(0, max(wanted - size, 0)) for size, wanted in zip(crop.shape, shape, strict=True)],
        "symmetric",
    )
    return grown[tuple(slice(0, wanted) for wanted in shape)]


def _hottest(heat: Float64Array, top_cells: int) -> np.ndarray:
    n = min(top_cells, len(heat))
    return np.argpartition(heat, len(heat) - n)[len(heat) - n :]


def check(spec: PictureSpec, input_shape: tuple[int, ...], where: str) -> None:
    """Raises ManifestError where a part of the description does not fit the others."""
    if len(input_shape) != 2:
        raise ManifestError(f"{where}: the input is {input_shape}; expected (height, width)")
    if not 1 <= spec.shrink <= 16:
        raise ManifestError(f"{where}.shrink is {spec.shrink}; expected 1 to 16")
    if tuple(-(-size // spec.shrink) for size in spec.picture_size_px) != input_shape:
        raise ManifestError(
            f"{where}.picture_size_px is {spec.picture_size_px}: shrunk by {spec.shrink} that is not the"
            f" input's {input_shape}"
        )
    if not all(cells <= size for cells, size in zip(spec.map_shape, input_shape, strict=True)):
        raise ManifestError(f"{where}.map_shape is {spec.map_shape} for a picture of {input_shape}")
    if (spec.form is PictureForm.SEGMENTER) != bool(spec.kinds):
        raise ManifestError(f"{where}.kinds has {len(spec.kinds)} kinds; a {spec.form} model has "
                            f"{'some' if not spec.kinds else 'none'}")  # fmt: skip
    if len(set(spec.kinds)) != len(spec.kinds) or not all(spec.kinds):
        raise ManifestError(f"{where}.kinds must be names, each once")
    for field in ("spread", "reach"):
        value: float = getattr(spec, field)
        if not (math.isfinite(value) and value > 0):
            raise ManifestError(f"{where}.{field} is {value}; expected above 0")
    if spec.top_cells < 1:
        raise ManifestError(f"{where}.top_cells is {spec.top_cells}; expected 1 or more")
    if spec.texture is not None:
        check_texture(spec.texture, spec.kinds, f"{where}.texture")


def from_fields(raw: Any, where: str) -> PictureSpec:
    """A description from its JSON object. Raises ManifestError that names the field."""
    fields = an_object(raw, where)
    only(fields, where, set(PictureSpec.__dataclass_fields__), {"texture"})
    form = as_text(fields["form"], f"{where}.form")
    if form not in list(PictureForm):
        raise ManifestError(f"{where}.form is {form!r}; expected one of {[str(one) for one in PictureForm]}")
    return PictureSpec(
        form=PictureForm(form),
        picture_size_px=_pair(fields, where, "picture_size_px"),
        shrink=as_integer(fields["shrink"], f"{where}.shrink"),
        map_shape=_pair(fields, where, "map_shape"),
        kinds=each(fields, where, "kinds", as_text),
        own_light=_truth(fields["own_light"], f"{where}.own_light"),
        spread=as_number(fields["spread"], f"{where}.spread"),
        reach=as_number(fields["reach"], f"{where}.reach"),
        top_cells=as_integer(fields["top_cells"], f"{where}.top_cells"),
        texture=texture_from_fields(fields["texture"], f"{where}.texture") if "texture" in fields else None,
    )


def _pair(fields: Mapping[str, Any], where: str, name: str) -> tuple[int, int]:
    sizes = each(fields, where, name, as_integer)
    if len(sizes) != 2 or min(sizes) < 1:
        raise ManifestError(f"{where}.{name} is {sizes}; expected two sizes, down and across")
    return sizes[0], sizes[1]


def _truth(raw: Any, where: str) -> bool:
    if not isinstance(raw, bool):
        raise ManifestError(f"{where} is {raw!r}; expected true or false")
    return raw
