"""Each operation on lanes against NumPy's on the same floats, lane by lane, not-a-number included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numba import njit

from dsp.lanes import vector as v
from dsp.lanes.complex_vector import (
    complex_of,
    conjugate,
    load_complex,
    store_complex,
    swapped,
    times_minus_i,
    twiddled,
)
from dsp.lanes.vector import LANES

COMPILED = {"error_model": "numpy"}


def rows(seed: int, n: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n * LANES).astype(np.float32)


def run(kernel: Any, *sources: np.ndarray, rows_out: int = 1) -> np.ndarray:
    out = np.full((rows_out + 1) * LANES, 77.0, np.float32)
    kernel(*sources, out)
    assert np.all(out[rows_out * LANES :] == 77.0), "wrote past its row"
    return out[: rows_out * LANES]


@njit(**COMPILED)
def _arithmetic(a, b, out):
    x = v.load(a, 0)
    y = v.load(b, 0)
    v.store(out, 0, x + y)
    v.store(out, 1, x - y)
    v.store(out, 2, x * y)
    v.store(out, 3, x / y)
    v.store(out, 4, -x)


def test_arithmetic_is_numpys_in_every_lane() -> None:
    a, b = rows(1), rows(2)
    out = run(_arithmetic, a, b, rows_out=5).reshape(5, LANES)
    for ours, theirs in zip(out, (a + b, a - b, a * b, a / b, -a), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@njit(**COMPILED)
def _sum_of_products(a, b, out):
    v.store(out, 0, v.fused(v.load(a, 0), v.load(b, 0), v.load(a, 1)))
    v.store(out, 1, v.square_root(v.magnitude(v.load(a, 0))))
    v.store(out, 2, v.larger(v.load(a, 0), v.load(b, 0)))
    v.store(out, 3, v.smaller(v.load(a, 0), v.load(b, 0)))
    v.store(out, 4, v.choose_greater(v.load(a, 0), v.load(b, 0), v.load(a, 1), v.splat(np.float32(3.0))))
    v.store(out, 5, v.signs_differ(v.load(a, 0), v.load(b, 0)))
    v.store(out, 6, v.broadcast(a, 3))


def test_functions_are_numpys_in_every_lane() -> None:
    a, b = rows(3, 2), rows(4)
    out = run(_sum_of_products, a, b, rows_out=7).reshape(7, LANES)
    x, y, z = a[:LANES], b, a[LANES:]
    exact = (x.astype(np.float64) * y + z).astype(np.float32)
    np.testing.assert_allclose(out[0], exact, rtol=1e-6, atol=2e-7)
    np.testing.assert_array_equal(out[1], np.sqrt(np.abs(x)))
    np.testing.assert_array_equal(out[2], np.maximum(x, y))
    np.testing.assert_array_equal(out[3], np.minimum(x, y))
    np.testing.assert_array_equal(out[4], np.where(x > y, z, np.float32(3.0)))
    np.testing.assert_array_equal(out[5], (np.signbit(x) != np.signbit(y)).astype(np.float32))
    np.testing.assert_array_equal(out[6], np.full(LANES, x[3]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kernel", [_arithmetic, _sum_of_products], ids=["arithmetic", "functions"])
def test_a_lane_never_sees_its_neighbour(kernel: Callable[..., None], bad: float) -> None:
    n_rows = 5 if kernel is _arithmetic else 6
    a, b = rows(5, 2), rows(6)
    clean = run(kernel, a, b, rows_out=7).reshape(7, LANES)[:n_rows]
    a[2] = bad
    spoilt = run(kernel, a, b, rows_out=7).reshape(7, LANES)[:n_rows]
    others = np.arange(LANES) != 2
    np.testing.assert_array_equal(spoilt[:, others], clean[:, others])


def test_not_a_number_is_never_greater() -> None:
    a, b = rows(7, 2), rows(8)
    a[0] = b[1] = np.nan
    out = run(_sum_of_products, a, b, rows_out=7).reshape(7, LANES)
    assert out[2, 0] == b[0]
    assert out[3, 0] == b[0]
    assert np.isnan(out[2, 1])
    assert np.isnan(out[3, 1])
    np.testing.assert_array_equal(out[4, :2], [3.0, 3.0])


@njit(**COMPILED)
def _any_greater(a, b, out):
    v.store(out, 0, v.splat(np.float32(1.0 if v.any_greater(v.load(a, 0), v.load(b, 0)) else 0.0)))


@pytest.mark.parametrize("lane", range(LANES))
def test_any_greater_sees_each_lane(lane: int) -> None:
    a, b = np.zeros(LANES, np.float32), np.zeros(LANES, np.float32)
    assert run(_any_greater, a, b)[0] == 0.0
    a[lane] = 1e-30
    assert run(_any_greater, a, b)[0] == 1.0
    a[lane] = np.nan
    assert run(_any_greater, a, b)[0] == 0.0


@njit(**COMPILED)
def _float_parts(a, b, out):
    v.store(out, 0, v.binary_exponent(v.load(a, 0)))
    v.store(out, 1, v.binary_mantissa(v.load(a, 0)))
    v.store(out, 2, v.midpoint(v.load(a, 0), v.load(b, 0)))


def test_a_float_is_its_mantissa_times_two_to_its_exponent() -> None:
    a = np.float32(10.0) ** np.random.default_rng(9).uniform(-37.0, 38.0, LANES).astype(np.float32)
    b = np.float32(2.0) * a
    exponent, mantissa, middle = run(_float_parts, a, b, rows_out=3).reshape(3, LANES)
    np.testing.assert_array_equal(np.ldexp(mantissa, exponent.astype(int)), a)
    assert np.all((mantissa >= 0.75) & (mantissa < 1.5))
    assert np.all((middle > a) & (middle < b))


@njit(**COMPILED)
def _complex(a, b, out):
    x = load_complex(a, 0)
    y = load_complex(b, 0)
    store_complex(out, 0, x + y)
    store_complex(out, 1, x - y)
    store_complex(out, 2, x * y)
    store_complex(out, 3, x * v.load(b, 0))
    store_complex(out, 4, times_minus_i(x))
    store_complex(out, 5, swapped(x))
    store_complex(out, 6, conjugate(x))
    store_complex(out, 7, twiddled(x, b, 1))
    store_complex(out, 8, complex_of(y.imag, y.real))


def test_complex_lanes_are_complex_numbers() -> None:
    a, b = rows(10, 2), rows(11, 2)
    out = run(_complex, a, b, rows_out=18).reshape(9, 2, LANES)
    x = a[:LANES].astype(np.complex128) + 1j * a[LANES:]
    y = b[:LANES].astype(np.complex128) + 1j * b[LANES:]
    wanted = (
        x + y, x - y, x * y, x * y.real, -1j * x, x.imag + 1j * x.real, x.conj(),
        x * complex(b[2], b[3]), y.imag + 1j * y.real,
    )  # fmt: skip
    for ours, theirs in zip(out[:, 0] + 1j * out[:, 1], wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)
