"""Recordings through a machine's analysis: without a baseline, and after healthy ones."""

from __future__ import annotations

import pytest

from appliance.alarms.lifecycle import Severity
from appliance.analysis import PROFILES, AssetAnalysis, Findings
from firmware_bridge.bearing_impacts import FaultKind
from tests.fakes.machine_items import MOTOR, RATE_HZ, channels, joined, motor_items, run


def recording(
    profile: str, fault: FaultKind | None, seconds: float = 10.0, seed: int = 41
) -> tuple[AssetAnalysis, Findings]:
    """A short recording of a machine, with a full-grown fault or none, and its plate's speed."""
    analysis = AssetAnalysis(MOTOR, channels(RATE_HZ, "x", tags=False), PROFILES[profile])  # type: ignore[index]
    items = motor_items(seed, seconds, fault=fault, fault_at_s=-100.0, growth_s=1.0, axes="x", tags=False)
    return analysis, joined([run(analysis, items), analysis.finish()])


@pytest.mark.parametrize(
    ("kind", "fault"), [(FaultKind.OUTER_RACE, "outer race"), (FaultKind.INNER_RACE, "inner race")]
)
def test_a_recording_without_baseline_is_judged_by_absolute_evidence(kind: FaultKind, fault: str) -> None:
    analysis, found = recording("recording", kind)
    (alarm,) = analysis.alarms()
    assert alarm.fault == fault
    assert "no baseline" in alarm.reason
    assert alarm.evidence["baseline"] is False
    assert found.scores == []
    assert found.limits == {}
    assert analysis.learning_progress() == []
    assert found.severity is Severity.WATCH


def test_a_healthy_recording_without_baseline_is_quiet() -> None:
    analysis, found = recording("recording", None)
    assert analysis.alarms() == []
    assert found.severity is Severity.GOOD


@pytest.mark.parametrize("seconds", [0.1, 0.4, 1.0, 1.3, 2.0, 5.0])
def test_short_recordings_give_what_they_can(seconds: float) -> None:
    _, found = recording("recording", FaultKind.OUTER_RACE, seconds)
    assert len(found.features) > 0
    assert (len(found.diagnoses) > 0) == (seconds >= 1.0)


def test_recordings_after_healthy_ones_are_judged_against_them() -> None:
    analysis = AssetAnalysis(MOTOR, channels(RATE_HZ, "x", tags=False), PROFILES["recording_with_baseline"])
    for seed in (41, 42):
        run(analysis, motor_items(seed, 20.0, axes="x", tags=False))
        assert analysis.finish().transitions == []
        analysis.interrupt()
    analysis.end_learning()
    (progress,) = analysis.learning_progress()
    assert progress.complete
    healthy = joined([run(analysis, motor_items(43, 10.0, axes="x", tags=False)), analysis.finish()])
    assert healthy.transitions == []
    assert max(score.value for score in healthy.scores) < 1.0
    faulty = joined(
        [
            run(
                analysis,
                motor_items(
                    43, 10.0, fault=FaultKind.OUTER_RACE, fault_at_s=-9, growth_s=1, axes="x", tags=False
                ),
            ),
            analysis.finish(),
        ]
    )
    (alarm,) = analysis.alarms()
    assert alarm.fault == "outer race"
    assert "over baseline" in alarm.reason
    assert max(score.value for score in faulty.scores) > 1.0
