"""The curve over speed: exact where the physics is a parabola, honest where little was learned."""

from __future__ import annotations

import numpy as np
import pytest

from models.detectors.columns import ScaleRules
from models.detectors.speed_model import SpeedModel, fit_speed_model
from models.errors import ModelError, ModelStateError

SCALE = ScaleRules(floor=0.5)


def healthy(speed: float, n: int = 20, seed: int = 0) -> np.ndarray:
    chance = np.random.default_rng(seed + int(speed))
    return np.array([0.01 * speed**2 - speed, 3.0 + 0.2 * speed]) + chance.normal(0, 0.2, (n, 2))


def learned(speeds: list[float]) -> SpeedModel:
    return fit_speed_model(np.concatenate([healthy(v) for v in speeds]), np.repeat(speeds, 20), SCALE)


@pytest.mark.parametrize("unseen", [20.0, 50.0, 100.0])
def test_healthy_rows_at_an_unseen_speed_are_near_and_others_far(unseen: float) -> None:
    model = learned([v for v in np.arange(20.0, 101.0, 10.0) if v != unseen])
    assert np.median(model.score(healthy(unseen), unseen)) < 2.0
    assert np.median(model.score(healthy(unseen) - 6.0, unseen)) > 8.0
    assert np.median(model.score(healthy(unseen), unseen + 25.0)) > 5.0


@pytest.mark.parametrize("speeds", [[50.0], [40.0, 60.0], [30.0, 40.0, 60.0]])
def test_few_speeds_make_a_line_or_a_constant(speeds: list[float]) -> None:
    assert np.isfinite(learned(speeds).score(healthy(50.0), 50.0)).all()


def test_a_hole_says_nothing_and_a_row_of_holes_has_no_score() -> None:
    model, rows = learned([30.0, 40.0, 60.0]), healthy(50.0)
    rows[0] = np.nan
    assert np.isnan(model.score(rows, 50.0)[0])
    assert np.isfinite(model.score(rows, 50.0)[1:]).all()


def test_state_survives_and_a_spoilt_one_is_refused() -> None:
    model = learned([30.0, 40.0, 60.0])
    again = SpeedModel.restore(model.state())
    assert np.array_equal(model.score(healthy(50.0), 50.0), again.score(healthy(50.0), 50.0))
    with pytest.raises(ModelStateError, match="speeds"):
        SpeedModel.restore({**model.state(), "speeds": np.zeros(2)})


def test_no_number_is_no_speed() -> None:
    with pytest.raises(ModelError, match="finite"):
        learned([30.0, 40.0]).score(healthy(30.0), float("nan"))
    with pytest.raises(ModelError, match="finite"):
        fit_speed_model(np.zeros((2, 2)), [1.0, float("inf")], SCALE)
