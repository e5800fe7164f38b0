"""Forecasts cover what they say they cover, abstain where nothing trends, and are never a bare number."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from models.prognosis import Abstention, Forecast, forecast
from models.trend import robust_trend
from models.trend_history import KEPT_BLOCKS, TrendHistory
from tests.models.growth_laws import BOUNDARY, HOUR_S, LAWS, flat, life

SEEDS = range(1000, 1025)  # not those that the figures were chosen on
DAY_S = 86_400.0


def pinball(quantile: float, said_s: float, true_s: float) -> float:
    """Loss of one quantile, relative to the true time left, capped as a wrong guess by tenfold."""
    error = (true_s - min(said_s, 10.0 * true_s)) / true_s
    return max(quantile * error, (quantile - 1.0) * error)


def naive(times_s: np.ndarray, levels: np.ndarray) -> float:
    """A straight line through the last half by least squares, as a spreadsheet does it."""
    half = len(times_s) // 2
    slope, offset = np.polyfit(times_s[half:], levels[half:], 1)
    left = (BOUNDARY - offset) / slope - times_s[-1] if slope > 0.0 else math.inf
    return max(float(left), 0.0)


def asked(law: str) -> list[tuple[Forecast | Abstention, float, float]]:
    """Forecasts at five ages of every life, with the naive one and the true time left."""
    found = []
    for seed in SEEDS:
        times_s, levels, passed_s = life(law, seed)
        if not math.isfinite(passed_s):
            continue
        for age in (0.5, 0.6, 0.7, 0.8, 0.9):
            count = int(age * np.searchsorted(times_s, passed_s))
            said = forecast(times_s[:count], levels[:count], BOUNDARY, "zone C")
            found.append((said, naive(times_s[:count], levels[:count]), passed_s - float(times_s[count - 1])))
    return found


LEAST_COVER = {"linear": 0.8, "exponential": 0.8, "late": 0.75, "stepwise": 0.5, "fluctuating": 0.7}


@pytest.mark.parametrize("law", LAWS)
def test_intervals_cover_and_beat_a_straight_line(law: str) -> None:
    """80 % is promised. Steps at random times are no trend that a history foretells: there it is less."""
    entries = asked(law)
    said = [(f, line, true) for f, line, true in entries if isinstance(f, Forecast)]
    cover = np.mean([f.lower_s <= true <= f.upper_s for f, _, true in said])
    early = np.mean([true < f.lower_s for f, _, true in said])
    ours = np.mean(
        [
            np.mean([pinball(q, s, true) for q, s in ((0.1, f.lower_s), (0.5, f.median_s), (0.9, f.upper_s))])
            for f, _, true in said
        ]
    )
    theirs = np.mean([np.mean([pinball(q, line, true) for q in (0.1, 0.5, 0.9)]) for _, line, true in said])
    print(
        f"{law}: {len(said)} of {len(entries)} said; the 80 % interval holds {100 * cover:.0f} %, sooner than"
        f" it {100 * early:.0f} %; pinball loss {ours:.3f}, straight line {theirs:.3f}"
    )
    assert len(said) >= 0.5 * len(entries)
    assert cover >= LEAST_COVER[law]
    assert ours < theirs


def test_a_level_that_only_fluctuates_has_no_forecast() -> None:
    said = 0
    for seed in range(100):
        times_s, levels = flat(seed)
        for count in (40, 80, 150):
            found = forecast(times_s[:count], levels[:count], BOUNDARY, "zone C")
            said += isinstance(found, Forecast)
            assert isinstance(found, Forecast) or found.reason
    print(f"{said} forecasts in 300 histories without a trend")
    assert said == 0


def test_the_sentence_has_its_interval() -> None:
    times_s, levels, _ = life("exponential", 4)
    count = int(0.85 * np.searchsorted(levels, BOUNDARY))
    found = forecast(times_s[:count], levels[:count], BOUNDARY, "zone C")
    assert isinstance(found, Forecast)
    assert found.lower_s < found.median_s < found.upper_s
    days = Forecast("zone C", 9 * DAY_S, 6 * DAY_S, 15 * DAY_S, 5.0, None)
    assert days.text == "zone C in 9 days, 80 % between 6 and 15"
    open_end = Forecast("zone D", 9 * DAY_S, 6 * DAY_S, math.inf, 5.0, None)
    assert open_end.text == "zone D in 9 days, 90 % after 6 days"
    assert Forecast("zone C", 1800.0, 600.0, 5400.0, 5.0, None).text == (
        "zone C in 30 minutes, 80 % between 10 and 90"
    )
    again = forecast(times_s[:count], levels[:count], BOUNDARY, "zone C")
    assert again == found


def test_what_cannot_be_said_is_not() -> None:
    times_s, levels, passed_s = life("linear", 3)
    after = int(np.searchsorted(times_s, passed_s)) + 10
    for count, reason in ((8, "are needed"), (after, "passed already")):
        found = forecast(times_s[:count], levels[:count], BOUNDARY, "zone C")
        assert isinstance(found, Abstention)
        assert reason in found.reason
    falling = forecast(times_s[:100], levels[:100][::-1], 50.0, "zone C")
    assert falling == Abstention("no significant trend")
    # a tenth of the way in thirty days says nothing of the year after next
    slow = 1.0 + 0.2 * np.arange(120) / 120
    assert isinstance(forecast(times_s[:120], slow, 9.0, "zone C"), Abstention)


def test_autocorrelation_is_counted_in_the_errors() -> None:
    """White noise is tested at its level. A random walk looks like a trend more often than by chance, by
    whatever ranks are corrected: the diffusion of a forecast is there for it."""
    z = []
    for seed in range(200):
        walk = np.random.default_rng(seed).standard_normal(80).cumsum()
        trend = robust_trend(np.arange(80.0), 0.2 * walk)
        assert trend is not None
        z.append(abs(trend.z))
    white = []
    inside = []
    for seed in range(200):
        values = 0.01 * np.arange(60) + np.random.default_rng(seed).standard_normal(60)
        trend = robust_trend(np.arange(60.0), values)
        assert trend is not None
        inside.append(abs(trend.slope - 0.01) <= 1.645 * trend.slope_se)
        plain = robust_trend(np.arange(60.0), values - 0.01 * np.arange(60))
        assert plain is not None
        white.append(abs(plain.z) > 1.96)
    print(
        f"walks called trends at |z| > 4: {np.mean(np.array(z) > 4.0):.2f}; white noise at 1.96:"
        f" {np.mean(white):.3f}; the slope's 90 % interval holds {np.mean(inside):.2f}"
    )
    assert np.mean(white) <= 0.08
    assert np.mean(np.array(z) > 4.0) <= 0.4
    assert np.mean(inside) >= 0.8
    assert robust_trend(np.zeros(20), np.zeros(20)) is None


def test_a_history_of_years_stays_small_and_survives_a_restart() -> None:
    history = TrendHistory(4 * HOUR_S, 1200.0)
    rng = np.random.default_rng(0)
    whole = 0
    for i in range(2 * 52_560):
        whole += history.observe(i * 600 * 10**9, 1.0 + i / 52_560 + 0.1 * rng.standard_normal())
        if i == 52_560:
            state = json.loads(json.dumps(history.state()))
            history = TrendHistory(4 * HOUR_S, 1200.0)
            history.restore(state)
    times_s, levels = history.blocks()
    assert len(times_s) <= KEPT_BLOCKS
    assert times_s[-1] == pytest.approx(2 * 52_560 * 600.0, rel=0.03)
    assert np.all(np.diff(times_s) > 0.0)
    assert levels[-1] == pytest.approx(3.0, abs=0.05)
    assert np.polyfit(times_s, levels, 1)[0] * 52_560 * 600 == pytest.approx(1.0, rel=0.02)
    assert len(json.dumps(history.state())) < 8000
    for damage in ({"times_s": [1.0]}, {"medians": ["x"]}, {"block_s": 0.0}, {"now_s": None}):
        with pytest.raises((KeyError, TypeError, ValueError)):
            TrendHistory(HOUR_S, 600.0).restore({**state, **damage})


@pytest.mark.realdata
def test_calibration_on_bearings_that_ran_until_they_failed(data_dir: Path) -> None:
    """The boundary is the largest of three times the healthy RMS and half of the last: seen by hindsight.

    These tests of hours end within minutes of the first sign, so most times nothing is said; what is said is
    counted, not judged: a handful of lives calibrates nothing.
    """
    manifest = json.loads((data_dir / "MANIFEST.json").read_text(encoding="utf-8"))
    entries = [entry for entry in manifest if entry.get("task") == "run_to_failure"]
    assert entries
    said = cover = asked_for = 0
    for entry in entries:
        with np.load(data_dir / entry["file"]) as stored:
            samples = (stored["x"] * stored["scale"] + stored["offset"]).astype(np.float64)
        rms = (samples - samples.mean(axis=1, keepdims=True)).std(axis=1).max(axis=1)
        n = len(rms)
        healthy = float(np.median(rms[: max(20, n // 10)]))
        boundary = max(3.0 * healthy, 0.5 * float(np.median(rms[-5:])))
        smooth = np.array([np.median(rms[max(0, i - 4) : i + 1]) for i in range(n)])
        passed = int(np.argmax(smooth >= boundary)) if (smooth >= boundary).any() else n
        times_s = 10.0 * np.arange(n)
        blocks = range(60, passed - 6, 12)
        for now in blocks:
            asked_for += 1
            few = [slice(i, i + 6) for i in range(now % 6, now - 5, 6)][-160:]
            levels = np.array([np.median(rms[part]) for part in few])
            middles = np.array([times_s[part].mean() for part in few])
            found = forecast(middles, levels, boundary, "boundary")
            if isinstance(found, Forecast):
                said += 1
                cover += found.lower_s <= times_s[passed] - middles[-1] <= found.upper_s
    print(f"run to failure: {said} forecasts at {asked_for} times of {len(entries)} lives, {cover} covered")
    assert asked_for > 100
