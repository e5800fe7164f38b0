"""A machine's windows are asked of a network in one call, of whoever is present, and each only once."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dsp.extractor import FeatureVector
from dsp.samples import Float32Array
from models.backends.numpy_reference import NumpyReference
from models.baseline import Baseline
from models.detector import AnomalyScore, BaselineDetector
from models.errors import InferenceError
from models.network_judge import Ask, NetworkAnswer, NetworkJudge, asked_of
from models.network_seat import NetworkSeat
from tests.fakes.linear_bundle import linear_bundle
from tests.models.test_detector import DEMO, vectors
from tests.models.test_network_judge import bundle


class Counted:
    """The reference backend, which counts calls and can be pulled."""

    def __init__(self) -> None:
        self.made = bundle()
        self.calls: list[int] = []
        self.lost = False
        backend = NumpyReference()
        backend.load(self.made.manifest, self.made.artefact_bytes("numpy_reference"))
        self._asked: Ask = asked_of(backend)

    def ask(self, rows: Float32Array) -> NetworkAnswer:
        self.calls.append(len(rows))
        if self.lost:
            raise InferenceError("unplugged")
        return self._asked(rows)

    def judge(self) -> NetworkJudge:
        return NetworkJudge(self.made.manifest, self.ask)


def learned(seat: NetworkSeat) -> BaselineDetector:
    detector = BaselineDetector(DEMO, network=seat)
    assert all(detector.observe(vector) is None for vector in vectors(62))
    return detector


def ahead(detector: BaselineDetector, seat: NetworkSeat, first: int, n: int) -> list[AnomalyScore | None]:
    """Windows as the analysis takes them: asked for together, then judged one by one."""
    wanted = list(vectors(n, first=first))
    seat.ask_ahead([(baseline, vector) for vector in wanted for baseline in detector.baselines_for(vector)])
    return [detector.observe(vector) for vector in wanted]


def values(scores: list[AnomalyScore | None]) -> list[float]:
    return [score.unsmoothed for score in scores if score is not None]


def test_all_windows_are_one_call_with_the_scores_of_single_ones() -> None:
    counted, single = Counted(), Counted()
    judge, alone = counted.judge(), single.judge()
    seat = NetworkSeat(lambda: judge)
    detector, other = learned(seat), learned(NetworkSeat(lambda: alone))
    together = ahead(detector, seat, 62, 12)
    assert counted.calls == [12]
    apart = [other.observe(vector) for vector in vectors(12, first=62)]
    assert single.calls == [1] * 12
    assert values(together) == pytest.approx(values(apart), rel=1e-5)
    assert {score.backend for score in together if score is not None} == {"numpy_reference"}
    assert all(score is not None and judge.name in score.model_version for score in together)


def test_a_lost_network_is_asked_once_and_every_window_gets_the_baseline_s_score() -> None:
    counted = Counted()
    judge = counted.judge()
    seat = NetworkSeat(lambda: judge)
    detector, plain = learned(seat), BaselineDetector(DEMO)
    for vector in vectors(62):
        plain.observe(vector)
    counted.lost = True
    fallen = ahead(detector, seat, 62, 9)
    assert counted.calls == [9]
    usual = [plain.observe(vector) for vector in vectors(9, first=62)]
    assert values(fallen) == values(usual)
    assert len(values(fallen)) == 9
    counted.lost = False
    assert all(s is not None and judge.name in s.model_version for s in ahead(detector, seat, 71, 3))


def test_who_sits_there_may_change_between_two_windows() -> None:
    counted = Counted()
    present: list[NetworkJudge | None] = [None]
    seat = NetworkSeat(lambda: present[0])
    detector = learned(seat)
    judge = counted.judge()
    found = []
    for i, who in enumerate([None, judge, None, judge]):
        present[0] = who
        found += ahead(detector, seat, 62 + i, 1)
    by_network = [score is not None and judge.name in score.model_version for score in found]
    assert by_network == [False, True, False, True]
    restored = BaselineDetector(DEMO, network=seat)
    restored.restore(json.loads(json.dumps(detector.state())))
    (score,) = ahead(restored, seat, 66, 1)
    assert score is not None
    assert judge.name in score.model_version


def test_one_that_was_made_for_other_features_is_never_asked() -> None:
    made = linear_bundle()

    def never(rows: Float32Array) -> NetworkAnswer:
        raise AssertionError("it was asked")

    judge = NetworkJudge(made.manifest, never)
    seat = NetworkSeat(lambda: judge)
    assert len(values(ahead(learned(seat), seat, 62, 4))) == 4


def test_a_shadow_is_told_every_window_with_the_score_that_it_was_given() -> None:
    counted = Counted()
    judge = counted.judge()
    told: list[tuple[Baseline, FeatureVector, float]] = []
    seat = NetworkSeat(lambda: judge, lambda baseline, window, value: told.append((baseline, window, value)))
    detector = learned(seat)
    assert not told
    found = ahead(detector, seat, 62, 5)
    assert [value for _, _, value in told] == pytest.approx(values(found))
    assert np.array_equal(told[0][1].values, next(iter(vectors(1, first=62))).values)


def test_behind_a_network_stands_the_detector_that_was_chosen() -> None:
    counted = Counted()
    judge = counted.judge()
    present: list[NetworkJudge | None] = [judge]
    seat = NetworkSeat(lambda: present[0])
    detector = BaselineDetector(DEMO, judged_by="knn", network=seat)
    alone = BaselineDetector(DEMO, judged_by="knn")
    for vector in vectors(62):
        assert detector.observe(vector) is alone.observe(vector) is None
    (first,) = ahead(detector, seat, 62, 1)
    assert first is not None
    assert judge.name in first.model_version
    present[0] = None
    behind = ahead(detector, seat, 63, 3)
    assert values(behind) == values([alone.observe(vector) for vector in vectors(3, first=63)])
    assert all(score is not None and score.model_version.startswith("knn on ") for score in behind)
