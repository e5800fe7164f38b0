"""Combs on spectra drawn by hand: levels, guards, sidebands, overtones, what cannot be resolved."""

from __future__ import annotations

import numpy as np
import pytest

from dsp.bearing import BearingFault, FaultMultipliers, fault_multipliers, multipliers_at_gamma
from dsp.envelope_orders import OrderSpectrum
from dsp.fault_comb import FaultLine, fault_lines, highest_order, needed_record_s
from tests.dsp.bearing_signals import BEARING

CELLS = 200


def drawn(lines: dict[float, float], seed: int = 0, resolution_orders: float = 0.01) -> OrderSpectrum:
    """Noise of seven averaged bands with lines (order -> prominence)."""
    rng = np.random.default_rng(seed)
    prominence = rng.gamma(5.0, 0.2, 26 * CELLS)
    for order, strength in lines.items():
        cell = round(order * CELLS)
        prominence[cell - 1 : cell + 2] = strength * np.array([0.5, 1.0, 0.5])
    return OrderSpectrum(
        shaft_hz=25.0,
        cells_per_order=CELLS,
        resolution_orders=resolution_orders,
        records=1,
        prominence=prominence.astype(np.float32),
        depth=(0.01 * np.sqrt(prominence)).astype(np.float32),
        impulsiveness=0.0,
    )


def comb(multiple: float, strength: float = 40.0, harmonics: int = 4) -> dict[float, float]:
    return {harmonic * multiple: strength for harmonic in range(1, harmonics + 1)}


def line_of(
    spectrum: OrderSpectrum, fault: BearingFault, multipliers: FaultMultipliers = BEARING
) -> FaultLine:
    return next(line for line in fault_lines(spectrum, multipliers) if line.fault is fault)


@pytest.mark.parametrize(
    "fault", [BearingFault.OUTER_RACE, BearingFault.INNER_RACE, BearingFault.ROLLING_ELEMENT]
)
@pytest.mark.parametrize("slip", [-0.012, 0.0, 0.012])
def test_a_comb_is_found_at_its_own_multiple(fault: BearingFault, slip: float) -> None:
    multiple = BEARING.of(fault) * (1.0 + slip)
    line = line_of(drawn(comb(multiple)), fault)
    assert line.multiplier == pytest.approx(multiple, rel=1e-3)
    assert line.frequency_hz == pytest.approx(25.0 * multiple, rel=1e-3)
    assert line.level_db == pytest.approx(10 * np.log10(40.0), abs=0.5)
    assert line.fundamental_db == pytest.approx(10 * np.log10(40.0), abs=0.5)
    assert line.harmonics == 4
    assert line.decoy_margin > 2.0
    assert line.resolvable
    assert not line.overtone
    assert line.sideband_of is None


def test_noise_never_beats_its_decoys_by_much() -> None:
    lines = [line for seed in range(100) for line in fault_lines(drawn({}, seed), BEARING)[:3]]
    assert max(line.level_db for line in lines) < 4.0
    margins = np.array([line.decoy_margin for line in lines])
    assert np.mean(margins > 1.2) < 0.03


def test_one_strong_line_is_no_comb() -> None:
    line = line_of(drawn({BEARING.bpfo: 1e9}), BearingFault.OUTER_RACE)
    assert line.level_db < 9.0
    assert line.harmonics == 1


def test_a_comb_that_means_nothing_raises_the_guard() -> None:
    alone = line_of(drawn(comb(BEARING.bpfo, 8.0)), BearingFault.OUTER_RACE)
    among = line_of(
        drawn(comb(BEARING.bpfo, 8.0) | comb(2.13, 30.0) | comb(3.17, 30.0)), BearingFault.OUTER_RACE
    )
    assert alone.decoy_margin > 2.0
    assert among.decoy_margin < 1.0


def test_outer_race_and_two_shaft_turns_is_no_inner_race() -> None:
    outer = 0.5 * (BEARING.bpfi + BEARING.bpfo) - 1.0  # + 2 stands on the inner race's line
    multipliers = multipliers_at_gamma(BEARING, (4.5 - outer) / 4.5)
    strong = comb(multipliers.bpfo) | {multipliers.bpfo + 2.0: 15.0, 2 * (multipliers.bpfo + 2.0): 15.0}
    inner = line_of(drawn(strong), BearingFault.INNER_RACE, multipliers)
    assert inner.multiplier == pytest.approx(multipliers.bpfo + 2.0, rel=2e-3)
    assert inner.sideband_of is BearingFault.OUTER_RACE
    assert line_of(drawn(strong), BearingFault.OUTER_RACE, multipliers).sideband_of is None


def test_the_second_harmonic_of_something_else_is_marked() -> None:
    half = BEARING.bpfi / 2.0
    assert line_of(drawn(comb(half, harmonics=8)), BearingFault.INNER_RACE).overtone
    assert not line_of(drawn(comb(BEARING.bpfi)), BearingFault.INNER_RACE).overtone


def smeared_line(lag: float) -> dict[float, float]:
    rng = np.random.default_rng(3)
    centre = 2.0 * BEARING.bsf * (1.0 - lag)
    orders = np.arange(0.988 * centre, 1.012 * centre, 3.0 / CELLS)
    return {order: 6.0 * part for order, part in zip(orders, rng.uniform(0.5, 1.5, 100), strict=False)}


@pytest.mark.parametrize("lag", [0.0, 0.01, 0.02])
def test_a_smeared_line_shows_as_a_whole_though_the_element_slides(lag: float) -> None:
    line = line_of(drawn(smeared_line(lag)), BearingFault.ROLLING_ELEMENT)
    assert line.spread_db > 4.0
    assert line.spread_margin > 2.0
    quiet = line_of(drawn({}), BearingFault.ROLLING_ELEMENT)
    assert quiet.spread_db < 1.5
    assert quiet.spread_margin < 1.4


def test_no_element_runs_ahead_of_its_race() -> None:
    assert line_of(drawn(smeared_line(-0.035)), BearingFault.ROLLING_ELEMENT).spread_db < 3.0


def test_a_sharp_line_is_not_smeared() -> None:
    alone = {2.0 * BEARING.bsf * 0.99: 400.0}
    assert line_of(drawn(alone), BearingFault.ROLLING_ELEMENT).spread_db < 4.0


def test_a_race_with_sidebands_is_no_smeared_element() -> None:
    """Bearings whose outer line, one shaft turn up, stands where a sliding element's would."""
    multipliers = FaultMultipliers(3.6, 5.4, 2.345, 0.4, 9, True)  # 2 x BSF = 4.69, BPFO + 1 = 4.6
    race = comb(3.6, 100.0) | {4.6: 60.0, 4.6 + 3.0 / CELLS: 30.0, 4.6 - 3.0 / CELLS: 30.0}
    line = line_of(drawn(race), BearingFault.ROLLING_ELEMENT, multipliers)
    assert line.spread_db < 2.5
    assert line.spread_margin < 1.5


def test_a_loaded_bearing_of_unknown_contact_angle_is_found() -> None:
    plate = fault_multipliers(9, 7.94, 39.04, None)
    loaded = multipliers_at_gamma(plate, 0.8 * plate.gamma)
    assert abs(loaded.bpfo / plate.bpfo - 1.0) > 0.04
    for fault in (BearingFault.OUTER_RACE, BearingFault.INNER_RACE):
        line = line_of(drawn(comb(loaded.of(fault))), fault, plate)
        assert line.multiplier == pytest.approx(loaded.of(fault), rel=2e-3)
        assert line.level_db > 14.0
    known = fault_multipliers(9, 7.94, 39.04, 0.0)
    assert line_of(drawn(comb(loaded.bpfo)), BearingFault.OUTER_RACE, known).level_db < 9.0


def test_a_record_too_short_for_the_cage_line_says_so() -> None:
    cage = line_of(drawn(comb(BEARING.ftf), resolution_orders=0.05), BearingFault.CAGE)
    assert not cage.resolvable
    assert np.isnan(cage.level_db)
    assert line_of(drawn({}, resolution_orders=0.05), BearingFault.OUTER_RACE).resolvable
    fine = line_of(drawn(comb(BEARING.ftf) | {1.0 - BEARING.ftf: 40.0}), BearingFault.CAGE)
    assert fine.resolvable
    assert fine.level_db > 12.0
    assert fine.sideband_db > 10.0


def test_a_channel_too_slow_for_the_harmonics_says_so() -> None:
    spectrum = drawn({})
    short = OrderSpectrum(
        shaft_hz=25.0,
        cells_per_order=CELLS,
        resolution_orders=0.01,
        records=1,
        prominence=spectrum.prominence[: 6 * CELLS],
        depth=spectrum.depth[: 6 * CELLS],
        impulsiveness=0.0,
    )
    assert not line_of(short, BearingFault.INNER_RACE).resolvable


def test_the_spectrum_must_reach_the_highest_harmonic() -> None:
    assert highest_order(BEARING) >= 4 * BEARING.bpfi * 1.015


def test_a_record_is_long_enough_where_a_bin_is_half_the_tolerance() -> None:
    """At 1800 r/min and 1 %: 2 s for the outer race, 17 s for the cage of a 6205."""
    assert needed_record_s(BEARING.bpfo, 30.0, 0.01) == pytest.approx(1.86, abs=0.01)
    assert needed_record_s(BEARING.ftf, 30.0, 0.01) == pytest.approx(16.7, abs=0.1)
    assert needed_record_s(BEARING.bpfo, 5.0, 0.01) == pytest.approx(6.0 * 1.86, abs=0.05)


@pytest.mark.parametrize(("record_s", "resolved"), [(1.4, False), (1.6, True)])
def test_each_line_says_what_record_its_fundamental_needs(record_s: float, resolved: bool) -> None:
    spectrum = drawn(comb(BEARING.bpfo), resolution_orders=1.0 / (record_s * 25.0))
    outer = line_of(spectrum, BearingFault.OUTER_RACE)
    assert outer.needed_s == pytest.approx(2.0 / (0.015 * outer.frequency_hz), rel=1e-6)  # 1.49 s
    assert outer.resolvable  # by its harmonics in any case
    assert outer.fundamental_resolved is resolved
    cage = line_of(spectrum, BearingFault.CAGE)
    assert not cage.resolvable
    assert not cage.fundamental_resolved
    assert cage.needed_s == pytest.approx(2.0 / (0.015 * 25.0 * BEARING.ftf), rel=1e-6)
