"""Buckets, quantiles and differences, against sorting."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.telemetry.distribution import LATENCY_BOUNDS_S, SCORE_BOUNDS, Meter, preferred_numbers

STEP = 1.15  # greatest ratio of two neighbouring bounds of R20


def test_bounds_are_the_preferred_numbers() -> None:
    assert preferred_numbers(0, 1)[:3] == (1.0, 1.12, 1.25)
    assert preferred_numbers(0, 1)[-1] == 10.0
    assert len(LATENCY_BOUNDS_S) == 8 * 20 + 1
    assert (LATENCY_BOUNDS_S[0], LATENCY_BOUNDS_S[-1]) == (1e-5, 1e3)
    assert 1.0 in SCORE_BOUNDS, "the limit is a bound"
    ratios = [b / a for a, b in itertools.pairwise(LATENCY_BOUNDS_S)]
    assert max(ratios) < STEP
    assert min(ratios) > 1.1


@given(st.lists(st.floats(2e-5, 900.0), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_right_within_one_bucket(values: list[float], q: float) -> None:
    meter = Meter()
    for value in values:
        meter.add(value)
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    found = meter.distribution().quantile(q)
    assert found is not None
    assert exact / STEP <= found <= exact * STEP


def test_what_was_counted_since_is_what_was_added_since() -> None:
    chance = random.Random(3)
    meter, later = Meter(), Meter()
    for _ in range(500):
        meter.add(chance.lognormvariate(-5.0, 1.0))
    before = meter.distribution()
    for _ in range(300):
        value = chance.lognormvariate(0.0, 1.0)
        meter.add(value)
        later.add(value)
    since = meter.distribution().since(before)
    assert since.counts == later.distribution().counts
    assert since.n == 300
    assert since.total == pytest.approx(later.distribution().total)
    assert since.quantile(0.5) == later.distribution().quantile(0.5)
    assert meter.distribution().since(None) == meter.distribution()


def test_what_cannot_be_measured_does_no_harm() -> None:
    meter = Meter()
    for value in (math.nan, math.inf, -math.inf):
        meter.add(value)
    assert meter.distribution().n == 0
    assert meter.distribution().quantile(0.5) is None
    assert meter.distribution().mean is None
    meter.add(-1.0)  # a clock that went back
    meter.add(1e9)
    assert meter.distribution().n == 2
    assert meter.distribution().quantile(0.5) == pytest.approx(LATENCY_BOUNDS_S[0])
    assert meter.distribution().quantile(0.99) == LATENCY_BOUNDS_S[-1]


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    meter = Meter((1.0, 2.0))
    for value in (1.0, 1.5, 2.0, 2.5):
        meter.add(value)
    assert meter.distribution().counts == (1, 2, 1)
