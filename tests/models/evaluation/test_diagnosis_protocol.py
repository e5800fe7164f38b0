"""One recording to one decision: framing, sensor check and what cannot be decided."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.bearing import BearingFault
from models.diagnosis import Diagnosis, DiagnosisSettings, Verdict
from models.evaluation.diagnosis_protocol import BASELINES, DiagnosisProtocol
from models.evaluation.protocols import settings_hash
from models.machine import Machine
from models.recording_diagnosis import diagnosed_recording
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

MACHINE = Machine("m", "m", bearing=BEARING)


def rules_decision(
    segments: list[np.ndarray], rate_hz: float, machine: Machine, shaft_hz: float | None
) -> Diagnosis:
    return diagnosed_recording(segments, rate_hz, machine, shaft_hz).diagnosis


def recording(fault: BearingFault | None, seconds: float, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = int(seconds * RATE_HZ)
    samples = harmonics(rng, n) + resonant_noise(rng, n)
    if fault is not None:
        samples = samples + impacts(rng, n, fault)
    return samples.astype(np.float32)


@pytest.mark.parametrize("seconds", [2.5, 4.0, 9.0])
def test_every_variant_names_a_clear_fault_whatever_the_length(seconds: float) -> None:
    for decide in (rules_decision, *BASELINES.values()):
        found = decide([recording(BearingFault.OUTER_RACE, seconds)], RATE_HZ, MACHINE, SHAFT_HZ)
        assert found.fault == "outer race"


def test_a_healthy_recording_is_healthy() -> None:
    found = rules_decision([recording(None, 9.0)], RATE_HZ, MACHINE, SHAFT_HZ)
    assert found.verdict is Verdict.HEALTHY


@pytest.mark.parametrize(
    ("machine", "shaft_hz", "seconds", "reason"),
    [
        (Machine("m", "m"), SHAFT_HZ, 5.0, "bearing"),
        (MACHINE, None, 5.0, "shaft speed"),
        (MACHINE, SHAFT_HZ, 0.3, "too short"),
    ],
)
def test_what_is_missing_makes_it_abstain(
    machine: Machine, shaft_hz: float | None, seconds: float, reason: str
) -> None:
    found = rules_decision([recording(BearingFault.OUTER_RACE, seconds)], RATE_HZ, machine, shaft_hz)
    assert found.verdict is Verdict.ABSTAIN
    assert reason in found.text
    for decide in BASELINES.values():
        assert decide([np.zeros(10, np.float32)], RATE_HZ, machine, shaft_hz).fault is None


@pytest.mark.parametrize("bad", ["nan", "flat", "clipped"])
def test_a_sensor_that_cannot_be_believed_is_no_fault(bad: str) -> None:
    samples = recording(BearingFault.OUTER_RACE, 4.0)
    if bad == "nan":
        samples[::5000] = np.nan
    elif bad == "flat":
        samples[:] = 1.0
    else:
        samples = np.clip(samples, -1.0, 1.0)
    found = rules_decision([samples], RATE_HZ, MACHINE, SHAFT_HZ)
    assert found.verdict is Verdict.ABSTAIN
    assert found.text.startswith("check sensor: ")


def test_the_settings_hash_follows_the_settings() -> None:
    usual = settings_hash((DiagnosisProtocol(),))
    assert settings_hash((DiagnosisProtocol(DiagnosisSettings()),)) == usual
    assert settings_hash((DiagnosisProtocol(DiagnosisSettings(call_db=8.0)),)) != usual
