"""The long memory of a channel: the first baseline outlives the present one, over restarts and relearning."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from appliance.alarms.rules import RuleSettings
from appliance.analysis import Findings
from appliance.analysis_channel import ChannelAnalysis
from appliance.analysis_limits import AssetLimits, content_of
from appliance.analysis_settings import AnalysisSettings, WatchSettings
from appliance.analysis_watch import Advisory, ChannelWatch
from appliance.limit_versions import LimitKey
from appliance.machine_status import MachineStatus
from dsp.extractor import EXTRACTOR_VERSION, FeatureVector
from dsp.samples import Quality
from dsp.severity_limits import ZoneLimits
from models.detector import AnomalyScore, BaselineDetector, LearningProgress, LearningSettings
from models.diagnosis import Diagnosis, RankedFault, Verdict
from models.drift import DriftSettings
from models.errors import ModelStateError
from models.prognosis import Forecast
from tests.fakes.machine_items import MOTOR, channels

NAMES = ("rms_mps2", "velocity_rms_mm_s", *(f"band_{i}00_{i + 1}00_hz_db" for i in range(1, 13)))
STATE = "1800 rpm"
STEP_NS = 600 * 10**9
DAY = 144
LIMITS = ZoneLimits(1.4, 2.8, 4.5)
SHORT = WatchSettings(drift=DriftSettings(reference_s=3 * 86_400.0, period_s=86_400.0))


class Box:
    """One channel as the analysis keeps it, at the level of features: a detector and its watch."""

    def __init__(self, settings: WatchSettings = SHORT) -> None:
        self._settings = settings
        self.detector = BaselineDetector(LearningSettings(2 * 86_400.0, 144, longest_step_s=900.0))
        self.watch = ChannelWatch("pump.x", settings, 1, RuleSettings())
        self.scores: list[float] = []
        self.told: list[str] = []
        self._rng = np.random.default_rng(1)

    def days(self, first: int, count: int, rise_db: float = 0.0, per_day_db: float = 0.0) -> None:
        """So many days; three bands and velocity `rise_db` up, and by so much more each day."""
        for i in range(first * DAY, (first + count) * DAY):
            rise = rise_db + per_day_db * (i / DAY - first)
            noise = 0.3 * self._rng.standard_normal(len(NAMES)) + 0.3 * np.sin(2 * np.pi * i / DAY)
            levels = np.zeros(len(NAMES))
            levels[[1, 5, 6, 7]] = rise
            values = levels + noise
            values[:2] = 10.0 ** (values[:2] / 20.0)
            vector = FeatureVector(
                "pump.x",
                i * STEP_NS,
                1.28,
                NAMES,
                values.astype(np.float32),
                STATE,
                Quality.GOOD,
                EXTRACTOR_VERSION,
            )
            score = self.detector.observe(vector)
            if score is not None:
                self._note(vector, score)

    def _note(self, vector: FeatureVector, score: AnomalyScore) -> None:
        baseline = self.detector.baseline_of("pump.x", STATE)
        self.scores.append(self.watch.score(vector, score, baseline, 0.01, healthy=score.value < 1.0).value)
        self.watch.velocity(vector.start_ns, float(vector.values[1]), 1.0, 1.0, LIMITS)
        self.told += [advisory.text for advisory in self.watch.advisories]
        self.watch.advisories.clear()

    def restarted(self) -> Box:
        box = Box(self._settings)
        box.detector.restore(json.loads(json.dumps(self.detector.state())))
        box.watch.restore(json.loads(json.dumps(self.watch.state())))
        return box


def test_two_hundred_healthy_days_are_quiet_small_and_vouched_for() -> None:
    box = Box(WatchSettings())
    box.days(0, 200)
    assert box.watch.drifts == []
    assert box.told == []
    statement = box.watch.statement
    assert not statement.provisional
    assert statement.factor == 1.0
    size = len(json.dumps(box.watch.state()))
    print(f"{size} bytes of one channel's watch after 200 days; {statement.text}")
    assert size < 40_000


def test_a_fault_that_was_learned_as_normal_drifts_against_the_first_baseline() -> None:
    """Re-baselined after each small step, as a hurried person might: no score ever stands out."""
    box = Box()
    box.days(0, 10)
    for step in range(1, 5):
        box.detector.forget("pump.x")
        box.days(10 * step, 10, rise_db=1.5 * step)
        if step == 2:
            box = box.restarted()
    assert max(box.scores[-5 * DAY :]) < 0.6
    found = [(drift.quantity, drift.since) for drift in box.watch.drifts]
    assert ("rise", "first") in found
    assert all(since == "first" for _, since in found)
    assert "re-baseline only once it was found sound" in box.watch.drifts[0].act


def test_growth_is_forecast_with_its_interval_and_withdrawn_when_it_ends() -> None:
    box = Box()
    box.days(0, 12)
    box.days(12, 22, per_day_db=0.35)
    zone = [text for text in box.told if text.startswith("zone C in")]
    assert zone
    assert all(", 80 % between " in text or " after " in text for text in box.told if " in " in text)
    box.days(34, 30, rise_db=0.0)
    assert any("no forecast any more" in text for text in box.told)


def test_a_forecast_of_before_a_restart_is_withdrawn_when_it_ends() -> None:
    box = Box()
    box.days(0, 12)
    for boundary in ("zone C", "the learned limit"):
        soon = Forecast(boundary, 9 * 86_400.0, 6 * 86_400.0, 15 * 86_400.0, 5.0, None)
        box.watch.resume(Advisory("pump.x", 0, boundary, soon, soon.text))
    box.days(12, 3)
    assert len(box.told) == 2
    assert all("no forecast any more" in text for text in box.told)


def diagnosis(n: int, evidence: float) -> Diagnosis:
    verdict = Verdict.FAULT if evidence >= 1.0 else Verdict.HEALTHY
    fault = "outer race" if evidence >= 1.0 else None
    ranking = (RankedFault("outer race", evidence),)
    text = "outer race, 6 dB over baseline"
    return Diagnosis("pump", "pump.x", n, verdict, fault, 0.8, text, ranking, 6.0, 100.0)


def diagnosed(watch: ChannelWatch, first: int, evidence: np.ndarray, healthy: bool = True) -> list[Diagnosis]:
    return [
        watch.diagnosed(diagnosis(i, value), i * STEP_NS, compared=True, healthy=healthy)
        for i, value in enumerate(evidence.tolist(), first)
    ]


def test_the_limit_of_fault_lines_is_settled_for_its_share_by_healthy_running_alone() -> None:
    rng = np.random.default_rng(2)
    n = round(70 * DAY)  # 1680 h, where 1461 h are needed
    low = 0.2 * np.exp(0.2 * rng.standard_normal(n))
    quiet = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    assert not [d for d in diagnosed(quiet, 0, low) if d.verdict is Verdict.FAULT]
    assert quiet.fault_statement.factor == 1.0
    assert not quiet.fault_statement.provisional
    assert quiet.fault_statement.vouched_per_year <= 0.2
    # evidence comes in bouts of half an hour, now and then so near to a call that some would be confirmed
    bouts = np.repeat(np.exp(0.3 * rng.standard_normal(n // 3)), 3)
    near = np.minimum(0.42 * bouts, 0.95)
    watch = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    diagnosed(watch, 0, near[: n // 2])
    assert watch.fault_statement.factor == 1.0  # not before its span vouches for the share
    again = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    again.restore(json.loads(json.dumps(watch.state())))
    diagnosed(again, n // 2, near[n // 2 :])
    factor = again.fault_statement.factor
    assert 1.0 < factor <= 1.5
    print(f"limit of fault lines settled at {factor:.2f}: {again.fault_statement.text}")
    (weak,) = diagnosed(again, n, np.array([factor - 0.01]))
    assert weak.verdict is Verdict.ABSTAIN
    (strong,) = diagnosed(again, n + 1, np.array([factor + 0.01]))
    assert (strong.verdict, strong.fault) == (Verdict.FAULT, "outer race")
    after = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    after.restore(json.loads(json.dumps(again.state())))
    assert after.fault_statement.factor == factor
    # while an alarm stands nothing is learned, and the time does not count
    sick = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    diagnosed(sick, 0, near, healthy=False)
    assert sick.fault_statement.span_h == 0.0
    # what was stored before fault lines were watched is taken over
    older = {name: value for name, value in again.state().items() if name != "fault_limit"}
    before = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    before.restore(older)
    assert before.fault_statement.span_h == 0.0


def test_damaged_states_are_refused() -> None:
    box = Box()
    box.days(0, 8)
    state = box.watch.state()
    first: dict[str, Any] = {STATE: {"names": ["a"], "centre": [1.0, 2.0]}}
    parts = ("limit", "fault_limit", "drift", "histories")
    for damage in ({"first": first}, {"first": None}, *({part: {}} for part in parts)):
        with pytest.raises(ModelStateError):
            ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings()).restore({**state, **damage})


def test_the_nearest_forecast_is_the_headline_until_it_is_withdrawn() -> None:
    status = MachineStatus(MOTOR, channels())
    day_s = 86_400.0
    limit = Forecast("the learned limit", 20 * day_s, 12 * day_s, 40 * day_s, 5.0, None)
    zone = Forecast("zone C", 9 * day_s, 6 * day_s, 15 * day_s, 5.0, None)
    told = [Advisory("motor-1.x", 0, one.boundary, one, one.text) for one in (limit, zone)]
    status.take_findings(Findings(advisories=told))
    status.updated_ns = 0
    status.restore_learning([LearningProgress("motor-1.x", "no tags", 9.0, 9.0, True, False)])
    assert status.headline([], 0) == "zone C in 9 days, 80 % between 6 and 15"
    withdrawn = Advisory("motor-1.x", 1, "zone C", None, "zone C: no forecast any more")
    status.take_findings(Findings(advisories=[withdrawn]))
    assert status.headline([], 0).startswith("the learned limit in 20 days")
    status.take_findings(Findings(advisories=[Advisory("motor-1.x", 2, "the learned limit", None, "")]))
    assert status.headline([], 0) == "as learned, nothing stands out"


def test_no_limit_of_fault_lines_is_settled_while_a_person_holds_a_limit() -> None:
    rng = np.random.default_rng(2)
    n = round(70 * DAY)  # 1680 h, where 1461 h are needed
    near = np.minimum(0.42 * np.repeat(np.exp(0.3 * rng.standard_normal(n // 3)), 3), 0.95)
    machine, (channel, *_) = MOTOR, channels()
    analysis = ChannelAnalysis(machine, channel, AnalysisSettings(LearningSettings(60.0, 10)))
    limits = AssetLimits(
        {channel.channel_id: analysis}, lambda _: (), lambda _: {}, lambda _: None, needed_s=1.0
    )
    key = LimitKey(channel.channel_id, STATE)
    limits.order(key, 1.0)  # locked where it is
    assert analysis.limit_held
    watch = ChannelWatch("pump.x", WatchSettings(), 1, RuleSettings())
    for i, value in enumerate(near.tolist()):
        watch.diagnosed(diagnosis(i, value), i * STEP_NS, True, True, analysis.limit_held)
    assert watch.fault_statement.span_h > 1461.0  # it was watched
    assert watch.fault_statement.factor == 1.0
    assert watch.fault_statement.provisional
    limits.order(key, None)  # unlocked
    assert not analysis.limit_held
    for i, value in enumerate(near[: 2 * DAY].tolist(), n):
        watch.diagnosed(diagnosis(i, value), i * STEP_NS, True, True, analysis.limit_held)
    assert 1.0 < watch.fault_statement.factor <= 1.5
    stored = watch.state()["fault_limit"]
    assert stored["settled"] and stored["settled_h"] > 1461.0
    document = {
        "detector": {"learned": []}, "diagnoser": {"baselines": {}}, "records_learned": {}, "sensor": {},
        "watch": watch.state(),
    }  # fmt: skip
    carried = content_of(document, STATE)["fault_limit"]
    assert carried == {name: stored[name] for name in ("factor", "settled", "settled_h")}
