"""Impacts at cage rate: whose they are, and from which level on they are called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dsp.bearing import BearingFault
from dsp.fault_comb import LABELS, FaultLine
from models.diagnosis import Verdict
from models.diagnosis_settings import DiagnosisSettings
from models.fault_claims import bearing_claims, needed_cage_db, race_leads
from models.machine import Machine
from models.recording_diagnosis import diagnosed_recording
from tests.dsp.bearing_signals import BEARING, RATE_HZ, SHAFT_HZ, harmonics, impacts, resonant_noise

SETTINGS = DiagnosisSettings()


def line(fault: BearingFault, level_db: float, spread_db: float = 0.0) -> FaultLine:
    return FaultLine(
        fault=fault, label=LABELS[fault], multiplier=BEARING.of(fault), frequency_hz=90.0, resolvable=True,
        level_db=level_db, decoy_margin=3.0, harmonics=2, amplitude=0.1, fundamental_db=level_db + 2.0,
        sideband_db=6.0, spread_db=spread_db, spread_margin=1.0, needed_s=1.0, fundamental_resolved=True,
    )  # fmt: skip


def lines(outer_db: float, element_db: float, cage_db: float) -> tuple[FaultLine, ...]:
    return (
        line(BearingFault.OUTER_RACE, outer_db),
        line(BearingFault.INNER_RACE, 0.5),
        line(BearingFault.ROLLING_ELEMENT, element_db),
        line(BearingFault.CAGE, cage_db),
    )


def element_evidence(found: tuple[FaultLine, ...], impulsiveness: float) -> float:
    claims = bearing_claims(found, {}, impulsiveness, SETTINGS)
    return next(claim.evidence for claim in claims if claim.fault == "rolling element")


def test_a_weak_comb_at_cage_rate_is_called_with_impacts_and_no_race_alone() -> None:
    assert element_evidence(lines(1.0, 1.5, 5.0), 10.0) >= 1.0
    assert element_evidence(lines(1.0, 1.5, 5.0), 0.5) < 1.0  # no impacts
    assert element_evidence(lines(4.0, 1.5, 5.0), 10.0) < 1.0  # a race stands out more


def test_a_strong_comb_at_cage_rate_is_no_elements_where_a_race_leads() -> None:
    assert element_evidence(lines(1.0, 1.5, 11.0), 0.5) >= 1.0
    assert element_evidence(lines(5.0, 1.5, 11.0), 10.0) < 1.0


def test_a_smeared_race_leads_too() -> None:
    found = lines(1.0, 1.5, 8.0)
    assert not race_leads(found, SETTINGS)
    assert race_leads((replace(found[0], spread_db=5.0), *found[1:]), SETTINGS)
    assert not race_leads(found[2:], SETTINGS)


def test_the_level_that_a_cage_comb_needs() -> None:
    both = line(BearingFault.CAGE, 6.0)
    alone = replace(both, sideband_db=0.0)
    assert needed_cage_db(both, 0.0, SETTINGS) == SETTINGS.cage_db
    assert needed_cage_db(both, 5.0, SETTINGS) == SETTINGS.quiet_db
    assert needed_cage_db(replace(both, fundamental_db=1.0), 5.0, SETTINGS) == SETTINGS.cage_db
    assert needed_cage_db(alone, 5.0, SETTINGS) == SETTINGS.cage_alone_db


@pytest.mark.parametrize("seed", range(4))
def test_a_loose_race_that_is_loaded_at_cage_rate_is_no_rolling_element(seed: int) -> None:
    """Slip of 3 % per impact smears the race's comb away, while its strength follows the cage."""
    rng = np.random.default_rng(seed)
    n = int(6.0 * RATE_HZ)
    cage = 1.0 + 0.7 * np.cos(2 * np.pi * BEARING.ftf * SHAFT_HZ * np.arange(n) / RATE_HZ)
    signal = harmonics(rng, n) + resonant_noise(rng, n)
    signal += 1.5 * cage * impacts(rng, n, BearingFault.INNER_RACE, jitter=0.03)
    machine = Machine("m", "m", bearing=BEARING)
    found = diagnosed_recording([signal.astype(np.float32)], RATE_HZ, machine, SHAFT_HZ).diagnosis
    assert found.verdict is not Verdict.HEALTHY
    assert found.fault in (None, "inner race")
