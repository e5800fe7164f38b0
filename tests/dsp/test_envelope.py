"""Fault evidence of one record of synthetic physics, end to end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dsp.bearing import BearingFault, FaultMultipliers
from dsp.envelope import FaultEvidence, fault_evidence, line_tolerance
from dsp.errors import DspError
from dsp.spectrum import SpectrumKind
from tests.dsp.bearing_signals import (
    BEARING,
    RATE_HZ,
    SHAFT_HZ,
    harmonics,
    impacts,
    record,
    resonant_noise,
)

N = int(4 * RATE_HZ)


def faulty(fault: BearingFault, seed: int = 1, strength: float = 1.0, n: int = N) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return strength * impacts(rng, n, fault) + resonant_noise(rng, n) + harmonics(rng, n)


def strongest(evidence: FaultEvidence) -> BearingFault:
    races = [line for line in evidence.lines if line.resolvable and line.fault is not BearingFault.CAGE]
    return max(races, key=lambda line: line.level_db).fault


@pytest.mark.parametrize(
    "fault", [BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT]
)
@pytest.mark.parametrize("stated", [0.98, 1.0, 1.02])
def test_the_damaged_part_has_the_strongest_comb(fault: BearingFault, stated: float) -> None:
    evidence = fault_evidence(record(faulty(fault), 12.0), stated * SHAFT_HZ, BEARING, 0.03)
    assert strongest(evidence) is fault
    line = next(line for line in evidence.lines if line.fault is fault)
    assert line.multiplier == pytest.approx(BEARING.of(fault), rel=0.008)
    assert line.frequency_hz == pytest.approx(line.multiplier * SHAFT_HZ, rel=0.002)
    assert line.decoy_margin > 1.5
    assert evidence.speed_refined
    assert evidence.shaft_hz == pytest.approx(SHAFT_HZ, rel=1e-3)
    assert evidence.start_ns == 12_000_000_000
    assert evidence.duration_s == pytest.approx(4.0)
    assert [line.label for line in evidence.lines] == ["BPFO", "BPFI", "2xBSF", "FTF"]


def test_the_envelope_spectrum_shows_the_line() -> None:
    evidence = fault_evidence(record(faulty(BearingFault.OUTER_RACE)), SHAFT_HZ, BEARING, 0.01)
    spectrum = evidence.envelope
    assert spectrum.kind is SpectrumKind.ENVELOPE
    line = evidence.lines[0]
    at = round((line.frequency_hz - spectrum.first_hz) / spectrum.step_hz)
    assert spectrum.values[at - 2 : at + 3].max() == pytest.approx(line.amplitude, rel=0.05)
    assert line.amplitude > 10 * np.median(spectrum.values)


def test_levels_do_not_depend_on_the_unit() -> None:
    samples = faulty(BearingFault.INNER_RACE)
    one = fault_evidence(record(samples), SHAFT_HZ, BEARING, 0.03)
    other = fault_evidence(record(1e-5 * samples), SHAFT_HZ, BEARING, 0.03)
    for a, b in zip(one.lines, other.lines, strict=True):
        assert a.level_db == pytest.approx(b.level_db, abs=0.2)


def test_a_short_record_of_a_slow_shaft_cannot_resolve_the_cage() -> None:
    evidence = fault_evidence(
        record(faulty(BearingFault.OUTER_RACE, n=int(2 * RATE_HZ))), SHAFT_HZ, BEARING, 0.01
    )
    cage = evidence.lines[3]
    assert not cage.resolvable
    assert math.isnan(cage.level_db)
    assert evidence.lines[0].resolvable


@pytest.mark.parametrize("bad", [0.0, math.nan, math.inf])
def test_samples_that_say_nothing_give_no_line(bad: float) -> None:
    samples = np.full(N, 1.0)
    samples[100] = bad if not math.isfinite(bad) else 1.0
    evidence = fault_evidence(record(samples), SHAFT_HZ, BEARING, 0.03)
    assert all(line.level_db == 0.0 for line in evidence.lines if line.resolvable)
    assert not evidence.speed_refined


def test_swapped_multipliers_are_mended_before_use() -> None:
    swapped = FaultMultipliers(BEARING.bpfo, BEARING.bpfi, BEARING.bsf, 1 - BEARING.ftf, 9, True)
    evidence = fault_evidence(record(faulty(BearingFault.OUTER_RACE)), SHAFT_HZ, swapped, 0.01)
    assert evidence.multipliers.ftf == pytest.approx(BEARING.ftf, rel=1e-3)


def test_doubtful_speed_widens_the_search() -> None:
    assert line_tolerance(0.03, refined=True) < line_tolerance(0.03, refined=False) <= 0.03
    assert line_tolerance(0.01, refined=False) == line_tolerance(0.01, refined=True)


@pytest.mark.parametrize(
    ("shaft_hz", "tolerance"), [(0.0, 0.01), (math.nan, 0.01), (25.0, -0.1), (25.0, 0.5), (25.0, math.nan)]
)
def test_impossible_arguments_are_refused(shaft_hz: float, tolerance: float) -> None:
    with pytest.raises(DspError):
        fault_evidence(record(np.zeros(N)), shaft_hz, BEARING, tolerance)
