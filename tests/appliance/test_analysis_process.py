"""Process values in the running analysis, in virtual time: learned, judged, alarmed, kept, learned anew."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from appliance.analysis import AssetAnalysis, Findings
from appliance.analysis_process import ProcessWatches
from appliance.analysis_process_group import GroupWatch, ProcessGroup
from appliance.analysis_settings import PROFILES
from appliance.analysis_slow_tag import SlowTag
from appliance.limit_versions import LimitKey
from dsp.samples import Channel, Measurand, SampleBlock
from models.machine import Machine
from models.process_detector import ProcessDetector, ProcessRules
from tests.fakes.machine_items import S, joined, tag

PUMP = Machine("pump", "Pump", nominal_shaft_hz=25.0)
FLOW, PRESSURE, OIL, SPEED = "pump.flow", "pump.pressure", "pump.oil", "pump.speed"
GROUP = "pump/values/water"
SLOW = "pump/slow/pump.oil"
WATCHES = ProcessWatches(
    groups=(ProcessGroup("water", (FLOW, PRESSURE), 1.0, ProcessRules(learn_rows=400)),),
    slow_tags=(SlowTag(OIL, 20.0, 60),),
)


def channels(speed: bool = True) -> list[Channel]:
    found = [
        Channel(FLOW, "pump", Measurand.PROCESS_VALUE, "l/min", 0.0, math.inf),
        Channel(PRESSURE, "pump", Measurand.PROCESS_VALUE, "bar", 0.0, math.inf),
        Channel(OIL, "pump", Measurand.TEMPERATURE, "degC", 0.0, math.inf),
    ]
    return [*found, Channel(SPEED, "pump", Measurand.SHAFT_SPEED, "Hz", 0.0, 1000.0)] if speed else found


def new_analysis(watches: ProcessWatches | None = WATCHES, speed: bool = True) -> AssetAnalysis:
    return AssetAnalysis(PUMP, channels(speed), PROFILES["default"], watches=watches)


class Plant:
    """A pump's tags, one of each a second, from where it stopped."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = np.random.default_rng(seed)
        self.at_s = 0
        self.speed_hz = 25.0
        self.oil = 55.0

    def run(
        self, analysis: AssetAnalysis, seconds: int, flow: float = 0.0, missing: frozenset[str] = frozenset()
    ) -> Findings:
        """So many seconds through the analysis; `flow` is added to the usual 120 l/min."""
        return joined(analysis.process(items) for items in self._seconds(seconds, flow, missing))

    def _seconds(self, seconds: int, flow: float, missing: frozenset[str]) -> Iterator[list[SampleBlock]]:
        for _ in range(seconds):
            self.at_s += 1
            noise = self._rng.standard_normal(3)
            share = self.speed_hz / 25.0
            values = {
                SPEED: self.speed_hz,
                FLOW: (120.0 + 0.8 * noise[0]) * share + flow,
                PRESSURE: (2.0 + 0.02 * noise[1]) * share**2,
                OIL: self.oil + 0.3 * noise[2],
            }
            yield [tag(c, self.at_s * S, v) for c, v in values.items() if c not in missing]


def told(findings: Findings) -> list[tuple[str, str]]:
    return [(t.what, t.alarm.alarm_id) for t in findings.transitions]


def test_nothing_is_judged_unless_configured() -> None:
    plant, analysis = Plant(), new_analysis(watches=None)
    findings = plant.run(analysis, 500)
    assert analysis.limit_owners.facts() == []
    findings = joined([findings, plant.run(analysis, 60, flow=-60.0)])
    assert findings.transitions == []
    assert findings.limits == {}


def test_healthy_running_is_learned_with_progress_and_stays_quiet() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 200)
    (water, oil) = sorted(analysis.limit_owners.facts(), key=lambda facts: facts.key.channel_id, reverse=True)
    assert water.key == LimitKey(GROUP, "1500 rpm")
    assert (water.kind, water.complete, water.needed_s) == ("process", False, 400.0)
    assert water.learned_s == pytest.approx(200.0, abs=5.0)
    assert oil.key.channel_id == SLOW
    learning = analysis.learning_progress()  # a machine without vibration has no other progress to show
    assert {progress.channel_id for progress in learning} == {GROUP, SLOW}
    quiet = plant.run(analysis, 2500)
    assert told(quiet) == []
    assert all(facts.complete for facts in analysis.limit_owners.facts())


def test_a_process_fault_alarms_says_what_and_how_far_and_goes() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 500)
    found = plant.run(analysis, 40, flow=-20.0)
    (raised,) = [t.alarm for t in found.transitions]
    assert (raised.alarm_id, raised.rule, raised.severity) == (
        "pump.process-values.water",
        "process values",
        "watch",
    )
    assert raised.channel_id == FLOW
    assert raised.reason.startswith("process values water: flow 1")
    assert "l/min, usually 120" in raised.reason
    assert "x the learned limit" in raised.reason
    assert raised.evidence["tags"]["flow"] > 1.0 > raised.evidence["tags"]["pressure"]
    assert raised.evidence["operating_state"] == "1500 rpm"
    json.dumps(raised.evidence, allow_nan=False)
    gone = plant.run(analysis, 120)
    assert told(gone)[-1] == ("cleared", "pump.process-values.water")


def test_it_is_the_judgement_that_an_evaluation_judges() -> None:
    """Row for row what the detector says when it is given the same rows."""
    plant, analysis = Plant(3), new_analysis(speed=False)
    detector = ProcessDetector(("flow", "pressure"), WATCHES.groups[0].rules)
    again = Plant(3)
    said = []
    for i in range(700):
        flow = -4.0 if i >= 550 else 0.0
        for items in again._seconds(1, flow, frozenset({SPEED})):
            row = [float(f"{item.samples[0]:.7g}") for item in items[:2]]
            judged = detector.observe(np.array(row))
            said.append(bool(judged and judged.alarm))
    first = said.index(True)
    live = plant.run(analysis, 550, missing=frozenset({SPEED}))
    live = joined([live, plant.run(analysis, 150, flow=-4.0, missing=frozenset({SPEED}))])
    (raised,) = [t.alarm for t in live.transitions if t.what == "raised"]
    assert raised.raised_ns == (first + 1) * S + S  # the row's end: values of second n lie in [n, n + 1)


def test_a_slow_tag_that_leaves_what_it_was_alarms() -> None:
    plant, analysis = Plant(), new_analysis()
    assert told(plant.run(analysis, 40 * 60)) == []
    plant.oil = 64.0
    found = plant.run(analysis, 240)
    raised = next(t.alarm for t in found.transitions if t.alarm.rule == "slow tag")
    assert raised.alarm_id == "pump.slow-tag.oil"
    assert raised.reason.startswith("slow tag: oil 6")
    assert "degC over" in raised.reason
    assert raised.evidence["shift"] > 3.0
    json.dumps(raised.evidence, allow_nan=False)


def test_each_operating_state_has_its_own_normal_and_standstill_teaches_nothing() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 450)
    plant.speed_hz = 0.0
    assert told(plant.run(analysis, 600)) == []
    plant.speed_hz = 20.0
    assert told(plant.run(analysis, 450)) == []
    states = {f.key.operating_state for f in analysis.limit_owners.facts() if f.key.channel_id == GROUP}
    assert states == {"1500 rpm", "1240 rpm"}
    plant.speed_hz = 25.0
    assert told(plant.run(analysis, 120)) == []
    assert ("raised", "pump.process-values.water") in told(plant.run(analysis, 40, flow=-20.0))


def test_an_alarm_of_one_state_ends_once_another_state_was_quiet_for_long() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 450)
    plant.speed_hz = 20.0
    plant.run(analysis, 450)
    assert told(plant.run(analysis, 40, flow=-20.0)) == [("raised", "pump.process-values.water")]
    plant.speed_hz = 25.0
    assert told(plant.run(analysis, 30)) == []
    assert told(plant.run(analysis, 20)) == [("cleared", "pump.process-values.water")]


def test_after_a_start_the_process_has_its_time_to_settle() -> None:
    group = replace(WATCHES.groups[0], settle_s=120.0)
    plant, analysis = Plant(), new_analysis(ProcessWatches(groups=(group,)))
    plant.run(analysis, 450)
    plant.speed_hz = 0.0
    plant.run(analysis, 60)
    plant.speed_hz = 25.0
    assert told(plant.run(analysis, 110, flow=-20.0)) == []  # still filling its pipes
    assert told(plant.run(analysis, 120)) == []
    assert told(plant.run(analysis, 40, flow=-20.0)) == [("raised", "pump.process-values.water")]


def test_what_the_journal_is_given_is_bounded() -> None:
    watch = GroupWatch("pump", WATCHES.groups[0], {c.channel_id: c for c in channels()})
    many = {
        f"state {i}": ProcessDetector(("flow", "pressure"), ProcessRules(learn_rows=20_000)) for i in range(3)
    }
    for i, detector in enumerate(many.values()):
        for row in np.random.default_rng(i).standard_normal((14_000 - 1000 * i, 2)):
            detector.observe(np.array([float(f"{v:.7g}") for v in row]))
    watch._detectors = many
    document = watch.document()
    assert set(document["states"]) == {"state 0", "state 1"}  # those of which most is learned
    assert len(json.dumps(document)) < 1_000_000


def test_a_machine_that_may_be_faulty_teaches_nothing() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 450)
    plant.run(analysis, 30, flow=-20.0)
    plant.speed_hz = 20.0  # a state that is not learned: nothing denies the alarm, nothing is learned
    plant.run(analysis, 300)
    states = {f.key.operating_state for f in analysis.limit_owners.facts() if f.key.channel_id == GROUP}
    assert states == {"1500 rpm"}


def test_what_was_learned_and_what_stands_survives_a_restart() -> None:
    plant, before = Plant(), new_analysis()
    plant.run(before, 450)
    found = plant.run(before, 40, flow=-20.0)
    kept = json.loads(json.dumps(found.limits))  # given as the alarm was raised
    assert set(kept) >= {GROUP}
    after = new_analysis()
    assert after.restore(kept, before.alarms()) == []
    assert told(plant.run(after, 20, flow=-20.0)) == []  # it stands, and is not raised twice
    assert told(plant.run(after, 90))[-1] == ("cleared", "pump.process-values.water")
    half = new_analysis()
    Plant(5).run(half, 150)
    state = json.loads(json.dumps(half.state().limits))
    again = new_analysis()
    assert again.restore(state, []) == []
    assert [f.learned_s for f in again.limit_owners.facts()] == [
        f.learned_s for f in half.limit_owners.facts()
    ]


def test_what_does_not_fit_is_learned_anew_and_said() -> None:
    learned = new_analysis()
    Plant().run(learned, 450)
    state = learned.state().limits
    other = ProcessWatches(groups=(ProcessGroup("water", (PRESSURE, FLOW), 1.0, WATCHES.groups[0].rules),))
    (refused,) = new_analysis(other).restore(state, [])
    assert refused.startswith("process values water learns anew: ")
    for damaged in ({}, {**state[GROUP], "states": [1]}, {**state[GROUP], "format": "older"}):
        analysis = new_analysis()
        assert len(analysis.restore({GROUP: damaged}, [])) == 1
        assert [f for f in analysis.limit_owners.facts() if f.key.channel_id == GROUP] == []


def test_a_group_that_is_not_configured_any_more_leaves_no_alarm_behind() -> None:
    plant, before = Plant(), new_analysis()
    plant.run(before, 450)
    plant.run(before, 40, flow=-20.0)
    after = new_analysis(ProcessWatches(slow_tags=WATCHES.slow_tags))
    after.restore({}, before.alarms())
    assert ("cleared", "pump.process-values.water") in told(plant.run(after, 130))


def test_a_gap_of_the_server_is_no_deviation() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 450)
    assert told(plant.run(analysis, 120, missing=frozenset({FLOW, PRESSURE}))) == []
    assert told(plant.run(analysis, 120, missing=frozenset({FLOW}))) == []
    assert told(plant.run(analysis, 120)) == []


def test_a_person_can_have_it_learned_anew_and_raise_its_limit() -> None:
    plant, analysis = Plant(), new_analysis()
    plant.run(analysis, 450)
    key, owner = LimitKey(GROUP, "1500 rpm"), analysis.limit_owners
    plant.run(analysis, 60, flow=-2.0)
    assert analysis.alarms()[0].state.active
    known = owner.content(key)
    owner.forget(key)
    assert told(plant.run(analysis, 3, flow=-2.0)) == [("cleared", "pump.process-values.water")]
    assert told(plant.run(analysis, 600, flow=-2.0)) == []  # what it does now is its normal
    owner.recall(key, known)
    assert told(plant.run(analysis, 60, flow=-2.0))[-1][0] in ("raised", "re-raised")
    owner.order(key, 3.0)
    assert "cleared" in {what for what, _ in told(plant.run(analysis, 90, flow=-2.0))}
    owner.order(key, None)
    assert "re-raised" in {what for what, _ in told(plant.run(analysis, 300, flow=-2.0))}
