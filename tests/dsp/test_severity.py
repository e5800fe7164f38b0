"""Velocity by analytic tones over the whole band; zones, scope and criterion II of ISO 20816-3."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsp.errors import DspError
from dsp.severity import (
    SLOW_BAND_HZ,
    VELOCITY_BAND_HZ,
    ZONE_LIMITS,
    MachineGroup,
    Severity,
    Support,
    Zone,
    ZoneLimits,
    displacement_rms,
    displacement_zone,
    machine_group,
    measured_band_hz,
    rate_severity,
    significant_change,
    velocity_rms,
    velocity_statable,
    zone,
)


def tone(frequency_hz: float, velocity_mm_s: float, rate_hz: float, n: int, phase: float = 0.4) -> np.ndarray:
    """Acceleration, m/s2, of a vibration with this velocity RMS: a = v sqrt(2) 2 pi f / 1000."""
    amplitude = velocity_mm_s * math.sqrt(2.0) * 2.0 * math.pi * frequency_hz / 1000.0
    return amplitude * np.sin(2.0 * np.pi * frequency_hz * np.arange(n) / rate_hz + phase)


@pytest.mark.parametrize(
    ("rate_hz", "n"), [(25600.0, 32768), (12000.0, 16384), (25600.0, 25600), (2560.0, 4096)]
)
def test_tones_over_the_whole_band_are_read_within_one_percent(rate_hz: float, n: int) -> None:
    for frequency_hz in [*np.geomspace(10.0, 1000.0, 61), 10.0, 24.77, 49.6, 1000.0]:
        for phase in (0.0, 1.1):
            found = velocity_rms(tone(frequency_hz, 2.8, rate_hz, n, phase) + 9.81, rate_hz)
            assert found == pytest.approx(2.8, rel=0.01), frequency_hz


def test_outside_the_band_it_falls_as_iso_2954_wants() -> None:
    """Nothing left at 2.5 Hz and 4 kHz, where the standard allows 2.5 %."""
    for frequency_hz in (1.0, 2.5, 4000.0, 10_000.0):
        assert velocity_rms(tone(frequency_hz, 10.0, 25600.0, 32768), 25600.0) < 0.01 * 10.0, frequency_hz


@settings(deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.floats(11.0, 950.0), st.floats(0.1, 20.0)), min_size=1, max_size=4,
        unique_by=lambda part: round(part[0] / 12.0),
    )
)  # fmt: skip
def test_tones_add_as_mean_squares(parts: list[tuple[float, float]]) -> None:
    x = sum(tone(frequency_hz, v, 6400.0, 8192) for frequency_hz, v in parts)
    expected = math.sqrt(sum(v * v for _, v in parts))
    near = min([abs(a[0] - b[0]) for a in parts for b in parts if a is not b], default=99.0)
    assert velocity_rms(x, 6400.0) == pytest.approx(expected, rel=0.011 if near > 5.0 else 1.0)


def test_a_slow_drift_and_a_bias_do_not_count() -> None:
    n = 32768
    drift = 5.0 * np.linspace(-1.0, 1.0, n) + 9.81
    assert velocity_rms(tone(50.0, 1.0, 25600.0, n) + drift, 25600.0) == pytest.approx(1.0, rel=0.01)


def test_velocity_is_nan_where_it_cannot_be_stated() -> None:
    assert math.isnan(velocity_rms(np.zeros(16384), 25600.0))  # 0.64 s
    assert math.isnan(velocity_rms(np.zeros(4096), 2000.0))  # 1000 Hz is half the rate
    bad = np.zeros(32768)
    bad[5] = np.nan
    assert math.isnan(velocity_rms(bad, 25600.0))
    assert velocity_rms(np.full(32768, 3.0), 25600.0) == 0.0
    assert velocity_statable(25600.3, 25600)  # a fitted rate a few ppm above nominal
    with pytest.raises(DspError, match="n_samples"):
        velocity_rms(np.zeros((2, 32768)), 25600.0)


@pytest.mark.parametrize(
    ("power_kw", "group"),
    [(15.0, None), (15.1, MachineGroup.GROUP_2), (300.0, MachineGroup.GROUP_2), (300.1, MachineGroup.GROUP_1),
     (50_000.0, MachineGroup.GROUP_1), (50_001.0, None), (None, None), (float("nan"), None)],
)  # fmt: skip
def test_groups_by_rated_power(power_kw: float | None, group: MachineGroup | None) -> None:
    assert machine_group(power_kw) is group


def test_every_group_and_support_has_limits_in_order() -> None:
    assert set(ZONE_LIMITS) == {(group, support) for group in MachineGroup for support in Support}
    for limits in ZONE_LIMITS.values():
        assert 0.0 < limits.a_b_mm_s < limits.b_c_mm_s < limits.c_d_mm_s
    for group in MachineGroup:  # a flexible support is allowed more
        assert ZONE_LIMITS[group, Support.FLEXIBLE].b_c_mm_s > ZONE_LIMITS[group, Support.RIGID].b_c_mm_s


@pytest.mark.parametrize(
    ("velocity_mm_s", "expected_zone", "expected"),
    [(0.0, Zone.A, Severity.GOOD), (1.4, Zone.A, Severity.GOOD), (1.41, Zone.B, Severity.GOOD),
     (2.8, Zone.B, Severity.GOOD), (2.81, Zone.C, Severity.WARN), (4.5, Zone.C, Severity.WARN),
     (4.51, Zone.D, Severity.STOP), (80.0, Zone.D, Severity.STOP)],
)  # fmt: skip
def test_a_45_kw_motor_on_a_rigid_foundation(
    velocity_mm_s: float, expected_zone: Zone, expected: Severity
) -> None:
    rating = rate_severity(velocity_mm_s, 45.0, "rigid")
    assert (rating.zone, rating.severity, rating.group) == (expected_zone, expected, MachineGroup.GROUP_2)
    assert rating.limits == ZONE_LIMITS[MachineGroup.GROUP_2, Support.RIGID]
    assert f"zone {expected_zone}" in rating.reason


def test_a_significant_change_within_zone_b_is_watched_and_never_lowers_a_zone() -> None:
    limits = ZONE_LIMITS[MachineGroup.GROUP_2, Support.RIGID]  # B/C 2.8: 0.7 mm/s are significant
    assert not significant_change(1.7, 1.0, limits)
    assert significant_change(1.71, 1.0, limits)
    assert significant_change(1.0, 1.71, limits)
    assert rate_severity(1.6, 45.0, "rigid", reference_mm_s=1.0).severity is Severity.GOOD
    watched = rate_severity(2.0, 45.0, "rigid", reference_mm_s=1.0)
    assert (watched.severity, watched.zone) == (Severity.WATCH, Zone.B)
    assert "+1.00 mm/s" in watched.reason
    assert rate_severity(3.0, 45.0, "rigid", reference_mm_s=1.0).severity is Severity.WARN
    assert rate_severity(9.0, 45.0, "rigid", reference_mm_s=1.0).severity is Severity.STOP


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((9.0, None, "rigid"), "power is unknown"),
        ((9.0, 7.5, "rigid"), "7.5 kW"),
        ((9.0, 45.0, None), "foundation"),
        ((float("nan"), 45.0, "rigid"), "cannot be stated"),
        ((float("inf"), 45.0, "rigid"), "cannot be stated"),
    ],
)
def test_outside_the_scope_nothing_is_rated(
    arguments: tuple[float, float | None, str | None], reason: str
) -> None:
    rating = rate_severity(*arguments)
    assert (rating.severity, rating.zone, rating.limits) == (Severity.NOT_RATED, None, None)
    assert reason in rating.reason


def test_run_up_and_slow_shafts_are_not_rated() -> None:
    assert rate_severity(9.0, 45.0, "rigid", steady=False).severity is Severity.NOT_RATED
    slow = rate_severity(9.0, 45.0, "rigid", shaft_hz=5.0)
    assert slow.severity is Severity.NOT_RATED
    assert "300 r/min" in slow.reason
    assert rate_severity(9.0, 45.0, "rigid", shaft_hz=24.7).severity is Severity.STOP
    assert rate_severity(9.0, 45.0, "rigid", shaft_hz=5.0, band_hz=SLOW_BAND_HZ).severity is Severity.STOP


@pytest.mark.parametrize(
    ("speed_rpm", "rated"), [(119.0, False), (121.0, True), (14_999.0, True), (15_001.0, False)]
)
def test_speeds_outside_the_scope_are_not_rated(speed_rpm: float, rated: bool) -> None:
    rating = rate_severity(9.0, 45.0, "rigid", shaft_hz=speed_rpm / 60.0, band_hz=SLOW_BAND_HZ)
    assert (rating.severity is not Severity.NOT_RATED) == rated
    assert rated or "15000 r/min" in rating.reason


@pytest.mark.parametrize("shaft_hz", [None, 9.99, 10.0, 24.7])
def test_slow_machines_are_measured_from_2_hz_on_5_s(shaft_hz: float | None) -> None:
    slow = shaft_hz == 9.99
    assert measured_band_hz(shaft_hz) == (SLOW_BAND_HZ if slow else VELOCITY_BAND_HZ)


@pytest.mark.parametrize("n", [12_800, 20_000])
def test_tones_from_2_hz_on_are_read_within_one_percent(n: int) -> None:
    for frequency_hz in [*np.geomspace(2.0, 1000.0, 61), 2.13, 3.3]:
        found = velocity_rms(tone(frequency_hz, 2.8, 2560.0, n), 2560.0, SLOW_BAND_HZ)
        assert found == pytest.approx(2.8, rel=0.01), frequency_hz
    assert math.isnan(velocity_rms(np.zeros(12_700), 2560.0, SLOW_BAND_HZ))


@pytest.mark.parametrize("key", list(ZONE_LIMITS), ids=str)
@pytest.mark.parametrize("slow", [False, True])
def test_every_zone_boundary_is_found_from_samples(key: tuple[MachineGroup, Support], slow: bool) -> None:
    """2 % below and above each limit, tones swept over the band, both quantities."""
    limits = ZONE_LIMITS[key]
    power_kw = 1000.0 if key[0] is MachineGroup.GROUP_1 else 45.0
    band_hz, n, shaft_hz = (SLOW_BAND_HZ, 12_800, 5.0) if slow else (VELOCITY_BAND_HZ, 2560, 25.0)
    for limit, below, above in zip(limits.velocity_mm_s, "ABC", "BCD", strict=True):
        for frequency_hz in (band_hz[0], 1.17 * band_hz[0], 49.63, 333.3, 999.0):
            for factor, expected in ((0.98, below), (1.02, above)):
                velocity = velocity_rms(tone(frequency_hz, factor * limit, 2560.0, n), 2560.0, band_hz)
                rating = rate_severity(velocity, power_kw, key[1], shaft_hz=shaft_hz, band_hz=band_hz)
                assert rating.zone == expected, (frequency_hz, factor, limit)
    assert limits.displacement_um is not None
    for limit_um, below, above in zip(limits.displacement_um, "ABC", "BCD", strict=True):
        for frequency_hz in (1.1 * band_hz[0], 12.5, 24.7):
            for factor, expected in ((0.98, below), (1.02, above)):
                velocity_mm_s = factor * limit_um * 2.0 * math.pi * frequency_hz / 1000.0
                found = displacement_rms(tone(frequency_hz, velocity_mm_s, 2560.0, n), 2560.0, band_hz)
                assert displacement_zone(found, limits) == expected, (frequency_hz, factor, limit_um)


def test_displacement_limits_are_the_velocity_limits_at_one_frequency() -> None:
    """What shows that the two halves of the table belong together: 12.5 Hz for group 1, 10 Hz for group 2."""
    for (group, _), limits in ZONE_LIMITS.items():
        at_hz = 12.5 if group is MachineGroup.GROUP_1 else 10.0
        for velocity_mm_s, displacement_um in zip(
            limits.velocity_mm_s, limits.displacement_um or (), strict=True
        ):
            assert displacement_um == pytest.approx(1000.0 * velocity_mm_s / (2 * math.pi * at_hz), abs=0.75)


def test_the_worse_of_velocity_and_displacement_counts() -> None:
    assert rate_severity(1.0, 45.0, "rigid", displacement_um=10.0).zone is Zone.A
    worse = rate_severity(1.0, 45.0, "rigid", displacement_um=50.0)
    assert (worse.zone, worse.severity) == (Zone.C, Severity.WARN)
    assert "50 um is in zone C (45 to 71)" in worse.reason
    assert rate_severity(5.0, 45.0, "rigid", displacement_um=10.0).zone is Zone.D
    assert rate_severity(5.0, 45.0, "rigid", displacement_um=float("nan")).zone is Zone.D


def test_agreed_limits_replace_the_table_but_not_its_scope() -> None:
    agreed = ZoneLimits(0.5, 1.0, 2.0, source="acceptance of 2024")
    rating = rate_severity(1.5, 45.0, "rigid", limits=agreed)
    assert (rating.zone, rating.limits) == (Zone.C, agreed)
    assert displacement_zone(50.0, agreed) is None
    assert rate_severity(1.5, 7.5, "rigid", limits=agreed).severity is Severity.NOT_RATED
    with pytest.raises(DspError, match="must rise"):
        ZoneLimits(2.0, 1.0, 3.0)
    with pytest.raises(DspError, match="displacement"):
        ZoneLimits(1.0, 2.0, 3.0, (5.0, 5.0, 6.0))


def test_nonsense_is_refused() -> None:
    with pytest.raises(DspError, match="'soft'"):
        rate_severity(1.0, 45.0, "soft")
    with pytest.raises(DspError, match="0 or more"):
        rate_severity(-1.0, 45.0, "rigid")


@settings(deadline=None)
@given(st.floats(0.0, 1e3), st.floats(0.0, 1e3))
def test_more_vibration_is_never_a_better_zone(one: float, other: float) -> None:
    for limits in ZONE_LIMITS.values():
        low, high = sorted((one, other))
        assert zone(low, limits) <= zone(high, limits)
