"""Rows from values that come as they change: means per interval, late and empty ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from appliance.analysis_rows import Row, RowFormer
from dsp.samples import Quality
from tests.fakes.machine_items import S, tag


def rows_of(former: RowFormer, *values: tuple[str, float, float]) -> list[Row]:
    """(channel, time in s, value) in the order of arrival."""
    return [row for c, t, v in values for row in former.take(tag(c, round(t * S), v))]


def test_each_interval_is_one_row_of_means_once_nothing_of_it_can_come_any_more() -> None:
    former = RowFormer(["a", "b"], 10.0, late_s=2.0)
    assert rows_of(former, ("a", 1, 1.0), ("b", 2, 5.0), ("a", 8, 3.0), ("a", 11.9, 9.0)) == []
    (row,) = rows_of(former, ("b", 12.0, 7.0))
    assert row.end_ns == 10 * S
    assert row.values.tolist() == [2.0, 5.0]
    (row,) = rows_of(former, ("a", 22.0, 0.0))
    assert row.values.tolist() == [9.0, 7.0]


def test_what_nobody_said_is_empty_and_an_interval_of_silence_is_no_row() -> None:
    former = RowFormer(["a", "b"], 10.0, late_s=2.0)
    found = rows_of(former, ("a", 5, 1.0), ("a", 45, 2.0), ("b", 60, 3.0))
    assert [row.index for row in found] == [0, 4]
    assert math.isnan(found[0].values[1])
    assert math.isnan(found[1].values[1])


def test_what_comes_too_late_is_lost_and_changes_no_row_that_was_given() -> None:
    former = RowFormer(["a"], 10.0, late_s=2.0)
    assert len(rows_of(former, ("a", 5, 1.0), ("a", 12, 2.0))) == 1
    assert rows_of(former, ("a", 9, 100.0)) == []
    (row,) = rows_of(former, ("a", 22, 3.0))
    assert row.values.tolist() == [2.0]


def test_bad_and_foreign_values_are_not_taken_and_an_interruption_voids_what_is_open() -> None:
    former = RowFormer(["a"], 10.0, late_s=0.0)
    former.take(tag("a", S, 7.0, Quality.BAD))
    former.take(tag("else", S, 7.0))
    former.take(tag("a", 2 * S, math.inf))
    former.take(tag("a", 3 * S, 5.0))
    (row,) = former.take(tag("a", 10 * S, 1.0))
    assert row.values.tolist() == [5.0]
    former.interrupt()
    assert rows_of(former, ("a", 1, 2.0), ("a", 10, 3.0))[0].values.tolist() == [2.0]


@pytest.mark.parametrize("row_s", [0.05, 1.0, 3600.0])
def test_values_in_any_order_within_the_time_that_is_waited_make_the_same_rows(row_s: float) -> None:
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0.0, 20.0 * row_s, 300))
    values = [("ab"[i % 2], float(t), float(i)) for i, t in enumerate(times)]
    order = sorted(range(300), key=lambda i: times[i] + rng.uniform(0.0, 0.5 * row_s))
    plain, shuffled = (RowFormer(["a", "b"], row_s, late_s=row_s) for _ in range(2))
    end = ("a", 30.0 * row_s, 0.0)
    one = rows_of(plain, *values, end)
    other = rows_of(shuffled, *(values[i] for i in order), end)
    assert len(one) == 20
    assert [row.values.tolist() for row in one] == [row.values.tolist() for row in other]
