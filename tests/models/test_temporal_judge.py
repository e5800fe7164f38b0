"""A temporal network scores live windows once it has seen those before them, and only while they are a
sequence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.samples import Float32Array
from models.backends.numpy_reference import NumpyReference
from models.baseline import Baseline, BaselineRules, fit
from models.bundle import Bundle
from models.detector import AnomalyScore, BaselineDetector
from models.errors import InferenceError
from models.feature_words import scale_of
from models.network_judge import NetworkAnswer, NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from models.row_history import MOST_BASELINES, RowHistory
from models.training.fitting import STEPS
from models.training.rows import Stretch, training_rows
from tests.fakes.linear_bundle import temporal_bundle
from tests.models.test_detector import DEMO, HOP_NS, NAMES, NORMAL, STATE, vectors

SEEN = STEPS - 1


def made() -> Bundle:
    """Of the detector tests' features, learned on another, quieter machine."""
    random = np.random.default_rng(7)
    decibels = np.array([-10.0, 0, -10, -10, -10, -10]) + 0.6 * random.standard_normal((400, 6))
    raw = NORMAL * 10 ** (decibels / 20)
    values = np.where([True, True, True, False, False, False], raw, NORMAL + decibels).astype(np.float32)
    rows = training_rows(NAMES, EXTRACTOR_VERSION, [Stretch(values, "x")], "another machine")
    return temporal_bundle(rows)


BUNDLE = made()


class Asked:
    """The reference backend, which keeps what it was asked and can be pulled."""

    def __init__(self) -> None:
        backend = NumpyReference()
        backend.load(BUNDLE.manifest, BUNDLE.artefact_bytes("numpy_reference"))
        self._ask = asked_of(backend)
        self.calls: list[tuple[int, ...]] = []
        self.lost = False
        self.judge = NetworkJudge(BUNDLE.manifest, self)

    def __call__(self, rows: Float32Array) -> NetworkAnswer:
        self.calls.append(rows.shape)
        if self.lost:
            raise InferenceError("unplugged")
        return self._ask(rows)


def learned(seat: NetworkSeat, states: Sequence[str] = (STATE,)) -> BaselineDetector:
    detector = BaselineDetector(DEMO, network=seat)
    for state in states:
        assert all(detector.observe(vector) is None for vector in vectors(62, state=state))
    return detector


def judged(
    detector: BaselineDetector, seat: NetworkSeat, windows: Sequence[FeatureVector], at_once: int = 4
) -> list[AnomalyScore]:
    """Windows as the analysis takes them: some are asked for together, then judged one by one."""
    found = []
    for first in range(0, len(windows), at_once):
        due = windows[first : first + at_once]
        seat.ask_ahead([(baseline, one) for one in due for baseline in detector.baselines_for(one)])
        found += [detector.observe(one) for one in due]
    scores = [one for one in found if one is not None]
    assert len(scores) == len(windows)  # nobody is left without a score
    return scores


def by_network(scores: Sequence[AnomalyScore]) -> list[bool]:
    return [one.model_version.startswith("linear ") for one in scores]


def test_the_baseline_answers_until_eight_windows_were_seen() -> None:
    asked = Asked()
    seat = NetworkSeat(lambda: asked.judge)
    scores = judged(learned(seat), seat, vectors(20, first=62))
    assert by_network(scores) == [False] * SEEN + [True] * 12
    assert asked.calls == [(4, STEPS, 6)] * 3  # all that are due in one call
    assert max(one.value for one in scores) < 1.0  # from the channel's own level, 10 dB above the network's


def test_scores_are_the_same_one_by_one_and_nothing_looks_ahead() -> None:
    windows = vectors(30, first=62)
    windows[20:] = [replace(one, values=one.values + 3.0) for one in windows[20:]]
    found = {}
    for at_once, n in ((1, 30), (4, 30), (30, 30), (4, 20)):
        asked = Asked()
        seat = NetworkSeat(lambda asked=asked: asked.judge)  # type: ignore[misc]
        found[at_once, n] = [one.unsmoothed for one in judged(learned(seat), seat, windows[:n], at_once)]
    whole = found[1, 30]
    assert found[4, 30] == pytest.approx(whole, rel=1e-5)
    assert found[30, 30] == pytest.approx(whole, rel=1e-5)
    assert found[4, 20] == pytest.approx(whole[:20], rel=1e-5)
    assert whole[20] > 2 * max(whole[SEEN:20])


@pytest.mark.parametrize("late_ns", [HOP_NS, HOP_NS // 2, -HOP_NS // 2, 3_600 * 10**9])
def test_a_gap_begins_anew(late_ns: int) -> None:
    asked = Asked()
    seat = NetworkSeat(lambda: asked.judge)
    windows = vectors(30, first=62)
    windows[14:] = [replace(one, start_ns=one.start_ns + late_ns) for one in windows[14:]]
    assert by_network(judged(learned(seat), seat, windows)) == (
        [False] * SEEN + [True] * 6 + [False] * SEEN + [True] * 8
    )


def test_windows_taken_more_seldom_than_those_that_taught_are_the_baseline_s() -> None:
    asked = Asked()
    seat = NetworkSeat(lambda: asked.judge)
    windows = [one for one in vectors(60, first=62) if (one.start_ns // HOP_NS) % 2 == 0]
    assert not any(by_network(judged(learned(seat), seat, windows)))
    assert not asked.calls


def test_another_operating_state_begins_anew_and_so_does_its_return() -> None:
    asked = Asked()
    seat = NetworkSeat(lambda: asked.judge)
    states = ["slow"] * 12 + ["fast"] * 10 + ["slow"] * 12
    windows = [
        replace(one, operating_state=state) for one, state in zip(vectors(34, first=62), states, strict=True)
    ]
    assert by_network(judged(learned(seat, ("slow", "fast")), seat, windows)) == (
        [False] * SEEN + [True] * 4 + [False] * SEEN + [True] * 2 + [False] * SEEN + [True] * 4
    )


def test_a_window_that_states_nothing_begins_anew() -> None:
    history = RowHistory(STEPS)
    windows = vectors(30, first=62)
    windows[12] = replace(windows[12], values=np.full(6, np.nan, np.float32))
    own = baseline()
    items = [history.item(own, one) for one in windows]
    assert [item is not None for item in items] == [False] * SEEN + [True] * 4 + [False] * 9 + [True] * 9
    last = items[-1]
    assert last is not None
    np.testing.assert_array_equal(last, np.array([one.values for one in windows[-STEPS:]]))


def test_after_a_restart_it_waits_again_and_then_says_the_same() -> None:
    asked = Asked()
    seat, fresh = NetworkSeat(lambda: asked.judge), NetworkSeat(lambda: asked.judge)
    detector = learned(seat)
    again = BaselineDetector(DEMO, network=fresh)
    again.restore(json.loads(json.dumps(detector.state())))
    windows = vectors(40, first=62)
    whole, later = judged(detector, seat, windows), judged(again, fresh, windows[20:])
    assert by_network(later) == [False] * SEEN + [True] * 12
    assert [one.unsmoothed for one in later[SEEN:]] == pytest.approx(
        [one.unsmoothed for one in whole[20 + SEEN :]], rel=1e-5
    )


def test_a_lost_runtime_leaves_the_sequence_whole() -> None:
    asked = Asked()
    seat = NetworkSeat(lambda: asked.judge)
    detector = learned(seat)
    windows = vectors(24, first=62)
    judged(detector, seat, windows[:12])
    asked.lost = True
    assert not any(by_network(judged(detector, seat, windows[12:16])))
    asked.lost = False
    assert all(by_network(judged(detector, seat, windows[16:])))


def test_who_comes_to_sit_there_begins_with_no_rows() -> None:
    first, second = Asked(), Asked()
    present: list[NetworkJudge | None] = [first.judge]
    seat = NetworkSeat(lambda: present[0])
    detector = learned(seat)
    windows = vectors(40, first=62)
    assert by_network(judged(detector, seat, windows[:12]))[-1]
    present[0] = second.judge
    assert by_network(judged(detector, seat, windows[12:24])) == [False] * SEEN + [True] * 4
    present[0] = None
    assert not any(by_network(judged(detector, seat, windows[24:28])))
    present[0] = second.judge  # four windows were not offered to it
    assert by_network(judged(detector, seat, windows[28:])) == [False] * SEEN + [True] * 4


def test_a_window_is_taken_once_and_memory_is_bounded() -> None:
    history = RowHistory(3)
    windows = vectors(4, first=62)
    own = baseline()
    items = [history.item(own, one) for one in windows for _ in range(2)]
    assert [item is not None for item in items] == [False] * 4 + [True] * 4
    for one in [baseline() for _ in range(MOST_BASELINES)]:
        history.item(one, windows[0])
    assert history.item(own, windows[3]) is None  # it waited longest
    assert len(history._of) == MOST_BASELINES


def baseline() -> Baseline:
    rows = np.array([one.values for one in vectors(30)])
    return fit(rows, NAMES, [scale_of(name) for name in NAMES], BaselineRules())
