"""The limit at which the sequential test would just alarm: what a limit's promise is made about."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.cumulative_sum import AlarmLevel, CumulativeSum, CumulativeSumRules

RULES = CumulativeSumRules()
STEP = 16.0 ** (1.0 / 192.0)  # between two of its limits


def healthy(seed: int, n: int = 3000) -> np.ndarray:
    """Scores with a slow wander, and a loud window now and then."""
    rng = np.random.default_rng([seed, 11])
    slow = np.repeat(rng.standard_normal(n // 20 + 1), 20)[:n]
    scores = 0.3 * np.exp(0.25 * slow + 0.15 * rng.standard_normal(n))
    scores[rng.uniform(size=n) < 0.01] = 8.0
    return scores


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("fresh", [1.0, 0.5])
def test_it_is_the_limit_up_to_which_the_test_would_have_alarmed(seed: int, fresh: float) -> None:
    """Each window's level, against a test of its own at limits just below and just above it."""
    scores = healthy(seed).tolist()
    level = AlarmLevel(RULES)
    levels = [level.observe(score, fresh) for score in scores]
    largest = max(levels)
    assert 0.2 < largest < 1.0, "otherwise it shows nothing"

    def alarms_at(limit: float) -> bool:
        test = CumulativeSum(RULES)
        return any(test.observe(score / limit, fresh) for score in scores)

    assert alarms_at(largest / STEP)
    assert not alarms_at(largest * STEP)


def test_it_grows_with_the_scores_and_never_passes_the_limit() -> None:
    scores = healthy(1)
    level, doubled = AlarmLevel(RULES), AlarmLevel(RULES)
    pairs = [(level.observe(score), doubled.observe(2.0 * score)) for score in scores.tolist()]
    assert all(0.0625 <= one <= other <= 1.0 for one, other in pairs)
    assert AlarmLevel(RULES).observe(math.inf) == pytest.approx(1 / 16)
    steady = AlarmLevel(RULES)
    assert [steady.observe(5.0) for _ in range(50)][-1] == 1.0


def test_what_says_nothing_changes_nothing_and_clearing_begins_anew() -> None:
    level = AlarmLevel(RULES)
    before = [level.observe(0.6) for _ in range(40)][-1]
    assert level.observe(math.nan) == before
    level.clear()
    assert level.observe(math.nan) == pytest.approx(1 / 16)
