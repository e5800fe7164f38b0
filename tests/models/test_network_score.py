"""What stands around a network: deviations in, a distance out, against the definition written slowly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.baseline import FeatureScale
from models.errors import TensorError
from models.network_score import NetworkForm, NetworkSpec, prepare, raw_scores, scores

SPEC = NetworkSpec(
    form=NetworkForm.RECONSTRUCTION,
    scales=(FeatureScale.LEVEL, FeatureScale.UNUSED, FeatureScale.DECIBEL, FeatureScale.LINEAR),
    columns=(0, 2, 3),
    centre=(0.0, -30.0, 5.0),
    spread=(2.0, 0.5, 1.0),
    fall_cap=3.0,
    reach=8.0,
    output_spread=(1.0, 0.5, 2.0),
)
ROWS = np.array([[1.0, 99.0, -29.0, 5.0], [100.0, 99.0, -60.0, np.nan]], np.float32)


def test_rows_become_deviations_on_their_scales() -> None:
    prepared = prepare(SPEC, ROWS)
    # 100 is +40 dB = 20 spreads, the network sees 8; -30 dB is a fall, capped; a hole is 0
    np.testing.assert_allclose(prepared.inputs, [[0, 2, 0], [8, -3, 0]])
    np.testing.assert_allclose(prepared.beyond, [0, 12.0**2 / 3])


def test_the_distance_is_the_definition_s() -> None:
    prepared = prepare(SPEC, ROWS)
    outputs = np.array([[0.5, 1.0, 0.0], [7.0, -3.0, 1.0]], np.float32)
    first = math.sqrt((0.5**2 + (1 / 0.5) ** 2 + 0.0) / 3)
    second = math.sqrt((1.0 + 0.0 + 0.5**2) / 3 + 12.0**2 / 3)
    np.testing.assert_allclose(raw_scores(SPEC, prepared, outputs), [first, second])
    np.testing.assert_allclose(scores(SPEC, prepared, outputs, 2.0), [first / 2, second / 2], rtol=1e-6)


def test_an_embedding_is_compared_with_its_centre() -> None:
    spec = replace(SPEC, form=NetworkForm.EMBEDDING, output_spread=(1.0, 2.0), target=(1.0, -1.0))
    found = raw_scores(spec, prepare(spec, ROWS[:1]), np.array([[1.0, 1.0]], np.float32))
    np.testing.assert_allclose(found, math.sqrt((0 + 1.0) / 2))


def test_a_prediction_is_compared_with_the_row_that_came() -> None:
    spec = replace(SPEC, form=NetworkForm.PREDICTION)
    batch = np.stack([ROWS[0], ROWS[1], ROWS[0]])[np.newaxis]
    prepared = prepare(spec, batch)
    np.testing.assert_allclose(prepared.inputs, [[[0, 2, 0], [8, -3, 0]]])
    np.testing.assert_allclose(prepared.target, [[0, 2, 0]])
    np.testing.assert_allclose(prepared.beyond, [0])  # of the row that is judged
    assert raw_scores(spec, prepared, np.array([[0, 2, 0]], np.float32)) == 0


def test_a_row_that_states_nothing_gives_nan_and_spoils_no_other() -> None:
    rows = ROWS.copy()
    rows[0] = np.nan
    found = raw_scores(SPEC, prepare(SPEC, rows), np.zeros((2, 3), np.float32))
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


def test_hostile_values_stay_finite() -> None:
    rows = np.full((1, 4), np.finfo(np.float32).max, np.float32)
    prepared = prepare(SPEC, rows)
    assert np.isfinite(prepared.inputs).all()
    assert np.isfinite(raw_scores(SPEC, prepared, np.zeros((1, 3), np.float32))).all()


def test_another_shape_is_refused() -> None:
    for shape in ((2, 5), (4,), (1, 2, 4)):
        with pytest.raises(TensorError, match="expected"):
            prepare(SPEC, np.zeros(shape, np.float32))
    temporal = replace(SPEC, form=NetworkForm.PREDICTION)
    for shape in ((2, 4), (2, 1, 4), (2, 3, 5)):
        with pytest.raises(TensorError, match="expected"):
            prepare(temporal, np.zeros(shape, np.float32))
    with pytest.raises(TensorError, match="the network gave"):
        raw_scores(SPEC, prepare(SPEC, ROWS), np.zeros((2, 2), np.float32))


@pytest.mark.parametrize("fall_cap", [3.0, 8.0, 20.0])
@pytest.mark.parametrize("scale", FeatureScale)
def test_every_short_way_gives_what_the_definition_says(scale: FeatureScale, fall_cap: float) -> None:
    """All columns of one scale, with holes and without, against the definition, one value at a time."""
    spec = replace(
        SPEC,
        scales=(scale,) * 4,
        columns=(0, 1, 2, 3),
        centre=(0.0, 1.0, 2.0, 3.0),
        spread=(1.0, 2.0, 0.5, 1.0),
        fall_cap=fall_cap,
        output_spread=(1.0,) * 4,
    )
    rows = np.array([[1.0, 4.0, -60.0, 90.0], [np.nan, 2.0, 3.0, -4.0]], np.float32)
    prepared = prepare(spec, rows)
    for i, row in enumerate(rows.tolist()):
        over = 0.0
        for k, given in enumerate(row):
            levels = scale is FeatureScale.LEVEL and not math.isnan(given)
            value = 20 * math.log10(max(given, 1e-12)) if levels else given
            z = (value - spec.centre[k]) / spec.spread[k]
            z = max(z, -fall_cap) if not math.isnan(z) and scale is not FeatureScale.UNUSED else 0.0
            assert prepared.inputs[i, k] == pytest.approx(min(max(z, -8.0), 8.0), rel=1e-6)
            assert prepared.target[i, k] == pytest.approx(min(max(z, -8.0), 8.0))
            over += max(abs(z) - 8.0, 0.0) ** 2 / 4
        assert prepared.beyond[i] == pytest.approx(over)
    assert prepared.empty.tolist() == [scale is FeatureScale.UNUSED] * 2
