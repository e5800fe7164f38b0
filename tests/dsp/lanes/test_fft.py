"""The transforms against NumPy's in float64, each lane by itself, and the generator against what it wrote."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import njit

from dsp.lanes import plain_transforms
from dsp.lanes.butterflies import butterfly_2, butterfly_3, butterfly_4, butterfly_5, butterfly_8
from dsp.lanes.complex_vector import load_complex, store_complex
from dsp.lanes.fft import Plan, aligned, row_of
from dsp.lanes.vector import LANES
from tests.conftest import ROOT

PLANS = {
    "transform_192": Plan((4, 3), (8, 2)),
    "transform_1024": Plan((8, 4), (8, 4)),
    "transform_1280": Plan((4, 5), (8, 8)),
    "transform_2048": Plan((8, 4), (8, 8)),
    "transform_2560": Plan((8, 5), (8, 8)),
    "transform_4096": Plan((8, 8), (8, 8)),
}


def complex_rows(array: np.ndarray) -> np.ndarray:
    parts = array.reshape(-1, 2, LANES).astype(np.float64)
    return parts[:, 0] + 1j * parts[:, 1]


def noise(n: int) -> np.ndarray:
    out = aligned(2 * n * LANES)
    out[:] = np.random.default_rng(n).standard_normal(out.size)
    return out


def transformed(name: str, source: np.ndarray) -> np.ndarray:
    plan = PLANS[name]
    work = aligned(plan.work_floats)
    getattr(plain_transforms, name)(source, work, aligned(plan.scratch_floats), plan.twiddle_table())
    return complex_rows(work)[[row_of(line, plan.n1, plan.n2) for line in range(plan.n)]]


@pytest.mark.parametrize("name", PLANS)
def test_a_transform_is_numpys_in_every_lane(name: str) -> None:
    source = noise(PLANS[name].n)
    wanted = np.fft.fft(complex_rows(source), axis=0)
    error = np.abs(transformed(name, source) - wanted).max(axis=0) / np.abs(wanted).max(axis=0)
    assert error.max() < 1e-6


@pytest.mark.parametrize("name", PLANS)
def test_a_lane_of_not_a_number_spoils_no_other(name: str) -> None:
    source = noise(PLANS[name].n)
    clean = transformed(name, source)
    source.reshape(-1, LANES)[123, 3] = np.nan
    spoilt = transformed(name, source)
    others = np.arange(LANES) != 3
    np.testing.assert_array_equal(spoilt[:, others], clean[:, others])
    assert np.isnan(spoilt[:, 3]).all()


@njit
def _butterfly_2(a: Any, out: Any) -> None:
    y0, y1 = butterfly_2(load_complex(a, 0), load_complex(a, 1))
    store_complex(out, 0, y0)
    store_complex(out, 1, y1)


@njit
def _butterfly_3(a: Any, out: Any) -> None:
    y0, y1, y2 = butterfly_3(load_complex(a, 0), load_complex(a, 1), load_complex(a, 2))
    store_complex(out, 0, y0)
    store_complex(out, 1, y1)
    store_complex(out, 2, y2)


@njit
def _butterfly_4(a: Any, out: Any) -> None:
    y = butterfly_4(load_complex(a, 0), load_complex(a, 1), load_complex(a, 2), load_complex(a, 3))
    for k in range(4):
        store_complex(out, k, y[k])


@njit
def _butterfly_5(a: Any, out: Any) -> None:
    y = butterfly_5(
        load_complex(a, 0), load_complex(a, 1), load_complex(a, 2), load_complex(a, 3), load_complex(a, 4)
    )
    for k in range(5):
        store_complex(out, k, y[k])


@njit
def _butterfly_8(a: Any, out: Any) -> None:
    y = butterfly_8(
        load_complex(a, 0), load_complex(a, 1), load_complex(a, 2), load_complex(a, 3),
        load_complex(a, 4), load_complex(a, 5), load_complex(a, 6), load_complex(a, 7),
    )  # fmt: skip
    for k in range(8):
        store_complex(out, k, y[k])


@pytest.mark.parametrize(
    ("radix", "kernel"),
    [(2, _butterfly_2), (3, _butterfly_3), (4, _butterfly_4), (5, _butterfly_5), (8, _butterfly_8)],
)
def test_a_butterfly_is_the_definition(radix: int, kernel: Any) -> None:
    source = noise(radix)
    out = aligned(source.size)
    kernel(source, out)
    turns = np.exp(-2j * np.pi * np.outer(np.arange(radix), np.arange(radix)) / radix)
    np.testing.assert_allclose(complex_rows(out), turns @ complex_rows(source), rtol=1e-6, atol=1e-6)


def test_every_line_has_one_row_within_the_work_array() -> None:
    for plan in PLANS.values():
        places = [row_of(line, plan.n1, plan.n2) for line in range(plan.n)]
        assert len(set(places)) == plan.n
        assert max(places) < plan.work_floats // (2 * LANES)


def test_the_generated_modules_are_what_the_command_writes() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tools.generate_lane_fft", "--check"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout + told.stderr
