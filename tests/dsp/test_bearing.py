"""Bearing kinematics: published multipliers, the relations between them, and mended tables."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsp.bearing import (
    BearingFault,
    FaultMultipliers,
    consistent_multipliers,
    fault_multipliers,
    multipliers_at_gamma,
)
from dsp.errors import DspError


def test_a_6205_has_the_published_multipliers() -> None:
    found = fault_multipliers(9, 0.3126, 1.537, 0.0, "6205")
    assert found.bpfo == pytest.approx(3.5848, abs=2e-4)
    assert found.bpfi == pytest.approx(5.4152, abs=2e-4)
    assert found.of(BearingFault.ROLLING_ELEMENT) == pytest.approx(4.7135, abs=2e-4)
    assert found.ftf == pytest.approx(0.39828, abs=5e-5)
    assert found.contact_angle_known
    assert found.of(BearingFault.OUTER_RACE) == found.bpfo
    assert found.of(BearingFault.INNER_RACE) == found.bpfi
    assert found.of(BearingFault.CAGE) == found.ftf


def rolling_without_slip(n: int, d: float, pitch: float, angle: float) -> tuple[float, float, float, float]:
    """Oracle from contact speeds: the cage turns at the mean of both races' contact speeds."""
    r_inner = 0.5 * (pitch - d * math.cos(angle))
    r_outer = 0.5 * (pitch + d * math.cos(angle))
    contact_speed = r_inner  # inner race turns at 1 rad per unit
    cage = 0.5 * contact_speed / (0.5 * pitch)
    spin = (1.0 - cage) * r_inner / (0.5 * d)
    assert math.isclose(spin, cage * r_outer / (0.5 * d), rel_tol=1e-9)
    return n * cage, n * (1.0 - cage), spin, cage


@given(
    n=st.integers(3, 40),
    ratio=st.floats(0.02, 0.6),
    pitch=st.floats(1.0, 2000.0),
    angle_deg=st.floats(0.0, 60.0),
)
def test_multipliers_follow_from_rolling_without_slip(
    n: int, ratio: float, pitch: float, angle_deg: float
) -> None:
    found = fault_multipliers(n, ratio * pitch, pitch, angle_deg)
    bpfo, bpfi, bsf, ftf = rolling_without_slip(n, ratio * pitch, pitch, math.radians(angle_deg))
    assert found.bpfo == pytest.approx(bpfo, rel=1e-9)
    assert found.bpfi == pytest.approx(bpfi, rel=1e-9)
    assert found.bsf == pytest.approx(bsf, rel=1e-9)
    assert found.ftf == pytest.approx(ftf, rel=1e-9)
    assert found.bpfo + found.bpfi == pytest.approx(n, rel=1e-12)
    assert found.gamma == pytest.approx(ratio * math.cos(math.radians(angle_deg)), rel=1e-9)


@given(angle_deg=st.floats(0.0, 45.0), loaded_deg=st.floats(0.0, 45.0))
def test_another_contact_angle_is_another_gamma(angle_deg: float, loaded_deg: float) -> None:
    plate = fault_multipliers(9, 7.94, 39.04, angle_deg)
    truth = fault_multipliers(9, 7.94, 39.04, loaded_deg)
    moved = multipliers_at_gamma(plate, truth.gamma)
    for fault in BearingFault:
        assert moved.of(fault) == pytest.approx(truth.of(fault), rel=1e-9)


@pytest.mark.parametrize(
    ("n", "d", "pitch", "angle"),
    [(2, 1, 5, 0), (9, 5, 5, 0), (9, 0, 5, 0), (9, 1, 0, 0), (9, 1, 5, 90), (9, math.nan, 5, 0)],
)
def test_impossible_geometry_is_refused(n: int, d: float, pitch: float, angle: float) -> None:
    with pytest.raises(DspError):
        fault_multipliers(n, d, pitch, angle)


def test_a_swapped_cage_line_and_a_doubled_spin_are_mended() -> None:
    right = fault_multipliers(8, 0.235, 1.245, 0.0)
    swapped = FaultMultipliers(right.bpfo, right.bpfi, 2 * right.bsf, 1 - right.ftf, 8, True)
    mended, remarks = consistent_multipliers(swapped)
    assert mended.ftf == pytest.approx(right.ftf)
    assert mended.bsf == pytest.approx(right.bsf)
    assert len(remarks) == 2
    assert consistent_multipliers(right) == (right, ())


def test_the_number_of_elements_follows_from_the_race_lines() -> None:
    stated = FaultMultipliers(3.58, 5.42, 2.357, 0.398, None, False)
    mended, remarks = consistent_multipliers(stated)
    assert mended.n_rolling_elements == 9
    assert remarks == ()


@pytest.mark.parametrize("bpfi", [3.0, 5.9])
def test_race_lines_of_two_bearings_are_refused(bpfi: float) -> None:
    with pytest.raises(DspError):
        consistent_multipliers(FaultMultipliers(3.58, bpfi, 2.357, 0.398, 9, True))
