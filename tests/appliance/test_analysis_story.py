"""The story, hop 5 to 8: learned within a minute, quiet while healthy, then the part named, over restarts."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache

import pytest

from appliance.alarms.lifecycle import AlarmState, AlarmTransition, Severity, StaleActivationError
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from dsp.samples import SourceItem
from dsp.spectrum import SpectrumKind
from firmware_bridge.bearing_impacts import FaultKind
from tests.fakes.machine_items import LOW_RATE_HZ, MOTOR, channels, motor_items, run

HEALTHY_S = 50.0
GROWTH_S = 60.0
ALARM = "motor-1.machine-condition"


@cache
def story_items() -> Sequence[list[SourceItem]]:
    """50 s healthy, then an outer-race fault that grows for 60 s."""
    return list(
        motor_items(
            7, HEALTHY_S + GROWTH_S, fault=FaultKind.OUTER_RACE, fault_at_s=HEALTHY_S, growth_s=GROWTH_S
        )
    )


def demo() -> AssetAnalysis:
    return AssetAnalysis(MOTOR, channels(), PROFILES["demo"])


@cache
def story() -> tuple[Sequence[Findings], AssetAnalysis]:
    analysis = demo()
    return [analysis.process(items) for items in story_items()], analysis


def transitions(found: Sequence[Findings]) -> list[AlarmTransition]:
    return [transition for findings in found for transition in findings.transitions]


def test_the_baseline_is_learned_within_a_minute_and_its_limit_is_provisional() -> None:
    found, _ = story()
    learned_at = next(i for i, f in enumerate(found) if f.learning and all(p.complete for p in f.learning))
    assert 38.0 < learned_at * 0.1 < HEALTHY_S
    assert len(found[learned_at].learning) == 3
    assert all(progress.provisional for progress in found[learned_at].learning)
    assert set(found[learned_at].limits) == {"motor-1.x", "motor-1.y", "motor-1.z"}
    halfway = next(f for f in found[190:] if f.learning)
    assert 15.0 < halfway.learning[0].learned_s < 25.0
    assert not halfway.learning[0].complete


def test_a_healthy_machine_is_quiet_and_good() -> None:
    found, _ = story()
    healthy = found[: int(HEALTHY_S * 10)]
    assert transitions(healthy) == []
    assert {f.severity for f in healthy[20:]} == {Severity.GOOD}
    assert {f.operating_state for f in healthy[20:]} == {"1764 rpm, load 50-75 %"} or {
        f.operating_state for f in healthy[20:]
    } == {"1764 rpm, load 75-100 %"}
    assert max(score.value for f in healthy for score in f.scores) < 0.6


def test_the_alarm_names_the_outer_race_in_a_technician_s_words() -> None:
    found, analysis = story()
    told = transitions(found)
    (alarm,) = analysis.alarms()
    assert [t.what for t in told] == ["raised"] + ["updated"] * (len(told) - 1)
    assert len(told) <= 8
    assert alarm.alarm_id == ALARM
    assert alarm.fault == "outer race"
    assert alarm.severity in (Severity.WATCH, Severity.WARN)
    raised_s = told[0].alarm.raised_ns / 1e9
    assert HEALTHY_S < raised_s < HEALTHY_S + 40.0
    match = re.match(
        r"outer race, BPFO at 3\.5[789] x shaft speed, (\d+) dB over baseline, rising for (\d+) s",
        alarm.reason,
    )
    assert match, alarm.reason
    assert int(match[1]) >= 12
    assert 20 <= int(match[2]) <= GROWTH_S
    assert alarm.evidence["multiplier"] == pytest.approx(3.585, rel=0.01)
    assert alarm.evidence["over_baseline_db"] >= 12
    assert alarm.evidence["frequency_hz"] == pytest.approx(3.585 * 29.4, rel=0.02)
    assert alarm.evidence["line"] == "BPFO"
    assert round(alarm.evidence["rising_s"]) == int(match[2])
    assert alarm.rising_since_ns is not None
    assert HEALTHY_S < alarm.rising_since_ns / 1e9 < raised_s
    assert alarm.evidence["provisional"] is True
    assert "dB" in alarm.evidence["features"]
    json.dumps(alarm.evidence)
    assert found[-1].severity == alarm.severity
    assert max(score.value for findings in found[-20:] for score in findings.scores) > 1.0


def test_what_a_screen_needs_is_there() -> None:
    found, _ = story()
    spectra = [spectrum for f in found for spectrum in f.spectra]
    kinds = {(s.channel_id, s.kind) for s in spectra}
    assert kinds == {
        (f"motor-1.{axis}", kind)
        for axis in "xyz"
        for kind in (SpectrumKind.AMPLITUDE, SpectrumKind.ENVELOPE)
    }
    assert max(len(s.values) for s in spectra) <= 1600
    vectors = [vector for f in found for vector in f.features]
    assert len(vectors) == 3 * ((len(story_items()) * 2560 - 32768) // 16384 + 1)
    assert [v.start_ns for v in vectors] == sorted(v.start_ns for v in vectors)
    evidence = [e for f in found for e in f.evidence]
    assert len(evidence) == 3 * 54
    assert all(abs(e.shaft_hz / 29.4 - 1) < 0.01 for e in evidence)


def restarted(analysis: AssetAnalysis) -> AssetAnalysis:
    """A new analysis that knows what the journal would, through JSON."""
    state = analysis.state()
    limits = json.loads(json.dumps(state.limits, allow_nan=False))
    fresh = demo()
    assert fresh.restore(limits, state.alarms) == []
    return fresh


def test_a_restart_does_not_begin_the_rise_anew() -> None:
    uninterrupted, _ = story()
    analysis = demo()
    for items in story_items()[:1000]:
        analysis.process(items)
    analysis = restarted(analysis)
    found = [analysis.process(items) for items in story_items()[1000:]]

    def rises(all_of: Sequence[Findings]) -> list[float]:
        return [d.rising_s or 0.0 for f in all_of for d in f.diagnoses if d.fault == "outer race"]

    (alarm,) = analysis.alarms()
    resumed = [d for f in found for d in f.diagnoses if d.channel_id == alarm.channel_id]
    assert resumed[0].rising_s is not None
    assert resumed[0].rising_s > 15.0
    assert max(rises(found)) == pytest.approx(max(rises(uninterrupted)), abs=10.0)


def test_restarts_at_any_moment_lose_neither_baseline_nor_alarm_nor_acknowledgement() -> None:
    analysis = demo()
    told: list[AlarmTransition] = []
    acknowledged = False
    learned_before = 0.0
    for i, items in enumerate(story_items()):
        if i in (150, 430, 590, 730, 800, 900, 1000):
            before = analysis.state()
            analysis = restarted(analysis)
            assert analysis.state().alarms == before.alarms
            learned = [p.learned_s for p in analysis.learning_progress()]
            assert min(learned) >= min(40.0, learned_before)
        findings = analysis.process(items)
        told += findings.transitions
        if findings.learning:
            learned_before = min(p.learned_s for p in findings.learning)
        if told and not acknowledged:
            alarm = told[-1].alarm
            with pytest.raises(StaleActivationError):
                analysis.acknowledge(ALARM, 2, "ada", "", alarm.changed_ns)
            told.append(analysis.acknowledge(ALARM, 1, "ada", "bearing ordered", alarm.changed_ns))
            acknowledged = True
    (alarm,) = analysis.alarms()
    assert [t.what for t in told][:2] == ["raised", "acknowledged"]
    assert {t.what for t in told[2:]} == {"updated"}
    assert (alarm.state, alarm.activation) == (AlarmState.ACTIVE_ACKNOWLEDGED, 1)
    assert (alarm.acknowledged_by, alarm.comment) == ("ada", "bearing ordered")
    assert alarm.fault == "outer race"
    assert all(progress.complete for progress in analysis.learning_progress())


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_other_healthy_machines_are_quiet_too(seed: int) -> None:
    analysis = AssetAnalysis(MOTOR, channels(axes="x"), PROFILES["demo"])
    found = run(analysis, motor_items(seed, 75.0, axes="x"))
    assert found.transitions == []
    assert found.learning[0].complete
    assert max(score.value for score in found.scores) < 0.7
    assert {d.verdict for d in found.diagnoses} <= {"healthy", "abstain"}


def test_ten_minutes_of_healthy_running_raise_nothing() -> None:
    analysis = AssetAnalysis(MOTOR, channels(LOW_RATE_HZ, "z"), PROFILES["demo"])
    found = run(analysis, motor_items(21, 600.0, rate_hz=LOW_RATE_HZ, axes="z"))
    assert found.transitions == []
    assert found.severity is Severity.GOOD
    assert len(found.scores) > 800
    assert max(score.value for score in found.scores) < 0.8
