"""The score of change points, against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from models.evaluation.change_point_score import ChangePointCount, count_change_points, nab_score


def test_at_once_is_perfect_and_silence_is_nothing() -> None:
    assert nab_score([count_change_points([100.0, 500.0], [100.0, 500.0])]) == pytest.approx(100.0)
    assert nab_score([count_change_points([100.0, 500.0], [])]) == pytest.approx(0.0)


def test_places_in_the_window_earn_by_the_sigmoid() -> None:
    def earned(at: float) -> float:
        return count_change_points([100.0], [at]).earned

    assert earned(100.0) == pytest.approx(1.0)
    assert earned(130.0) == pytest.approx(0.445)  # the middle: (1 - 0.11) / 2
    assert earned(160.0) == pytest.approx(-0.11)
    # a quarter in: tanh(pi/4) = 0.655794, tanh(pi/2) = 0.917152
    assert earned(115.0) == pytest.approx(-0.11 + 1.11 * (1.0 + 0.655794 / 0.917152) / 2.0, abs=1e-5)
    assert earned(115.0) == pytest.approx(0.84184, abs=1e-4)


def test_only_the_first_in_a_window_counts_and_others_cost_nothing() -> None:
    assert count_change_points([100.0], [130.0, 140.0, 150.0]) == count_change_points([100.0], [130.0])


def test_each_detection_outside_costs_and_a_missed_window_costs_one() -> None:
    count = count_change_points([100.0, 500.0], [50.0, 99.9, 130.0, 161.0])
    assert (count.changes, count.found, count.false) == (2, 1, 3)
    assert count.earned == pytest.approx(0.445 - 1.0 - 3 * 0.11)
    # (earned - -2) / (2 - -2)
    assert nab_score([count]) == pytest.approx(100.0 * (0.445 - 1.33 + 2.0) / 4.0)


def test_where_windows_overlap_the_later_begins_where_the_earlier_ends() -> None:
    count = count_change_points([100.0, 140.0], [150.0, 180.0])
    # 150 lies in the first window only, at 5/6 of it; 180 in the middle of the rest of the second, 160 to 200
    fall = math.tanh(math.pi / 3.0) / math.tanh(math.pi / 2.0)
    assert count.found == 2 and count.false == 0
    assert count.earned == pytest.approx(-0.11 + 1.11 * (1.0 - fall) / 2.0 + 0.445)


def test_more_alarms_than_changes_can_be_worse_than_silence() -> None:
    score = nab_score([count_change_points([100.0], [float(t) for t in range(200, 230)])])
    assert score is not None and score < -100.0


def test_files_are_pooled_before_scaling() -> None:
    files = [ChangePointCount(1.0, 1, 1, 0), ChangePointCount(-3.0, 3, 0, 0)]
    assert nab_score(files) == pytest.approx(100.0 * (-2.0 + 4.0) / 8.0)
    assert nab_score([ChangePointCount(-0.22, 0, 0, 2)]) is None
