"""Zone limits of ISO 20816-3 as data: for whom they hold, where they are from, and how to state others.

Duty: the table and its scope. Rating a value by it is `dsp.severity`'s. Limits that were agreed for one
machine (acceptance by contract, a maker's sheet, a bought copy of the standard that differs) replace these
in the configuration, with their own source.

How far they were checked: at second hand. The standard is not public and was not read. All 24 figures,
velocity and displacement, were held against independent public transcriptions of tables A.1 and A.2 of ISO
10816-3:2009, which agree figure by figure (velocity: five of them, and a maker of controllers for one row;
displacement: one, and each is its velocity limit at 12.5 Hz (group 1) or 10 Hz (group 2), which a test holds
it to); other pages on the web give other figures. What ISO 20816-3:2022 changed is told in two ways: nothing
in these limits, or that zones A and B became one. Pumps with an impeller on the shaft are said to be out of
its scope (ISO 10816-7 rates them). Compare with a bought copy before a machine is accepted by these limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from dsp.errors import DspError


class MachineGroup(StrEnum):
    """Groups of ISO 20816-3 by rated power (the alternative by shaft height is not used)."""

    GROUP_1 = "group 1"  # above 300 kW, up to 50 MW
    GROUP_2 = "group 2"  # above 15 kW, up to 300 kW


class Support(StrEnum):
    """Foundation classes of ISO 20816-3; the words of `models.machine.Foundation`."""

    RIGID = "rigid"
    FLEXIBLE = "flexible"


PUBLIC_SUMMARIES: Final = (
    "ISO 10816-3:2009, tables A.1 and A.2, checked at second hand against public transcriptions; "
    "said to stand in ISO 20816-3:2022"
)


@dataclass(frozen=True, slots=True)
class ZoneLimits:
    """Upper limits of zones A, B and C: velocity RMS in mm/s, and displacement RMS in um where stated.

    Raises DspError unless the limits rise from zone to zone.
    """

    a_b_mm_s: float
    b_c_mm_s: float
    c_d_mm_s: float
    displacement_um: tuple[float, float, float] | None = None  # A/B, B/C, C/D
    source: str = PUBLIC_SUMMARIES

    def __post_init__(self) -> None:
        for name, limits in (("velocity", self.velocity_mm_s), ("displacement", self.displacement_um)):
            if limits is not None and not 0.0 < limits[0] < limits[1] < limits[2] < float("inf"):
                raise DspError(f"{name} limits {limits}: A/B, B/C, C/D must rise, all above 0")

    @property
    def velocity_mm_s(self) -> tuple[float, float, float]:
        """A/B, B/C and C/D, mm/s."""
        return self.a_b_mm_s, self.b_c_mm_s, self.c_d_mm_s


ZONE_LIMITS: Final[dict[tuple[MachineGroup, Support], ZoneLimits]] = {
    (MachineGroup.GROUP_1, Support.RIGID): ZoneLimits(2.3, 4.5, 7.1, (29.0, 57.0, 90.0)),
    (MachineGroup.GROUP_1, Support.FLEXIBLE): ZoneLimits(3.5, 7.1, 11.0, (45.0, 90.0, 140.0)),
    (MachineGroup.GROUP_2, Support.RIGID): ZoneLimits(1.4, 2.8, 4.5, (22.0, 45.0, 71.0)),
    (MachineGroup.GROUP_2, Support.FLEXIBLE): ZoneLimits(2.3, 4.5, 7.1, (37.0, 71.0, 113.0)),
}

# Scope. Rated power, kW: above, up to and including. The upper speed is ISO 10816-3's; summaries of ISO
# 20816-3 also name 30 000 r/min.
POWER_RANGE_KW: Final = (15.0, 50_000.0)
LARGE_POWER_KW: Final = 300.0
SPEED_RANGE_RPM: Final = (120.0, 15_000.0)
# Below this speed the measured band begins at 2 Hz instead of 10 Hz.
SLOW_BELOW_RPM: Final = 600.0
# Share of the B/C limit that a change must pass to be significant (criterion II).
SIGNIFICANT_CHANGE: Final = 0.25


def machine_group(rated_power_kw: float | None) -> MachineGroup | None:
    """Group by rated power: above 300 kW (to 50 MW) group 1, above 15 kW group 2, else None."""
    least, most = POWER_RANGE_KW
    if rated_power_kw is None or not least < rated_power_kw <= most:
        return None
    return MachineGroup.GROUP_1 if rated_power_kw > LARGE_POWER_KW else MachineGroup.GROUP_2
