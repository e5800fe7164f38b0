"""What is counted of two models on the same windows equals what the whole list would give."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.disagreement import Disagreement


def test_the_sums_say_what_the_list_says() -> None:
    random = np.random.default_rng(5)
    one = np.abs(1e4 + random.standard_normal(500)) - 1e4 + 0.9
    two = 0.6 * one + 0.3 * random.standard_normal(500) + 0.4
    sums = Disagreement()
    for a, b in zip(one.tolist(), two.tolist(), strict=True):
        sums.add(a, b)
    assert sums.windows == 500
    assert sums.correlation == pytest.approx(float(np.corrcoef(one, two)[0, 1]), abs=1e-9)
    assert sums.means == pytest.approx((one.mean(), two.mean()))
    assert sums.differ == int(((one > 1) != (two > 1)).sum()) > 0
    assert sums.only_shadow_over == int(((one <= 1) & (two > 1)).sum())
    assert sums.both_over == int(((one > 1) & (two > 1)).sum())


def test_what_states_nothing_is_left_out_and_no_correlation_is_claimed_of_too_little() -> None:
    sums = Disagreement()
    sums.add(math.nan, 1.0)
    sums.add(1.0, math.inf)
    assert sums.windows == 0
    for value in (0.1, 0.2, 0.3):
        assert sums.correlation is None
        sums.add(value, 0.5)
    assert sums.correlation is None, "the shadow never changed"
