"""Convolutions over pictures: what each output reads is what the definition says, at every edge."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ArtefactError
from models.network import (
    DENSE,
    PICTURE_CONVOLUTION,
    Layer,
    LayerNetwork,
    from_artefact,
    to_artefact,
)
from models.picture_layers import padding, patches
from tests.fakes.picture_networks import random_network, random_pictures


def test_padding_is_that_of_tensorflow_s_same() -> None:
    """Figures from its documentation's formula, worked by hand."""
    assert padding(48, 3, 1, 1) == (1, 1)
    assert padding(48, 3, 2, 1) == (0, 1)  # even sizes: the odd row stands behind
    assert padding(49, 3, 2, 1) == (1, 1)
    assert padding(48, 3, 1, 4) == (4, 4)
    assert padding(48, 1, 1, 1) == (0, 0)
    assert padding(48, 1, 2, 1) == (0, 0)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("size", [(7, 8), (6, 5)])
def test_patches_read_what_the_definition_says(stride: int, dilation: int, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).normal(size=(*size, 2))
    found = patches(picture, (3, 3), stride, dilation)
    tops, lefts = (padding(n, 3, stride, dilation)[0] for n in size)
    assert found.shape == (-(-size[0] // stride), -(-size[1] // stride), 18)
    for i in range(found.shape[0]):
        for j in range(found.shape[1]):
            for k in range(9):
                y, x = i * stride - tops + k // 3 * dilation, j * stride - lefts + k % 3 * dilation
                inside = 0 <= y < size[0] and 0 <= x < size[1]
                wanted = picture[y, x] if inside else np.zeros(2)
                np.testing.assert_array_equal(found[i, j, 2 * k : 2 * k + 2], wanted)


def test_a_network_over_pictures_survives_its_file() -> None:
    network = random_network((21, 34, 1))
    again = from_artefact(to_artefact(network))
    pictures = random_pictures(2, (21, 34, 1))
    assert again.output_shape == network.output_shape == (6, 9, 3)
    np.testing.assert_array_equal(again.run(pictures), network.run(pictures))
    assert network.run(pictures[:0]).shape == (0, 6, 9, 3)


@pytest.mark.parametrize(
    ("weights", "stride", "dilation", "shape"),
    [
        ((2, 3, 3, 5), 1, 1, (8, 8, 1)),
        ((2, 3, 3, 1), 0, 1, (8, 8, 1)),
        ((2, 3, 3, 1), 1, 65, (8, 8, 1)),
        ((2, 3, 3, 1), 1, 1, (8, 8)),
        ((2, 3, 1), 1, 1, (8, 8, 1)),
        ((2, 3, 3, 1), 1, 1, (65_000, 65_000, 1)),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(
    weights: tuple[int, ...], stride: int, dilation: int, shape: tuple[int, ...]
) -> None:
    bad = Layer(
        PICTURE_CONVOLUTION,
        np.zeros(weights, np.float32),
        np.zeros(2, np.float32),
        relu=False,
        stride=stride,
        dilation=dilation,
    )
    with pytest.raises(ArtefactError):
        LayerNetwork(shape, (bad,))


def test_a_dense_layer_may_end_it() -> None:
    network = random_network((8, 8, 1))
    end = Layer(DENSE, np.ones((1, 2 * 2 * 3), np.float32), np.zeros(1, np.float32), relu=False)
    ended = LayerNetwork((8, 8, 1), (*network.layers, end))
    pictures = random_pictures(3, (8, 8, 1))
    np.testing.assert_allclose(
        ended.run(pictures)[:, 0], network.run(pictures).reshape(3, -1).sum(axis=1), rtol=1e-5
    )
