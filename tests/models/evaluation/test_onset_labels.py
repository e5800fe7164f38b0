"""Onset labels and what alarms are worth against them, on series made by hand."""

from __future__ import annotations

import numpy as np

from models.evaluation.onset_labels import Onsets, baseline_snapshots, judge_alarms, onset_labels


def steps(n: int = 300, at: int = 200, level: float = 3.0) -> np.ndarray:
    rms = 1.0 + 0.01 * np.sin(np.arange(n))
    rms[at:] *= level
    return rms


def test_a_clear_step_is_one_onset_by_every_label() -> None:
    assert onset_labels(steps()) == Onsets(200, 200, 200)


def test_a_run_that_rises_and_falls_back_has_its_b_at_the_last_rise() -> None:
    rms = steps()
    rms[100:120] *= 3.0
    labels = onset_labels(rms)
    assert labels.a == 100 and labels.b == 200 and labels.first == 100


def test_five_in_a_row_are_needed_for_a_and_none_is_n() -> None:
    rms = steps(level=1.5)
    rms[50:54] = 5.0
    assert onset_labels(rms).a == 300


def test_the_change_point_is_the_least_squared_error() -> None:
    rng = np.random.default_rng(3)
    rms = np.exp(0.1 * rng.standard_normal(120))
    rms[70:] *= 1.6
    log = np.log(rms)
    slow = [log[:k].var() * k + log[k:].var() * (120 - k) for k in range(2, 118)]
    assert onset_labels(rms).c == int(np.argmin(slow)) + 2


def test_baseline_is_a_tenth_and_at_least_twenty() -> None:
    assert [baseline_snapshots(n) for n in (40, 200, 871)] == [20, 20, 87]


def test_early_alarms_are_false_events_merged_within_thirty() -> None:
    judged = judge_alarms([50, 60, 80, 120, 198, 205], Onsets(200, 210, 220))
    assert judged.false_events == 2  # 50 to 80, and 120
    assert judged.first_alarm == 198  # 2 before the first label: noticing early is the purpose
    assert [judged.delay(label) for label in (200, 210, 220)] == [-2, -12, -22]


def test_nothing_found_has_no_delay() -> None:
    judged = judge_alarms([50], Onsets(200, 200, 200))
    assert judged.false_events == 1 and judged.first_alarm is None and judged.delay(200) is None
