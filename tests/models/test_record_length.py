"""Records as long as a slow shaft's fault lines need, and no longer."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from dsp.bearing import BearingFault
from dsp.envelope import fault_evidence
from models.channel_report import channel_report
from models.diagnosis import Diagnoser, DiagnosisSettings, Verdict
from models.machine import Machine
from models.record_length import LONGEST_RECORD_S, settings_at_speed, unlooked_text
from tests.dsp.bearing_signals import BEARING, RATE_HZ, impacts, record, resonant_noise

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
    assert "outer race could not be looked for" in short.diagnosis.text
    assert 6.0 < short.lines[0].needed_s < 30.0


@pytest.mark.parametrize("rpm", [60.0, 90.0])
def test_the_lengths_and_speeds_that_are_said_to_do_do(rpm: float) -> None:
    """What is too short by a word of 4 s is resolved at the length, and at the speed, that it names."""
    rng = np.random.default_rng(2)
    machine = Machine("m", "slow", bearing=BEARING)

    def said(seconds: float, at_rpm: float) -> str | None:
        noise = rng.standard_normal(round(seconds * 12_800)).astype(np.float32)
        evidence = fault_evidence(record(noise, rate_hz=12_800.0), at_rpm / 60.0, BEARING, 0.01)
        return Diagnoser(machine, "de", USUAL).observe(evidence, "", learning=False).not_looked_for

    text = said(4.0, rpm)
    assert text is not None
    seconds, faster_rpm = (float(part) for part in re.findall(r"([\d.]+) (?:s would do|r/min$)", text))
    assert said(seconds, rpm) is None
    assert said(4.0, faster_rpm) is None
    assert said(0.95 * seconds, rpm) is not None


def test_what_a_cause_would_need_is_said_where_no_record_ever_came() -> None:
    short = replace(USUAL, record_s=1.0, record_hop_s=1.0)
    slow = Machine("m", "slow", nominal_shaft_hz=455 / 60.0, bearing=BEARING)
    assert unlooked_text(slow, short) == (
        "it takes a record of 1.4 s without a break at a steady, known speed, and none came; "
        "from 620 r/min on 1.0 s would do"
    )
    assert "4.0 s without a break" in unlooked_text(replace(slow, nominal_shaft_hz=None), USUAL)
    assert unlooked_text(Machine("m", "M"), USUAL) == "the machine's bearing is not given"
