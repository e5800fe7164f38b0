"""Bundles of networks over pictures that nobody trained: three averages find what is darker or brighter.

The pictures are an even surface with grain, and on some of them a spot. So inspection and quantising can be
tested where torch is not installed, and the truth is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from models.bundle import Bundle
from models.network import PICTURE_CONVOLUTION, Layer, LayerNetwork
from models.training.picture_fitting import PLAN, PictureFitSettings
from models.training.picture_making import PictureKind, finished_pictures
from models.training.pictures import MarkedPicture, TrainingPictures
from models.training.quantising import quantised_bundle
from models.vision.inspection import UInt8Array

SIZE_PX = (64, 96)
BRIGHT, DARK = "bright", "dark"
GOOD_PARTS, SEGMENTER = PictureKind.GOOD_PARTS, PictureKind.SEGMENTER


def surface(chance: np.random.Generator, size_px: tuple[int, int] = SIZE_PX) -> UInt8Array:
    """A good part."""
    return np.clip(110 + 6 * chance.standard_normal(size_px), 0, 255).astype(np.uint8)


def with_spot(
    picture: UInt8Array, step: float, x: float, y: float, radius: float = 7.0
) -> tuple[UInt8Array, np.ndarray]:
    """The picture with a spot that is brighter or darker by a step, and where it is."""
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    inside = (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    return np.clip(picture + step * inside, 0, 255).astype(np.uint8), inside


def surfaces(
    seed: int = 3, good: int = 40, bad: int = 20, shape: tuple[int, int] = SIZE_PX
) -> TrainingPictures:
    """Good parts, and as many with each kind of spot."""
    chance = np.random.default_rng(seed)
    pictures = [MarkedPicture(surface(chance, shape)) for _ in range(good)]
    for kind, sign in ((BRIGHT, 1.0), (DARK, -1.0)):
        for _ in range(bad):
            x, y = chance.uniform(12, shape[1] - 12), chance.uniform(12, shape[0] - 12)
            step = sign * chance.uniform(12, 60)
            picture, inside = with_spot(surface(chance, shape), step, x, y)
            pictures.append(MarkedPicture(picture, kind, inside))
    return TrainingPictures(tuple(pictures), "drawn at random")


def averages(learn: Sequence[MarkedPicture], kinds: tuple[str, ...]) -> LayerNetwork:
    """What is above and below the middle, averaged over an eighth of the picture, as evidence."""
    box = np.full((3, 3), 1.0 / 9.0, np.float32)
    first = np.stack([box, -box])[..., np.newaxis]
    keep = np.zeros((2, 3, 3, 2), np.float32)
    keep[0, ..., 0] = keep[1, ..., 1] = box
    gain = 10.0 if kinds else 6.0
    end = gain * (np.eye(2, dtype=np.float32) if kinds else np.ones((1, 2), np.float32))
    none = np.zeros(2, np.float32)

    def convolution(weights: np.ndarray, bias: np.ndarray, stride: int, relu: bool = True) -> Layer:
        return Layer(PICTURE_CONVOLUTION, weights.astype(np.float32), bias, relu, stride=stride)

    return LayerNetwork(
        (64, 64, 1),
        (
            convolution(first, none, 2),
            convolution(keep, none, 2),
            convolution(keep, none, 2),
            convolution(end[:, np.newaxis, np.newaxis], np.full(len(end), -4, np.float32), 1, relu=False),
        ),
    )


def drawn_weights(learn: Sequence[MarkedPicture], kinds: tuple[str, ...]) -> LayerNetwork:
    """The layers that are trained, with weights from a seed: its files are weights, as of a real one."""
    chance = np.random.default_rng(6)
    layers, channels = [], 1
    for outputs, stride, dilation in (*PLAN, (max(len(kinds), 1), 1, 1)):
        size = 3 if len(layers) < len(PLAN) else 1
        spread = np.sqrt(2.0 / (size * size * channels))
        weights = chance.normal(0, spread, (outputs, size, size, channels)).astype(np.float32)
        layers.append(
            Layer(
                PICTURE_CONVOLUTION, weights, np.zeros(outputs, np.float32),
                relu=len(layers) < len(PLAN), stride=stride, dilation=dilation,
            )
        )  # fmt: skip
        channels = outputs
    return LayerNetwork((64, 64, 1), tuple(layers))


@cache
def drawn_bundle() -> Bundle:
    """Of a network with drawn weights, for every runtime that is installed. It finds nothing."""
    made = finished_pictures(surfaces(), GOOD_PARTS, "drawn", PictureFitSettings(), drawn_weights)
    return quantised_bundle(made, 8)[0]


@cache
def float_bundle(kind: PictureKind = GOOD_PARTS) -> Bundle:
    """In float32."""
    pictures = surfaces()
    if kind is SEGMENTER:  # counted from mid-grey: the surface must be there
        pictures = TrainingPictures(
            tuple(MarkedPicture(_lighter(one.picture), one.kind, one.mask) for one in pictures.pictures),
            pictures.origin,
        )
    return finished_pictures(pictures, kind, "surfaces", PictureFitSettings(), averages)


def _lighter(picture: UInt8Array) -> UInt8Array:
    return np.clip(picture.astype(np.int16) + 18, 0, 255).astype(np.uint8)


@cache
def int8_bundle(kind: PictureKind = GOOD_PARTS) -> Bundle:
    """For every runtime that is installed."""
    return quantised_bundle(float_bundle(kind), 8)[0]
