"""Vibration severity after ISO 20816: velocity RMS, evaluation zones, significant change.

Duty: broadband velocity and displacement of a stretch, which zone a machine falls in, and whether it changed
significantly. It says nothing where the standard says nothing, and it raises no alarm. The limits, and
where they are from, stand in `dsp.severity_limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from dsp.errors import DspError
from dsp.integration import EDGE_BINS, Integrations, band_rms
from dsp.samples import Float64Array
from dsp.severity_limits import (
    POWER_RANGE_KW,
    SIGNIFICANT_CHANGE,
    SLOW_BELOW_RPM,
    SPEED_RANGE_RPM,
    ZONE_LIMITS,
    MachineGroup,
    Support,
    ZoneLimits,
    machine_group,
)

__all__ = [
    "ZONE_LIMITS",
    "MachineGroup",
    "Severity",
    "SeverityRating",
    "Support",
    "Zone",
    "ZoneLimits",
    "machine_group",
    "rate_severity",
    "velocity_rms",
]

VELOCITY_BAND_HZ = (10.0, 1000.0)
VELOCITY_MIN_DURATION_S = 1.0
# Machines below 600 r/min are measured from 2 Hz on.
SLOW_BAND_HZ = (2.0, 1000.0)
SLOW_MIN_DURATION_S = 5.0
_USABLE_SHARE_OF_RATE = 0.45
_MM_PER_M = 1000.0
_UM_PER_M = 1e6


class Severity(StrEnum):
    """What a vibration is worth. The appliance has a type of its own with the same words."""

    NOT_RATED = "not rated"
    GOOD = "good"  # zones A and B
    WATCH = "watch"  # significant change within zones A and B
    WARN = "warn"  # zone C
    STOP = "stop"  # zone D


class Zone(StrEnum):
    """Evaluation zones of ISO 20816-1."""

    A = "A"  # newly commissioned machines
    B = "B"  # unrestricted long-term operation
    C = "C"  # not for long-term operation
    D = "D"  # severe enough to cause damage


@dataclass(frozen=True, slots=True)
class SeverityRating:
    """What a machine's velocity is worth, and by which limits; `reason` is a sentence for people."""

    severity: Severity
    zone: Zone | None  # None where not rated
    velocity_mm_s: float  # NaN where it could not be stated
    limits: ZoneLimits | None
    group: MachineGroup | None
    reason: str


_SEVERITY_OF_ZONE = {
    Zone.A: Severity.GOOD,
    Zone.B: Severity.GOOD,
    Zone.C: Severity.WARN,
    Zone.D: Severity.STOP,
}


def velocity_statable(
    sample_rate_hz: float, window_samples: int, band_hz: tuple[float, float] = VELOCITY_BAND_HZ
) -> bool:
    """Whether a stretch can state velocity over a band: 1000 Hz below 0.45 x rate, and long enough.

    1 s from 10 Hz on (ten periods), 5 s from 2 Hz on.
    """
    least_s = SLOW_MIN_DURATION_S if band_hz[0] < VELOCITY_BAND_HZ[0] else VELOCITY_MIN_DURATION_S
    long_enough = window_samples >= least_s * sample_rate_hz * (1.0 - 1e-3)
    return long_enough and band_hz[1] <= _USABLE_SHARE_OF_RATE * sample_rate_hz


def measured_band_hz(shaft_hz: float | None) -> tuple[float, float]:
    """Band that a machine is rated over: from 2 Hz below 600 r/min, else (or speed unknown) from 10 Hz."""
    slow = shaft_hz is not None and shaft_hz * 60.0 < SLOW_BELOW_RPM
    return SLOW_BAND_HZ if slow else VELOCITY_BAND_HZ


def velocity_rms_mm_s(power: Float64Array, step_hz: Float64Array) -> Float64Array:
    """Velocity RMS over 10-1000 Hz, mm/s `(n_windows,)`, from mean square acceleration per bin.

    `power` `(n_windows, n_bins)` is one-sided, (m/s2)^2, of Hann-windowed rows; `step_hz` `(n_windows,)` the
    distance of the bins. Integration in the frequency domain, v = 1000 sqrt(sum power / (2 pi f)^2), the sum
    running to two bins beyond both edges of the band.
    """
    step = float(np.mean(step_hz))
    first = max(1, int(np.ceil(VELOCITY_BAND_HZ[0] / step)) - EDGE_BINS)
    last = min(power.shape[1] - 1, int(np.floor(VELOCITY_BAND_HZ[1] / step)) + EDGE_BINS)
    orders = np.arange(first, last + 1)
    sums = power[:, first : last + 1] @ (1.0 / (2.0 * np.pi * orders) ** 2)
    return np.asarray(_MM_PER_M * np.sqrt(sums) / step_hz, np.float64)


def velocity_rms(
    samples: npt.ArrayLike, sample_rate_hz: float, band_hz: tuple[float, float] = VELOCITY_BAND_HZ
) -> float:
    """Velocity RMS over a band, mm/s, of one stretch of acceleration `(n_samples,)` in m/s2.

    NaN where it cannot be stated: shorter than 1 s (5 s for a band from below 10 Hz), 1000 Hz above
    0.45 x rate, or a sample not finite.
    """
    return _MM_PER_M * _motion_rms(samples, sample_rate_hz, band_hz, Integrations.VELOCITY)


def displacement_rms(
    samples: npt.ArrayLike, sample_rate_hz: float, band_hz: tuple[float, float] = VELOCITY_BAND_HZ
) -> float:
    """Displacement RMS over a band, um, of one stretch of acceleration in m/s2; NaN as for velocity."""
    return _UM_PER_M * _motion_rms(samples, sample_rate_hz, band_hz, Integrations.DISPLACEMENT)


def _motion_rms(
    samples: npt.ArrayLike, sample_rate_hz: float, band_hz: tuple[float, float], integrations: Integrations
) -> float:
    values = np.asarray(samples, np.float64)
    if values.ndim != 1:
        raise DspError(f"samples have shape {values.shape}; (n_samples,) is needed")
    if not velocity_statable(sample_rate_hz, len(values), band_hz):
        return float("nan")
    return band_rms(values, sample_rate_hz, band_hz, integrations)


def zone(velocity_mm_s: float, limits: ZoneLimits) -> Zone:
    """Zone of a velocity; a value on a limit still belongs to the better zone."""
    return _zone(velocity_mm_s, limits.velocity_mm_s)


def displacement_zone(displacement_um: float, limits: ZoneLimits) -> Zone | None:
    """Zone of a displacement; None where the limits state none."""
    return None if limits.displacement_um is None else _zone(displacement_um, limits.displacement_um)


def significant_change(velocity_mm_s: float, reference_mm_s: float, limits: ZoneLimits) -> bool:
    """Whether velocity changed, up or down, by more than 25 % of the B/C limit (criterion II)."""
    return abs(velocity_mm_s - reference_mm_s) > SIGNIFICANT_CHANGE * limits.b_c_mm_s


def rate_severity(
    velocity_mm_s: float,
    rated_power_kw: float | None,
    foundation: str | None,
    *,
    reference_mm_s: float | None = None,
    shaft_hz: float | None = None,
    steady: bool = True,
    displacement_um: float | None = None,
    band_hz: tuple[float, float] = VELOCITY_BAND_HZ,
    limits: ZoneLimits | None = None,
) -> SeverityRating:
    """Severity of one velocity RMS (mm/s, over `band_hz`) after ISO 20816-3, criteria I and II.

    `foundation` is "rigid" or "flexible"; `reference_mm_s` the velocity in good condition at the same
    operating state, for criterion II; `shaft_hz` the shaft's speed where known; `steady` is False in run-up
    and coast-down. Where `displacement_um` (RMS, same band) is given too, the worse zone of both counts.
    `limits` replace the standard's table, not its scope. Not rated, with the reason, where power or
    foundation is unknown, power is outside 15 kW to 50 MW, speed outside 120 to 15 000 r/min, below 600 r/min
    with a band that does not begin at 2 Hz, where the machine is not steady, or velocity is not a finite
    number. Raises DspError for another foundation or a negative value.
    """
    for name, value in (("velocity_mm_s", velocity_mm_s), ("displacement_um", displacement_um)):
        if value is not None and value < 0.0:
            raise DspError(f"{name} is {value}; an RMS value is 0 or more")
    group = machine_group(rated_power_kw)
    reason = _why_not_rated(
        velocity_mm_s, rated_power_kw, foundation, shaft_hz=shaft_hz, steady=steady, band_hz=band_hz
    )
    if reason or group is None or foundation is None:
        return SeverityRating(Severity.NOT_RATED, None, velocity_mm_s, None, group, reason)
    used = limits or ZONE_LIMITS[group, _support(foundation)]
    found = zone(velocity_mm_s, used)
    reason = f"{velocity_mm_s:.2f} mm/s is in zone {found} ({_range_text(found, used.velocity_mm_s)})"
    if displacement_um is not None and np.isfinite(displacement_um) and used.displacement_um is not None:
        by_displacement = _zone(displacement_um, used.displacement_um)
        if by_displacement > found:
            found = by_displacement
            range_text = _range_text(found, used.displacement_um)
            reason += f"; {displacement_um:.0f} um is in zone {found} ({range_text}), which counts"
    severity = _SEVERITY_OF_ZONE[found]
    if reference_mm_s is not None and significant_change(velocity_mm_s, reference_mm_s, used):
        reason += f"; changed by {velocity_mm_s - reference_mm_s:+.2f} mm/s, which is significant"
        if severity is Severity.GOOD:
            severity = Severity.WATCH
    return SeverityRating(severity, found, velocity_mm_s, used, group, reason)


def _why_not_rated(
    velocity_mm_s: float,
    rated_power_kw: float | None,
    foundation: str | None,
    *,
    shaft_hz: float | None,
    steady: bool,
    band_hz: tuple[float, float],
) -> str:
    """The first reason why the standard does not apply; empty where it does."""
    if not np.isfinite(velocity_mm_s):
        return f"velocity over {band_hz[0]:g}-{band_hz[1]:g} Hz cannot be stated from these samples"
    if rated_power_kw is None:
        return "rated power is unknown"
    if machine_group(rated_power_kw) is None:
        least, most = POWER_RANGE_KW
        return (
            f"rated power of {rated_power_kw:g} kW is outside ISO 20816-3 (above {least:g} kW, up to "
            f"{most / 1000.0:g} MW)"
        )
    if foundation is None:
        return "it is unknown whether the foundation is rigid or flexible"
    wrong_speed = "" if shaft_hz is None else _why_speed_excludes(shaft_hz * 60.0, band_hz)
    return wrong_speed or ("" if steady else "the machine is not in a steady state")


def _why_speed_excludes(speed_rpm: float, band_hz: tuple[float, float]) -> str:
    slowest, fastest = SPEED_RANGE_RPM
    if not slowest <= speed_rpm <= fastest:
        return f"{speed_rpm:.0f} r/min is outside ISO 20816-3 ({slowest:.0f} to {fastest:.0f} r/min)"
    if speed_rpm < SLOW_BELOW_RPM and band_hz[0] > SLOW_BAND_HZ[0]:
        return f"at {speed_rpm:.0f} r/min velocity would be needed from 2 Hz, not from {band_hz[0]:g} Hz"
    return ""


def _support(foundation: str) -> Support:
    try:
        return Support(foundation)
    except ValueError:
        raise DspError(f"foundation is {foundation!r}; 'rigid' or 'flexible' is needed") from None


def _zone(value: float, limits: tuple[float, float, float]) -> Zone:
    for found, limit in zip((Zone.A, Zone.B, Zone.C), limits, strict=True):
        if value <= limit:
            return found
    return Zone.D


def _range_text(found: Zone, limits: tuple[float, float, float]) -> str:
    a_b, b_c, c_d = limits
    return {
        Zone.A: f"up to {a_b:g}",
        Zone.B: f"{a_b:g} to {b_c:g}",
        Zone.C: f"{b_c:g} to {c_d:g}",
        Zone.D: f"above {c_d:g}",
    }[found]
