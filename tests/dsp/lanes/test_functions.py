"""Logarithm and square root of lanes against float64's, over all exponents."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from dsp.lanes.logarithm import natural_logarithm
from dsp.lanes.moments import _root
from dsp.lanes.vector import LANES, load, store


@njit
def _logarithm(values: Any, out: Any) -> None:
    for row in range(len(values) // LANES):
        store(out, row, natural_logarithm(load(values, row)))


def error(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float32)
    out = np.empty_like(values)
    _logarithm(values, out)
    wanted = np.log(values.astype(np.float64))
    return np.abs(out - wanted) / np.maximum(np.abs(wanted), 1e-30)


def test_within_a_few_units_in_the_last_place_of_every_magnitude() -> None:
    values = 10.0 ** np.random.default_rng(0).uniform(-37.0, 38.0, 1000 * LANES)
    assert error(values).max() < 3e-7


def test_close_to_one_the_relative_error_stays_small() -> None:
    distance = 10.0 ** np.random.default_rng(1).uniform(-7.0, -0.7, 1000 * LANES)
    assert error(1.0 + distance).max() < 3e-7
    assert error(1.0 - distance).max() < 3e-7
    assert error(np.ones(LANES)).max() == 0.0


@njit
def _roots(values: Any, out: Any) -> None:
    for row in range(len(values) // LANES):
        store(out, row, _root(load(values, row)))


def test_the_fast_root_is_within_a_millionth() -> None:
    values = np.concatenate(
        [10.0 ** np.random.default_rng(2).uniform(-37.0, 30.0, 1000 * LANES), np.zeros(LANES)]
    ).astype(np.float32)
    out = np.empty_like(values)
    _roots(values, out)
    wanted = np.sqrt(values.astype(np.float64))
    assert np.all(np.abs(out - wanted) <= 1e-6 * wanted)
