"""Process tags: learned, judged causally, slow tags found by their own statistics, states that survive."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from models.correlation_time import correlation_time
from models.errors import ModelStateError
from models.excursion import ExcursionAlarm, ExcursionRules
from models.process_detector import ProcessDetector, ProcessJudgement, ProcessRules
from models.process_learning import learn_tags, window_means

TAGS = ("flow", "pressure", "drift")
N = 900


def plant(seed: int = 1, n: int = N) -> np.ndarray:
    """Two steady tags of white noise and one that wanders; no name says which."""
    rng = np.random.default_rng(seed)
    return np.stack(
        [
            100.0 + rng.standard_normal(n),
            2.0 + 0.1 * rng.standard_normal(n),
            60.0 + 0.2 * np.cumsum(rng.standard_normal(n)),
        ],
        axis=1,
    )


def judged(rows: np.ndarray, rules: ProcessRules | None = None) -> list[ProcessJudgement | None]:
    detector = ProcessDetector(TAGS[: rows.shape[1]], rules)
    return [detector.observe(row) for row in rows]


def alarms(said: list[ProcessJudgement | None]) -> list[int]:
    return [i for i, judgement in enumerate(said) if judgement is not None and judgement.alarm]


def changes(said: list[ProcessJudgement | None]) -> list[int]:
    return [i for i, judgement in enumerate(said) if judgement is not None and judgement.changed]


def test_it_learns_from_the_first_rows_and_says_nothing() -> None:
    said = judged(plant())
    assert all(judgement is None for judgement in said[:400])
    assert all(judgement is not None for judgement in said[400:])


def test_steady_tags_and_a_wandering_one_seldom_raise_an_alarm() -> None:
    """A spread learned from 400 rows is known to a tenth or so: the limit cannot be surer than that."""
    false = sum(bool(alarms(judged(plant(seed)))) for seed in range(20))
    print(f"{false} of 20 runs of {N - 400} healthy rows with an alarm")
    assert false <= 1


def test_one_loud_row_is_no_alarm_and_a_shift_still_is() -> None:
    rows = plant()
    rows[600, 0] += 500.0  # a transmitter's spike
    rows[650:652, 0] += 500.0  # and one that lasts two rows
    assert alarms(judged(rows)) == []
    rows[700:760, 0] -= 6.0
    assert 700 < alarms(judged(rows))[0] <= 716


def test_spiky_noise_of_a_month_seldom_alarms() -> None:
    """Student's t with 5 degrees of freedom; rows of 10 s, learned in 8 h, as the service has it."""
    days, learn = 30, 2880
    rows = np.random.default_rng(4).standard_t(5, learn + days * 8640)[:, None]
    learned = learn_tags(rows[:learn], 8)
    deviations = np.abs(window_means(rows[:, 0], 8)[learn - 7 :] - learned.level[0]) / (
        3.3 * learned.spread[0]
    )
    middles = np.median(sliding_window_view(rows[learn - 7 :, 0], 8), axis=1)
    middle = np.abs(middles - learned.level[0]) / (3.3 * learned.spread[0])
    shown = np.minimum(deviations, 2.0 * middle)
    detector, counted = ProcessDetector(("flow",), ProcessRules(learn_rows=learn)), {}
    said = [detector.observe(row) for row in rows[: learn + 500]]
    own = [judgement.deviation for judgement in said if judgement is not None]
    np.testing.assert_allclose(own, shown[:500])  # the series are the detector's own
    for name, series, confirm_rows in (
        ("8 rows of the mean", deviations, 8),
        ("9 rows of mean and median", shown, 9),
    ):
        alarm = ExcursionAlarm(replace(ProcessRules().excursion, confirm_rows=confirm_rows))
        stood = [alarm.observe(value) for value in series.tolist()]
        counted[name] = sum(now and not before for before, now in pairwise([False, *stood]))
    print(f"false alarms of one tag in {days} days, confirmed by: {counted}")
    assert counted["8 rows of the mean"] >= 5
    assert counted["9 rows of mean and median"] <= 1


def test_a_shift_is_found_named_and_left_when_it_ends() -> None:
    rows = plant()
    rows[600:700, 0] -= 6.0
    said = judged(rows)
    found = alarms(said)
    assert 600 < found[0] <= 612
    assert 700 <= found[-1] <= 745
    at = said[650]
    assert at is not None and at.worst_tag == "flow"
    assert at.shift == pytest.approx(-6.0, abs=1.5)


def test_both_ends_of_a_shift_are_change_points_told_once() -> None:
    rows = plant(2)
    rows[600:700, 0] -= 6.0
    found = changes(judged(rows))
    for at in (600, 700):
        assert sum(at <= t < at + 30 for t in found) == 1
        assert any(at < t <= at + 8 for t in found)


def test_a_slow_tag_is_found_by_its_own_values() -> None:
    rows = plant()[:400]
    assert learn_tags(rows, 8).slow == (False, False, True)
    assert learn_tags(rows[:, ::-1], 8).slow == (True, False, False)


def test_correlation_time_of_known_processes() -> None:
    rng = np.random.default_rng(2)
    white = rng.standard_normal(20_000)
    assert correlation_time(white, 100) == pytest.approx(1.0, abs=0.2)
    slow = np.zeros(20_000)
    for i in range(1, len(slow)):
        slow[i] = 0.9 * slow[i - 1] + white[i]
    assert correlation_time(slow, 500) == pytest.approx(1.9 / 0.1, rel=0.25)  # (1 + r) / (1 - r)
    assert correlation_time(np.full(100, 3.0), 50) == 1.0


def test_no_row_is_judged_by_later_ones() -> None:
    """Causality: cut the future off, or replace it, and what was said stays as it was."""
    rows = plant()
    rows[550:650, 1] += 1.0
    whole = judged(rows)
    for end in (401, 555, 640, 700):
        assert judged(rows[:end]) == whole[:end]
        other = rows.copy()
        other[end:] = 1e6
        assert judged(other)[:end] == whole[:end]


def test_a_state_survives_json_at_any_row() -> None:
    rows = plant()
    rows[550:650, 1] += 1.0
    whole = judged(rows)
    for cut in (1, 399, 400, 470, 556, 640, 660):
        before = ProcessDetector(TAGS)
        for row in rows[:cut]:
            before.observe(row)
        after = ProcessDetector(TAGS)
        after.restore(json.loads(json.dumps(before.state())))
        assert [after.observe(row) for row in rows[cut:]] == whole[cut:]


def test_memory_is_bounded() -> None:
    detector = ProcessDetector(TAGS)
    sizes = []
    for row in plant(n=1_500):
        detector.observe(row)
        sizes.append(len(json.dumps(detector.state()["rows"])))
    assert max(sizes[400:]) < max(sizes[:400]) / 4


def test_empty_cells_say_nothing() -> None:
    rows = plant()
    rows[::7, 0] = np.nan
    rows[500:600, 1] = np.nan
    rows[:, 2] = np.nan
    rows[700:, 0] += 6.0
    found = alarms(judged(rows))
    assert found and found[0] > 700


def test_rows_without_any_cell_keep_what_stands() -> None:
    rows = plant()
    rows[600:700, 0] += 6.0
    rows[650:670] = np.nan
    said = judged(rows)
    assert all(judgement is not None and judgement.alarm for judgement in said[640:690])
    silent = said[665]
    assert silent is not None and math.isnan(silent.deviation) and silent.worst_tag == ""


def test_a_tag_that_stood_still_alarms_when_it_moves_by_several_percent() -> None:
    rows = plant(2)[:, :2]
    rows[:, 1] = 50.0
    rows[600:, 1] = 50.5
    assert alarms(judged(rows)) == []
    rows[600:, 1] = 55.0
    assert alarms(judged(rows))[0] < 620


def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(ModelStateError, match="shape"):
        ProcessDetector(TAGS).observe(np.zeros(2))


@pytest.mark.parametrize(
    ("field", "value"),
    [("format", "x"), ("rules", {}), ("tag_names", ["a"]), ("rows", [[1.0]]), ("learned", {}), ("alarm", {})],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_taken_over(field: str, value: object) -> None:
    source = ProcessDetector(TAGS)
    for row in plant()[:450]:
        source.observe(row)
    detector = ProcessDetector(TAGS)
    untouched = detector.state()
    with pytest.raises(ModelStateError):
        detector.restore({**source.state(), field: value})
    assert detector.state() == untouched


def of_twelve_rows(end: int, rows: np.ndarray) -> dict[str, Any]:
    """What a release that confirmed an excursion by 12 rows stored after `end` rows."""
    older = ProcessDetector(TAGS, replace(ProcessRules(), excursion=ExcursionRules(12, 0.5, 30, 200)))
    for row in rows[:end]:
        older.observe(row)
    document: dict[str, Any] = json.loads(json.dumps(older.state()))
    assert document["rules"]["excursion"]["confirm_rows"] == 12
    return document


def test_an_update_of_the_alarm_rules_keeps_what_was_learned() -> None:
    rows = plant()
    rows[600:, 1] += 1.0
    present = ProcessDetector(TAGS)
    for row in rows[:500]:
        present.observe(row)
    updated = ProcessDetector(TAGS)
    updated.restore(of_twelve_rows(500, rows))
    assert present.learned is not None and updated.learned is not None
    assert updated.learned.to_json() == present.learned.to_json()
    # judged by the present rules from here on, as if they had always been in force
    assert [updated.observe(row) for row in rows[500:]] == [present.observe(row) for row in rows[500:]]
    assert updated.state()["rules"] == ProcessRules().to_json()
    # half learned goes on learning, and an alarm that stands goes on standing
    half = ProcessDetector(TAGS)
    half.restore(of_twelve_rows(300, rows))
    assert half.rows_learned == 300
    standing = ProcessDetector(TAGS)
    standing.restore(of_twelve_rows(660, rows))
    assert standing.alarm
    judgement = standing.observe(rows[660])
    assert judgement is not None and judgement.alarm


def test_other_learned_figures_are_refused() -> None:
    source = ProcessDetector(TAGS)
    for row in plant()[:450]:
        source.observe(row)
    for other in ({"window_rows": 6}, {"learn_rows": 300}):
        document = source.state()
        with pytest.raises(ModelStateError, match="other rules"):
            ProcessDetector(TAGS).restore({**document, "rules": {**document["rules"], **other}})
