"""The baseline's arithmetic equals its slow, obvious definition; its limit is fitted out of sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from models.baseline import (
    Baseline,
    BaselineRules,
    FeatureScale,
    deviations,
    fit,
    from_artefact,
    scores,
    statistic,
    to_artefact,
)
from models.errors import ArtefactError

LEVEL, DB, LINEAR, UNUSED = FeatureScale.LEVEL, FeatureScale.DECIBEL, FeatureScale.LINEAR, FeatureScale.UNUSED


def slow_score(baseline: Baseline, row: list[float]) -> float:
    """The definition, written as a technician would compute it by hand."""
    z = []
    for value, scale, centre, spread in zip(
        row, baseline.scales, baseline.centre, baseline.spread, strict=True
    ):
        if scale is UNUSED or not math.isfinite(value):
            continue
        on_scale = 20 * math.log10(max(value, 1e-12)) if scale is LEVEL else value
        z.append(max((on_scale - centre) / spread, 0.0))
    if not z:
        return math.nan
    worst = sorted(z, reverse=True)[: baseline.worst]
    return sum(worst) / len(worst) / baseline.limit


numbers = st.floats(-1e3, 1e3, width=32) | st.just(math.nan)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.just(6)), elements=numbers))
def test_scores_equal_the_slow_definition(batch: np.ndarray) -> None:
    baseline = Baseline(
        feature_names=tuple("abcdef"),
        scales=(LEVEL, DB, DB, LINEAR, UNUSED, LEVEL),
        centre=np.array([3.0, -20.0, 5.0, 0.0, np.nan, 0.0]),
        spread=np.array([0.5, 1.0, 2.0, 0.25, np.nan, 0.7]),
        worst=3,
        limit=12.0,
    )
    expected = [slow_score(baseline, row) for row in batch.tolist()]
    np.testing.assert_allclose(scores(baseline, batch), expected, rtol=1e-5)


def test_only_rises_count_and_fewer_features_than_worst_are_averaged() -> None:
    z = np.array([[-50.0, -50.0, -50.0], [9.0, -50.0, np.nan], [np.nan, np.nan, np.nan]])
    np.testing.assert_array_equal(statistic(z, 3), [0.0, 4.5, np.nan])


def healthy(rng: np.random.Generator, rows: int, features: int = 8, sd_db: float = 0.3) -> np.ndarray:
    return (-30 + sd_db * rng.standard_normal((rows, features))).astype(np.float32)


def test_a_quiet_machine_has_the_floors() -> None:
    rows = healthy(np.random.default_rng(1), 60)
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    np.testing.assert_array_equal(baseline.spread, 0.5)
    assert baseline.limit == 12.0
    # twice the level (6 dB) in three bands stands exactly at the limit
    row = np.array([baseline.centre])
    row[0, :3] += 6.0
    assert scores(baseline, row.astype(np.float32))[0] == pytest.approx(1.0, rel=1e-4)


def test_a_wide_spread_is_learned() -> None:
    rows = healthy(np.random.default_rng(2), 400, sd_db=2.0)
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    np.testing.assert_allclose(baseline.spread, 2.0, rtol=0.25)


def test_a_machine_that_changes_while_it_is_learned_gets_a_wider_limit() -> None:
    rows = healthy(np.random.default_rng(3), 60)
    rows[30:] += 8.0
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    assert baseline.limit > 20.0
    assert scores(baseline, rows).max() < 1.0


def test_single_outliers_while_learning_move_neither_centre_nor_limit() -> None:
    rows = healthy(np.random.default_rng(4), 60)
    rows[17] += 30.0
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    np.testing.assert_allclose(baseline.centre, -30.0, atol=0.3)
    assert baseline.limit == 12.0


def test_a_feature_that_is_mostly_missing_is_not_used() -> None:
    rows = healthy(np.random.default_rng(5), 60)
    rows[:40, 2] = np.nan
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    assert baseline.scales[2] is UNUSED
    row = baseline.centre[np.newaxis, :].astype(np.float32)
    row[0, 2] = 1e6
    assert scores(baseline, row)[0] == pytest.approx(0.0, abs=1e-6)
    assert math.isnan(deviations(baseline, row)[0, 2])


def test_an_artefact_holds_the_baseline_to_the_last_bit() -> None:
    rows = healthy(np.random.default_rng(6), 60)
    rows[:, 1] = np.nan
    baseline = fit(rows, tuple("abcdefgh"), [DB] * 8, BaselineRules())
    again = from_artefact(to_artefact(baseline))
    assert to_artefact(again) == to_artefact(baseline)
    np.testing.assert_array_equal(scores(again, rows), scores(baseline, rows))


@pytest.mark.parametrize(
    ("artefact", "word"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[]", "format"),
        (b'{"format": "other"}', "other"),
        (b'{"format": "robust-baseline-1"}', "feature_names"),
        (b" " * (1 << 21), "at most"),
    ],
)
def test_bytes_that_are_no_baseline_are_refused(artefact: bytes, word: str) -> None:
    with pytest.raises(ArtefactError, match=word):
        from_artefact(artefact)


@given(st.data())
@settings(deadline=None)
def test_a_damaged_artefact_gives_a_baseline_or_its_error(data: st.DataObject) -> None:
    good = to_artefact(fit(healthy(np.random.default_rng(7), 20, 3), tuple("abc"), [DB] * 3, BaselineRules()))
    at = data.draw(st.integers(0, len(good) - 1))
    damaged = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        baseline = from_artefact(damaged)
    except ArtefactError:
        return
    assert scores(baseline, np.zeros((1, len(baseline.feature_names)), np.float32)).shape == (1,)
