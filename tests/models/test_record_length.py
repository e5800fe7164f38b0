"""Records as long as a slow shaft's fault lines need, and no longer."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.bearing import BearingFault
from models.channel_report import channel_report
from models.diagnosis import DiagnosisSettings, Verdict
from models.machine import Machine
from models.record_length import LONGEST_RECORD_S, settings_at_speed
from tests.dsp.bearing_signals import BEARING, RATE_HZ, impacts, resonant_noise

USUAL = DiagnosisSettings()


@pytest.mark.parametrize("shaft_hz", [None, 2.6, 10.0, 25.0, 60.0])
def test_usual_machines_keep_the_usual_records(shaft_hz: float | None) -> None:
    assert settings_at_speed(USUAL, BEARING, shaft_hz) is USUAL
    assert settings_at_speed(USUAL, None, 1.0) is USUAL


def test_slow_machines_have_records_whose_bins_are_half_the_tolerance_at_the_fourth_harmonic() -> None:
    slow = settings_at_speed(USUAL, BEARING, 1.0)
    assert slow.record_s == pytest.approx(1.1 * 2.0 / (0.015 * 4 * BEARING.bpfo * 1.0))
    assert slow.record_hop_s / slow.record_s == pytest.approx(USUAL.record_hop_s / USUAL.record_s)
    assert settings_at_speed(USUAL, BEARING, 0.02).record_s == LONGEST_RECORD_S


def test_a_slow_shaft_s_fault_is_found_where_usual_records_could_not_resolve_it() -> None:
    """60 r/min: 10 s of record; a record of 4 s says what it lacks."""
    rng = np.random.default_rng(1)
    n = round(45 * RATE_HZ)
    shaft_hz = 1.0
    struck = impacts(rng, n, BearingFault.OUTER_RACE, shaft_hz=shaft_hz)
    samples = (0.3 * resonant_noise(rng, n) + 3.0 * struck).astype(np.float32)[::2]
    machine = Machine("m", "slow", bearing=BEARING)
    found = channel_report("de", [samples], RATE_HZ / 2, "m/s2", machine, shaft_hz=shaft_hz)
    assert found.diagnosis.fault == "outer race"
    assert found.lines[0].resolvable
    short = channel_report("de", [samples[: 4 * 12_800]], RATE_HZ / 2, "m/s2", machine, shaft_hz=shaft_hz)
    assert short.diagnosis.verdict is Verdict.ABSTAIN
    assert not short.lines[0].resolvable
    assert 6.0 < short.lines[0].needed_s < 30.0
