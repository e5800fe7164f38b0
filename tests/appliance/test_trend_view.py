"""Thinning of a series: peaks kept, gaps kept, nothing invented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from appliance.journal.record import GapState, StoredGap
from appliance.trend_view import thinned
from dsp.samples import GapCause

S = 1_000_000_000


def gap(start_s: float, end_s: float) -> StoredGap:
    return StoredGap(
        1, "m.x", round(start_s * S), round(end_s * S), GapCause.POWER_OFF, GapState.LOST, None, "b"
    )


def series(values: list[float], step_s: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    return (np.arange(len(values)) * round(step_s * S)).astype(np.int64), np.array(values, np.float32)


def test_short_series_is_given_whole() -> None:
    times_ns, values = series([1.0, np.nan, 3.0])
    found = thinned(times_ns, values, [], 10)
    assert found.times_ms == [0.0, 1000.0, 2000.0]
    assert found.values == [1.0, None, 3.0]


def test_a_gap_is_a_null_between_its_neighbours() -> None:
    times_ns, values = series([1.0, 2.0, 3.0, 4.0])
    found = thinned(times_ns, values, [gap(1.2, 1.9)], 10)
    assert found.values == [1.0, 2.0, None, 3.0, 4.0]
    assert found.times_ms[1] < found.times_ms[2] < found.times_ms[3]


def test_a_gap_that_was_backfilled_parts_nothing() -> None:
    times_ns, values = series([1.0, 2.0, 3.0, 4.0])
    filled = replace(gap(0.5, 2.6), state=GapState.BACKFILLED)
    assert thinned(times_ns, values, [filled], 10).values == [1.0, 2.0, 3.0, 4.0]
    assert thinned(times_ns, values, [filled, gap(2.1, 2.9)], 10).values == [1.0, 2.0, 3.0, None, 4.0]


def test_gaps_at_the_ends_break_no_line() -> None:
    times_ns, values = series([1.0, 2.0])
    assert thinned(times_ns, values, [gap(-5, -1), gap(50, 60)], 10).values == [1.0, 2.0]


def test_nothing_is_nothing() -> None:
    times_ns, values = series([])
    assert thinned(times_ns, values, [gap(0, 1)], 10).values == []


def test_peaks_outlive_thinning() -> None:
    raw = [1.0] * 5000
    raw[1234], raw[4000] = 99.0, -50.0
    times_ns, values = series(raw)
    found = thinned(times_ns, values, [], 200)
    assert len(found.values) <= 202
    assert 99.0 in found.values
    assert -50.0 in found.values


@given(
    st.lists(st.one_of(st.floats(-1e6, 1e6, width=32), st.just(float("nan"))), max_size=300),
    st.lists(st.tuples(st.floats(-10, 310), st.floats(0, 40)), max_size=5),
    st.integers(2, 50),
)
def test_points_shown_are_points_stored(
    raw: list[float], gaps: list[tuple[float, float]], max_points: int
) -> None:
    times_ns, values = series(raw)
    found = thinned(times_ns, values, [gap(start, start + length) for start, length in gaps], max_points)
    assert found.times_ms == sorted(found.times_ms)
    stored = dict(zip(times_ns / 1e6, values.tolist(), strict=True))
    for time_ms, value in zip(found.times_ms, found.values, strict=True):
        assert value is None or value == stored[time_ms]
    shown = [value for value in found.values if value is not None]
    finite = values[np.isfinite(values)]
    if len(finite):
        assert max(shown) == float(finite.max())
        assert min(shown) == float(finite.min())
