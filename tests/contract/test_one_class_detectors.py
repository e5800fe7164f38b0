"""One contract over every one-class detector and fusion: what a caller may rely on."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.detectors.catalogue import DEFAULT, detectors
from models.detectors.columns import ScaleRules
from models.errors import ModelError, ModelStateError

RELATIVE = ScaleRules(floor=0.0)
NAMES = sorted(detectors(RELATIVE))
each = pytest.mark.parametrize("name", NAMES)


def healthy(n: int = 120, p: int = 8, seed: int = 1) -> np.ndarray:
    chance = np.random.default_rng(seed)
    return chance.normal(0, 1, (n, 3)) @ chance.normal(0, 1, (3, p)) + chance.normal(0, 0.5, (n, p)) + 20.0


def fitted(name: str, rows: np.ndarray, groups: object = None, scale: ScaleRules = RELATIVE):
    return detectors(scale)[name].fit(rows, groups)


def test_the_default_is_one_of_them() -> None:
    assert DEFAULT in NAMES


@each
def test_rows_farther_out_score_higher_and_healthy_rows_lowest(name: str) -> None:
    rows = healthy()
    detector = fitted(name, rows[:80])
    levels = [np.median(detector.score(rows[80:] + step)) for step in (0.0, 3.0, 6.0)]
    assert levels[0] < levels[1]
    assert levels[1] <= levels[2] if name == "isolation" else levels[1] < levels[2]
    assert (detector.score(rows) >= 0).all()


@each
def test_a_detector_is_fitted_to_other_rows_than_it_is_asked_and_changes_by_neither(name: str) -> None:
    rows, asked = healthy(), healthy(seed=2)
    before, asked_before = rows.copy(), asked.copy()
    detector = fitted(name, rows)
    once = detector.score(asked)
    assert np.array_equal(once, detector.score(asked))
    assert np.array_equal(rows, before)
    assert np.array_equal(asked, asked_before)


@each
def test_equal_rows_and_settings_give_equal_scores_bit_by_bit(name: str) -> None:
    rows, asked = healthy(), healthy(seed=2)
    assert np.array_equal(fitted(name, rows).score(asked), fitted(name, rows.copy()).score(asked))


@each
def test_a_score_does_not_depend_on_the_rows_beside_it(name: str) -> None:
    detector, asked = fitted(name, healthy()), healthy(seed=2)
    one_by_one = [detector.score(row[None])[0] for row in asked]
    assert np.allclose(one_by_one, detector.score(asked), rtol=1e-9)


@each
def test_without_a_floor_units_and_offsets_of_columns_do_not_matter(name: str) -> None:
    rows, asked = healthy(), healthy(seed=2) + 1.0
    factor, offset = np.geomspace(1e-3, 1e3, 8), np.linspace(-5, 5, 8)
    plain = fitted(name, rows).score(asked)
    scaled = fitted(name, rows * factor + offset).score(asked * factor + offset)
    assert np.allclose(plain, scaled, rtol=1e-3)


@each
def test_a_constant_column_without_a_floor_is_left_out(name: str) -> None:
    rows = healthy()
    wider = np.column_stack([rows, np.full(len(rows), 7.0)])
    asked = healthy(seed=2)
    plain = fitted(name, rows).score(asked)
    assert np.allclose(
        plain, fitted(name, wider).score(np.column_stack([asked, np.full(120, 9.0)])), rtol=1e-6
    )


@each
def test_with_a_floor_a_change_of_a_constant_column_counts(name: str) -> None:
    rows = np.column_stack([healthy(), np.full(120, 7.0)])
    detector = fitted(name, rows, scale=ScaleRules(floor=0.5))
    changed = rows[:20].copy()
    changed[:, -1] = 60.0
    if (
        name == "isolation"
    ):  # a forest cannot cut a column that never varied: the reason why it is not the default
        assert np.array_equal(detector.score(changed), detector.score(rows[:20]))
    else:
        assert np.median(detector.score(changed)) > np.max(detector.score(rows))


@each
def test_a_column_twice_is_no_difficulty(name: str) -> None:
    rows, asked = healthy(), healthy(seed=2)
    detector = fitted(name, np.column_stack([rows, rows]))
    near, far = (np.column_stack([part, part]) for part in (asked[:20], asked[:20] + 8.0))
    assert np.isfinite(detector.score(near)).all()
    assert np.median(detector.score(far)) > np.median(detector.score(near))


@each
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_fewer_rows_than_columns_and_even_one_give_finite_scores(name: str, n: int) -> None:
    detector = fitted(name, healthy(n, 30), scale=ScaleRules(floor=1.0))
    scores = detector.score(healthy(10, 30) + 50.0)
    assert np.isfinite(scores).all()


@each
def test_holes_say_nothing_and_a_row_of_holes_has_no_score(name: str) -> None:
    rows = healthy()
    rows[::7, 2] = np.nan
    rows[:, 5] = np.nan  # a column nobody ever stated
    detector = fitted(name, rows)
    asked = healthy(4, seed=2)
    asked[0, :] = np.nan
    asked[1, 3] = np.inf
    asked[2, 5] = 1e12  # never learned: not used
    scores = detector.score(asked)
    assert np.isnan(scores[0])
    assert np.isfinite(scores[1:]).all()
    plain = asked[2].copy()
    plain[5] = np.nan
    assert detector.score(plain[None])[0] == pytest.approx(scores[2], rel=1e-9)


@each
def test_a_row_is_judged_by_the_group_it_fits_best(name: str) -> None:
    rows = healthy(200)
    groups = np.repeat(["slow", "fast"], 100)
    rows[100:] += 60.0
    detector = fitted(name, rows, groups)
    inside = np.concatenate([detector.score(rows[:100]), detector.score(rows[100:])])
    between = detector.score(healthy(20, seed=2) + 30.0)
    if name == "isolation":  # judges all rows at once: it only must not find the gap more normal
        assert np.median(between) > np.median(inside)
    else:
        assert between.min() > inside.max()


@each
def test_falls_count_at_most_the_cap(name: str) -> None:
    rows = healthy()
    detector = fitted(name, rows, scale=ScaleRules(floor=0.0, fall_cap=1.0))
    if name != "isolation":
        assert np.median(detector.score(rows - 50.0)) < np.median(detector.score(rows + 50.0))
    assert np.allclose(detector.score(rows - 50.0), detector.score(rows - 500.0), rtol=1e-6)


@each
def test_a_state_survives_the_journal_and_scores_the_same(name: str) -> None:
    detector, asked = fitted(name, healthy(), np.arange(120) % 3), healthy(seed=2)
    file = io.BytesIO()
    np.savez(file, **detector.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays_read:
        again = type(detector).restore(dict(arrays_read))
    assert np.array_equal(detector.score(asked), again.score(asked))


@each
def test_a_state_that_lacks_or_mistakes_an_array_is_refused(name: str) -> None:
    detector = fitted(name, healthy())
    state = detector.state()
    for missing in state:
        with pytest.raises(ModelStateError):
            type(detector).restore({key: value for key, value in state.items() if key != missing})
    for spoilt in (key for key, value in state.items() if value.dtype.kind == "f" and value.ndim == 1):
        with pytest.raises(ModelStateError):
            type(detector).restore({**state, spoilt: np.append(state[spoilt], 1.0)})


@each
def test_no_rows_and_another_width_are_errors_that_say_so(name: str) -> None:
    with pytest.raises(ModelError, match="at least one row"):
        fitted(name, np.empty((0, 3)))
    with pytest.raises(ModelError, match="expected"):
        fitted(name, healthy()).score(healthy(3, 5))


@each
@settings(max_examples=8, deadline=None)
@given(
    rows=arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(width=64)),
    asked=arrays(np.float64, st.tuples(st.integers(1, 5), st.just(4)), elements=st.floats(width=64)),
)
def test_no_values_make_it_raise_or_warn(name: str, rows: np.ndarray, asked: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = fitted(name, rows, scale=ScaleRules(floor=0.5)).score(asked)
    assert scores.shape == (len(asked),)
    assert not np.isinf(scores).any()
    assert not (scores < 0).any()


@each
@pytest.mark.parametrize("value", [1.17558105e-138, 1e-150, 3e-162, 5e-324, 7.3e-100])
def test_equal_rows_whose_rounding_is_next_to_nothing_are_learned_quietly(name: str, value: float) -> None:
    rows, asked = np.full((7, 4), value), np.array([[3.0] * 4, [1e9, -1e9, 0.0, 1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = fitted(name, rows, scale=ScaleRules(floor=0.5)).score(asked)
    assert np.isfinite(scores).all()


@each
def test_extreme_values_in_any_mixture_score_and_restore(name: str) -> None:
    chance = np.random.default_rng(0)
    pool = np.array([0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 1e308, -1e308, 5e-324, 1e99, 1e150, 3.3])
    for trial in range(20):
        n = int(chance.integers(1, 14))
        rows, asked, groups = (
            chance.choice(pool, (n, 4)),
            chance.choice(pool, (5, 4)),
            chance.integers(0, 3, n),
        )
        scale = ScaleRules((0.0, 0.5)[trial % 2], (np.inf, 1.0)[trial // 2 % 2])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            detector = detectors(scale)[name].fit(rows, groups)
            scores = detector.score(asked)
        assert not np.isinf(scores).any()
        assert not (scores < 0).any()
        assert np.array_equal(type(detector).restore(detector.state()).score(asked), scores, equal_nan=True)
