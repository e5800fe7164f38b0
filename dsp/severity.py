"""Vibration severity after ISO 20816: velocity RMS, evaluation zones, significant change.

Duty: broadband velocity of a window, which zone a machine's velocity falls in, and whether it changed
significantly. It says nothing where the standard says nothing, and it raises no alarm.

The limits are those of ISO 10816-3:2009, which public summaries state as still standing in ISO 20816-3. The
standard itself is not public, copies on the web contradict each other in places: whoever accepts a machine by
these figures compares the table with a bought copy first.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from dsp.conditioning import WindowFunction, taper, without_mean
from dsp.errors import DspError
from dsp.samples import Float64Array

VELOCITY_BAND_HZ = (10.0, 1000.0)
VELOCITY_MIN_DURATION_S = 1.0
# Share of the B/C limit that a change must pass to be significant (criterion II).
SIGNIFICANT_CHANGE = 0.25
# A machine below 600 r/min needs velocity from 2 Hz, which a band from 10 Hz does not hold.
MIN_SHAFT_HZ = 10.0
_USABLE_SHARE_OF_RATE = 0.45
_MM_PER_M = 1000.0
# The Hann window spreads a tone over two bins on either side; so many beyond each edge keep a tone at the
# very edge whole, as ISO 2954 wants it (0.8 to 1.1 at 10 and 1000 Hz).
_EDGE_BINS = 2


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


class MachineGroup(StrEnum):
    """Groups of ISO 20816-3 by rated power (the alternative by shaft height is not used)."""

    GROUP_1 = "group 1"  # above 300 kW, up to 50 MW
    GROUP_2 = "group 2"  # above 15 kW, up to 300 kW


class Support(StrEnum):
    """Foundation classes of ISO 20816-3; the words of `models.machine.Foundation`."""

    RIGID = "rigid"
    FLEXIBLE = "flexible"


@dataclass(frozen=True, slots=True)
class ZoneLimits:
    """Upper limits of zones A, B and C: velocity RMS, mm/s."""

    a_b_mm_s: float
    b_c_mm_s: float
    c_d_mm_s: float


@dataclass(frozen=True, slots=True)
class SeverityRating:
    """What a machine's velocity is worth, and by which limits; `reason` is a sentence for people."""

    severity: Severity
    zone: Zone | None  # None where not rated
    velocity_mm_s: float  # NaN where it could not be stated
    limits: ZoneLimits | None
    group: MachineGroup | None
    reason: str


# ISO 20816-3 (limits as in ISO 10816-3:2009, tables A.1 and A.2), by public summaries; see above.
ZONE_LIMITS: dict[tuple[MachineGroup, Support], ZoneLimits] = {
    (MachineGroup.GROUP_1, Support.RIGID): ZoneLimits(2.3, 4.5, 7.1),
    (MachineGroup.GROUP_1, Support.FLEXIBLE): ZoneLimits(3.5, 7.1, 11.0),
    (MachineGroup.GROUP_2, Support.RIGID): ZoneLimits(1.4, 2.8, 4.5),
    (MachineGroup.GROUP_2, Support.FLEXIBLE): ZoneLimits(2.3, 4.5, 7.1),
}
_SEVERITY_OF_ZONE = {
    Zone.A: Severity.GOOD,
    Zone.B: Severity.GOOD,
    Zone.C: Severity.WARN,
    Zone.D: Severity.STOP,
}


def velocity_statable(sample_rate_hz: float, window_samples: int) -> bool:
    """Whether a window can state velocity over 10-1000 Hz: 1 s or longer, and 1000 Hz below 0.45 x rate."""
    long_enough = window_samples >= VELOCITY_MIN_DURATION_S * sample_rate_hz * (1.0 - 1e-3)
    return long_enough and VELOCITY_BAND_HZ[1] <= _USABLE_SHARE_OF_RATE * sample_rate_hz


def velocity_rms_mm_s(power: Float64Array, step_hz: Float64Array) -> Float64Array:
    """Velocity RMS over 10-1000 Hz, mm/s `(n_windows,)`, from mean square acceleration per bin.

    `power` `(n_windows, n_bins)` is one-sided, (m/s2)^2, of Hann-windowed rows; `step_hz` `(n_windows,)` the
    distance of the bins. Integration in the frequency domain, v = 1000 sqrt(sum power / (2 pi f)^2), the sum
    running to two bins beyond both edges of the band.
    """
    step = float(np.mean(step_hz))
    first = max(1, int(np.ceil(VELOCITY_BAND_HZ[0] / step)) - _EDGE_BINS)
    last = min(power.shape[1] - 1, int(np.floor(VELOCITY_BAND_HZ[1] / step)) + _EDGE_BINS)
    orders = np.arange(first, last + 1)
    sums = power[:, first : last + 1] @ (1.0 / (2.0 * np.pi * orders) ** 2)
    return np.asarray(_MM_PER_M * np.sqrt(sums) / step_hz, np.float64)


def velocity_rms(samples: npt.ArrayLike, sample_rate_hz: float) -> float:
    """Velocity RMS over 10-1000 Hz, mm/s, of one stretch of acceleration `(n_samples,)` in m/s2.

    NaN where it cannot be stated: shorter than 1 s, 1000 Hz above 0.45 x rate, or a sample not finite.
    """
    values = np.asarray(samples, np.float64)
    if values.ndim != 1:
        raise DspError(f"samples have shape {values.shape}; (n_samples,) is needed")
    n_samples = len(values)
    if not velocity_statable(sample_rate_hz, n_samples) or not np.isfinite(values).all():
        return float("nan")
    window = taper(WindowFunction.HANN, n_samples).values
    spectrum = np.fft.rfft(without_mean(values) * window)
    power = 2.0 * np.abs(spectrum[np.newaxis, :]) ** 2 / (n_samples * float(window @ window))
    return float(velocity_rms_mm_s(power, np.array([sample_rate_hz / n_samples]))[0])


def machine_group(rated_power_kw: float | None) -> MachineGroup | None:
    """Group by rated power: above 300 kW (to 50 MW) group 1, above 15 kW group 2, else None."""
    if rated_power_kw is None or not 15.0 < rated_power_kw <= 50_000.0:
        return None
    return MachineGroup.GROUP_1 if rated_power_kw > 300.0 else MachineGroup.GROUP_2


def zone(velocity_mm_s: float, limits: ZoneLimits) -> Zone:
    """Zone of a velocity; a value on a limit still belongs to the better zone."""
    if velocity_mm_s <= limits.a_b_mm_s:
        return Zone.A
    if velocity_mm_s <= limits.b_c_mm_s:
        return Zone.B
    return Zone.C if velocity_mm_s <= limits.c_d_mm_s else Zone.D


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
) -> SeverityRating:
    """Severity of one velocity RMS (10-1000 Hz, mm/s) after ISO 20816-3, criteria I and II.

    `foundation` is "rigid" or "flexible"; `reference_mm_s` the velocity in good condition at the same
    operating state, for criterion II; `shaft_hz` the shaft's speed where known; `steady` is False in run-up
    and coast-down. Not rated, with the reason, where power or foundation is unknown, power is outside 15 kW
    to 50 MW, the shaft runs below 600 r/min, the machine is not steady, or velocity is not a finite number.
    Raises DspError for another foundation or a negative velocity.
    """
    if velocity_mm_s < 0.0:
        raise DspError(f"velocity_mm_s is {velocity_mm_s}; an RMS value is 0 or more")
    group = machine_group(rated_power_kw)
    reason = _why_not_rated(velocity_mm_s, rated_power_kw, foundation, shaft_hz, steady)
    if reason or group is None or foundation is None:
        return SeverityRating(Severity.NOT_RATED, None, velocity_mm_s, None, group, reason)
    limits = ZONE_LIMITS[group, _support(foundation)]
    found = zone(velocity_mm_s, limits)
    severity = _SEVERITY_OF_ZONE[found]
    reason = f"{velocity_mm_s:.2f} mm/s is in zone {found} ({_range_text(found, limits)})"
    if reference_mm_s is not None and significant_change(velocity_mm_s, reference_mm_s, limits):
        reason += f"; changed by {velocity_mm_s - reference_mm_s:+.2f} mm/s, which is significant"
        if severity is Severity.GOOD:
            severity = Severity.WATCH
    return SeverityRating(severity, found, velocity_mm_s, limits, group, reason)


def _why_not_rated(
    velocity_mm_s: float,
    rated_power_kw: float | None,
    foundation: str | None,
    shaft_hz: float | None,
    steady: bool,
) -> str:
    """The first reason why the standard does not apply; empty where it does."""
    if not np.isfinite(velocity_mm_s):
        return "velocity over 10-1000 Hz cannot be stated from these samples"
    if rated_power_kw is None:
        return "rated power is unknown"
    if machine_group(rated_power_kw) is None:
        return f"rated power of {rated_power_kw:g} kW is outside ISO 20816-3 (above 15 kW, up to 50 MW)"
    if foundation is None:
        return "it is unknown whether the foundation is rigid or flexible"
    if shaft_hz is not None and shaft_hz < MIN_SHAFT_HZ:
        return f"at {shaft_hz * 60.0:.0f} r/min velocity would be needed from 2 Hz, not from 10 Hz"
    return "" if steady else "the machine is not in a steady state"


def _support(foundation: str) -> Support:
    try:
        return Support(foundation)
    except ValueError:
        raise DspError(f"foundation is {foundation!r}; 'rigid' or 'flexible' is needed") from None


def _range_text(found: Zone, limits: ZoneLimits) -> str:
    if found is Zone.A:
        return f"up to {limits.a_b_mm_s:g}"
    if found is Zone.D:
        return f"above {limits.c_d_mm_s:g}"
    lower, upper = (
        (limits.a_b_mm_s, limits.b_c_mm_s) if found is Zone.B else (limits.b_c_mm_s, limits.c_d_mm_s)
    )
    return f"{lower:g} to {upper:g}"
