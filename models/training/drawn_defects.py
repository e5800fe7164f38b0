"""Made-up defects on good pictures: what a model that has seen no defect learns to find.

Duty: draw them, with the mask of what was changed. Knows no product and no data set: spots, lines, foreign
patches, regions of another brightness, contrast or grain, and steps from one finish to another, in random
size, shape, strength and number. After Li et al., CutPaste (CVPR 2021), and Zavrtanik et al., DRAEM (ICCV
2021); the shapes come from smoothed noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from dsp.samples import Float32Array

BoolArray = npt.NDArray[np.bool_]
_LEAST_CHANGE = 4.0  # grey values: less is no defect
Drawn = tuple[Float32Array, Float32Array]  # the changed picture, and how far each pixel was blended, 0..1


def with_defects(
    picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator
) -> tuple[Float32Array, BoolArray]:
    """A picture `(h, w)`, grey values 0 to 255, with one to three defects, and the mask of what changed.

    `others` are good pictures of the same size, from which foreign patches are cut.
    """
    changed, mask = picture, np.zeros(picture.shape, np.bool_)
    for _ in range(int(chance.choice([1, 1, 2, 3]))):
        draw = _KINDS[int(chance.integers(len(_KINDS)))]
        target, blend = draw(changed, others, chance)
        now = changed + blend * (target - changed)
        seen = blend > 0.3
        if draw is _step:  # nobody can say which side is the wrong one: the step itself is what shows
            seen = ndimage.maximum_filter(seen, 9) & ~ndimage.minimum_filter(seen, 9)
        mask |= seen & (_smooth(np.abs(now - changed), 3.0) > _LEAST_CHANGE)
        changed = np.clip(now, 0.0, 255.0).astype(np.float32)
    return changed, mask


def _smooth(values: Float32Array, sigma: float) -> Float32Array:
    result: Float32Array = ndimage.gaussian_filter(values, sigma)
    return result


def _blob(shape: tuple[int, int], chance: np.random.Generator, size: float) -> Float32Array:
    """A soft-edged shape of about `size` pixels across, somewhere in the picture; 0..1."""
    h, w = shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    angle, stretch = chance.uniform(0, np.pi), chance.uniform(1.0, 3.0)
    dx, dy = x - chance.uniform(0, w), y - chance.uniform(0, h)
    along = (dx * np.cos(angle) + dy * np.sin(angle)) / (size / 2 * np.sqrt(stretch))
    across = (dy * np.cos(angle) - dx * np.sin(angle)) / (size / 2 / np.sqrt(stretch))
    wobble = _noise(shape, chance, max(size / 4, 1.5)) * chance.uniform(0.0, 0.5)
    inside = 1.0 + wobble - np.sqrt(along**2 + across**2)
    edge = chance.uniform(1.0, 3.0) / max(size / 2, 1.0)
    blob: Float32Array = np.clip(inside / edge, 0.0, 1.0).astype(np.float32)
    return blob


def _noise(shape: tuple[int, int], chance: np.random.Generator, size: float) -> Float32Array:
    """Smooth noise of about unit spread, with grains of `size` pixels."""
    coarse = [int(np.ceil(n / size)) + 3 for n in shape]
    grid = chance.normal(size=coarse).astype(np.float32)
    rough: Float32Array = ndimage.zoom(grid, size, order=1)[: shape[0], : shape[1]]
    if rough.shape != shape:
        rough = np.pad(rough, [(0, n - m) for n, m in zip(shape, rough.shape, strict=True)], mode="edge")
    return rough


def _strength(chance: np.random.Generator, least: float = 10.0, most: float = 90.0) -> float:
    """A step of grey values to either side; darker is more usual than brighter."""
    step = float(np.exp(chance.uniform(np.log(least), np.log(most))))
    return step if chance.random() < 0.35 else -step


def _size(shape: tuple[int, int], chance: np.random.Generator, least: float, most: float) -> float:
    """Pixels across, from `least` to `most` of the picture's shorter side."""
    return float(np.exp(chance.uniform(np.log(least), np.log(most)))) * min(shape)


def _spot(picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator) -> Drawn:
    blob = _blob(picture.shape, chance, max(_size(picture.shape, chance, 0.015, 0.2), 4.0))
    grain = _noise(picture.shape, chance, 2.0) * chance.uniform(0, 10)
    return (picture + _strength(chance, 15.0) + grain).astype(np.float32), blob


def _line(picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator) -> Drawn:
    h, w = picture.shape
    n = int(_size(picture.shape, chance, 0.08, 0.9))
    turn = np.cumsum(chance.normal(0, chance.uniform(0.0, 0.15), n)) + chance.uniform(0, 2 * np.pi)
    x = np.cumsum(np.cos(turn)) + chance.uniform(0, w)
    y = np.cumsum(np.sin(turn)) + chance.uniform(0, h)
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    drawn = np.zeros(picture.shape, np.float32)
    drawn[y[inside].astype(int), x[inside].astype(int)] = 1.0
    sigma = chance.uniform(0.5, 1.6)
    blend = np.clip(_smooth(drawn, sigma) * sigma * 3.0, 0.0, 1.0)
    return (picture + _strength(chance, 20.0)).astype(np.float32), blend.astype(np.float32)


def _patch(picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator) -> Drawn:
    source = others[int(chance.integers(len(others)))] if len(others) else picture
    turned = np.rot90(source, int(chance.integers(4))) if source.shape[0] == source.shape[1] else source[::-1]
    rolled = np.roll(turned, tuple(int(chance.integers(n)) for n in picture.shape), axis=(0, 1))
    target = rolled * chance.uniform(0.6, 1.4) + chance.uniform(-30, 30)
    return target.astype(np.float32), _blob(picture.shape, chance, _size(picture.shape, chance, 0.05, 0.5))


def _region(picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator) -> Drawn:
    blob = _blob(picture.shape, chance, _size(picture.shape, chance, 0.08, 0.8))
    return _altered(picture, chance), blob


def _step(picture: Float32Array, others: Sequence[Float32Array], chance: np.random.Generator) -> Drawn:
    """One side of a wavy line looks different: another finish, a shadow, a stain that leaves the picture."""
    h, w = picture.shape
    y, x = np.mgrid[:h, :w].astype(np.float32)
    angle = chance.uniform(0, 2 * np.pi)
    wave = _noise(picture.shape, chance, chance.uniform(20, 80)) * chance.uniform(0, 0.05) * min(h, w)
    far = (x - chance.uniform(0.15, 0.85) * w) * np.cos(angle) + (
        y - chance.uniform(0.15, 0.85) * h
    ) * np.sin(angle)
    blend = np.clip((far + wave) / chance.uniform(1.0, 6.0), 0.0, 1.0)
    return _altered(picture, chance), blend.astype(np.float32)


def _altered(picture: Float32Array, chance: np.random.Generator) -> Float32Array:
    """The picture in another brightness, contrast or grain."""
    mean = _smooth(picture, 6.0)
    kind = int(chance.integers(4))
    if kind == 0:
        return (picture + _strength(chance, 10.0, 60.0)).astype(np.float32)
    if kind == 1:
        gain = float(chance.choice([chance.uniform(0.0, 0.5), chance.uniform(1.8, 3.0)]))
        return (mean + gain * (picture - mean) + chance.uniform(-15, 15)).astype(np.float32)
    if kind == 2:
        grain = _noise(picture.shape, chance, chance.uniform(1.0, 4.0)) * chance.uniform(8, 25)
        return (picture + grain + chance.uniform(-15, 15)).astype(np.float32)
    gain = 1.0 + _strength(chance, 0.12, 0.5)
    return (picture * gain).astype(np.float32)


_KINDS: tuple[Callable[[Float32Array, Sequence[Float32Array], np.random.Generator], Drawn], ...] = (
    _spot, _spot, _line, _line, _patch, _region, _step,
)  # fmt: skip
