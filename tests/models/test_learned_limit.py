"""A limit says what it can vouch for, is settled once, and never by what rises or alarms."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from models.errors import ModelStateError
from models.fault_confirmation import ConfirmationRules
from models.learned_limit import MOST_RAISE, LimitSettings, LimitWatch

STEP_NS = 600 * 10**9
SHARE = 0.5  # per year: 584 h are needed
SETTINGS = LimitSettings(SHARE)


def healthy(days: float, seed: int = 0, typical: float = 0.3) -> np.ndarray:
    """Scores as healthy running gives them: log-normal about `typical`, a bout now and then."""
    rng = np.random.default_rng([seed, 3])
    n = round(days * 144)
    slow = np.repeat(rng.standard_normal(n // 12 + 1), 12)[:n]
    return typical * np.exp(0.15 * slow + 0.1 * rng.standard_normal(n))


def watch(
    scores: np.ndarray, settings: LimitSettings = SETTINGS, limit: LimitWatch | None = None
) -> LimitWatch:
    limit = limit or LimitWatch(settings)
    for i, score in enumerate(scores.tolist()):
        limit.observe(i * STEP_NS, score, healthy=True)
    return limit


def test_it_is_provisional_until_the_span_vouches_for_its_share() -> None:
    limit = watch(healthy(10.0))
    said = limit.statement()
    assert said.provisional
    assert said.rate is not None
    assert said.rate.upper_per_year >= said.vouched_per_year > SHARE
    assert "watched 239 of 584 h" in said.text or "watched 240 of 584 h" in said.text
    assert "1 false alarm in" in said.text
    later = watch(healthy(40.0)).statement()
    assert not later.provisional
    assert later.factor == 1.0
    assert later.vouched_per_year <= SHARE
    assert later.peaks > 10
    assert "peaks" in later.text
    nothing = LimitWatch(SETTINGS).statement()
    assert nothing.provisional
    assert nothing.vouched_per_year == np.inf
    assert "too little" in nothing.text


def test_a_limit_too_near_to_healthy_scores_is_settled_higher_once_and_not_by_more_than_half() -> None:
    limit = LimitWatch(SETTINGS)
    scores = healthy(60.0, typical=0.55)
    settled = []
    for i, score in enumerate(scores.tolist()):
        if limit.observe(i * STEP_NS, score / limit.factor, healthy=True):
            settled.append(i / 144)
    assert len(settled) == 1
    assert settled[0] >= 584 / 24
    assert 1.0 < limit.factor <= MOST_RAISE


def test_growing_scores_never_settle_a_limit() -> None:
    """However slowly: over 30, 60 and 120 days to the limit."""
    for days in (30.0, 60.0, 120.0):
        base = healthy(days, seed=int(days))
        limit = watch(np.minimum(base * np.exp(np.linspace(0.0, np.log(3.2), len(base))), 0.999))
        assert limit.factor == 1.0, days
        assert limit.statement().provisional


def test_time_of_alarms_and_drifts_does_not_count() -> None:
    limit = LimitWatch(SETTINGS)
    for i, score in enumerate(healthy(40.0).tolist()):
        limit.observe(i * STEP_NS, score, healthy=i % 144 < 72)
    assert limit.statement().span_h == pytest.approx(
        473.0, abs=2.0
    )  # 71 of each 72 steps: the first one follows nothing
    assert limit.statement().provisional


def test_what_it_watches_is_what_an_alarm_needs() -> None:
    """A loud window now and then is no alarm, and no peak as high as the window."""
    scores = healthy(40.0)
    scores[50::100] = 5.0
    bumped = watch(scores).statement()
    assert bumped.rate is not None
    assert not bumped.provisional
    assert bumped.rate.upper_per_year <= SHARE  # 58 loud windows in 40 days would be 500 a year


def test_what_another_rule_was_watched_by_vouches_for_nothing() -> None:
    limit = watch(healthy(60.0, typical=0.6))
    assert limit.settled
    raised = limit.factor
    assert raised > 1.0
    for older in ({"test": {"reference": 0.5}}, {"test": None}):
        again = LimitWatch(SETTINGS)
        again.restore({**limit.state(), **older})
        assert again.factor == raised, "a limit is never lowered by itself"
        assert again.statement().provisional
        assert again.statement().span_h == 0.0
        watch(healthy(60.0, typical=0.6) / raised, limit=again)
        assert again.settled
        assert raised <= again.factor <= MOST_RAISE


def test_a_restart_keeps_what_was_settled() -> None:
    limit = watch(healthy(40.0))
    again = LimitWatch(SETTINGS)
    again.restore(json.loads(json.dumps(limit.state())))
    one, other = limit.statement(), again.statement()
    assert (one.factor, one.provisional, one.span_h) == (other.factor, other.provisional, other.span_h)
    assert len(json.dumps(limit.state())) < 8000
    for damage in ({"factor": 9.0}, {"factor": "x"}, {"stream": {}}, {"stream": None}):
        with pytest.raises(ModelStateError):
            LimitWatch(SETTINGS).restore({**limit.state(), **damage})


def test_a_machine_that_shows_nothing_has_its_limit_vouched_for_by_the_span() -> None:
    """Zeros for ever: no peak, no tail, and yet the whole span never came near the limit."""
    settings = LimitSettings(SHARE, test=ConfirmationRules())
    limit = LimitWatch(settings)
    settled = [i / 144 for i in range(40 * 144) if limit.observe_level(i * STEP_NS, 0.0)]
    assert len(settled) == 1
    assert settled[0] >= 584 / 24
    said = limit.statement()
    assert (limit.factor, said.provisional, said.peaks) == (1.0, False, 0)
    assert said.vouched_per_year == pytest.approx(8766.0 / (30.0 * said.span_h), rel=0.05)
    assert "too little" not in said.text
    assert "never beyond half of it" in said.text
    again = LimitWatch(settings)
    again.restore(json.loads(json.dumps(limit.state())))
    assert replace(again.statement(), rate=None) == replace(said, rate=None)
    # a start looks at once, the running watch each so many blocks
    assert again.statement().vouched_per_year == pytest.approx(said.vouched_per_year, rel=0.05)
    early = LimitWatch(settings)
    for i in range(20 * 144):
        early.observe_level(i * STEP_NS, 0.0)
    assert early.statement().provisional
    assert "too little" in early.statement().text


def test_a_few_peaks_near_the_limit_vouch_for_no_more_than_their_number() -> None:
    limit = LimitWatch(LimitSettings(SHARE, test=ConfirmationRules()))
    for i in range(40 * 144):
        assert not limit.observe_level(i * STEP_NS, 0.9 if i % 1200 == 600 else 0.0)
    said = limit.statement()
    assert said.provisional
    assert said.rate is not None
    assert said.rate.upper_per_year == pytest.approx(3.0 * 8766.0 / said.span_h, rel=0.05)


def test_zeros_between_peaks_are_no_rise() -> None:
    """Of equal maxima the newest are kept; that is no sign of a fault that grows."""
    limit = LimitWatch(LimitSettings(SHARE, test=ConfirmationRules()))
    rng = np.random.default_rng(4)
    for i in range(40 * 144):
        limit.observe_level(i * STEP_NS, 0.05 * float(rng.random()) if i % 288 == 100 else 0.0)
    assert limit.settled
    assert limit.statement().peaks >= 8
    assert not limit.statement().provisional
