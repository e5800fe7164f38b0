"""What all kernels have in common: they let other threads run, are cached, and keep not-a-number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numba.core.registry import CPUDispatcher

from dsp import kernels
from dsp.extractor import TrendExtractor
from dsp.framing import Window, WindowBatch
from dsp.samples import Quality, TimeQuality
from dsp.sensor_check import check_sensor

KERNELS = {name: value for name, value in vars(kernels).items() if isinstance(value, CPUDispatcher)}

coarse_rows = hnp.arrays(
    np.float32, st.integers(1, 60), elements=st.integers(-3, 3).map(float)
)  # few values: runs and ties at the extremes


def test_every_kernel_releases_the_gil_is_cached_and_rounds_by_the_standard() -> None:
    assert len(KERNELS) >= 7
    for name, kernel in KERNELS.items():
        assert kernel.targetoptions["nogil"] is True, name
        assert kernel.targetoptions["fastmath"] is False, name
        assert type(kernel._cache).__name__ == "FunctionCache", name


def test_warming_up_compiles_for_all_that_the_callers_pass() -> None:
    """Signatures are counted after real use: a second one would be compiled in the middle of the work."""
    kernels.warm_up()
    extractor = TrendExtractor(1000.0, 1024, "m/s2")
    samples = np.random.default_rng(0).normal(size=(5, 1024)).astype(np.float32)
    samples.setflags(write=False)
    qualities = (Quality.GOOD,) * 5
    extractor.extract(WindowBatch(("c",) * 5, (0,) * 5, (1000.0,) * 5, samples, qualities, ("",) * 5))
    check_sensor(Window("c", 0, 1000.0, samples[0], Quality.GOOD, TimeQuality.RECORDED))
    check_sensor(Window("c", 0, 1000.0, samples[0, ::2], Quality.GOOD, TimeQuality.RECORDED))
    for name in set(KERNELS) - {"_squared"}:
        assert len(KERNELS[name].signatures) == 1, (name, KERNELS[name].signatures)


@settings(deadline=None)
@given(coarse_rows)
def test_extremes_equal_a_sorted_list(samples: np.ndarray) -> None:
    found = np.empty(8)
    kernels.extremes(samples, found)
    values, counts = np.unique(samples, return_counts=True)
    expected = [values[-1], counts[-1], -np.inf, 0, values[0], counts[0], np.inf, 0]
    if len(values) > 1:
        expected[2:4] = [values[-2], counts[-2]]
        expected[6:8] = [values[1], counts[1]]
    assert found.tolist() == [float(value) for value in expected]


def runs_of(samples: np.ndarray) -> list[tuple[int, int]]:
    """(start, length) of each stretch of equal samples."""
    runs: list[tuple[int, int]] = []
    for i, value in enumerate(samples):
        if runs and samples[runs[-1][0]] == value:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((i, 1))
    return runs


@settings(deadline=None)
@given(coarse_rows, st.integers(1, 6), st.sampled_from([0.0, 1.0, 2.5]))
def test_runs_equal_a_plain_walk(samples: np.ndarray, run_samples: int, leap: float) -> None:
    runs = runs_of(samples)
    found = np.empty(4)
    kernels.run_statistics(samples, found)
    steps = [abs(float(samples[start] - samples[start - 1])) for start, _ in runs[1:]]
    assert found[0] == pytest.approx(sum(length > 1 for _, length in runs) / len(runs))
    assert found[1] == min(steps, default=np.inf)
    equal = [one == other for one, other in pairwise(samples)]
    assert found[2] == pytest.approx(sum(equal) / max(1, len(equal)))
    assert found[3] == pytest.approx(sum(step <= 2.5 * min(steps) for step in steps) / max(1, len(steps)))
    frozen = [
        (start, length)
        for start, length in runs
        if length >= run_samples
        and (
            (start > 0 and abs(samples[start] - samples[start - 1]) > leap)
            or (start + length < len(samples) and abs(samples[start] - samples[start + length]) > leap)
        )
    ]
    result = np.empty(4)
    kernels.frozen_runs(samples, run_samples, leap, result)
    assert result[:2].tolist() == [len(frozen), sum(length for _, length in frozen)]
    if frozen:
        longest = max(frozen, key=lambda run: run[1])
        assert result[2:].tolist() == [longest[1], float(samples[longest[0]])]


def test_centred_rows_are_rounded_once() -> None:
    samples = np.array([[1e7 + 1.0, 1e7 - 1.0, np.nan, np.inf]], np.float32)
    out = np.empty_like(samples)
    kernels.centred(samples, np.array([1e7]), np.array([0.5]), out)
    assert out[0, :2].tolist() == [0.5, -0.5]
    assert np.isnan(out[0, 2])
    assert np.isinf(out[0, 3])
