"""Rows for one-class detectors: any rate, length and number of axes; what they must not see."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.errors import DspError
from models.detectors.representation import RowRules, coarse_row, fine_row

RULES = RowRules()


def noise(n: int, axes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (n, axes)).astype(np.float32)


@pytest.mark.parametrize(
    ("n", "axes", "rate_hz"), [(32, 1, 0.1), (200, 3, 200.0), (250, 3, 50.0), (131072, 2, 51200.0)]
)
@pytest.mark.parametrize("level_known", [True, False])
@pytest.mark.parametrize("describe", [fine_row, coarse_row])
def test_any_rate_length_and_axes(describe, n: int, axes: int, rate_hz: float, level_known: bool) -> None:
    row = describe(noise(n, axes), rate_hz, level_known, RULES)
    assert row.ndim == 1
    assert np.isfinite(row).all()


@pytest.mark.parametrize("describe", [fine_row, coarse_row])
def test_gravity_and_mounting_are_not_seen(describe) -> None:
    x = noise(500, 3)
    still = describe(x, 100.0, True, RULES)
    assert np.allclose(
        still, describe(x + np.array([0.0, 9.81, -3.0], np.float32), 100.0, True, RULES), atol=1e-3
    )


@pytest.mark.parametrize("describe", [fine_row, coarse_row])
def test_without_a_unit_the_gain_of_each_axis_is_not_seen_and_with_one_it_is(describe) -> None:
    x, gains = noise(500, 3), np.array([0.01, 3.0, 200.0], np.float32)
    assert np.allclose(describe(x, 100.0, False, RULES), describe(x * gains, 100.0, False, RULES), atol=1e-3)
    risen = describe(x * 10, 100.0, True, RULES) - describe(x, 100.0, True, RULES)
    levels = risen if describe is fine_row else risen[:-3]
    assert np.allclose(levels, 20.0, atol=1e-3)


def test_a_line_shows_as_a_peak_over_noise_in_its_band_alone() -> None:
    x, t = noise(4096, 1), np.arange(4096) / 1000.0
    added = x + 3.0 * np.sin(2 * np.pi * 200.0 * t)[:, None].astype(np.float32)
    change = fine_row(added, 1000.0, False, RULES) - fine_row(x, 1000.0, False, RULES)
    assert change.argmax() == int(200.0 / 500.0 * 64)
    assert change.max() > 20.0
    assert np.sort(np.abs(change))[-2] < 3.0


def test_a_dead_channel_and_holes_give_finite_rows() -> None:
    x = np.zeros((300, 2), np.float32)
    x[5, 1] = np.nan
    for level_known in (True, False):
        assert np.isfinite(fine_row(x, 10.0, level_known, RULES)).all()
        assert np.isfinite(coarse_row(x, 10.0, level_known, RULES)).all()


def test_too_few_samples_are_an_error_that_says_so() -> None:
    with pytest.raises(DspError, match="32"):
        fine_row(noise(31, 3), 100.0, True, RULES)
