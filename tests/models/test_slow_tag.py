"""A slow tag: seasons pass, excursions stand out, the future is not read, states survive."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from models.errors import ModelStateError
from models.slow_tag import SlowTagDetector, SlowTagJudgement, SlowTagRules

LEARN = 600
N = 4_000


def room(seed: int = 1, season: float = 0.0) -> np.ndarray:
    """Hourly temperature: a correlated wander of 1 K (20 h) on a slow season."""
    rng = np.random.default_rng(seed)
    keep = math.exp(-1.0 / 20.0)
    wander = np.zeros(N)
    for i in range(1, N):
        wander[i] = keep * wander[i - 1] + math.sqrt(1.0 - keep * keep) * rng.standard_normal()
    return 20.0 + wander + season * np.sin(2.0 * math.pi * np.arange(N) / 8_760.0)


def judged(values: np.ndarray) -> list[SlowTagJudgement | None]:
    detector = SlowTagDetector(LEARN)
    return [detector.observe(float(value)) for value in values]


def alarms(values: np.ndarray) -> list[int]:
    return [i for i, said in enumerate(judged(values)) if said is not None and said.alarm]


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_an_excursion_is_found_and_ends(sign: float) -> None:
    values = room()
    values[2_000:2_100] += sign * 6.0
    found = alarms(values)
    assert any(2_000 < at < 2_030 for at in found)
    assert not any(2_200 < at < 2_400 for at in found)


def test_a_season_is_followed_and_a_wander_seldom_called_an_excursion() -> None:
    """2.7 spreads of a wander that is worth 15 independent values while it is learned: not never."""
    weeks = 6 * (N - LEARN) / 168.0
    found = {}
    for season in (0.0, 4.0):
        found[season] = 0
        for seed in range(6):
            stood = np.zeros(N + 1, bool)
            stood[alarms(room(seed, season))] = True
            found[season] += int((stood[1:] & ~stood[:-1]).sum())
        print(f"season of {season} K: {found[season]} excursions of a mere wander in {weeks:.0f} weeks")
        assert found[season] / weeks < 0.2


def test_how_slow_it_is_is_learned() -> None:
    detector = SlowTagDetector(LEARN)
    assert detector.correlation_values is None
    for value in room():
        detector.observe(float(value))
    # 2 x 20 h, known from 600 h as well as that allows
    assert detector.correlation_values is not None and 15.0 < detector.correlation_values < 120.0


def test_no_value_is_judged_by_later_ones() -> None:
    values = room()
    values[2_000:2_100] += 6.0
    whole = judged(values)
    for end in (LEARN + 1, 2_010, 2_150):
        assert judged(values[:end]) == whole[:end]
        other = values.copy()
        other[end:] = -1e6
        assert judged(other)[:end] == whole[:end]


def test_a_state_survives_json_at_any_value() -> None:
    values = room()[:1_300]
    values[900:1_000] += 6.0
    whole = judged(values)
    for cut in (1, LEARN - 1, LEARN, 910, 1_010):
        before = SlowTagDetector(LEARN)
        for value in values[:cut]:
            before.observe(float(value))
        after = SlowTagDetector(LEARN)
        after.restore(json.loads(json.dumps(before.state())))
        assert [after.observe(float(value)) for value in values[cut:]] == whole[cut:]


def test_gaps_are_left_out() -> None:
    values = room()
    with_gaps = np.insert(values, [100, 700, 2_000], math.nan)
    assert [said for said in judged(with_gaps) if said is not None] == [
        said for said in judged(values) if said is not None
    ]


def test_a_tag_that_stood_still_does_not_alarm_for_a_rounding() -> None:
    values = np.full(1_500, 20.0)
    values[1_000:] = 20.1
    assert alarms(values) == []
    values[1_000:] = 25.0
    assert alarms(values)


def test_too_few_values_to_learn_from_are_refused() -> None:
    with pytest.raises(ModelStateError, match="at least 40"):
        SlowTagDetector(10)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "x"),
        ("rules", {}),
        ("learn_values", 41),
        ("values", [1.0]),
        ("values", ["x"]),
        ("learned", {"spread": 0.0, "correlation_values": 1.0}),
        ("alarm", None),
    ],
)
def test_a_state_that_does_not_fit_is_refused_and_nothing_taken_over(field: str, value: object) -> None:
    source = SlowTagDetector(LEARN)
    for number in room()[:700]:
        source.observe(float(number))
    detector = SlowTagDetector(LEARN, SlowTagRules())
    untouched = detector.state()
    with pytest.raises(ModelStateError):
        detector.restore({**source.state(), field: value})
    assert detector.state() == untouched
