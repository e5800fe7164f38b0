"""A stream's largest values are kept declustered, in bounded memory, over gaps and restarts."""

from __future__ import annotations

import json

import numpy as np
import pytest

from models.peak_stream import KEPT_BLOCKS, PeakStream

STEP_NS = 600 * 10**9


def fed(values: np.ndarray, stream: PeakStream | None = None, first: int = 0) -> PeakStream:
    stream = stream or PeakStream(3600.0, 1200.0)
    for i, value in enumerate(values.tolist()):
        stream.observe((first + i) * STEP_NS, value)
    return stream


def test_a_bout_of_hours_is_one_peak() -> None:
    values = np.random.default_rng(0).uniform(0.0, 0.1, 6000)
    for at in (1000, 3000, 5000):
        values[at : at + 40] += 1.0  # nearly seven hours
        values[at + 20] += 1.0
    peaks = fed(values).peaks()
    assert peaks is not None
    large = [value for value in peaks.values if value > 1.0]
    assert len(large) == 3
    assert min(large) > 2.0
    assert all(value > peaks.threshold for value in peaks.values)


def test_memory_is_bounded_and_the_largest_stay() -> None:
    rng = np.random.default_rng(1)
    values = rng.standard_exponential(60_000)
    stream = fed(values)
    assert len(stream.state()["blocks"]) <= KEPT_BLOCKS
    assert len(json.dumps(stream.state())) < 8000
    assert stream.span_h == pytest.approx(10_000, rel=0.01)
    peaks = stream.peaks()
    assert peaks is not None
    assert max(peaks.values) == pytest.approx(values.max(), rel=1e-6)


def test_gaps_do_not_count() -> None:
    stream = PeakStream(3600.0, 1200.0)
    for i in range(100):
        stream.observe(i * 24 * 3600 * 10**9, 1.0)  # once a day: each stands for 20 minutes
    assert stream.span_h == pytest.approx(33.0, abs=1.1)


def test_a_restart_changes_nothing_but_the_block_in_hand() -> None:
    values = np.random.default_rng(2).standard_exponential(4000)
    whole = fed(values).peaks()
    half = fed(values[:2000])
    again = PeakStream(3600.0, 1200.0)
    again.restore(json.loads(json.dumps(half.state())))
    resumed = fed(values[2000:], again, first=7).peaks()  # another boot's clock
    assert whole is not None
    assert resumed is not None
    assert resumed.span_h == pytest.approx(whole.span_h, abs=1.1)
    assert sorted(resumed.values)[-5:] == pytest.approx(sorted(whole.values)[-5:], rel=1e-6)


@pytest.mark.parametrize(
    "damage",
    [{"blocks": [[0, float("nan")]]}, {"number": -1}, {"blocks": 3}, {"fill_s": "x"}, {"largest": "y"}],
)
def test_damaged_states_are_refused(damage: dict[str, object]) -> None:
    state = fed(np.ones(300)).state() | damage
    with pytest.raises((KeyError, TypeError, ValueError)):
        PeakStream(3600.0, 1200.0).restore(state)


def test_few_blocks_have_no_threshold_and_nan_is_left_out() -> None:
    stream = fed(np.full(100, np.nan))
    assert stream.span_h == 0.0
    assert fed(np.ones(120)).peaks() is None
